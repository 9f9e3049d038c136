"""A speech service on the web: one request, answered by sound or by an error whose class decides."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx

from podcasting.errors import AirdateError, Permanent, Retryable, Throttled
from podcasting.providers.feeds.fetch import retry_after
from podcasting.redaction import HIDDEN

LARGEST_REPLY = 64 * 2**20
"""Bytes: twenty minutes of what is asked for, base64 and all; the longest text asked for takes some three."""
OUT_OF_MONEY = frozenset({"insufficient_quota", "quota_exceeded", "billing_hard_limit_reached", "payment_required"})
"""Codes by which OpenAI and ElevenLabs say that the account is empty: waiting does not fill it.

https://developers.openai.com/api/docs/guides/error-codes, https://elevenlabs.io/docs/eleven-api/resources/errors
"""
WRONG_KEY = frozenset({"invalid_api_key", "api_key_invalid", "missing_api_key", "account_deactivated"})
_SHOWN = 300
"""Characters of an answer that an error quotes."""
_PASSING = frozenset({408, 409, 425})
"""Refusals that say "not now": the request timed out, met another, or came too early (RFC 9110, RFC 8470)."""


class Reply(NamedTuple):
    """What a service answered to a request that it carried out."""

    content_type: str
    """In lower case, with its parameters."""
    body: bytes

    @property
    def media_type(self) -> str:
        """Without parameters: ``audio/wav``."""
        return self.content_type.partition(";")[0].strip()


class SpeechService:
    """Asks one service; several threads may at once. Redirects are not followed: they would carry the key along."""

    def __init__(
        self, name: str, url: str, *, headers: Mapping[str, str], key: str, key_variable: str, timeout_seconds: float
    ) -> None:
        self.name = name
        self._url = url.rstrip("/")
        self._key = key
        self._key_variable = key_variable
        self._timeout = timeout_seconds
        # What is asked for is not compressible, and what is packed small may unpack large.
        self._headers = {**headers, "Accept-Encoding": "identity"}
        self._tls = httpx.create_ssl_context()

    def ask(self, method: str, path: str, *, content: Any = None, query: Mapping[str, str] | None = None) -> Reply:
        """Send one request, with ``content`` as JSON.

        Raises:
            Throttled: the service asked us to slow down; ``after`` as it said, if it did.
            Retryable: no connection, out of time, cut short, too much, or the service failed (5xx).
            Permanent: the key, the account, the address or what was asked for is refused; names the variable or field.
        """
        ends = time.monotonic() + self._timeout
        try:
            # A connection for each: beside seconds of synthesis it costs nothing, and one that is kept may have been
            # closed by the other side meanwhile, which is found out by the next request.
            with (
                httpx.Client(headers=self._headers, timeout=self._timeout, verify=self._tls) as client,
                client.stream(method, f"{self._url}{path}", json=content, params=query) as response,
            ):
                body = self._read(response, ends)
        except httpx.TimeoutException as error:
            raise self._late() from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
            raise Permanent(
                f"{self.name}: {self._url!r} is no address that can be asked ({error}); correct it"
            ) from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Retryable(f"{self.name} at {self._url} broke off: {error or type(error).__name__}") from error
        if not response.is_success:
            raise self._refusal(response, body)
        return Reply(response.headers.get("content-type", "").lower(), body)

    def want(self, reply: Reply, kinds: tuple[str, ...]) -> None:
        """See that a reply's media type begins with one of ``kinds``: a proxy may answer 200 with a page of its own.

        Raises:
            Retryable: it does not.
        """
        if not reply.media_type.startswith(kinds):
            raise Retryable(
                f"{self.name} answered with {reply.media_type or 'no media type'} where {' or '.join(kinds)} is "
                f"expected: {self._hidden(reply.body[:200].decode('utf-8', 'replace'))!r}"
            )

    def _read(self, response: httpx.Response, ends: float) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > LARGEST_REPLY:
                raise Retryable(f"{self.name} sent more than {LARGEST_REPLY} bytes")
            if time.monotonic() > ends:  # one that dribbles never runs into the time limit of a single read
                raise self._late()
        return bytes(body)

    def _late(self) -> Retryable:
        return Retryable(f"{self.name} did not answer within {self._timeout:g} s (AIRDATE_PROVIDER_TIMEOUT)")

    def _refusal(self, response: httpx.Response, body: bytes) -> AirdateError:
        status = response.status_code
        codes, message, delay = _explained(body)
        said = f"{self.name} answered {status}: {self._hidden(message)}"
        asked = retry_after(response.headers.get("retry-after"), lambda: datetime.now(UTC))
        # Some say a wrong key by 400, and an empty account by 401 or 429.
        refused = self._fix(status, codes)
        if status == httpx.codes.TOO_MANY_REQUESTS and not codes & OUT_OF_MONEY:
            return Throttled(said, after=asked if asked is not None else delay)
        if status == httpx.codes.SERVICE_UNAVAILABLE and asked is not None:
            return Throttled(said, after=asked)
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or status in _PASSING:
            return Retryable(said, after=asked)
        return Permanent(f"{said}; {refused}")

    def _fix(self, status: int, codes: set[str]) -> str:
        if codes & OUT_OF_MONEY or status == httpx.codes.PAYMENT_REQUIRED:
            return f"add credit to the account of {self._key_variable}, then retry the episode"
        if codes & WRONG_KEY or status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            return f"set {self._key_variable} to a key that is active and may make speech"
        if httpx.codes.is_redirect(status):
            return f"{self._url} sends elsewhere: set the address at which it ends"
        if status == httpx.codes.NOT_FOUND:
            return f"correct the engine's model, the host's voice or the address {self._url}"
        return "correct the engine's model, the host's voice or the text"

    def _hidden(self, text: str) -> str:
        plain = " ".join(text.split())[:_SHOWN]
        return plain.replace(self._key, HIDDEN) if self._key else plain


def parsed(reply: Reply, who: str) -> Any:
    """The JSON that a service answered with.

    Raises:
        Retryable: it is none.
    """
    try:
        return json.loads(reply.body)
    except ValueError as error:
        raise Retryable(
            f"{who} answered with no JSON but {reply.media_type or 'something'} that begins {reply.body[:60]!r}"
        ) from error


def _explained(body: bytes) -> tuple[set[str], str, float | None]:
    """Codes, message, and the wait in seconds of an error as OpenAI, ElevenLabs and Google write it in JSON."""
    text = body[: 64 * 1024].decode("utf-8", "replace")
    try:
        told = json.loads(text)
    except ValueError:
        return set(), text, None
    inner = next((told[name] for name in ("error", "detail") if isinstance(told, dict) and told.get(name)), told)
    if not isinstance(inner, dict):
        return set(), inner if isinstance(inner, str) else json.dumps(inner), None
    details = [each for each in inner.get("details") or () if isinstance(each, dict)]
    named = [inner.get(name) for name in ("code", "status", "type")] + [each.get("reason") for each in details]
    waits = [str(each["retryDelay"]) for each in details if "retryDelay" in each]
    codes = {str(code).lower() for code in named if code is not None}
    message = inner.get("message")
    return codes, message if isinstance(message, str) and message else text, _seconds(waits[0]) if waits else None


def _seconds(duration: str) -> float | None:
    """Of a protobuf duration in JSON: ``38s``, ``0.5s``."""
    try:
        seconds = float(duration.removesuffix("s"))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None

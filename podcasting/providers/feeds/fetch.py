"""Reading a URL that others control: bounded in bytes and seconds, with errors whose class says what to do."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import NoReturn

import httpcore
import httpx

from podcasting.errors import Permanent, Retryable, Throttled
from podcasting.leave import still_given
from podcasting.providers.feeds import Validators
from podcasting.providers.feeds.compression import first_bytes, inflated
from podcasting.providers.feeds.guard import Deadline, GuardedNetwork, Resolve, system_resolver
from podcasting.providers.feeds.pace import Pace

USER_AGENT = "Airdate/0.1 (podcast maker; reads feeds and the pages they link to)"
Wanted = Callable[[str, str], bool]
"""Whether a body is to be read, given the URL that it comes from and its media type."""
MAX_REDIRECTS = 5
_MAY_PASS = frozenset({408, 425})  # RFC 9110, section 15.5.9 and RFC 8470: "the client may repeat the request"
_GONE = frozenset({404, 410})
_CLOSED = frozenset({401, 403})
_LONGEST_DELAY_DIGITS = 9
_LONGEST_VALIDATOR = 1_000
"""Characters: real ones have some forty, and most servers take no more than 8 KB of headers."""


@dataclass(frozen=True)
class Document:
    """Bytes as they were read, decompressed."""

    url: str
    """Where they came from at last, after redirects."""
    body: bytes
    media_type: str
    """Lower case, without parameters; empty when the server gave none."""
    charset: str | None
    validators: Validators


@dataclass(frozen=True)
class _Order:
    """What is asked for, and how it may be answered."""

    url: str
    shown: str
    accept: str
    validators: Validators | None
    wanted: Wanted
    before: Callable[[str], None]
    cut_at: int | None


class Fetcher:
    """Reads documents over HTTP. Safe to use from several threads: reads share their pace only."""

    def __init__(
        self,
        *,
        allowed_private_hosts: frozenset[str],
        max_bytes: int,
        timeout_seconds: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        resolve: Resolve = system_resolver,
        pace: Pace | None = None,
    ) -> None:
        """``timeout_seconds`` bounds a read as a whole: connecting, redirects and body, not the waits of ``pace``."""
        self._allowed = allowed_private_hosts
        self._max_bytes = max_bytes
        self._timeout = timeout_seconds
        self._now = now
        self._resolve = resolve
        self._pace = pace or Pace(0)

    def get(
        self,
        url: str,
        *,
        accept: str,
        validators: Validators | None = None,
        wanted: Wanted = lambda _url, _media_type: True,
        before: Callable[[str], None] = lambda _url: None,
        cut_at: int | None = None,
    ) -> Document | None:
        """The document at ``url``; None when it has not changed or is not ``wanted``.

        ``before`` is called with each address before it is asked, redirects too; what it raises ends the read.
        With ``cut_at``, no more than so many bytes are read, and a longer document is cut short.

        Raises:
            Retryable: no connection, no such name, out of time, cut short, or the server failed (5xx).
            Throttled: the server asked us to slow down.
            ProviderPaused: while this read waited its turn, others learnt that the server is not to be asked.
            Permanent: refused address or scheme, missing, closed to us, too large, redirected too often.
        """
        shown = without_credentials(url)
        try:
            return self._get(_Order(url, shown, accept, validators, wanted, before, cut_at))
        except httpcore.TimeoutException as error:
            raise Retryable(f"{shown} did not answer within {self._timeout:g} s") from error
        except httpcore.ConnectError as error:
            raise Retryable(f"{shown} can't be reached ({error})") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise Retryable(f"{shown} broke off while it was read ({error})") from error
        except httpx.RemoteProtocolError as error:
            raise Permanent(f"{shown} redirects to something that is no URL ({error})") from error
        except (httpx.InvalidURL, httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol, UnicodeError) as error:
            raise Permanent(f"{shown!r} is not a URL that can be read; correct it ({error})") from error

    def _get(self, order: _Order) -> Document | None:
        deadline = Deadline(time.monotonic() + self._timeout)
        network = GuardedNetwork(allowed_private_hosts=self._allowed, deadline=deadline, resolve=self._resolve)
        # No proxy, even if the environment names one: a proxy resolves names itself, so the check of
        # addresses would judge the proxy's and not the server's.
        with (
            _GuardedTransport(network, self._tls) as transport,
            httpx.Client(transport=transport, trust_env=False) as client,
        ):
            request = client.build_request("GET", order.url, headers=_headers(order.accept, order.validators))
            for _ in range(MAX_REDIRECTS + 1):
                self._wait_for_leave(request.url, order, deadline)
                response = self._sent(client, request, order)
                if response.next_request is None:
                    return self._read(response, order, deadline)
                # httpx, when it follows by itself, reads a redirect's body without a bound.
                response.close()
                request = response.next_request
        raise Permanent(f"{order.shown} redirects more than {MAX_REDIRECTS} times; use the address it ends at")

    @staticmethod
    def _sent(client: httpx.Client, request: httpx.Request, order: _Order) -> httpx.Response:
        try:
            return client.send(request, stream=True)
        except (Permanent, Retryable) as refusal:
            if request.url == httpx.URL(order.url):
                raise
            # Told of an address that nobody has given, it would not say whose it is.
            kind = Permanent if isinstance(refusal, Permanent) else Retryable
            raise kind(f"{order.shown} redirects to what can't be read: {refusal}") from refusal

    def _wait_for_leave(self, url: httpx.URL, order: _Order, deadline: Deadline) -> None:
        began = time.monotonic()
        if url.scheme in {"http", "https"}:  # others are refused when they are sent
            order.before(str(url))
            if self._pace.wait(url.netloc.decode("ascii").lower()):
                still_given()
        deadline.at += time.monotonic() - began

    def _read(self, response: httpx.Response, order: _Order, deadline: Deadline) -> Document | None:
        if response.status_code == httpx.codes.NOT_MODIFIED and order.validators is not None:
            return None
        if not response.is_success:
            self._refuse(response, order.shown)
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        began = time.monotonic()
        is_wanted = order.wanted(str(response.url), media_type)
        deadline.at += time.monotonic() - began
        if not is_wanted:
            return None
        chunks = _decompressed(response, order.shown)
        body = first_bytes(chunks, order.cut_at) if order.cut_at else b"".join(self._within_limit(chunks, order.shown))
        return Document(
            url=str(response.url),
            body=body,
            media_type=media_type,
            charset=response.charset_encoding,
            validators=Validators(
                etag=_returnable(response.headers.get("etag")),
                last_modified=_returnable(response.headers.get("last-modified")),
            ),
        )

    def _within_limit(self, chunks: Iterable[bytes], shown: str) -> Iterator[bytes]:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > self._max_bytes:
                raise Permanent(too_large(shown, self._max_bytes))
            yield chunk

    def _refuse(self, response: httpx.Response, shown: str) -> NoReturn:
        status = response.status_code
        said = f"{shown} answered {status} {response.reason_phrase}".strip()
        delay = retry_after(response.headers.get("retry-after"), self._now)
        if status == httpx.codes.TOO_MANY_REQUESTS or (status == httpx.codes.SERVICE_UNAVAILABLE and delay is not None):
            raise Throttled(f"{said}: it asks us to slow down", after=delay)
        if response.is_server_error or status in _MAY_PASS:
            raise Retryable(said, after=delay)
        if status in _GONE:
            raise Permanent(f"{said}: nothing is there; correct the address or remove the source")
        if status in _CLOSED:
            raise Permanent(f"{said}: it is not open to us; use an address that needs no login")
        raise Permanent(said)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # The environment may name a company's own authorities (SSL_CERT_FILE); reading them is slow.
        return httpx.create_ssl_context()


class _GuardedTransport(httpx.BaseTransport):
    """httpx over the guarded network, for http and https only (a redirect may name anything)."""

    def __init__(self, network: GuardedNetwork, tls: ssl.SSLContext) -> None:
        self._pool = httpcore.ConnectionPool(ssl_context=tls, network_backend=network)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.scheme not in {"http", "https"}:
            raise Permanent(f"{without_credentials(str(request.url))} is not read: only http and https are")
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
            )
        )
        return httpx.Response(
            status_code=answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


def _headers(accept: str, validators: Validators | None) -> dict[str, str]:
    # Only gzip: it is the one that can be decompressed piece by piece under a bound.
    headers = {"user-agent": USER_AGENT, "accept": accept, "accept-encoding": "gzip"}
    if validators is not None and (etag := _returnable(validators.etag)):
        headers["if-none-match"] = etag
    if validators is not None and (last_modified := _returnable(validators.last_modified)):
        headers["if-modified-since"] = last_modified
    return headers


def _returnable(value: str | None) -> str | None:
    """A validator that may be kept and sent back. Others could not be sent, and every later read would fail of it."""
    sound = value is not None and len(value) <= _LONGEST_VALIDATOR and value.isascii() and value.isprintable()
    return value if sound else None


def _decompressed(response: httpx.Response, shown: str) -> Iterator[bytes]:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"", "identity"}:
        yield from response.iter_raw()
    elif encoding in {"gzip", "x-gzip", "deflate"}:
        yield from inflated(response.iter_raw(), shown)
    else:
        raise Permanent(f"{shown} is encoded as {encoding[:40]!r}, which was not asked for; serve it plain or as gzip")


def gunzipped(document: Document, *, max_bytes: int) -> Document:
    """``document`` with its body unpacked, if that is a gzip file (as many sitemaps are).

    Raises:
        Permanent: it holds more than ``max_bytes``, or is damaged.
    """
    if not document.body.startswith(b"\x1f\x8b"):
        return document
    shown = without_credentials(document.url)
    body = bytearray()
    try:
        for piece in inflated(iter((document.body,)), shown):
            body += piece
            if len(body) > max_bytes:
                raise Permanent(too_large(shown, max_bytes))
    except Retryable as error:
        raise Permanent(f"{shown} is a damaged gzip file; mend it ({error})") from error
    return replace(document, body=bytes(body))


def retry_after(value: str | None, now: Callable[[], datetime]) -> float | None:
    """The wait in seconds that a Retry-After header asks for (RFC 9110, section 10.2.3), or None.

    The header holds seconds or an HTTP date; one in the past means 0.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value) if len(value) <= _LONGEST_DELAY_DIGITS else None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now()).total_seconds())


def too_large(shown: str, max_bytes: int) -> str:
    """What is said of a document over the limit."""
    return (
        f"{shown} is larger than the limit of {max_bytes:,} bytes; use a smaller one, or raise AIRDATE_FETCH_MAX_BYTES"
    )


def without_credentials(url: str) -> str:
    """``url`` as it may be shown: without user name and password, on one line, at most 300 characters."""
    scheme, separator, rest = url.partition("://")
    if separator:
        authority, slash, tail = rest.partition("/")
        rest = authority.rpartition("@")[2] + slash + tail
    shown = "".join(letter if letter.isprintable() else "?" for letter in scheme + separator + rest)
    return shown if len(shown) <= 300 else shown[:299] + "…"  # noqa: PLR2004 - stated above

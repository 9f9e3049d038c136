"""Reading a URL that others control: bounded in bytes and seconds, with errors whose class says what to do."""

from __future__ import annotations

import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import NoReturn

import httpcore
import httpx

from podcasting.errors import Permanent, Retryable, Throttled
from podcasting.providers.feeds import Validators
from podcasting.providers.feeds.guard import GuardedNetwork, Resolve, system_resolver

USER_AGENT = "Airdate/0.1 (podcast maker; reads feeds and the pages they link to)"
MAX_REDIRECTS = 5
_CHUNK_BYTES = 64 * 1024
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


class Fetcher:
    """Reads documents over HTTP. Safe to use from several threads: it shares nothing between reads."""

    def __init__(
        self,
        *,
        allowed_private_hosts: frozenset[str],
        max_bytes: int,
        timeout_seconds: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        resolve: Resolve = system_resolver,
    ) -> None:
        """``timeout_seconds`` bounds a read as a whole: connecting, redirects and body."""
        self._allowed = allowed_private_hosts
        self._max_bytes = max_bytes
        self._timeout = timeout_seconds
        self._now = now
        self._resolve = resolve

    def get(
        self,
        url: str,
        *,
        accept: str,
        validators: Validators | None = None,
        wanted: Callable[[str], bool] = lambda _: True,
    ) -> Document | None:
        """The document at ``url``; None when it has not changed or its media type is not ``wanted``.

        Raises:
            Retryable: no connection, no such name, out of time, cut short, or the server failed (5xx).
            Throttled: the server asked us to slow down.
            Permanent: refused address or scheme, missing, closed to us, too large, redirected too often.
        """
        shown = without_credentials(url)
        try:
            return self._get(url, shown, accept, validators, wanted)
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

    def _get(
        self, url: str, shown: str, accept: str, validators: Validators | None, wanted: Callable[[str], bool]
    ) -> Document | None:
        network = GuardedNetwork(
            allowed_private_hosts=self._allowed, deadline=time.monotonic() + self._timeout, resolve=self._resolve
        )
        # No proxy, even if the environment names one: a proxy resolves names itself, so the check of
        # addresses would judge the proxy's and not the server's.
        with (
            _GuardedTransport(network, self._tls) as transport,
            httpx.Client(transport=transport, trust_env=False) as client,
        ):
            request = client.build_request("GET", url, headers=_headers(accept, validators))
            for _ in range(MAX_REDIRECTS + 1):
                response = client.send(request, stream=True)
                if response.next_request is None:
                    return self._read(response, shown, validators, wanted)
                # httpx, when it follows by itself, reads a redirect's body without a bound.
                response.close()
                request = response.next_request
        raise Permanent(f"{shown} redirects more than {MAX_REDIRECTS} times; use the address it ends at")

    def _read(
        self, response: httpx.Response, shown: str, validators: Validators | None, wanted: Callable[[str], bool]
    ) -> Document | None:
        if response.status_code == httpx.codes.NOT_MODIFIED and validators is not None:
            return None
        if not response.is_success:
            self._refuse(response, shown)
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not wanted(media_type):
            return None
        body = b"".join(self._within_limit(_decompressed(response, shown), shown))
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
        yield from _inflated(response.iter_raw(), shown)
    else:
        raise Permanent(f"{shown} is encoded as {encoding[:40]!r}, which was not asked for; serve it plain or as gzip")


def _inflated(chunks: Iterator[bytes], shown: str) -> Iterator[bytes]:
    """gzip or zlib data in pieces of bounded size, so that a bomb is noticed before it has gone off."""
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: find out whether it is gzip or zlib
    try:
        for chunk in chunks:
            pending = chunk
            while pending:
                yield inflater.decompress(pending, _CHUNK_BYTES)
                pending = inflater.unconsumed_tail
            if inflater.eof:
                return
        while rest := inflater.decompress(b"", _CHUNK_BYTES):
            yield rest
    except zlib.error as error:
        raise Retryable(f"{shown} sent damaged compressed data ({error})") from error
    if not inflater.eof:
        raise Retryable(f"{shown} broke off while it was read (its compressed data ends early)")


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
    return f"{shown} is larger than the limit of {max_bytes:,} bytes; use a smaller feed or page"


def without_credentials(url: str) -> str:
    """``url`` as it may be shown: without user name and password, on one line, at most 300 characters."""
    scheme, separator, rest = url.partition("://")
    if separator:
        authority, slash, tail = rest.partition("/")
        rest = authority.rpartition("@")[2] + slash + tail
    shown = "".join(letter if letter.isprintable() else "?" for letter in scheme + separator + rest)
    return shown if len(shown) <= 300 else shown[:299] + "…"  # noqa: PLR2004 - stated above

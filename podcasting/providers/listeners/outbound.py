"""Asking an address that a podcast's owner gave: one request, bounded in bytes and seconds, to no private address.

Redirects are not followed: what was checked is what is asked, and a POST that moves is a receiver to be corrected.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from html import unescape
from http import HTTPStatus
from typing import NoReturn
from urllib.parse import urlsplit

import httpcore

from podcasting.announcing import shown_address
from podcasting.errors import Permanent, Retryable, Throttled
from podcasting.providers.feeds.fetch import retry_after
from podcasting.providers.feeds.guard import Deadline, GuardedNetwork, Resolve, system_resolver
from podcasting.providers.listeners import Gone

USER_AGENT = "Airdate/0.1 (podcast maker; tells of new episodes)"
MOST_BYTES = 64 * 1024
"""Of an answer, which says nothing we need; more than this is a receiver gone wrong, and is not read."""
LONGEST_SAID = 120
"""Characters of an answer that are kept for people."""
PAGE_TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)
MAY_PASS = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})


@dataclass(frozen=True)
class Answer:
    """What was answered."""

    status: int
    text: str
    """The beginning of its body, in one line; of a web page, its title."""


@dataclass(frozen=True)
class Outbound:
    """Asks web addresses. Safe to use from several threads: it shares nothing between requests."""

    allowed_private_hosts: frozenset[str]
    timeout_seconds: float
    """Of a request as a whole, from connecting to the last byte of its answer."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    resolve: Resolve = system_resolver

    def ask(self, method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> Answer:
        """Ask once; what it answered, if that means success (2xx).

        Raises:
            Gone: it answered 410.
            Retryable: no connection, no such name, out of time, cut short, or the server failed (5xx, 408, 425).
            Throttled: it asked us to slow down (429, or 503 with Retry-After).
            Permanent: a private address, a redirect, or any other refusal.
        """
        shown = shown_address(url)
        network = GuardedNetwork(
            allowed_private_hosts=self.allowed_private_hosts,
            deadline=Deadline(time.monotonic() + self.timeout_seconds),
            resolve=self.resolve,
        )
        sent = {"host": urlsplit(url).netloc.rpartition("@")[2], "user-agent": USER_AGENT, **headers}
        try:
            with (
                httpcore.ConnectionPool(ssl_context=self._tls, network_backend=network) as pool,
                pool.stream(
                    method,
                    url,
                    headers=[(name.encode(), value.encode()) for name, value in sent.items()],
                    content=content,
                ) as response,
            ):
                answer = Answer(response.status, _beginning(response))
                if HTTPStatus(200) <= response.status < HTTPStatus(300):
                    return answer
                self._refuse(answer, response, shown)
        except httpcore.TimeoutException as error:
            raise Retryable(f"{shown} did not answer within {self.timeout_seconds:g} s") from error
        except httpcore.ConnectError as error:
            raise Retryable(f"{shown} can't be reached ({error})") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise Retryable(f"{shown} broke off before it had answered ({error})") from error
        except (httpcore.UnsupportedProtocol, UnicodeError, ValueError) as error:
            raise Permanent(f"{shown} is no address that can be asked; correct it ({error})") from error

    def _refuse(self, answer: Answer, response: httpcore.Response, shown: str) -> NoReturn:
        status = answer.status
        said = f"{shown} answered {status}" + (f": {answer.text}" if answer.text else "")
        headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
        delay = retry_after(headers.get(b"retry-after"), self.now)
        if status == HTTPStatus.GONE:
            raise Gone(f"{shown} answered 410: it wants to be told no more")
        if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.SERVICE_UNAVAILABLE and delay is not None):
            raise Throttled(f"{said}: it asks us to slow down", after=delay)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in MAY_PASS:
            raise Retryable(said, after=delay)
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise Permanent(f"{shown} answered {status}: redirects are not followed; give the address it leads to")
        raise Permanent(said)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        import httpx  # reads a company's own authorities (SSL_CERT_FILE)

        return httpx.create_ssl_context()


def host_of(url: str) -> str:
    """The host of a web address, with its port if it names one, as a breaker is named by it."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def _beginning(response: httpcore.Response) -> str:
    """The first of the body. What it said counts, however the body ends: the status was read."""
    body = b""
    with suppress(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > MOST_BYTES:
                break
    text = "".join(letter if letter.isprintable() else " " for letter in body[:1000].decode("utf-8", "replace")).strip()
    if text.startswith("<"):
        titled = PAGE_TITLE.search(text)
        text = unescape(titled[1]) if titled else ""
    return " ".join(text.split())[:LONGEST_SAID]

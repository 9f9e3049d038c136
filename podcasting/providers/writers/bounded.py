"""The HTTP client that models are asked with: bounded in bytes and seconds, and strict about what an answer is."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from functools import cache

import httpx2

MOST_BYTES = 8 * 1024 * 1024
"""Of an answer, as it comes over the wire: a script of two hours is a hundredth of it."""
LONGEST_CONNECT = 10.0
"""Seconds."""
_REPLIED = 200


class Unreadable(httpx2.TransportError):
    """What came is no answer of a model: as good as none."""


def client(timeout_seconds: float) -> httpx2.AsyncClient:
    """A client for one script; to be entered, and closed with it.

    An answer of more than ``MOST_BYTES``, or one that is not JSON, raises ``Unreadable``, which the providers'
    libraries take for a lost connection. It asks for no compression, so that bytes are counted as they are.
    """
    return httpx2.AsyncClient(
        verify=_trusted(),
        timeout=httpx2.Timeout(timeout_seconds, connect=min(timeout_seconds, LONGEST_CONNECT)),
        headers={"Accept-Encoding": "identity"},
        follow_redirects=False,
        event_hooks={"response": [_bounded]},
    )


@cache
def _trusted() -> ssl.SSLContext:
    """Whom to trust; to read it takes longer than all else that a client needs."""
    return httpx2.create_ssl_context()


async def _bounded(response: httpx2.Response) -> None:
    if response.is_redirect:
        raise Unreadable(f"it sends us elsewhere ({response.status_code})", request=response.request)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status_code == _REPLIED and kind != "application/json":
        raise Unreadable(f"the answer is {kind or 'of no type'}, not application/json", request=response.request)
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise Unreadable("the answer is compressed, which nobody asked for", request=response.request)
    response.stream = _Counted(response.stream, response.request)


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, stream: object, request: httpx2.Request) -> None:
        self._stream = stream
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._stream:  # type: ignore[attr-defined]  # an async client's streams are async
            read += len(chunk)
            if read > MOST_BYTES:
                raise Unreadable(f"the answer has more than {MOST_BYTES:,} bytes", request=self._request)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()  # type: ignore[attr-defined]  # as above

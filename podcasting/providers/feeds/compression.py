"""Compressed data that others sent, unpacked piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from podcasting.errors import Retryable

_CHUNK_BYTES = 64 * 1024


def inflated(chunks: Iterator[bytes], shown: str) -> Iterator[bytes]:
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


def first_bytes(chunks: Iterator[bytes], most: int) -> bytes:
    """At most ``most`` bytes of what the chunks hold together."""
    body = bytearray()
    for chunk in chunks:
        body += chunk[: most - len(body)]
        if len(body) == most:
            break
    return bytes(body)

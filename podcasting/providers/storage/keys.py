"""What a storage key looks like: one rule for every store, so that what one keeps any other can."""

from __future__ import annotations

import re

SEGMENT = re.compile(r"[A-Za-z0-9._-]{1,200}", re.ASCII)
LONGEST_KEY = 900
"""Characters. S3 allows 1,024 bytes with the prefix, Linux 255 bytes a segment; temporary names need some of both."""


def is_key(key: str) -> bool:
    """Whether ``key`` is a relative POSIX path of ``[A-Za-z0-9._-]`` segments, none of them ``.`` or ``..``."""
    return len(key) <= LONGEST_KEY and all(
        SEGMENT.fullmatch(segment) and segment not in {".", ".."} for segment in key.split("/")
    )


def checked_key(key: str) -> str:
    """``key``, or ValueError when :func:`is_key` denies it."""
    if not is_key(key):
        raise ValueError(
            f"storage key {key[:LONGEST_KEY]!r} is not a relative path of [A-Za-z0-9._-] segments"
            f" (at most 200 characters each, {LONGEST_KEY} together) without '.' and '..'"
        )
    return key

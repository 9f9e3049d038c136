"""A storage in memory."""

from __future__ import annotations

import re

_KEY = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", re.ASCII)


class MemoryStorage:
    """Keeps everything in a dict, and what each key is to be served as."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.content_types: dict[str, str] = {}
        self.cache_seconds: dict[str, int] = {}

    def put(self, key: str, content: bytes, *, content_type: str, cache_seconds: int = 0) -> None:
        if not _KEY.fullmatch(key) or {".", ".."} & set(key.split("/")):
            raise ValueError(f"{key!r} is no storage key")
        self.content_types[key] = content_type
        self.cache_seconds[key] = cache_seconds
        self.contents[key] = bytes(content)

    def get(self, key: str) -> bytes:
        return self.contents[key]

    def size(self, key: str) -> int | None:
        content = self.contents.get(key)
        return None if content is None else len(content)

    def delete(self, key: str) -> None:
        self.contents.pop(key, None)

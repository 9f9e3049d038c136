"""The storage port: where artefacts and the published site are kept."""

from __future__ import annotations

from typing import Protocol


class Storage(Protocol):
    """Keyed bytes. Keys are relative POSIX paths of ``[A-Za-z0-9._-]`` segments, never ``..``.

    Safe to use from several threads and processes at once. A reader sees the old or the new
    content of a key, never a part.
    """

    def put(self, key: str, content: bytes, *, content_type: str, cache_seconds: int = 0) -> None:
        """Store ``content`` (replacing what was there), to be served as ``content_type`` and
        cached by others for ``cache_seconds``; 0 means "ask each time".

        Raises:
            Retryable: the store can't be reached, is full or is read-only; says which and the fix.
            ValueError: the key is not of the form above.
        """
        ...

    def get(self, key: str) -> bytes:
        """The content of ``key``.

        Raises:
            KeyError: nothing is stored there.
            Retryable: the store can't be reached.
        """
        ...

    def size(self, key: str) -> int | None:
        """The size of ``key`` in bytes, or None when nothing is stored there."""
        ...

    def delete(self, key: str) -> None:
        """Store nothing under ``key`` any more; when nothing is, that is well.

        Raises:
            Retryable: the store can't be reached or is read-only; says which and the fix.
        """
        ...

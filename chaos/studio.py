"""The fast studio: the real pipeline with a humming voice, a clock that can be stepped, a disk that can be full.

A worker finds it by ``AIRDATE_STUDIO=chaos.studio:fast``.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from chaos.voice import HumVoice
from podcasting import generation
from podcasting.errors import Retryable
from podcasting.providers.storage import Storage
from podcasting.stages.cover import draw_cover
from podcasting.studio import Studio

CLOCK = "CHAOS_CLOCK"
"""Names the file that says by how many seconds this process's clock is off; no file, not at all."""
FULL = "CHAOS_FULL"
"""Names the file that is there while the disk is to seem full, where none can be filled in earnest."""


class SteppedClock:
    """The time, off by what a file says."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> datetime:
        """Now, as this clock has it: UTC and aware."""
        try:
            offset = float(self._path.read_text())
        except (OSError, ValueError):
            offset = 0.0
        return datetime.now(UTC) + timedelta(seconds=offset)


class FillingStorage:
    """Another storage that cannot be written while a file is there; says what a full folder says."""

    def __init__(self, under: Storage, flag: Path) -> None:
        self._under = under
        self._flag = flag

    def put(self, key: str, content: bytes, *, content_type: str, cache_seconds: int = 0) -> None:
        """See :class:`podcasting.providers.storage.Storage`."""
        if self._flag.exists():
            raise Retryable(f"cannot write {key}: No space left on device; free some space on that disk")
        self._under.put(key, content, content_type=content_type, cache_seconds=cache_seconds)

    def get(self, key: str) -> bytes:
        """See :class:`podcasting.providers.storage.Storage`."""
        return self._under.get(key)

    def size(self, key: str) -> int | None:
        """See :class:`podcasting.providers.storage.Storage`."""
        return self._under.size(key)

    def delete(self, key: str) -> None:
        """See :class:`podcasting.providers.storage.Storage`."""
        self._under.delete(key)


def fast(built: Studio) -> Studio:
    """``built`` with the voice, the clock and the disk of the chaos run."""
    # All shows here have one title, so the picture in their MP3s is one too; drawing it was a third of an episode.
    generation.draw_cover = cache(draw_cover)  # type: ignore[attr-defined]
    made = replace(built, voice=HumVoice())
    if clock := os.environ.get(CLOCK):
        made = replace(made, now=SteppedClock(Path(clock)))
    if flag := os.environ.get(FULL):
        made = replace(
            made,
            workspace=FillingStorage(made.workspace, Path(flag)),
            site=FillingStorage(made.site, Path(flag)),
        )
    return made

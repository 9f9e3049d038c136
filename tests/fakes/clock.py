"""A clock that moves when told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """Starts at a fixed moment; calling it tells the time."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

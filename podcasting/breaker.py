"""When to stop asking an outside provider, and when to ask again: pure functions of a row and a time.

Closed: everybody asks. Open: nobody does until ``open_until``, after failures in a row, or because the provider
asked for it (429, Retry-After). Then half-open: one asks, the probe, while the others wait; what becomes of it
closes the breaker or opens it again, for twice as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """Who may ask a provider."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True)
class Tolerance:
    """How much a provider is forgiven; seconds unless a name says otherwise."""

    failures: int = 5
    """So many in a row, of all workers together, open its breaker."""
    first_pause: float = 30
    """How long the breaker then stays open; each further time in a row twice as long."""
    longest_pause: float = 900
    probe: float = 120
    """How long a probe may take before another worker may try."""
    look_again: float = 10
    """How long the others wait while a probe is under way."""

    def pause(self, openings: int) -> float:
        """How long to stay open the next time, after so many openings in a row."""
        return min(self.longest_pause, self.first_pause * float(2 ** min(openings, 20)))


@dataclass(frozen=True)
class Breaker:
    """What is known of a provider that has failed lately."""

    provider: str
    failures: int
    """In a row."""
    openings: int
    """In a row, without a success between."""
    opened_at: datetime | None
    open_until: datetime | None
    probe_until: datetime | None
    reason: str | None
    updated_at: datetime

    def state(self, now: datetime) -> State:
        """Who may ask, now."""
        if self.open_until is None:
            return State.CLOSED
        return State.OPEN if now < self.open_until else State.HALF_OPEN

    def wait(self, now: datetime, tolerance: Tolerance) -> float:
        """Seconds until it is worth looking again; 0 when it may be asked."""
        if self.open_until is None:
            return 0
        if now < self.open_until:
            return (self.open_until - now).total_seconds()
        probing = self.probe_until is not None and now < self.probe_until
        return tolerance.look_again if probing else 0


def opens(breaker: Breaker, *, probing: bool, tolerance: Tolerance) -> bool:
    """Whether a failure just counted opens the breaker. One of a call begun before it opened does not prolong it."""
    return probing or (breaker.open_until is None and breaker.failures >= tolerance.failures)


def opened_until(breaker: Breaker, now: datetime, *, asked: float | None, tolerance: Tolerance) -> datetime:
    """Until when it stays open: as long as the provider ``asked`` for, in seconds, or as our own patience has it."""
    until = now + timedelta(seconds=tolerance.pause(breaker.openings) if asked is None else max(asked, 1))
    return max(until, breaker.open_until or until)

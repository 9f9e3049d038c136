"""The next piece of due work, claimed in the database and done here and now, by the code of the tasks."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from podcasting.attempt import attempt
from podcasting.due import Work, work_for
from podcasting.errors import AwaitsApproval, LeaseHeld, LeaseLost, Permanent, ProviderPaused, Retryable, TryAgainIn
from podcasting.generation import generate
from podcasting.models import Episode
from podcasting.processing import process
from podcasting.studio import Studio
from podcasting.work import reason

STEPS = {Work.GENERATION: generate, Work.PROCESSING: process}
LONGEST_BACKOFF_SECONDS = 900


@dataclass(frozen=True)
class Policy:
    """How work is claimed and tried again; seconds unless a name says otherwise. The tasks' own numbers."""

    claim: float
    max_retries: int
    retry_base: float
    time_limit: float


class TimeIsUp(Retryable):
    """The work took longer than a task may."""


def do_next(studio: Studio, policy: Policy, *, holder: str) -> str | None:
    """Claim what is due longest and work on it; what became of it in a line, or None when nothing is due.

    Episodes that were begun come before podcasts that are due.
    """
    claims, now = studio.database.claims, studio.now()
    for begun in claims.episodes(now, seconds=policy.claim, limit=1):
        return _work_on(studio, policy, begun.subject, holder)
    for due in claims.podcasts(now, seconds=policy.claim, limit=1):
        opened = studio.database.podcasts.open_slot(due.subject.id, now, stuck_after=studio.limits.stuck_after)
        return f"{due.subject.id}: nothing due" if opened is None else _work_on(studio, policy, opened, holder)
    return None


def _work_on(studio: Studio, policy: Policy, episode: Episode, holder: str) -> str:
    while (needed := work_for(episode)) is not None:
        try:
            with _within(policy.time_limit):
                episode = attempt(
                    studio,
                    episode.id,
                    STEPS[needed],
                    holder=holder,
                    last_try=episode.attempts >= policy.max_retries,
                    backoff=lambda starts, error: _backoff(policy, starts, error),
                )
        except (LeaseHeld, LeaseLost) as error:
            return str(error)
        except Permanent as error:
            return f"{episode.id}: failed: {reason(error)}"
        except (TryAgainIn, ProviderPaused) as error:
            wait = error.seconds
            studio.database.claims.put_off(episode.id, studio.now() + timedelta(seconds=wait))
            return f"{episode.id}: tried again in {wait:.0f} s: {reason(error)}"
        except Exception as error:  # noqa: BLE001 - whatever it is, the next piece of work may go well
            return f"{episode.id}: given up: {reason(error)}"
    if episode.awaits_approval:
        return str(AwaitsApproval(episode.id))
    return f"{episode.id}: {episode.status.value}{f': {episode.title}' if episode.title else ''}"


def _backoff(policy: Policy, starts: int, error: Exception) -> float:
    longest = min(LONGEST_BACKOFF_SECONDS, policy.retry_base * 2 ** min(starts - 1, 20))
    asked = getattr(error, "after", None) or 0
    return float(asked + random.uniform(longest / 2, longest))  # noqa: S311 - jitter, no secret


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Interrupt what takes longer. For a process's main thread only."""

    def interrupt(*_: Any) -> None:
        raise TimeIsUp(f"it took longer than {seconds:g} s (AIRDATE_SOFT_TIME_LIMIT)")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

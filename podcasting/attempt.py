"""One attempt at an episode: take its lease, do the work, write down how it ended. For tasks and the fallback alike."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from structlog.contextvars import bound_contextvars

from podcasting.errors import AirdateError, AwaitsApproval, LeaseLost, NothingNew, Permanent, ProviderPaused, TryAgainIn
from podcasting.models import Episode
from podcasting.studio import Studio
from podcasting.work import Work, give_up, kept, reason

log = logging.getLogger(__name__)


def attempt(
    studio: Studio,
    episode_id: str,
    do: Callable[[Work], None],
    *,
    holder: str,
    last_try: bool,
    backoff: Callable[[int, Exception], float],
    handed_on: Callable[[], bool] = lambda: False,
) -> Episode:
    """Work on an episode under its lease; returns it as it is afterwards.

    One that had ended, or awaits approval, needs nothing.

    ``holder`` names the worker for people. An error that may pass fails the episode only at the ``last_try``; else
    the episode waits as many seconds as ``backoff`` says for the number of starts that got no further, and the error.
    ``handed_on`` says whether the work was given to another worker meanwhile.

    Raises:
        LeaseHeld: another worker is at it.
        LeaseLost: another worker took over; nothing more was written.
        ProviderPaused: a provider is not asked now; the attempt does not count.
        Permanent: the episode failed.
        TryAgainIn: the work failed, and is to be tried again.
        Retryable, and whatever else ``do`` raises: the episode failed, for it was the last try.
    """
    database, limits, now = studio.database, studio.limits, studio.now
    taken = database.leases.take(
        episode_id, holder=holder, now=now(), seconds=limits.lease_seconds, stuck_after=limits.stuck_after
    )
    if taken is None:
        return database.episodes.get(episode_id)
    lease, episode = taken
    work = Work(studio, database.podcasts.get(episode.podcast_id), episode, lease)
    with bound_contextvars(podcast=episode.podcast_id, episode=episode.id):
        try:
            if episode.attempts > limits.max_attempts:
                raise Permanent(f"work was started {limits.max_attempts} times and never got a step further")
            with kept(work, handed_on=handed_on):
                do(work)
        except (NothingNew, AwaitsApproval) as outcome:
            _comes_to(work, outcome)
        except LeaseLost:
            database.leases.release(lease)  # if it still is ours: who has the message now need not wait
            raise
        except ProviderPaused:
            database.leases.take_back(lease)
            raise
        except Permanent as error:
            give_up(work, error)
            raise
        except Exception as error:
            if not isinstance(error, AirdateError | ValidationError | SQLAlchemyError):
                log.exception("a fault of Airdate's own: please report it")
                studio.observer.fault(error)
            if last_try:
                give_up(work, error)
                raise
            wait = backoff(episode.attempts, error)
            database.leases.give_back(lease, now(), stage=work.stage, why=reason(error), wait=wait)
            raise TryAgainIn(wait, reason(error), asked=getattr(error, "after", None)) from error
        database.leases.release(lease)
        return database.episodes.get(episode_id)


def _comes_to(work: Work, outcome: NothingNew | AwaitsApproval) -> None:
    database, now = work.studio.database, work.studio.now()
    if isinstance(outcome, NothingNew):
        log.info("skipped: %s", outcome)
        database.episodes.skip(work.lease, str(outcome), now)
    elif database.episodes.await_approval(work.lease, now).awaits_approval:
        log.info("%s", outcome)

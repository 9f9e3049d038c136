"""Work under a lease: stages run once, are written down, and stop when the lease is lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import timedelta
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from podcasting.alarm import sound_alarm
from podcasting.database.checkpoints import Checkpoint
from podcasting.database.leases import Lease
from podcasting.errors import AirdateError, LeaseLost, Permanent
from podcasting.models import STAGES, Episode, EpisodeStatus, Frozen, Podcast
from podcasting.observing import Expense, on_account
from podcasting.providers.feeds import Validators
from podcasting.redaction import redact
from podcasting.studio import Studio
from podcasting.visible import visible

log = logging.getLogger(__name__)

Output = TypeVar("Output", bound=Frozen)


class Work:
    """One worker's time with one episode.

    ``stage`` names the stage at hand; after an error it tells where it happened.
    """

    def __init__(self, studio: Studio, podcast: Podcast, episode: Episode, lease: Lease) -> None:
        self.studio = studio
        self.podcast = podcast
        self.episode = episode
        self.lease = lease
        self.lost = threading.Event()
        self._done = studio.database.checkpoints.of(episode.id)
        standing = {name for name, done in self._done.items() if not done.stale}
        self.stage = next((stage for stage in STAGES if stage not in standing), STAGES[-1])

    def progress(self, detail: str) -> None:
        """Say what is being done; stages call it between steps.

        Raises:
            LeaseLost: another worker took over, so there is no point in going on.
        """
        if self.lost.is_set():
            raise LeaseLost(self.lease.episode_id, self.lease.number)
        log.info("%s: %s", self.stage, detail)

    def run(
        self,
        stage: str,
        key: str,
        make: Callable[[], Output],
        kind: type[Output],
        *,
        status: EpisodeStatus | None = None,
        title: Callable[[Output], str] | None = None,
        seen: Callable[[Output], tuple[tuple[str, ...], dict[str, Validators]]] | None = None,
        settled: bool = False,
    ) -> Output:
        """What a stage makes: from its checkpoint when the same input was done before, else made now.

        ``key`` is the fingerprint of all that goes in. ``status`` is how far the episode has come
        once the stage is done; ``title`` and ``seen`` are what is remembered of its output. ``settled`` says
        that what there is stands whatever its input was: a person approved it.

        Raises:
            LeaseLost: another worker took over; nothing was written.
        """
        self.stage = stage
        done = self._done.get(stage)
        if done is not None and (settled or done.stands(key)):
            log.info("%s: done before", stage)
            return kind.model_validate(done.output)
        self.progress("started")
        began = time.monotonic()
        expenses: list[Expense] = []
        try:
            with self.studio.observer.stage(stage), on_account(expenses.append):
                output = make()
        finally:
            self._pay(stage, expenses)
        finished = Checkpoint(stage, key, output.model_dump(mode="json"), time.monotonic() - began, self.studio.now())
        self.studio.database.checkpoints.record(
            self.lease,
            finished,
            stuck_after=self.studio.limits.stuck_after,
            status=status,
            title=title(output) if title else None,
            seen=(self.podcast.id, *seen(output)) if seen else None,
        )
        self._done[stage] = finished
        log.info("%s: done in %.1f s", stage, finished.seconds)
        return output

    def _pay(self, stage: str, expenses: list[Expense]) -> None:
        # What was spent is spent, whatever became of the stage; and the books must not undo what it made.
        try:
            self.studio.database.expenses.record(self.episode.id, stage, expenses, self.studio.now())
        except SQLAlchemyError as error:
            log.warning("what %s cost was not written down: %s", stage, error)

    def wanted_anew(self, stage: str) -> frozenset[int]:
        """The parts of what a stage made that a person wants made anew, counted from 1; none when it is done since."""
        done = self._done.get(stage)
        return frozenset() if done is None else done.wanted_anew

    def output_of(self, stage: str, kind: type[Output]) -> Output:
        """What an earlier stage made.

        Raises:
            Permanent: it is not done.
        """
        done = self._done.get(stage)
        if done is None or done.stale:
            raise Permanent(
                f"the {stage} stage of episode {self.episode.id} is not done; "
                f"`airdate episodes retry {self.episode.id}` goes on from the last stage that is"
            )
        return kind.model_validate(done.output)


def give_up(work: Work, error: BaseException) -> None:
    """Fail the episode, with the stage at hand and the error as its reason, and sound one alarm for all like it.

    Raises:
        LeaseLost: another worker took over; nothing is written.
    """
    why = reason(error)
    work.studio.database.episodes.fail(work.lease, work.stage, why, work.studio.now())
    work.studio.observer.episode_failed(work.stage, error)
    sound_alarm(work.studio, f"episodes fail at {work.stage}", f"{work.episode.id}: {why}")


@contextmanager
def kept(work: Work, *, handed_on: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Keep the work's lease alive from a thread of its own, and tell the work when it is lost.

    A worker that cannot renew (the database is away) counts its lease as lost once it has run out:
    another may hold it by then. ``handed_on`` says whether the work was given to another meanwhile.
    """
    ended = threading.Event()
    # In this one's context, so that its lines in the log tell the task too.
    keeping = (_keep, work, ended, handed_on)
    thread = threading.Thread(target=copy_context().run, args=keeping, name=f"lease-{work.episode.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _keep(work: Work, ended: threading.Event, handed_on: Callable[[], bool]) -> None:
    studio, seconds = work.studio, work.studio.limits.lease_seconds
    runs_out = studio.now() + timedelta(seconds=seconds)
    while not ended.wait(seconds / 3):
        now = studio.now()
        if handed_on():
            log.warning("the work on %s was given to another worker: stopping at the next step", work.episode.id)
            work.lost.set()
            return
        try:
            studio.database.leases.renew(work.lease, now, seconds=seconds)
            runs_out = now + timedelta(seconds=seconds)
        except LeaseLost as lost:
            log.warning("%s", lost)
            work.lost.set()
            return
        except Exception as error:  # noqa: BLE001 - whatever the database's trouble is, the next renewal may succeed
            log.warning("lease of %s not renewed: %s", work.episode.id, error)
            if studio.now() >= runs_out:  # to fail may have taken a while
                work.lost.set()
                return


def reason(error: BaseException) -> str:
    """An error in one line, as an episode's failure keeps it."""
    text = str(error) if isinstance(error, AirdateError) else f"{type(error).__name__}: {error}"
    return redact(visible(" ".join(text.split())))[:2000]

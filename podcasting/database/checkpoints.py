"""Checkpoints: which stages of an episode are done, and what they made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update

from podcasting.database import leases
from podcasting.database.connection import read
from podcasting.database.leases import Lease
from podcasting.database.lost_connections import again
from podcasting.database.schema import episodes, seen_entries, source_validators, stages
from podcasting.models import EpisodeStatus
from podcasting.providers.feeds import Validators

BY_HAND = "by hand:"
"""What the key of an output begins with that a person wrote: no input makes it anew."""
STALE = "again:"
"""What the key of an output begins with that stands until it is made again: no input has it. Numbers may follow, with
commas between: the parts of it, counted from 1, that a person wants made anew."""


@dataclass(frozen=True)
class Checkpoint:
    """A stage that is done."""

    stage: str
    key: str
    """The fingerprint of what went in."""
    output: dict[str, Any]
    seconds: float
    finished_at: datetime

    def stands(self, key: str) -> bool:
        """Whether it is what the input with this ``key`` makes, or a person wrote it, whatever the input."""
        return self.key == key or self.key.startswith(BY_HAND)

    @property
    def stale(self) -> bool:
        """Whether it only stands until it is made again."""
        return self.key.startswith(STALE)

    @property
    def wanted_anew(self) -> frozenset[int]:
        """The parts that a person wants made anew, counted from 1."""
        numbers = self.key.removeprefix(STALE) if self.stale else ""
        return frozenset(map(int, numbers.split(","))) if numbers else frozenset()


class Checkpoints:
    """What each stage made, kept under the fingerprint of what went in. Writes are fenced by the lease."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, episode_id: str) -> dict[str, Checkpoint]:
        """The stages of an episode that are done, by name, in the order in which they ended."""
        statement = select(stages).where(stages.c.episode_id == episode_id).order_by(stages.c.finished_at)
        with read(self._engine) as connection:
            rows = connection.execute(statement).mappings().all()
        return {
            row["name"]: Checkpoint(row["name"], row["key"], row["output"], row["seconds"], row["finished_at"])
            for row in rows
        }

    def standing(self, episode_id: str) -> dict[str, Checkpoint]:
        """As :meth:`of`, without what is to be made again."""
        return {name: done for name, done in self.of(episode_id).items() if not done.stale}

    @again
    def record(
        self,
        lease: Lease,
        done: Checkpoint,
        *,
        stuck_after: float,
        status: EpisodeStatus | None = None,
        title: str | None = None,
        seen: tuple[str, tuple[str, ...], dict[str, Validators]] | None = None,
    ) -> None:
        """Write down that a stage is done, and how far that brings the episode.

        ``seen`` is (podcast, keys of the entries looked at, validators by source), remembered in the
        same transaction, so that a crash neither loses nor repeats a story. Progress puts off the
        checker by ``stuck_after`` seconds and starts the count of attempts anew.

        Raises:
            LeaseLost: another worker took over; nothing is written.
        """
        progress: dict[str, object] = {
            "updated_at": done.finished_at,
            # The start that got this far counts for what comes next, unless its part is done.
            "attempts": 0 if status is EpisodeStatus.COMPLETED else 1,
            "claimable_at": done.finished_at + timedelta(seconds=stuck_after),
        }
        if status is not None:
            progress["status"] = status
        if title is not None:
            progress["title"] = title
        with self._engine.begin() as connection:
            leases.require(connection, lease, **progress)
            connection.execute(
                delete(stages).where(stages.c.episode_id == lease.episode_id, stages.c.name == done.stage)
            )
            connection.execute(
                insert(stages).values(
                    episode_id=lease.episode_id,
                    name=done.stage,
                    key=done.key,
                    output=done.output,
                    seconds=done.seconds,
                    finished_at=done.finished_at,
                    lease_number=lease.number,
                )
            )
            if seen is not None:
                _remember(connection, lease.episode_id, *seen)

    @again
    def forget(self, lease: Lease, stage: str) -> None:
        """Have a stage done again, because what it made turned out damaged.

        What the feed tells of an episode that it lists comes from its stages, so there it stays until it is made again.

        Raises:
            LeaseLost: another worker took over; nothing is written.
        """
        it = (stages.c.episode_id == lease.episode_id, stages.c.name == stage)
        with self._engine.begin() as connection:
            leases.require(connection, lease, lease_number=lease.number)
            released = select(episodes.c.released_at).where(episodes.c.id == lease.episode_id)
            if connection.scalar(released) is None:
                connection.execute(delete(stages).where(*it))
            else:
                connection.execute(update(stages).where(*it).values(key=STALE))

    def known_entries(self, podcast_id: str) -> tuple[frozenset[str], dict[str, Validators]]:
        """What earlier episodes looked at: the keys of entries, and the validators of each source."""
        with read(self._engine) as connection:
            keys = connection.scalars(select(seen_entries.c.key).where(seen_entries.c.podcast_id == podcast_id)).all()
            rows = connection.execute(
                select(source_validators).where(source_validators.c.podcast_id == podcast_id)
            ).mappings()
            validators = {
                row["source"]: Validators(etag=row["etag"], last_modified=row["last_modified"]) for row in rows
            }
        return frozenset(keys), validators


def _remember(
    connection: Connection, episode_id: str, podcast_id: str, keys: tuple[str, ...], validators: dict[str, Validators]
) -> None:
    # The podcast has one unfinished episode at a time and its row is locked, so nobody inserts beside us.
    known = set(connection.scalars(select(seen_entries.c.key).where(seen_entries.c.podcast_id == podcast_id)))
    fresh = [key for key in dict.fromkeys(keys) if key not in known]
    if fresh:
        connection.execute(
            insert(seen_entries), [{"podcast_id": podcast_id, "key": key, "episode_id": episode_id} for key in fresh]
        )
    for source, validator in validators.items():
        where = (source_validators.c.podcast_id == podcast_id, source_validators.c.source == source)
        connection.execute(delete(source_validators).where(*where))
        connection.execute(
            insert(source_validators).values(
                podcast_id=podcast_id, source=source, etag=validator.etag, last_modified=validator.last_modified
            )
        )

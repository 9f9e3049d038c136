"""What happened to each episode, line by line: an operator reads why it failed, and what was tried before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, Engine, exists, insert, literal, select

from podcasting.database.connection import read
from podcasting.database.lost_connections import again
from podcasting.database.schema import history


class Happened(StrEnum):
    """What a line of the history says."""

    STARTED = "started"
    """A worker took the episode's lease."""
    GIVEN_BACK = "given back"
    """A start ended without an end of the episode: it is tried again."""
    WAITS = "waits for approval"
    """Its script is made, and rests until a person approves it."""
    EDITED = "edited"
    """A person changed its script."""
    APPROVED = "approved"
    """A person let its script be spoken."""
    LET_GO = "let go"
    """Its podcast no longer wants its scripts approved."""
    PUBLISHED = "published"
    SKIPPED = "skipped"
    FAILED = "failed"
    RETRIED = "retried"
    """A person set it going again."""
    REDRIVEN = "redriven"
    """A person moved its message out of a dead-letter queue."""


@dataclass(frozen=True)
class Event:
    """A line of an episode's history."""

    at: datetime
    what: Happened
    stage: str | None
    detail: str | None
    """Who, or why."""
    lease_number: int | None


class History:
    """The histories of episodes; ``at`` is passed in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, episode_id: str) -> list[Event]:
        """An episode's history, oldest line first."""
        statement = select(history).where(history.c.episode_id == episode_id).order_by(history.c.id)
        with read(self._engine) as connection:
            rows = connection.execute(statement).mappings().all()
        return [
            Event(row["at"], Happened(row["event"]), row["stage"], row["detail"], row["lease_number"]) for row in rows
        ]

    @again
    def note(self, episode_id: str, what: Happened, at: datetime, *, stage: str | None = None, detail: str) -> None:
        """Add a line that goes with no other change."""
        with self._engine.begin() as connection:
            note(connection, episode_id, what, at, stage=stage, detail=detail)


def note(
    connection: Connection,
    episode_id: str,
    what: Happened,
    at: datetime,
    *,
    stage: str | None = None,
    detail: str | None = None,
    lease_number: int | None = None,
) -> None:
    """Add a line inside the caller's transaction.

    One that is there already, of the same moment, is not added twice: the answer to its COMMIT may have been lost.
    """
    line = {
        "episode_id": episode_id,
        "at": at,
        "event": what.value,
        "stage": stage,
        "detail": detail,
        "lease_number": lease_number,
    }
    there = exists().where(*(history.c[name].is_not_distinct_from(value) for name, value in line.items()))
    values = select(*(literal(value, history.c[name].type) for name, value in line.items())).where(~there)
    connection.execute(insert(history).from_select(list(line), values))


def published_before(connection: Connection, episode_id: str, released_at: datetime | None, *, but_by: int) -> bool:
    """Whether an episode was published since it was released, not counting a start of work, ``but_by``'s."""
    if released_at is None:
        return False
    lines = select(history.c.id).where(
        history.c.episode_id == episode_id,
        history.c.event == Happened.PUBLISHED.value,
        history.c.at >= released_at,
        history.c.lease_number.is_distinct_from(but_by),
    )
    return connection.scalar(lines.limit(1)) is not None

"""Notices: what listeners are to be told, written down with what happened, and told until they have heard.

A row for each event and target is written in the transaction of the event itself, so that nothing is lost and nothing
is told that did not happen. ``due_at`` is the one column that finds what is due: a claim moves it into the future,
which is how a claim expires; NULL means that the notice is settled. A notice names its target, and keeps nothing of
its address or secrets.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, delete, func, select, update

from podcasting.announcing import Announcing, Notification, Occasion, targets_of
from podcasting.database.connection import read
from podcasting.database.lost_connections import again, again_if_undone
from podcasting.database.rows import insert_missing
from podcasting.database.schema import notices, podcasts
from podcasting.errors import Permanent
from podcasting.fingerprint import fingerprint
from podcasting.models import Episode, EpisodeStatus
from podcasting.providers.listeners import Event, EventData, EventType

ID_PREFIX = "msg_"

TYPES: dict[Occasion, EventType] = {
    Occasion.PUBLISHED: "episode.published",
    Occasion.FAILED: "episode.failed",
    Occasion.WAITING: "episode.waiting",
}
STATUSES = {
    Occasion.PUBLISHED: EpisodeStatus.PUBLISHED,
    Occasion.FAILED: EpisodeStatus.FAILED,
    Occasion.WAITING: EpisodeStatus.SCRIPT_READY,
}


class NoticeState(StrEnum):
    """How far a notice has come."""

    WAITING = "waiting"
    """It is to be told, now or later."""
    DELIVERED = "delivered"
    GIVEN_UP = "given up"
    """It was tried for days, or its target wants to hear nothing; a person may have it tried again."""
    DROPPED = "dropped"
    """Its target was taken off the podcast's settings meanwhile, or may not be told of a private podcast."""


@dataclass(frozen=True)
class Notice:
    """An event that a target is to be told of."""

    id: str
    """The same each time that it is told, so that whoever hears it twice can tell."""
    podcast_id: str
    episode_id: str
    occasion: Occasion
    target: str
    """As :func:`podcasting.announcing.targets_of` names it."""
    event: Event
    state: NoticeState
    created_at: datetime
    due_at: datetime | None
    """When it is next told, or, while it is being told, when its claim ends."""
    settled_at: datetime | None
    claims: int
    tries: int
    answer: str | None
    """What the target last answered, or why it could not be told."""


@dataclass(frozen=True)
class Troubled:
    """A target that notices do not get through to."""

    podcast_id: str
    target: str
    waiting: int
    given_up: int
    since: datetime
    """When the oldest of these happened."""
    answer: str | None
    """Of one of them."""


class Notices:
    """The notices; ``now`` is passed in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def any_due(self, now: datetime) -> bool:
        """Whether a notice is to be told now: one look into an index."""
        with read(self._engine) as connection:
            first = connection.scalar(select(func.min(notices.c.due_at)))
        return first is not None and first <= now

    @again_if_undone
    def claim(self, now: datetime, *, seconds: float, limit: int) -> list[Notice]:
        """Take up to ``limit`` notices that are due, oldest first; nobody else finds them meanwhile.

        Of two who claim at once each gets others. A claim that is not settled after ``seconds`` is void.
        """
        due = (
            select(notices.c.id)
            .where(notices.c.due_at <= now)
            .order_by(notices.c.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        statement = (
            update(notices)
            .where(notices.c.id.in_(select(due.cte("due").c.id)))
            .values(due_at=now + timedelta(seconds=seconds), claims=notices.c.claims + 1)
            .returning(notices)
        )
        with self._engine.begin() as connection:
            rows = connection.execute(statement).mappings().all()
        return sorted((_notice(row) for row in rows), key=lambda notice: (notice.created_at, notice.id))

    def settle(self, notice: Notice, state: NoticeState, now: datetime, answer: str, *, tried: bool = True) -> bool:
        """Write down how a claimed notice ended; False when the claim had run out and another has it."""
        tries = notice.tries + tried
        return self._write(notice, state=state, due_at=None, settled_at=now, tries=tries, answer=answer)

    def put_off(self, notice: Notice, until: datetime, answer: str, *, tried: bool) -> bool:
        """Have a claimed notice told later; False when the claim had run out and another has it."""
        return self._write(notice, due_at=until, tries=notice.tries + tried, answer=answer)

    @again
    def _write(self, notice: Notice, **values: Any) -> bool:
        mine = (notices.c.id == notice.id, notices.c.claims == notice.claims)
        with self._engine.begin() as connection:
            return connection.execute(update(notices).where(*mine).values(**values)).rowcount == 1

    def newest(
        self,
        *,
        states: Collection[NoticeState] = (),
        podcast_id: str | None = None,
        episode_id: str | None = None,
        limit: int = 100,
    ) -> list[Notice]:
        """Notices, newest first; in some states, of one podcast or one episode if asked."""
        wanted: list[ColumnElement[bool]] = []
        if states:
            wanted.append(notices.c.state.in_([state.value for state in states]))
        if podcast_id is not None:
            wanted.append(notices.c.podcast_id == podcast_id)
        if episode_id is not None:
            wanted.append(notices.c.episode_id == episode_id)
        statement = select(notices).where(*wanted).order_by(notices.c.created_at.desc(), notices.c.id).limit(limit)
        with read(self._engine) as connection:
            return [_notice(row) for row in connection.execute(statement).mappings()]

    def troubled(self, *, after_tries: int, since: datetime) -> list[Troubled]:
        """Targets whose notices were tried ``after_tries`` times in vain, or given up after ``since``; oldest first."""
        waiting = (notices.c.due_at.is_not(None)) & (notices.c.tries >= after_tries)
        given_up = (notices.c.state == NoticeState.GIVEN_UP) & (notices.c.settled_at > since)
        statement = (
            select(
                notices.c.podcast_id,
                notices.c.target,
                func.count(notices.c.due_at).label("waiting"),
                (func.count() - func.count(notices.c.due_at)).label("given_up"),
                func.min(notices.c.created_at).label("since"),
                func.max(notices.c.answer).label("answer"),
            )
            .where(waiting | given_up)
            .group_by(notices.c.podcast_id, notices.c.target)
            .order_by(func.min(notices.c.created_at))
        )
        with read(self._engine) as connection:
            return [Troubled(**row) for row in connection.execute(statement).mappings()]

    @again_if_undone
    def retry(self, now: datetime, *, ids: Collection[str] | None = None, podcast_id: str | None = None) -> int:
        """Have notices told now, with all their tries before them: those that were given up, or wait; how many.

        Raises:
            Permanent: one of ``ids`` is no notice, or none that is to be told.
        """
        wanted: list[ColumnElement[bool]] = [
            notices.c.state.in_([NoticeState.GIVEN_UP.value, NoticeState.WAITING.value]),
        ]
        if ids is not None:
            wanted.append(notices.c.id.in_(ids))
        if podcast_id is not None:
            wanted.append(notices.c.podcast_id == podcast_id)
        statement = (
            update(notices)
            .where(*wanted)
            .values(state=NoticeState.WAITING, due_at=now, settled_at=None, tries=0, claims=notices.c.claims + 1)
            .returning(notices.c.id)
        )
        with self._engine.begin() as connection:
            found = set(connection.execute(statement).scalars())
            if missing := sorted(set(ids or ()) - found):
                raise Permanent(
                    f"{', '.join(missing)}: no notice that waits or was given up; `airdate notices list` shows them"
                )
        return len(found)

    @again
    def sweep(self, before: datetime, *, limit: int = 1000) -> int:
        """Forget notices that were settled before then, at most ``limit``; how many they were."""
        old = select(notices.c.id).where(notices.c.settled_at < before).limit(limit)
        with self._engine.begin() as connection:
            return connection.execute(delete(notices).where(notices.c.id.in_(old))).rowcount


def note_down(
    connection: Connection,
    platform: Announcing,
    occasion: Occasion,
    episode: Episode,
    now: datetime,
    *,
    lease_number: int,
    republished: bool = False,
) -> None:
    """Write down, inside the caller's transaction, whom to tell what happened to an episode.

    Of one that is ``republished`` people are not told: it is no news. Web apps, hubs and directories are, since its
    files have other addresses now.

    Done again, for the answer to its COMMIT may have been lost, it adds nothing.
    """
    query = select(podcasts.c.title, podcasts.c.production).where(podcasts.c.id == episode.podcast_id)
    podcast = connection.execute(query).mappings().one()
    own = Announcing.model_validate(podcast["production"].get("announcing", {}))
    told = [
        name
        for name, target in targets_of(own, platform).items()
        if occasion in target.on and not (republished and isinstance(target, Notification))
    ]
    if not told:
        return
    event = Event(
        type=TYPES[occasion],
        timestamp=now,
        data=EventData(
            podcast_id=episode.podcast_id,
            podcast_title=podcast["title"],
            episode_id=episode.id,
            episode_number=episode.number,
            slot=episode.slot,
            status=STATUSES[occasion],
            title=episode.title,
            failed_at=episode.failure.stage if episode.failure else None,
            reason=episode.failure.reason if episode.failure else None,
            republished=republished,
        ),
    ).model_dump(mode="json")
    for name in told:
        # The same of the same start of work: an episode that is retried and fails again is told of again.
        key = fingerprint("notice", episode.id, occasion.value, lease_number, name)
        insert_missing(
            connection,
            notices,
            id=f"{ID_PREFIX}{key}",
            podcast_id=episode.podcast_id,
            episode_id=episode.id,
            occasion=occasion.value,
            target=name,
            event=event,
            state=NoticeState.WAITING.value,
            created_at=now,
            due_at=now,
            claims=0,
            tries=0,
        )


def _notice(row: RowMapping) -> Notice:
    values = dict(row) | {
        "occasion": Occasion(row["occasion"]),
        "state": NoticeState(row["state"]),
        "event": Event.model_validate(row["event"]),
    }
    return Notice(**values)

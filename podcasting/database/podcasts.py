"""Podcasts: added, listed, paused, and their slots opened."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, case, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from podcasting import due
from podcasting.announcing import WHOLE
from podcasting.database.connection import read
from podcasting.database.lost_connections import again, again_if_undone
from podcasting.database.rows import AWAITS_APPROVAL, episode_from, podcast_from
from podcasting.database.schema import Utc, episodes, podcasts
from podcasting.errors import InvalidPodcast, UnknownPodcast
from podcasting.models import ENDED, Episode, EpisodeStatus, Listing, Podcast, PodcastState
from podcasting.visible import control_characters

CHANGEABLE = (
    "title",
    "description",
    "author",
    "owner",
    "language",
    "sources",
    "hosts",
    "frequency_days",
    "production",
)
"""What a podcast's owner may change."""


class Podcasts:
    """The shows; ``now`` is passed in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @again_if_undone
    def add(self, podcast: Podcast, now: datetime) -> None:
        """Add a podcast; discovery finds it when its first slot comes.

        Raises:
            InvalidPodcast: its id is taken, or a text of it holds a control character.
        """
        _refuse_control_characters(podcast.model_dump(mode="json", include=set(CHANGEABLE), context=WHOLE))
        values = podcast.model_dump(context=WHOLE) | {"created_at": now, "claimable_at": podcast.next_episode_at}
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(podcasts).values(**values))
        except IntegrityError:
            raise InvalidPodcast(
                f"there is a podcast with the id {podcast.id!r} already; give another title or --id"
            ) from None

    def get(self, podcast_id: str) -> Podcast:
        """The podcast of that id.

        Raises:
            UnknownPodcast: there is none.
        """
        with read(self._engine) as connection:
            row = connection.execute(select(podcasts).where(podcasts.c.id == podcast_id)).mappings().one_or_none()
        if row is None:
            raise UnknownPodcast(podcast_id)
        return podcast_from(row)

    def named(self, ids: Collection[str]) -> dict[str, Podcast]:
        """Those of these podcasts that there are, by id, in one query."""
        with read(self._engine) as connection:
            rows = connection.execute(select(podcasts).where(podcasts.c.id.in_(ids))).mappings()
            return {row["id"]: podcast_from(row) for row in rows}

    def all(self) -> list[Podcast]:
        """Every podcast, by id."""
        with read(self._engine) as connection:
            return [
                podcast_from(row) for row in connection.execute(select(podcasts).order_by(podcasts.c.id)).mappings()
            ]

    def listed(self) -> list[Listing]:
        """What a list of all podcasts says of each, by id; of private ones it says nothing."""
        columns = [podcasts.c[name] for name in Listing._fields]
        public = podcasts.c.production["feed"]["private"]["folder"].as_string().is_(None)
        with read(self._engine) as connection:
            query = select(*columns).where(public).order_by(podcasts.c.id)
            return [Listing(*row) for row in connection.execute(query)]

    def next_number(self, podcast_id: str) -> int:
        """The number that a podcast's next episode will have; those that were skipped do not count."""
        with read(self._engine) as connection:
            return _next_number(connection, podcast_id)

    def edition(self) -> tuple[int, int]:
        """Another one as soon as a podcast was added, or what one publishes changed: versions only grow."""
        statement = select(func.count(), func.coalesce(func.sum(podcasts.c.version), 0))
        with read(self._engine) as connection:
            count, versions = connection.execute(statement).one()
        return int(count), int(versions)

    @again
    def change(self, podcast_id: str, change: Callable[[Podcast], Podcast]) -> Podcast:
        """Change what a podcast is or how it is made; its feed gets a version, for some of it is in there.

        ``change`` may be called more than once. When it is due, its state and what it published are not its to change.

        Raises:
            UnknownPodcast: there is none of that id.
            InvalidPodcast: a text of it would hold a control character; and whatever ``change`` raises.
        """
        with self._engine.begin() as connection:
            query = select(podcasts).where(podcasts.c.id == podcast_id).with_for_update()
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                raise UnknownPodcast(podcast_id)
            before = podcast_from(row)
            changed = change(before).model_dump(mode="json", include=set(CHANGEABLE), context=WHOLE)
            if changed == before.model_dump(mode="json", include=set(CHANGEABLE), context=WHOLE):
                return before
            _refuse_control_characters(changed)
            statement = (
                update(podcasts)
                .where(podcasts.c.id == podcast_id)
                .values(version=podcasts.c.version + 1, **changed)
                .returning(podcasts)
            )
            return podcast_from(connection.execute(statement).mappings().one())

    @again_if_undone
    def set_state(self, podcast_id: str, state: PodcastState) -> Podcast:
        """Pause a podcast (discovery no longer looks at it) or make it active again.

        Raises:
            UnknownPodcast: there is none of that id.
        """
        claimable = podcasts.c.next_episode_at if state is PodcastState.ACTIVE else None
        statement = (
            update(podcasts)
            .where(podcasts.c.id == podcast_id)
            .values(state=state, claimable_at=claimable, claim_count=0)
            .returning(podcasts)
        )
        with self._engine.begin() as connection:
            row = connection.execute(statement).mappings().one_or_none()
        if row is None:
            raise UnknownPodcast(podcast_id)
        return podcast_from(row)

    @again_if_undone
    def make_due(self, podcast_id: str, now: datetime) -> None:
        """Have an active podcast's next episode made now; the slots after it stay where they were.

        Raises:
            UnknownPodcast: there is none of that id.
            InvalidPodcast: it is paused.
        """
        earliest = case((podcasts.c.next_episode_at > now, literal(now, Utc)), else_=podcasts.c.next_episode_at)
        statement = (
            update(podcasts)
            .where(podcasts.c.id == podcast_id, podcasts.c.state == PodcastState.ACTIVE)
            .values(next_episode_at=earliest, claimable_at=earliest, claim_count=0)
        )
        with self._engine.begin() as connection:
            changed = connection.execute(statement).rowcount
        if not changed:
            self.get(podcast_id)
            raise InvalidPodcast(f"podcast {podcast_id!r} is paused; `airdate podcasts resume {podcast_id}` wakes it")

    @again
    def open_slot(self, podcast_id: str, now: datetime, *, stuck_after: float) -> Episode | None:
        """The episode to work on for a podcast that is due: the one under way, or a new one; else None.

        A second message for the same slot finds the episode of the first. Slots missed meanwhile are
        passed over: one episode tells all that is new. While one awaits approval, discovery does not look at
        the podcast: the end of that episode has it look again.

        Raises:
            UnknownPodcast: there is none of that id.
        """
        with self._engine.begin() as connection:
            row = (
                connection.execute(select(podcasts).where(podcasts.c.id == podcast_id).with_for_update())
                .mappings()
                .one_or_none()
            )
            if row is None:
                raise UnknownPodcast(podcast_id)
            podcast = podcast_from(row)
            under_way = _episode_under_way(connection, podcast_id)
            if under_way is not None:
                if under_way.awaits_approval and podcast.next_episode_at <= now:
                    rests = update(podcasts).where(podcasts.c.id == podcast_id)
                    connection.execute(rests.values(claimable_at=None, claim_count=0))
                return under_way
            if podcast.state is PodcastState.PAUSED or podcast.next_episode_at > now:
                return None
            return _open(connection, podcast, now, stuck_after)


def _refuse_control_characters(values: dict[str, Any]) -> None:
    # PostgreSQL takes no NUL, XML and HTML none of them, and they are shown in terminals.
    for path, character in control_characters(values):
        raise InvalidPodcast(f"{path} holds the control character {character}; give it without")


def _episode_under_way(connection: Connection, podcast_id: str) -> Episode | None:
    statement = (
        select(episodes)
        .where(episodes.c.podcast_id == podcast_id, episodes.c.status.not_in(ENDED))
        # One that rests holds up no other that a person has let go on.
        .order_by(case((AWAITS_APPROVAL, 1), else_=0), episodes.c.slot)
        .limit(1)
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else episode_from(row)


def _open(connection: Connection, podcast: Podcast, now: datetime, stuck_after: float) -> Episode:
    slot = _free_slot(connection, podcast)
    number = _next_number(connection, podcast.id)
    values = {
        "id": episode_id(podcast.id, slot),
        "podcast_id": podcast.id,
        "slot": slot,
        "number": number,
        "status": EpisodeStatus.PENDING,
        "created_at": now,
        "updated_at": now,
        "claimable_at": now + timedelta(seconds=stuck_after),
    }
    row = connection.execute(insert(episodes).values(**values).returning(episodes)).mappings().one()
    following = due.slot_after(podcast, now)
    connection.execute(
        update(podcasts)
        .where(podcasts.c.id == podcast.id)
        .values(next_episode_at=following, claimable_at=following, claim_count=0)
    )
    return episode_from(row)


def _next_number(connection: Connection, podcast_id: str) -> int:
    number = connection.scalar(
        select(func.coalesce(func.max(episodes.c.number), 0) + 1).where(
            episodes.c.podcast_id == podcast_id, episodes.c.status != EpisodeStatus.SKIPPED
        )
    )
    return int(number or 1)


def _free_slot(connection: Connection, podcast: Podcast) -> datetime:
    """The slot that is due; a second or more later when an episode has its id, which names it to the second."""
    slot = podcast.next_episode_at
    same = select(episodes.c.id).where(episodes.c.podcast_id == podcast.id)
    while connection.scalar(same.where(episodes.c.id == episode_id(podcast.id, slot))) is not None:
        slot += timedelta(seconds=1)
    return slot


def episode_id(podcast_id: str, slot: datetime) -> str:
    """The id of a podcast's episode for a slot; the same slot always gives the same id."""
    return f"{podcast_id}-{slot:%Y%m%dt%H%M%S}"

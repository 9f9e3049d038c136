"""Claims: how several discoveries share what is due without sending it twice.

A claim moves ``claimable_at`` into the future in one conditional UPDATE, oldest first; nobody else
finds the row until then. If the work has not begun when the claim expires, the message may be lost,
so it is claimed and sent again, for twice as long: a backlog of any length adds a logarithm of
copies, not a copy a tick.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Column, ColumnElement, Engine, ScalarSelect, Table, case, func, literal, or_, select, update

from podcasting.database.connection import read
from podcasting.database.lost_connections import again, again_if_undone
from podcasting.database.rows import AWAITS_APPROVAL, episode_from, podcast_from
from podcasting.database.schema import Utc, episodes, notices, podcasts
from podcasting.models import ENDED, Episode, Podcast

MOST_DOUBLINGS = 10
"""The longest claim is 2¹⁰ times the first; with the default of 5 minutes, three and a half days."""

Claimed = TypeVar("Claimed", Podcast, Episode)


@dataclass(frozen=True)
class Claim(Generic[Claimed]):
    """The right to send one message about ``subject``, until ``expires_at``."""

    subject: Claimed
    expires_at: datetime
    count: int
    """How many claims of this work there were, this one included."""


class Due(NamedTuple):
    """What there is for the checker to find."""

    episodes: bool
    """One needs work that nobody seems to be doing."""
    notices: bool
    """A listener is to be told."""


def claim_expiry(now: datetime, seconds: float, earlier_claims: int) -> datetime:
    """When a claim made at ``now`` ends: ``seconds`` after, doubled for each earlier claim of the same work."""
    return now + timedelta(seconds=seconds * 2 ** min(earlier_claims, MOST_DOUBLINGS))


class Claims:
    """Claims on podcasts and episodes. ``now`` is passed in; ``seconds`` is how long a first claim lasts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def due(self, now: datetime) -> Due:
        """Whether there is an episode or a notice to claim: one query, which looks at the front of two indexes."""
        firsts = (_first(episodes.c.claimable_at), _first(notices.c.due_at))
        with read(self._engine) as connection:
            found = connection.execute(select(*firsts)).one()
        return Due(*(first is not None and first <= now for first in found))

    @again_if_undone
    def podcasts(self, now: datetime, *, seconds: float, limit: int) -> list[Claim[Podcast]]:
        """Claim up to ``limit`` podcasts whose next episode is due, oldest first."""
        rows = self._claim(podcasts, now, seconds=seconds, limit=limit)
        return sorted((_podcast_claim(row) for row in rows), key=lambda claim: claim.subject.next_episode_at)

    @again_if_undone
    def episodes(self, now: datetime, *, seconds: float, limit: int) -> list[Claim[Episode]]:
        """Claim up to ``limit`` episodes that need work nobody seems to be doing, oldest first."""
        rows = self._claim(episodes, now, seconds=seconds, limit=limit)
        return sorted((_episode_claim(row) for row in rows), key=lambda claim: claim.subject.slot)

    @again_if_undone
    def podcast(self, podcast_id: str, now: datetime, *, seconds: float) -> Claim[Podcast] | None:
        """Claim this podcast, or None when it is not due or claimed already."""
        rows = self._claim(podcasts, now, seconds=seconds, limit=1, only=podcasts.c.id == podcast_id)
        return _podcast_claim(rows[0]) if rows else None

    @again_if_undone
    def episode(self, episode_id: str, now: datetime, *, seconds: float) -> Claim[Episode] | None:
        """Claim this episode, or None when it needs nothing or is claimed already."""
        rows = self._claim(episodes, now, seconds=seconds, limit=1, only=episodes.c.id == episode_id)
        return _episode_claim(rows[0]) if rows else None

    @again_if_undone
    def release(self, claim: Claim[Podcast] | Claim[Episode], now: datetime) -> bool:
        """Give a claim back because its message could not be sent; False when it is no longer ours."""
        table = podcasts if isinstance(claim.subject, Podcast) else episodes
        statement = (
            update(table)
            .where(
                table.c.id == claim.subject.id,
                table.c.claim_count == claim.count,
                table.c.claimable_at == claim.expires_at,
            )
            .values(claimable_at=now, claim_count=claim.count - 1)
        )
        with self._engine.begin() as connection:
            return connection.execute(statement).rowcount == 1

    @again
    def make_claimable(self, episode_id: str, now: datetime, *, even_if_claimed: bool) -> None:
        """Let an episode that nobody works on be claimed at once, instead of when it counts as stuck.

        One that is claimed has a message on its way, and needs no other unless ``even_if_claimed``.
        """
        unleased = or_(episodes.c.lease_expires_at.is_(None), episodes.c.lease_expires_at <= now)
        statement = (
            update(episodes)
            .where(episodes.c.id == episode_id, episodes.c.status.not_in(ENDED), ~AWAITS_APPROVAL, unleased)
            .values(claimable_at=now, claim_count=0)
        )
        if not even_if_claimed:
            statement = statement.where(episodes.c.claim_count == 0)
        with self._engine.begin() as connection:
            connection.execute(statement)

    @again
    def put_off(self, episode_id: str, until: datetime) -> None:
        """Let nobody claim an episode before ``until``: for waits longer than SQS can delay a message."""
        statement = (
            update(episodes)
            .where(episodes.c.id == episode_id, episodes.c.status.not_in(ENDED), ~AWAITS_APPROVAL)
            .values(claimable_at=until, claim_count=0)
        )
        with self._engine.begin() as connection:
            connection.execute(statement)

    @again
    def reopen(self, now: datetime) -> int:
        """Make all that is claimed claimable now, because its messages can't be reached; returns how much.

        What waits for its own time and what a worker has in hand stay as they are. A message that turns up after
        all finds its work done, or leased.
        """
        unleased = or_(episodes.c.lease_expires_at.is_(None), episodes.c.lease_expires_at <= now)
        with self._engine.begin() as connection:
            shows = connection.execute(
                update(podcasts)
                .where(podcasts.c.claim_count > 0, podcasts.c.claimable_at > now)
                .values(claimable_at=podcasts.c.next_episode_at, claim_count=0)
            ).rowcount
            slots = connection.execute(
                update(episodes)
                .where(
                    episodes.c.claim_count > 0,
                    episodes.c.claimable_at > now,
                    episodes.c.status.not_in(ENDED),
                    unleased,
                )
                .values(claimable_at=now, claim_count=0)
            ).rowcount
        return shows + slots

    @again
    def forget(self, now: datetime) -> None:
        """Make all that is due or begun claimable now: for when queues and workers are known to be gone.

        Should a worker be left all the same, its lease is fenced like any that was superseded.
        """
        with self._engine.begin() as connection:
            connection.execute(
                update(podcasts)
                .where(podcasts.c.claim_count > 0)
                .values(claimable_at=podcasts.c.next_episode_at, claim_count=0)
            )
            connection.execute(
                update(episodes)
                .where(episodes.c.status.not_in(ENDED), ~AWAITS_APPROVAL)
                .values(
                    claimable_at=now,
                    claim_count=0,
                    lease_number=episodes.c.lease_number + 1,
                    lease_holder=None,
                    lease_expires_at=None,
                )
            )

    def _claim(
        self, table: Table, now: datetime, *, seconds: float, limit: int, only: ColumnElement[bool] | None = None
    ) -> list[Any]:
        due = (
            select(table.c.id)
            .where(table.c.claimable_at <= now)
            .order_by(table.c.claimable_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        if only is not None:
            due = due.where(only)
        expiries = [
            (table.c.claim_count == count, claim_expiry(now, seconds, count)) for count in range(MOST_DOUBLINGS)
        ]
        statement = (
            update(table)
            .where(table.c.id.in_(select(due.cte("due").c.id)))
            .values(
                claimable_at=case(
                    *((condition, literal(expiry, Utc)) for condition, expiry in expiries),
                    else_=literal(claim_expiry(now, seconds, MOST_DOUBLINGS), Utc),
                ),
                claim_count=table.c.claim_count + 1,
            )
            .returning(table)
        )
        with self._engine.begin() as connection:
            return list(connection.execute(statement).mappings())


def _first(moments: Column[datetime]) -> ScalarSelect[datetime]:
    # The smallest, not any that is small enough: no statistics, however stale, make a planner read the table for it.
    return select(func.min(moments)).scalar_subquery()


def _podcast_claim(row: Any) -> Claim[Podcast]:
    return Claim(podcast_from(row), row["claimable_at"], row["claim_count"])


def _episode_claim(row: Any) -> Claim[Episode]:
    return Claim(episode_from(row), row["claimable_at"], row["claim_count"])

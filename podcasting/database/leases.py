"""Leases with fencing: one worker works on an episode at a time, and a frozen one that wakes writes nothing.

Each lease has a number, one higher than the last. Every write of the work names it, and is refused
when a newer lease exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, or_, select, update

from podcasting.database.history import Happened, note
from podcasting.database.lost_connections import again, again_if_undone
from podcasting.database.rows import AWAITS_APPROVAL, episode_from
from podcasting.database.schema import episodes, history
from podcasting.errors import LeaseHeld, LeaseLost, UnknownEpisode
from podcasting.models import ENDED, Episode


@dataclass(frozen=True)
class Lease:
    """The right to work on an episode while it is renewed; ``number`` fences its writes."""

    episode_id: str
    number: int


def held(lease: Lease) -> ColumnElement[bool]:
    """The condition under which a write on ``episodes`` is still this lease's to make."""
    return and_(episodes.c.id == lease.episode_id, episodes.c.lease_number == lease.number)


def require(connection: Connection, lease: Lease, **values: object) -> None:
    """Write ``values`` to the leased episode inside the caller's transaction.

    The row stays locked until that transaction ends, so what is written beside it is fenced too.

    Raises:
        LeaseLost: a newer lease exists; nothing is written.
    """
    if connection.execute(update(episodes).where(held(lease)).values(**values)).rowcount != 1:
        raise LeaseLost(lease.episode_id, lease.number)


class Leases:
    """Takes, renews and gives back leases; ``now`` is passed in, lengths are seconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @again_if_undone
    def take(
        self, episode_id: str, *, holder: str, now: datetime, seconds: float, stuck_after: float
    ) -> tuple[Lease, Episode] | None:
        """Begin work: a start counts as an attempt. None when the episode has ended, or awaits approval.

        ``holder`` names the worker for people; ``stuck_after`` seconds later the checker may send the
        episode to another, unless it moved on.

        Raises:
            LeaseHeld: another worker holds it.
            UnknownEpisode: there is no such episode.
        """
        expires_at = now + timedelta(seconds=seconds)
        statement = (
            update(episodes)
            .where(
                episodes.c.id == episode_id,
                episodes.c.status.not_in(ENDED),
                ~AWAITS_APPROVAL,
                or_(episodes.c.lease_expires_at.is_(None), episodes.c.lease_expires_at <= now),
            )
            .values(
                lease_number=episodes.c.lease_number + 1,
                lease_holder=holder,
                lease_expires_at=expires_at,
                attempts=episodes.c.attempts + 1,
                claimable_at=now + timedelta(seconds=stuck_after),
                claim_count=0,
                updated_at=now,
            )
            .returning(episodes)
        )
        with self._engine.begin() as connection:
            row = connection.execute(statement).mappings().one_or_none()
            if row is not None:
                number = row["lease_number"]
                note(connection, episode_id, Happened.STARTED, now, detail=holder, lease_number=number)
                return Lease(episode_id, row["lease_number"]), episode_from(row)
            current = connection.execute(select(episodes).where(episodes.c.id == episode_id)).mappings().one_or_none()
        if current is None:
            raise UnknownEpisode(episode_id)
        if current["status"] in ENDED or episode_from(current).awaits_approval:
            return None
        expires_at = current["lease_expires_at"]
        # Its holder may have given it back between the two statements: then it can be had at once.
        seconds = 0 if expires_at is None else max(0, (expires_at - now).total_seconds())
        raise LeaseHeld(episode_id, seconds, waits=current["lease_holder"] is None)

    @again
    def renew(self, lease: Lease, now: datetime, *, seconds: float) -> None:
        """Keep a lease for another ``seconds``.

        Raises:
            LeaseLost: a newer lease exists.
        """
        with self._engine.begin() as connection:
            require(connection, lease, lease_expires_at=now + timedelta(seconds=seconds))

    @again
    def release(self, lease: Lease) -> None:
        """Give a lease back, so that the next attempt need not wait for its end. A lost one stays lost."""
        with self._engine.begin() as connection:
            connection.execute(update(episodes).where(held(lease)).values(lease_expires_at=None, lease_holder=None))

    @again
    def give_back(self, lease: Lease, now: datetime, *, stage: str, why: str, wait: float) -> None:
        """Give a lease back after a start that failed and is to be tried again; the history says why.

        Nobody gets it for ``wait`` seconds: the backoff is the episode's, or each copy of its message would make a
        try of its own at once, and together they would use up its attempts in a moment.
        """
        until = now + timedelta(seconds=wait)
        with self._engine.begin() as connection:
            statement = update(episodes).where(held(lease)).values(lease_expires_at=until, lease_holder=None)
            if connection.execute(statement).rowcount == 1:
                what = Happened.GIVEN_BACK
                note(connection, lease.episode_id, what, now, stage=stage, detail=why, lease_number=lease.number)

    @again
    def take_back(self, lease: Lease) -> None:
        """Undo a start, because what it needed is not to be had now: it does not count as an attempt.

        Its line is taken out of the history, or waiting for a provider would fill it.
        """
        statement = (
            update(episodes)
            .where(held(lease), episodes.c.lease_expires_at.is_not(None), episodes.c.attempts > 0)
            .values(lease_expires_at=None, lease_holder=None, attempts=episodes.c.attempts - 1)
        )
        with self._engine.begin() as connection:
            if connection.execute(statement).rowcount == 1:
                connection.execute(
                    delete(history).where(
                        history.c.episode_id == lease.episode_id,
                        history.c.lease_number == lease.number,
                        history.c.event == Happened.STARTED,
                    )
                )

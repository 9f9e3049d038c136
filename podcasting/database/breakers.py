"""The breakers of outside providers, shared by all workers: a row each, for those that failed lately.

The decisions are :mod:`podcasting.breaker`'s; here they are carried out so that of many processes one probes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, delete, or_, select, update

from podcasting.breaker import Breaker, State, Tolerance, opened_until, opens
from podcasting.database.connection import read
from podcasting.database.lost_connections import again, again_if_undone
from podcasting.database.rows import insert_missing
from podcasting.database.schema import breakers
from podcasting.errors import ProviderPaused

LONGEST_REASON = 500
KEPT_FOR = timedelta(days=7)
"""What failed longer ago and has not been asked since is forgotten: feeds name hosts that nobody meets again."""


@dataclass(frozen=True)
class Passage:
    """Leave to ask a provider once; given back by telling what became of it."""

    provider: str
    probing: bool = False
    troubled: bool = False
    """Whether there is anything for a success to clear."""


class Breakers:
    """Lets calls pass or refuses them, and counts what became of them; ``now`` is passed in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def enter(self, provider: str, now: datetime, tolerance: Tolerance) -> Passage:
        """Leave to ask a provider now. It costs a query; a write only for a probe.

        Raises:
            ProviderPaused: its breaker is open, or another worker is probing; says for how long.
        """
        with read(self._engine) as connection:
            breaker = _find(connection, provider)
        if breaker is None:
            return Passage(provider)
        wait = breaker.wait(now, tolerance)
        if not wait and breaker.state(now) is State.HALF_OPEN:
            if self._begin_probe(provider, now, tolerance):
                return Passage(provider, probing=True, troubled=True)
            wait = tolerance.look_again
        if wait:
            raise ProviderPaused(provider, wait, breaker.reason or "it failed too often")
        return Passage(provider, troubled=True)

    def confirm(self, passage: Passage, now: datetime, tolerance: Tolerance) -> None:
        """Leave that was given a while ago still holds. It costs a query.

        Raises:
            ProviderPaused: its breaker has opened meanwhile, by the word of others; says for how long. Who probes is
                let through unless the provider asked for a longer pause; who does not has to enter again.
        """
        with read(self._engine) as connection:
            breaker = _find(connection, passage.provider)
        state = State.CLOSED if breaker is None else breaker.state(now)
        if breaker is None or state is State.CLOSED or (passage.probing and state is State.HALF_OPEN):
            return
        wait = breaker.wait(now, tolerance) or tolerance.look_again
        raise ProviderPaused(passage.provider, wait, breaker.reason or "it failed too often")

    @again
    def succeeded(self, passage: Passage) -> None:
        """The provider answered. A probe closes the breaker; any other success ends a row of failures."""
        if not passage.troubled:
            return
        whose = breakers.c.provider == passage.provider
        # A success of a call begun before it opened says nothing about now.
        with self._engine.begin() as connection:
            connection.execute(
                delete(breakers).where(whose if passage.probing else whose & breakers.c.open_until.is_(None))
            )

    @again_if_undone
    def failed(self, passage: Passage, now: datetime, tolerance: Tolerance, *, reason: str) -> Breaker | None:
        """The provider failed. Returns the breaker when that opened it, else None."""
        self._forget_long_past(now)
        with self._engine.begin() as connection:
            counted = _count(connection, passage.provider, now, reason)
            if not opens(counted, probing=passage.probing, tolerance=tolerance):
                return None
            return _open(connection, counted, now, opened_until(counted, now, asked=None, tolerance=tolerance))

    @again_if_undone
    def throttled(
        self, passage: Passage, now: datetime, tolerance: Tolerance, *, after: float | None, reason: str
    ) -> Breaker:
        """The provider asked us to slow down, for ``after`` seconds if it said so. Nobody asks it until then."""
        self._forget_long_past(now)
        with self._engine.begin() as connection:
            counted = _count(connection, passage.provider, now, reason)
            return _open(connection, counted, now, opened_until(counted, now, asked=after, tolerance=tolerance))

    @again
    def abandon(self, passage: Passage) -> None:
        """The call was broken off and says nothing of the provider; a probe's place is free again."""
        if passage.probing:
            with self._engine.begin() as connection:
                connection.execute(
                    update(breakers).where(breakers.c.provider == passage.provider).values(probe_until=None)
                )

    def all(self) -> list[Breaker]:
        """Every provider that failed lately, by name."""
        with read(self._engine) as connection:
            rows = connection.execute(select(breakers).order_by(breakers.c.provider)).mappings().all()
        return [Breaker(**row) for row in rows]

    @again
    def close(self, provider: str) -> bool:
        """Forget a provider's failures, because a person knows better; False when there were none."""
        with self._engine.begin() as connection:
            return connection.execute(delete(breakers).where(breakers.c.provider == provider)).rowcount == 1

    def _forget_long_past(self, now: datetime) -> None:
        # In a transaction of its own: one that holds a row and wants others may meet another that does the same.
        long_past = now - KEPT_FOR
        closed_since = or_(breakers.c.open_until.is_(None), breakers.c.open_until <= long_past)
        with self._engine.begin() as connection:
            connection.execute(delete(breakers).where(breakers.c.updated_at <= long_past, closed_since))

    @again_if_undone
    def _begin_probe(self, provider: str, now: datetime, tolerance: Tolerance) -> bool:
        free = or_(breakers.c.probe_until.is_(None), breakers.c.probe_until <= now)
        statement = (
            update(breakers)
            .where(breakers.c.provider == provider, breakers.c.open_until <= now, free)
            .values(probe_until=now + timedelta(seconds=tolerance.probe), updated_at=now)
        )
        with self._engine.begin() as connection:
            return connection.execute(statement).rowcount == 1


def _find(connection: Connection, provider: str) -> Breaker | None:
    row = connection.execute(select(breakers).where(breakers.c.provider == provider)).mappings().one_or_none()
    return None if row is None else Breaker(**row)


def _count(connection: Connection, provider: str, now: datetime, reason: str) -> Breaker:
    # The row stays locked until the transaction ends, so of many failures one opens the breaker.
    insert_missing(connection, breakers, provider=provider, failures=0, openings=0, updated_at=now)
    statement = (
        update(breakers)
        .where(breakers.c.provider == provider)
        .values(failures=breakers.c.failures + 1, reason=reason[:LONGEST_REASON], updated_at=now)
        .returning(breakers)
    )
    return Breaker(**connection.execute(statement).mappings().one())


def _open(connection: Connection, breaker: Breaker, now: datetime, until: datetime) -> Breaker:
    statement = (
        update(breakers)
        .where(breakers.c.provider == breaker.provider)
        .values(
            openings=breaker.openings + 1,
            opened_at=breaker.opened_at or now,
            open_until=until,
            probe_until=None,
        )
        .returning(breakers)
    )
    return Breaker(**connection.execute(statement).mappings().one())

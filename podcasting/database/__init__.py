"""The truth: podcasts, episodes, claims, leases, checkpoints; what happened, and what troubles."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from podcasting.announcing import NOBODY, Announcing
from podcasting.database.alarms import Alarms
from podcasting.database.breakers import Breakers
from podcasting.database.checkpoints import Checkpoints
from podcasting.database.claims import Claims
from podcasting.database.connection import connect
from podcasting.database.episodes import Episodes
from podcasting.database.expenses import Expenses
from podcasting.database.history import History
from podcasting.database.leases import Leases
from podcasting.database.notices import Notices
from podcasting.database.podcasts import Podcasts
from podcasting.database.processes import Processes
from podcasting.database.redos import Redos
from podcasting.database.reviews import Reviews


@dataclass(frozen=True)
class Database:
    """All that is remembered, by what it is about. Safe to share between threads, not across a fork."""

    engine: Engine
    podcasts: Podcasts
    episodes: Episodes
    claims: Claims
    leases: Leases
    checkpoints: Checkpoints
    history: History
    breakers: Breakers
    alarms: Alarms
    processes: Processes
    expenses: Expenses
    notices: Notices
    reviews: Reviews
    redos: Redos

    @classmethod
    def at(cls, url: str, *, platform: Announcing = NOBODY) -> Database:
        """The database at a SQLAlchemy URL; connects when first used.

        ``platform`` are those who are told of every podcast's episodes.

        Raises:
            Permanent: the URL cannot be used.
        """
        engine = connect(url)
        return cls(
            engine,
            Podcasts(engine),
            Episodes(engine, platform),
            Claims(engine),
            Leases(engine),
            Checkpoints(engine),
            History(engine),
            Breakers(engine),
            Alarms(engine),
            Processes(engine),
            Expenses(engine),
            Notices(engine),
            Reviews(engine),
            Redos(engine),
        )

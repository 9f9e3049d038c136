"""Alarms: a trouble that befalls hundreds of episodes is told once, and counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, select, update

from podcasting.database.connection import read
from podcasting.database.lost_connections import again_if_undone
from podcasting.database.rows import insert_missing
from podcasting.database.schema import alarms


@dataclass(frozen=True)
class Alarm:
    """A trouble that stands."""

    key: str
    """What makes two troubles the same one."""
    about: str
    """The first of them, in words."""
    count: int
    opened_at: datetime
    last_at: datetime


class Alarms:
    """Troubles that stand; ``now`` is passed in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @again_if_undone
    def sound(self, key: str, about: str, now: datetime, *, quiet_seconds: float) -> bool:
        """Count a trouble; whether it is a new one, that a person should be told of.

        It is new when none of its key came for ``quiet_seconds``. Of many workers at once, one is told so.
        """
        with self._engine.begin() as connection:
            stale = alarms.c.last_at <= now - timedelta(seconds=quiet_seconds)
            connection.execute(delete(alarms).where(alarms.c.key == key, stale))
            if insert_missing(connection, alarms, key=key, about=about, count=1, opened_at=now, last_at=now):
                return True
            connection.execute(update(alarms).where(alarms.c.key == key).values(count=alarms.c.count + 1, last_at=now))
            return False

    def standing(self, now: datetime, *, quiet_seconds: float) -> list[Alarm]:
        """Those that came within the last ``quiet_seconds``, newest first."""
        recent = alarms.c.last_at > now - timedelta(seconds=quiet_seconds)
        with read(self._engine) as connection:
            rows = connection.execute(select(alarms).where(recent).order_by(alarms.c.last_at.desc())).mappings().all()
        return [Alarm(**row) for row in rows]

"""Rows as the domain's own models."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping, Table, and_
from sqlalchemy.dialects import postgresql, sqlite

from podcasting.database.schema import episodes
from podcasting.models import Episode, EpisodeStatus, Failure, Podcast

AWAITS_APPROVAL = and_(
    episodes.c.status == EpisodeStatus.SCRIPT_READY,
    episodes.c.approved_at.is_(None),
    episodes.c.claimable_at.is_(None),
)
"""The condition of an episode that rests until a person approves its script: discovery never finds it.

An episode that is under way and rests for no person has a ``claimable_at``, if in the future.
"""


def podcast_from(row: RowMapping) -> Podcast:
    """The podcast in a row of ``podcasts``."""
    return Podcast(**{name: row[name] for name in Podcast.model_fields})


def episode_from(row: RowMapping) -> Episode:
    """The episode in a row of ``episodes``."""
    fields: dict[str, Any] = {name: row[name] for name in Episode.model_fields if name in row}
    fields["awaits_approval"] = (
        row["status"] == EpisodeStatus.SCRIPT_READY and row["approved_at"] is None and row["claimable_at"] is None
    )
    if row["failure_reason"] is not None:
        fields["failure"] = Failure(stage=row["failure_stage"], reason=row["failure_reason"])
    return Episode(**fields)


def insert_missing(connection: Connection, table: Table, **values: object) -> bool:
    """Insert a row unless one with its key is there; whether it was inserted. Several may try at once."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(statement).first() is not None

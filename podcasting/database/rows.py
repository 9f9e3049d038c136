"""Rows as the domain's own models."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping, Table
from sqlalchemy.dialects import postgresql, sqlite

from podcasting.models import Episode, Failure, Podcast


def podcast_from(row: RowMapping) -> Podcast:
    """The podcast in a row of ``podcasts``."""
    return Podcast(**{name: row[name] for name in Podcast.model_fields})


def episode_from(row: RowMapping) -> Episode:
    """The episode in a row of ``episodes``."""
    fields: dict[str, Any] = {name: row[name] for name in Episode.model_fields if name != "failure"}
    if row["failure_reason"] is not None:
        fields["failure"] = Failure(stage=row["failure_stage"], reason=row["failure_reason"])
    return Episode(**fields)


def insert_missing(connection: Connection, table: Table, **values: object) -> bool:
    """Insert a row unless one with its key is there; whether it was inserted. Several may try at once."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(statement).first() is not None

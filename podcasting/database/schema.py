"""The tables. What is due is found through one indexed column, so that finding it costs what is due.

``claimable_at`` is that column, on podcasts and on episodes alike: the moment from which discovery
may claim the row. A claim moves it into the future, which is how a claim expires; NULL means there
is nothing to do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    types,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Utc(types.TypeDecorator[datetime]):
    """An aware moment, in UTC in the table and in Python. SQLite, which knows no zones, gets naive UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive moments; convert the others to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Give UTC back, aware."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


podcasts = Table(
    "podcasts",
    metadata,
    Column("id", String(100), primary_key=True),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("owner", String(128)),
    Column("language", String(35), nullable=False),
    Column("sources", JSON, nullable=False),
    Column("hosts", JSON, nullable=False),
    Column("frequency_days", Float, nullable=False),
    Column("state", String(10), nullable=False),
    Column("first_slot", Utc, nullable=False),
    Column("next_episode_at", Utc, nullable=False),
    Column("latest_episode_at", Utc),
    Column("version", Integer, nullable=False, default=0),
    Column("created_at", Utc, nullable=False),
    Column("claimable_at", Utc),
    Column("claim_count", Integer, nullable=False, default=0),
    Column("production", JSON, nullable=False, server_default="{}"),
)
Index("ix_podcasts_claimable_at", podcasts.c.claimable_at)

episodes = Table(
    "episodes",
    metadata,
    Column("id", String(100), primary_key=True),
    Column("podcast_id", String(100), ForeignKey("podcasts.id"), nullable=False),
    Column("slot", Utc, nullable=False),
    Column("number", Integer, nullable=False),
    Column("status", String(20), nullable=False),
    Column("title", Text),
    Column("attempts", Integer, nullable=False, default=0),
    Column("failure_stage", String(30)),
    Column("failure_reason", Text),
    Column("released_at", Utc),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Column("lease_number", Integer, nullable=False, default=0),
    Column("lease_holder", Text),
    Column("lease_expires_at", Utc),
    Column("claimable_at", Utc),
    Column("claim_count", Integer, nullable=False, default=0),
    Column("approved_at", Utc),
    UniqueConstraint("podcast_id", "slot"),
)
Index("ix_episodes_claimable_at", episodes.c.claimable_at)

stages = Table(
    "stages",
    metadata,
    Column("episode_id", String(100), ForeignKey("episodes.id"), primary_key=True),
    Column("name", String(30), primary_key=True),
    Column("key", String(64), nullable=False),
    Column("output", JSON, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("finished_at", Utc, nullable=False),
    Column("lease_number", Integer, nullable=False),
)

seen_entries = Table(
    "seen_entries",
    metadata,
    Column("podcast_id", String(100), ForeignKey("podcasts.id"), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("episode_id", String(100), ForeignKey("episodes.id"), nullable=False, index=True),
)

source_validators = Table(
    "source_validators",
    metadata,
    Column("podcast_id", String(100), ForeignKey("podcasts.id"), primary_key=True),
    Column("source", Text, primary_key=True),
    Column("etag", Text),
    Column("last_modified", Text),
)

history = Table(
    "history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("episode_id", String(100), ForeignKey("episodes.id"), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("event", String(20), nullable=False),
    Column("stage", String(30)),
    Column("detail", Text),
    Column("lease_number", Integer),
)

expenses = Table(
    "expenses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("episode_id", String(100), ForeignKey("episodes.id"), nullable=False, index=True),
    Column("at", Utc, nullable=False, index=True),
    Column("stage", String(30), nullable=False),
    Column("provider", String(200), nullable=False),
    Column("calls", Integer, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("characters", Integer, nullable=False),
    Column("dollars", Float),
)

notices = Table(
    "notices",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("podcast_id", String(100), ForeignKey("podcasts.id"), nullable=False),
    Column("episode_id", String(100), ForeignKey("episodes.id"), nullable=False, index=True),
    Column("occasion", String(20), nullable=False),
    Column("target", String(200), nullable=False),
    Column("event", JSON, nullable=False),
    Column("state", String(12), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("due_at", Utc, index=True),
    Column("settled_at", Utc, index=True),
    Column("claims", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("answer", Text),
)

breakers = Table(
    "breakers",
    metadata,
    Column("provider", String(200), primary_key=True),
    Column("failures", Integer, nullable=False, default=0),
    Column("openings", Integer, nullable=False, default=0),
    Column("opened_at", Utc),
    Column("open_until", Utc),
    Column("probe_until", Utc),
    Column("reason", Text),
    Column("updated_at", Utc, nullable=False),
)

alarms = Table(
    "alarms",
    metadata,
    Column("key", String(100), primary_key=True),
    Column("about", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("opened_at", Utc, nullable=False),
    Column("last_at", Utc, nullable=False),
)

processes = Table(
    "processes",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("host", String(200), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("release", String(60), nullable=False),
    Column("started_at", Utc, nullable=False),
    Column("seen_at", Utc, nullable=False),
    Column("queues", Text, nullable=False),
    Column("busy", Integer, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("ticked_at", Utc),
)

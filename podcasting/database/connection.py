"""Opening the database, and bringing its tables up to date."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from podcasting.errors import Permanent, Retryable

SQLITE_BUSY_SECONDS = 30
"""How long one process waits for another's write before it gives up."""


def connect(url: str) -> Engine:
    """An engine for a SQLAlchemy URL (``sqlite:///…`` or ``postgresql+psycopg://…``). Opens no connection yet.

    ``postgres://`` and ``postgresql://``, as hosts hand them out, mean psycopg 3 too.

    Raises:
        Permanent: the URL cannot be understood, or names another database.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise Permanent(f"AIRDATE_DATABASE_URL cannot be read: {error}") from None
    backend = parsed.drivername.partition("+")[0]
    if backend in {"postgres", "postgresql"}:
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=2, max_overflow=3
        )
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise Permanent(
            f"AIRDATE_DATABASE_URL names {parsed.drivername!r}; Airdate keeps its truth in sqlite or postgresql"
        )
    if parsed.database:
        try:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Retryable(
                f"cannot make the folder of the database {parsed.database}: {error.strerror}; "
                "make it writable, or set AIRDATE_HOME to a folder that is"
            ) from error
    engine = create_engine(parsed, connect_args={"timeout": SQLITE_BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


def read(engine: Engine) -> Connection:
    """A connection that only reads, and so on SQLite waits for no writer."""
    return engine.execution_options(reads_only=True).connect()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    raw: sqlite3.Connection = connection
    raw.isolation_level = None  # Python's own implicit BEGIN would come too late to hold off other writers.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        raw.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # A reader that turns writer in mid-transaction fails when another wrote in between; so writers
    # queue at the start. This is SQLite's equal of SELECT … FOR UPDATE.
    reads = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest revision; safe to call by several processes at once.

    Raises:
        Retryable: the database can't be reached or written.
    """
    config = Config()
    config.set_main_option("script_location", "podcasting.database:migrations")
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4125170)")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        raise Retryable(f"the database {engine.url.render_as_string()} cannot be used: {error.orig}") from error


def is_migrated(engine: Engine) -> bool:
    """Whether the tables are at the newest revision."""
    config = Config()
    config.set_main_option("script_location", "podcasting.database:migrations")
    newest = ScriptDirectory.from_config(config).get_current_head()
    with read(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision() == newest

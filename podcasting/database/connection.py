"""Opening the database: how many connections, what becomes of them in a fork; and bringing its tables to a revision."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, Pool, create_engine, event, func, inspect, make_url, select, table
from sqlalchemy.exc import ArgumentError, DBAPIError

from podcasting.database import lost_connections
from podcasting.errors import Permanent, Retryable

SQLITE_BUSY_SECONDS = 30
"""How long one process waits for another's write before it gives up."""
KEPT_CONNECTIONS = 2
"""What a process keeps open to PostgreSQL: one for its work, one for the thread that renews its lease."""
MOST_CONNECTIONS = 16
"""What a process may open when its threads want them at once: two each for eight; more threads wait for one."""
RECYCLE_SECONDS = 300
"""A connection older than this is made anew when wanted: load balancers forget idle ones (AWS's after 350 s)."""
LOCK_NOT_AVAILABLE = "55P03"
"""PostgreSQL's SQLSTATE of a lock that was not had in time."""
POSTGRES_OPTIONS = {
    "application_name": "airdate",
    "connect_timeout": 5,
    # A server that vanished is noticed within half a minute, not after the two hours of the kernel's default.
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""libpq's, seconds (the last: milliseconds); the URL may say otherwise.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
"""


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
        return _postgres(parsed.set(drivername="postgresql+psycopg"))
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
    _engines.add(engine)
    return engine


def _postgres(url: URL) -> Engine:
    options: dict[str, Any] = {name: value for name, value in POSTGRES_OPTIONS.items() if name not in url.query}
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_recycle=RECYCLE_SECONDS,
        pool_size=KEPT_CONNECTIONS,
        max_overflow=MOST_CONNECTIONS - KEPT_CONNECTIONS,
        pool_use_lifo=True,  # what is not needed stays idle, and is made anew in time
        # A proxy that pools transactions gives each of them another server, which does not know what was prepared.
        connect_args={**options, "prepare_threshold": None},
    )
    known = False

    def connect(dialect: Any, _record: Any, args: Any, options: Any) -> Any:
        nonlocal known
        connection = lost_connections.when_reachable(
            lambda: dialect.connect(*args, **options), refusal=dialect.dbapi.OperationalError, known=known
        )
        known = True
        return connection

    event.listen(engine, "do_connect", connect)
    lost_connections.watch(engine)
    _engines.add(engine)
    return engine


_engines: WeakSet[Engine] = WeakSet()
_of_the_parent: list[Pool] = []
"""What a forked child was born with. Kept, since to forget a connection would be to close it, for the parent too."""


def _leave_connections_to_the_parent() -> None:
    for engine in list(_engines):
        _of_the_parent.append(engine.pool)
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_leave_connections_to_the_parent)


def read(engine: Engine) -> Connection:
    """A connection that only reads, and so on SQLite waits for no writer.

    A statement whose connection was lost is sent again on another, so two statements may see two moments.
    """
    return _ReadingConnection(engine.execution_options(reads_only=True))


class _ReadingConnection(Connection):
    def close(self) -> None:
        """Close; what was read stays read, should the connection be lost only now."""
        with suppress(DBAPIError):
            super().close()

    def execute(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> Any:
        """As SQLAlchemy's, and again when the connection was lost."""

        def once() -> Any:
            if self.invalidated:
                self.rollback()  # of a transaction that is gone: only then is another connection taken
            return super(_ReadingConnection, self).execute(statement, parameters, execution_options=execution_options)

        return lost_connections.again_reading(once)

    def scalars(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> Any:
        """The first column, tried again likewise."""
        return self.execute(statement, parameters, execution_options=execution_options).scalars()

    def scalar(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> Any:
        """The first column of the first row, tried again likewise."""
        return self.execute(statement, parameters, execution_options=execution_options).scalar()


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


class OlderRevision(Permanent):
    """To go back to a revision drops what came since, and that was not asked for."""

    def __init__(self, to: str, now: str | None) -> None:
        super().__init__(
            f"revision {to} is older than the database's, {now}, and going back drops what came since "
            f"(`airdate migrate --to {to} --down` does)"
        )


@dataclass(frozen=True)
class Migration:
    """From which revision to which; None is a database without tables."""

    before: str | None
    after: str | None


def migrate(engine: Engine, to: str = "head", *, down: bool = False, lock_seconds: float = 5) -> Migration:
    """Bring the tables to a revision, the newest unless told; safe to call by several processes at once.

    It is one transaction, so it happens whole or not at all. It waits for each table that others use for
    ``lock_seconds`` at most, since whoever comes after it waits with it. An older revision is gone back to only
    if ``down``: that drops what came since (:func:`would_drop`); ``base`` is before the first.

    Raises:
        Permanent: there is no such revision, or the database's is of a newer release.
        OlderRevision: it is older, and not ``down``.
        Retryable: the database can't be reached or written, or its tables are in use.
    """
    with _migrating(engine, lock_seconds) as (connection, config):
        return _migrate(connection, config, to, down=down)


def would_drop(engine: Engine, to: str, *, lock_seconds: float = 5) -> dict[str, int | None]:
    """What going back to a revision would drop: tables with their rows, and columns (``table.column``) with None.

    It is tried, and rolled back.

    Raises:
        Permanent: there is no such revision, or the database's is of a newer release.
        Retryable: the database can't be reached or written, or its tables are in use.
    """
    with _migrating(engine, lock_seconds) as (connection, config):
        before = _columns(connection)
        _migrate(connection, config, to, down=True)
        after = _columns(connection)
        connection.rollback()
    dropped: dict[str, int | None] = {}
    with read(engine) as connection:
        for name, columns in sorted(before.items()):
            if name not in after:
                dropped[name] = connection.scalar(select(func.count()).select_from(table(name)))
            else:
                dropped |= {f"{name}.{column}": None for column in sorted(columns - after[name])}
    return dropped


def is_migrated(engine: Engine) -> bool:
    """Whether the tables are at the newest revision."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    with read(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision() == newest


@contextmanager
def _migrating(engine: Engine, lock_seconds: float) -> Iterator[tuple[Connection, Config]]:
    config = _config()
    address = engine.url.render_as_string()
    try:
        with engine.connect() as connection, connection.begin() as transaction:
            if engine.dialect.name == "postgresql":
                # Both end with the transaction: behind a proxy, the session is not ours.
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4125170)")
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(lock_seconds * 1000)}")
            config.attributes["connection"] = connection
            yield connection, config
            if transaction.is_active:
                transaction.commit()
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise Retryable(
                f"nothing was migrated: others use the tables of {address}, and did not let go of them in "
                f"{lock_seconds:g} s; try again, and if that does not help look for long transactions in "
                "pg_stat_activity"
            ) from error
        raise Retryable(f"the database {address} cannot be used: {error.orig}") from error


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "podcasting.database:migrations")
    return config


def _migrate(connection: Connection, config: Config, to: str, *, down: bool) -> Migration:
    revisions = [revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    now = MigrationContext.configure(connection).get_current_revision()
    if now is not None and now not in revisions:
        raise Permanent(
            f"the database is at revision {now}, which this release does not know: a newer one migrated it. Run that "
            f"release, or with it go back to what this one knows: `airdate migrate --to {revisions[-1]} --down`"
        )
    target = {"head": revisions[-1], "base": None}.get(to, to)
    if target is not None and target not in revisions:
        raise Permanent(f"there is no revision {to!r}; there are {', '.join(revisions)}, and base and head")
    steps = [None, *revisions]
    if steps.index(target) > steps.index(now):
        command.upgrade(config, to)
    elif steps.index(target) < steps.index(now):
        if not down:
            raise OlderRevision(to, now)
        command.downgrade(config, to)
    return Migration(now, target)


def _columns(connection: Connection) -> dict[str, set[str]]:
    inspector = inspect(connection)
    names = set(inspector.get_table_names()) - {"alembic_version"}
    return {name: {column["name"] for column in inspector.get_columns(name)} for name in names}

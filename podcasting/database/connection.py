"""Opening the database: how many connections, and what becomes of them in a fork."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, Pool, create_engine, event, make_url
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

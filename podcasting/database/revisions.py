"""Bringing the tables to a revision: forward to this release, or back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, func, inspect, select, table
from sqlalchemy.exc import DBAPIError

from podcasting.database.connection import read
from podcasting.errors import Permanent, Retryable

LOCK_NOT_AVAILABLE = "55P03"
"""PostgreSQL's SQLSTATE of a lock that was not had in time."""


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

"""Whether the database's tables are those of this release; asked of a connection that nobody else uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event, make_url

from podcasting.database.connection import connect, read
from podcasting.errors import Permanent
from tasks.readiness.findings import Finding, fail, ok

AREA = "database"
PATIENCE_SECONDS = 3
"""For a connection, and for a lock of SQLite's."""


class Missing(Exception):
    """There is no such file."""


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """An engine of our own, which waits for nothing longer than three seconds, and is disposed of at the end.

    So no connection is left that a worker's children would inherit.

    Raises:
        Permanent: the URL cannot be used.
        Missing: a SQLite file that would have to be made first.
    """
    engine = connect(bounded(url))
    if engine.dialect.name == "sqlite":
        file = engine.url.database or ""
        if file not in {"", ":memory:"} and not Path(file).exists():
            raise Missing(file)
        event.listen(engine, "connect", _be_impatient)
    try:
        yield engine
    finally:
        engine.dispose()


def bounded(url: str) -> str:
    """The URL, for a connection that is given up when PostgreSQL does not answer.

    One that cannot be read is given back as it is, for ``connect`` to say so.
    """
    try:
        parsed = make_url(url)
    except Exception:  # noqa: BLE001 - connect() tells what is wrong with it
        return url
    if not parsed.drivername.startswith("postgres") or "connect_timeout" in parsed.query:
        return url
    return parsed.update_query_dict({"connect_timeout": str(PATIENCE_SECONDS)}).render_as_string(hide_password=False)


def revisions(engine: Engine) -> tuple[str | None, str | None]:
    """The revision of the tables (None when there are none), and this release's.

    Raises:
        DBAPIError: the database can't be reached or read.
    """
    config = Config()
    config.set_main_option("script_location", "podcasting.database:migrations")
    newest = ScriptDirectory.from_config(config).get_current_head()
    with read(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision(), newest


def tables_agree(engine: Engine) -> Finding:
    """Whether the tables are those of this release.

    Raises:
        DBAPIError: the database can't be reached or read.
    """
    current, newest = revisions(engine)
    if current == newest:
        return ok(AREA, f"its tables are at revision {newest}, this release's")
    if current is None:
        return fail(AREA, "it has no tables", "airdate migrate")
    return fail(
        AREA,
        f"its tables are at revision {current}, and this release's at {newest}",
        "airdate migrate   (or start the release that the tables are of)",
    )


def no_database(problem: Permanent | Missing) -> Finding:
    """That there is nothing to open."""
    if isinstance(problem, Missing):
        return fail(AREA, f"there is no file {problem}", "airdate migrate   (it makes the file and its tables)")
    return fail(AREA, str(problem), "set AIRDATE_DATABASE_URL as .env.example says")


def _be_impatient(connection: Any, _record: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout={PATIENCE_SECONDS * 1000}")

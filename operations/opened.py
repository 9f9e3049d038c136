"""The database, as commands need it: with its tables, or with a clear word about them."""

from __future__ import annotations

from functools import cache

from sqlalchemy.exc import DBAPIError

from podcasting.database import Database
from podcasting.database.connection import SQLITE_BUSY_SECONDS
from podcasting.database.revisions import is_migrated, migrate
from podcasting.errors import Permanent, Retryable
from settings import settings
from tasks import wiring


@cache
def database() -> Database:
    """This process's database. On one's own machine its tables are made when missing.

    Raises:
        Permanent: a platform's database has no tables, or those of another release.
        Retryable: it can't be reached.
    """
    opened = wiring.database()
    try:
        if not is_migrated(opened.engine):
            if not settings().embedded:
                raise Permanent("the database has no tables, or those of another release: run `airdate migrate`")
            migrate(opened.engine)
    except DBAPIError as error:
        raise Retryable(f"the database {opened.engine.url.render_as_string()} cannot be used: {error.orig}") from error
    return opened


def in_one_line(error: Exception) -> str | None:
    """What the database refused, and what to do; None for any other error."""
    if not isinstance(error, DBAPIError):
        return None
    why = " ".join(str(error.orig).split())
    if "database is locked" in why:
        return (
            f"{why}: another process writes to it, and did not let go in {SQLITE_BUSY_SECONDS} s; "
            "end what holds it (a forgotten sqlite3, a copy under way), and try again"
        )
    return f"the database refused: {why}; `airdate doctor --only database` says more"

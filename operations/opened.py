"""The database, as commands need it: with its tables, or with a clear word about them."""

from __future__ import annotations

from functools import cache

from sqlalchemy.exc import DBAPIError

from podcasting.database import Database
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

"""A database that refuses in the middle of a command is told in a line, like any other trouble."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from podcasting.database import Database, connection
from podcasting.models import Podcast
from tests.fakes.shell import Shell


def test_a_locked_database_says_who_is_in_the_way(
    airdate: Shell, database: Database, add_podcast: Callable[..., Podcast], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_podcast(database, "mine")
    monkeypatch.setattr(connection, "SQLITE_BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(airdate.home / "airdate.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        told = airdate.mistake("podcasts", "pause", "mine")

    assert told.startswith("database is locked: another process writes to it")


def test_a_table_that_is_gone_is_told(airdate: Shell, database: Database) -> None:
    with database.engine.begin() as changing:
        changing.exec_driver_sql("ALTER TABLE podcasts RENAME TO elsewhere")

    told = airdate.mistake("podcasts", "list")

    assert told == "the database refused: no such table: podcasts; `airdate doctor --only database` says more"

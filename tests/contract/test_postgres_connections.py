"""How many connections a process keeps to a real PostgreSQL, whose they are, and that a fork shares none."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, func, select, text

from podcasting.database import Database
from podcasting.database.connection import KEPT_CONNECTIONS, MOST_CONNECTIONS, read
from podcasting.models import Podcast
from tests.fakes.clock import Clock
from tests.fakes.pgbouncer import PgBouncer

AddPodcast = Callable[..., Podcast]


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture
def sessions(postgres: str, postgres_url: str) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Those of this test's database, as an operator sees them."""
    with psycopg.connect(postgres, autocommit=True, row_factory=psycopg.rows.dict_row) as connection:

        def ask() -> list[dict[str, Any]]:
            asked = "SELECT pid, application_name, state FROM pg_stat_activity WHERE datname = %s"
            return connection.execute(asked, [name_of(postgres_url)]).fetchall()

        yield ask


def backend(database: Database) -> int:
    with read(database.engine) as connection:
        pid: int = connection.scalar(select(func.pg_backend_pid()))
    return pid


def in_a_fork(answer: Callable[[], int]) -> int:
    """What the child of a real fork answers; it ends without the parent's ways of ending."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(answer()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answered:
        said = answered.read()
    os.waitpid(child, 0)
    return int(said)


def test_an_operator_sees_who_it_is(
    database: Database, sessions: Callable[[], list[dict[str, Any]]], postgres_url: str
) -> None:
    database.podcasts.all()
    assert [each["application_name"] for each in sessions()] == ["airdate"]

    named = Database.at(f"{postgres_url}&application_name=reports")
    named.podcasts.all()

    assert sorted(each["application_name"] for each in sessions()) == ["airdate", "reports"]
    named.engine.dispose()


class TestForks:
    def test_a_child_and_its_parent_share_no_connection(
        self, database: Database, sessions: Callable[[], list[dict[str, Any]]]
    ) -> None:
        parents = backend(database)

        childs = in_a_fork(lambda: backend(database))

        assert childs != parents
        assert backend(database) == parents
        assert parents in {each["pid"] for each in sessions()}

    def test_many_children_leave_the_parents_connection_as_it_was(
        self, database: Database, add_podcast: AddPodcast
    ) -> None:
        podcast = add_podcast(database)
        with read(database.engine) as connection:
            before = connection.scalar(select(func.pg_backend_pid()))
            children = {in_a_fork(lambda: backend(database)) for _ in range(5)}

            assert connection.scalar(select(func.pg_backend_pid())) == before
        assert before not in children
        assert database.podcasts.get("my-show") == podcast

    def test_sqlite_likewise(self, sqlite: Database, add_podcast: AddPodcast) -> None:
        podcast = add_podcast(sqlite)
        pool = sqlite.engine.pool

        def another_pool() -> int:
            assert sqlite.podcasts.get("my-show") == podcast
            return int(sqlite.engine.pool is not pool)

        assert in_a_fork(another_pool) == 1
        assert sqlite.podcasts.get("my-show") == podcast


class TestPools:
    def test_a_process_keeps_two(self, database: Database, sessions: Callable[[], list[dict[str, Any]]]) -> None:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: database.podcasts.all(), range(200)))

        assert len(sessions()) <= KEPT_CONNECTIONS == 2

    def test_eight_threads_and_the_threads_of_their_leases_wait_for_none(
        self, database: Database, sessions: Callable[[], list[dict[str, Any]]]
    ) -> None:
        all_there = threading.Barrier(2 * 8, timeout=20)

        def hold(_: int) -> None:
            with read(database.engine) as connection:
                connection.scalar(text("SELECT 1"))
                all_there.wait()

        with ThreadPoolExecutor(2 * 8) as threads:
            list(threads.map(hold, range(2 * 8)))

        assert MOST_CONNECTIONS == 2 * 8
        last = time.monotonic() + 10  # the server takes a moment to end what was closed
        while len(sessions()) > KEPT_CONNECTIONS and time.monotonic() < last:
            time.sleep(0.02)
        assert len(sessions()) == KEPT_CONNECTIONS


class TestPgBouncer:
    def test_clients_share_its_connections(
        self,
        pgbouncer: PgBouncer,
        postgres_url: str,
        sessions: Callable[[], list[dict[str, Any]]],
        database: Database,
        clock: Clock,
    ) -> None:
        assert database.podcasts.all() == []
        with ExitStack() as closing:
            for _ in range(6):
                each = Database.at(pgbouncer.before(postgres_url))
                closing.callback(each.engine.dispose)
                for _ in range(10):  # psycopg prepares what it sends for the sixth time, and forgets it at a ROLLBACK
                    each.claims.podcasts(clock.now, seconds=300, limit=10)
            behind = [each for each in sessions() if each["state"] == "idle"]

            assert len(behind) <= 1 + 3

    def test_nothing_is_prepared(self, database: Database, clock: Clock) -> None:
        for _ in range(20):
            database.claims.podcasts(clock.now, seconds=300, limit=10)

        with read(database.engine) as connection:
            assert connection.scalar(text("SELECT count(*) FROM pg_prepared_statements")) == 0

    def test_nothing_belongs_to_a_session(self, database: Database, add_podcast: AddPodcast) -> None:
        statements: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            statements.append(statement.upper())

        event.listen(database.engine, "before_cursor_execute", note)
        add_podcast(database)
        database.podcasts.all()

        words = ("SET ", "LISTEN", "TEMP", "PREPARE", "DECLARE", "PG_ADVISORY_LOCK")
        assert statements
        assert [each for each in statements if each.startswith(words) or "PG_ADVISORY_LOCK(" in each] == []

"""A PostgreSQL that ends sessions, restarts, or loses the answer to a COMMIT: no work is lost, none done twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import Engine, event, func, select, update
from sqlalchemy.exc import DBAPIError

from podcasting.database import Database
from podcasting.database.checkpoints import Checkpoint
from podcasting.database.connection import read
from podcasting.database.history import Happened
from podcasting.database.leases import Lease
from podcasting.database.lost_connections import Patience, again_if_undone, patience
from podcasting.database.revisions import migrate
from podcasting.database.schema import metadata, podcasts
from podcasting.models import EpisodeStatus, Podcast
from podcasting.providers.feeds import Validators
from tests.fakes.clock import Clock
from tests.fakes.pgbouncer import binary, pgbouncer_before
from tests.fakes.postgres import ForgetfulProxy, Postgres, postgres_server

AddPodcast = Callable[..., Podcast]
State = dict[str, list[dict[str, Any]]]

STUCK_AFTER = 1800.0
RESTART_SECONDS = 3.0


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One of this module's own: it is stopped, and its sessions are ended."""
    with postgres_server(outlives_power_cuts=False) as started:
        yield started


@pytest.fixture
def name(server: Postgres) -> Iterator[str]:
    """Of an empty database on it."""
    name = f"airdate_{uuid4().hex[:12]}"
    with psycopg.connect(server.uri, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield name
    with psycopg.connect(server.uri, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database.at(url)
    migrate(database.engine)
    yield database
    database.engine.dispose()


@pytest.fixture
def direct(server: Postgres, name: str) -> Iterator[Database]:
    with opened(server.uri.replace("/postgres?", f"/{name}?")) as database:
        yield database


@pytest.fixture
def proxy(server: Postgres) -> Iterator[ForgetfulProxy]:
    with ForgetfulProxy(server.uri) as started:
        yield started


@pytest.fixture
def forgetful(proxy: ForgetfulProxy, name: str) -> Iterator[Database]:
    with opened(proxy.url(name)) as database:
        yield database


def begin(database: Database, add_podcast: AddPodcast, clock: Clock) -> Lease:
    """An episode at work, one stage of it done."""
    add_podcast(database)
    episode = database.podcasts.open_slot("my-show", clock.now, stuck_after=STUCK_AFTER)
    assert episode is not None
    taken = database.leases.take(episode.id, holder="a worker", now=clock.now, seconds=60, stuck_after=STUCK_AFTER)
    assert taken is not None
    script = Checkpoint("script", "k", {"made": "script"}, 1.0, clock.now)
    database.checkpoints.record(taken[0], script, stuck_after=STUCK_AFTER, status=EpisodeStatus.SCRIPT_READY)
    return taken[0]


def record(database: Database, lease: Lease, now: datetime) -> None:
    done = Checkpoint("collect", "key", {"made": "collect"}, 1.5, now)
    seen = ("my-show", ("a", "b"), {"feed": Validators(etag="1", last_modified=None)})
    database.checkpoints.record(lease, done, stuck_after=STUCK_AFTER, title="A title", seen=seen)


def note(database: Database, lease: Lease, now: datetime) -> None:
    database.history.note(lease.episode_id, Happened.REDRIVEN, now, detail="somebody")


Write = Callable[[Database, Lease, datetime], object]
WRITES: dict[str, Write] = {
    "record": record,
    "forget": lambda database, lease, _: database.checkpoints.forget(lease, "script"),
    "note": note,
    "renew": lambda database, lease, now: database.leases.renew(lease, now, seconds=90),
    "release": lambda database, lease, _: database.leases.release(lease),
    "give_back": lambda database, lease, now: database.leases.give_back(
        lease, now, stage="speech", why="no voice", wait=5
    ),
    "take_back": lambda database, lease, _: database.leases.take_back(lease),
    "publish": lambda database, lease, now: database.episodes.publish(lease, now),
    "skip": lambda database, lease, now: database.episodes.skip(lease, "nothing new", now),
    "fail": lambda database, lease, now: database.episodes.fail(lease, "script", "too long", now),
    "release to the site": lambda database, lease, now: database.episodes.release(lease, now),
    "put_off": lambda database, lease, now: database.claims.put_off(lease.episode_id, now + timedelta(hours=1)),
    "make_claimable": lambda database, lease, now: database.claims.make_claimable(
        lease.episode_id, now + timedelta(hours=1), even_if_claimed=True
    ),
    "open_slot": lambda database, _, now: database.podcasts.open_slot("another", now, stuck_after=STUCK_AFTER),
}
"""Those that come to the same when done twice, each as a worker does it."""


def state(database: Database) -> State:
    """All rows of all tables; a history's line by what it says."""
    found: State = {}
    with read(database.engine) as connection:
        for each in metadata.sorted_tables:
            rows = [dict(row) for row in connection.execute(select(each)).mappings()]
            for row in rows:
                row.pop("id" if each.name == "history" else "", None)
            found[each.name] = sorted(rows, key=repr)
    return found


def as_if_once(write: str, database: Database, twin: Database, lease: Lease, now: datetime) -> None:
    """Compares with a database that had no trouble."""
    WRITES[write](twin, lease, now)
    got, wanted = state(database), state(twin)
    if write == "release to the site":  # a feed's version says which is newer, and no more
        for there, here in zip(got["podcasts"], wanted["podcasts"], strict=True):
            assert there.pop("version") >= here.pop("version")
    assert got == wanted


class Saboteur:
    """Ends all sessions before a statement is sent, once: the ``nth`` of the engine from now."""

    def __init__(self, engine: Engine, server: Postgres, *, nth: int) -> None:
        self.left = nth
        self.struck = 0
        self._server = server
        event.listen(engine, "before_cursor_execute", self._look)

    def _look(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            self.struck = self._server.end_sessions()


@pytest.fixture
def hurried() -> Iterator[None]:
    """Waits for what was lost no longer than a tenth of a second at a time."""
    with patience(Patience(first_wait=0.01, longest_wait=0.1)):
        yield


@pytest.mark.usefixtures("hurried")
class TestEndedSessions:
    def test_idle_connections_that_were_ended_are_not_noticed(
        self, server: Postgres, direct: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        lease = begin(direct, add_podcast, clock)
        assert server.end_sessions() > 0

        direct.leases.renew(lease, clock.now, seconds=60)

        assert server.end_sessions() > 0
        assert direct.episodes.get(lease.episode_id).attempts == 1

    def test_a_read_goes_on_at_the_statement_that_was_broken_off(
        self, server: Postgres, direct: Database, add_podcast: AddPodcast
    ) -> None:
        podcast = add_podcast(direct)
        saboteur = Saboteur(direct.engine, server, nth=2)

        with read(direct.engine) as connection:
            first = connection.scalar(select(func.pg_backend_pid()))
            second = connection.scalar(select(func.pg_backend_pid()))

        assert saboteur.struck
        assert first != second
        assert direct.podcasts.get("my-show") == podcast

    @pytest.mark.parametrize("write", WRITES)
    @pytest.mark.parametrize("nth", [1, 2])
    def test_a_write_that_was_broken_off_is_done_once(
        self,
        write: str,
        nth: int,
        server: Postgres,
        direct: Database,
        sqlite: Database,
        add_podcast: AddPodcast,
        clock: Clock,
    ) -> None:
        lease = begin(direct, add_podcast, clock)
        begin(sqlite, add_podcast, clock)
        for each in (direct, sqlite):
            add_podcast(each, "another")
        saboteur = Saboteur(direct.engine, server, nth=nth)

        WRITES[write](direct, lease, clock.now)

        assert saboteur.struck or saboteur.left > 0  # some consist of one statement
        as_if_once(write, direct, sqlite, lease, clock.now)

    def test_of_two_that_wait_for_each_other_both_are_done(self, direct: Database, add_podcast: AddPodcast) -> None:
        for name in ("a", "b"):
            add_podcast(direct, name)
        both_hold_one = threading.Barrier(2)
        tries: list[str] = []

        @again_if_undone
        def rename(first: str, second: str) -> None:
            tries.append(first)
            with direct.engine.begin() as connection:
                connection.execute(update(podcasts).where(podcasts.c.id == first).values(author=first))
                if len(tries) <= 2:
                    both_hold_one.wait(10)
                connection.execute(update(podcasts).where(podcasts.c.id == second).values(author=first))

        with ThreadPoolExecutor(2) as threads:
            for each in (threads.submit(rename, "a", "b"), threads.submit(rename, "b", "a")):
                each.result(30)

        assert len(tries) == 3  # PostgreSQL chose one to give way
        assert len({podcast.author for podcast in direct.podcasts.all()}) == 1

    def test_what_adds_is_done_once(self, server: Postgres, direct: Database, add_podcast: AddPodcast) -> None:
        saboteur = Saboteur(direct.engine, server, nth=1)

        podcast = add_podcast(direct)

        assert saboteur.struck
        assert direct.podcasts.all() == [podcast]


@pytest.mark.usefixtures("hurried")
class TestAnswersLost:
    """The server did the COMMIT, and its client cannot know."""

    @pytest.mark.parametrize("write", WRITES)
    def test_a_fenced_write_comes_to_the_same(
        self,
        write: str,
        proxy: ForgetfulProxy,
        forgetful: Database,
        sqlite: Database,
        add_podcast: AddPodcast,
        clock: Clock,
    ) -> None:
        lease = begin(forgetful, add_podcast, clock)
        begin(sqlite, add_podcast, clock)
        for each in (forgetful, sqlite):
            add_podcast(each, "another")
        proxy.to_swallow = 1

        WRITES[write](forgetful, lease, clock.now)

        assert proxy.swallowed == 1
        as_if_once(write, forgetful, sqlite, lease, clock.now)

    def test_what_adds_is_not_done_again(
        self, proxy: ForgetfulProxy, forgetful: Database, add_podcast: AddPodcast
    ) -> None:
        proxy.to_swallow = 1

        with pytest.raises(DBAPIError):
            add_podcast(forgetful)

        assert proxy.swallowed == 1
        assert [podcast.id for podcast in forgetful.podcasts.all()] == ["my-show"]

    def test_a_start_counts_once(
        self, proxy: ForgetfulProxy, forgetful: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(forgetful)
        episode = forgetful.podcasts.open_slot("my-show", clock.now, stuck_after=STUCK_AFTER)
        assert episode is not None
        proxy.to_swallow = 1

        with pytest.raises(DBAPIError):
            forgetful.leases.take(episode.id, holder="w", now=clock.now, seconds=60, stuck_after=STUCK_AFTER)

        assert proxy.swallowed == 1
        assert forgetful.episodes.get(episode.id).attempts == 1

    def test_a_claim_counts_once(
        self, proxy: ForgetfulProxy, forgetful: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(forgetful)
        proxy.to_swallow = 1

        with pytest.raises(DBAPIError):
            forgetful.claims.podcasts(clock.now, seconds=300, limit=10)

        assert proxy.swallowed == 1
        (claim,) = forgetful.claims.podcasts(clock.now + timedelta(seconds=301), seconds=300, limit=10)
        assert claim.count == 2


class Busy:
    """A thread that works on an episode of its own: reads, and writes under its lease, again and again."""

    def __init__(self, database: Database, lease: Lease, now: datetime) -> None:
        self._database, self._lease, self._now = database, lease, now
        self.ended = threading.Event()
        self.rounds: list[float] = []
        """When each ended, by the monotonic clock."""
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self) -> None:
        try:
            with patience(Patience(seconds=60)):  # a busy machine may take longer than ten to start a server
                self._go_round()
        except Exception as error:  # noqa: BLE001 - the test tells
            self.error = error

    def _go_round(self) -> None:
        while not self.ended.is_set():
            number = len(self.rounds)
            done = Checkpoint("speech", f"clip {number}", {"clip": number}, 1.0, self._now)
            self._database.checkpoints.record(self._lease, done, stuck_after=STUCK_AFTER)
            assert self._database.checkpoints.of(self._lease.episode_id)["speech"].output == {"clip": number}
            self.rounds.append(time.monotonic())

    def stop(self) -> None:
        self.ended.set()
        self.thread.join(70)


def at_work(database: Database, add_podcast: AddPodcast, clock: Clock, count: int = 4) -> list[Busy]:
    workers = []
    for number in range(count):
        add_podcast(database, f"show-{number}")
        episode = database.podcasts.open_slot(f"show-{number}", clock.now, stuck_after=STUCK_AFTER)
        assert episode is not None
        taken = database.leases.take(episode.id, holder="w", now=clock.now, seconds=60, stuck_after=STUCK_AFTER)
        assert taken is not None
        workers.append(Busy(database, taken[0], clock.now))
    return workers


def all_worked_on(workers: list[Busy], since: float) -> bool:
    return all(worker.error or any(end > since for end in worker.rounds) for worker in workers)


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    last = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < last
        time.sleep(0.02)


class TestRestarts:
    @pytest.mark.parametrize("mode", ["fast", "immediate"])
    def test_work_goes_on_after_a_restart_of_some_seconds(
        self, mode: str, server: Postgres, direct: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        workers = at_work(direct, add_podcast, clock)
        try:
            until(lambda: all_worked_on(workers, 0))
            server.stop(mode)
            time.sleep(RESTART_SECONDS)
            server.start()
            back = time.monotonic()
            until(lambda: all_worked_on(workers, back))
        finally:
            for worker in workers:
                worker.stop()

        assert [worker.error for worker in workers] == [None] * len(workers)

    def test_sessions_that_are_ended_over_and_over_lose_nothing(
        self, server: Postgres, direct: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        workers = at_work(direct, add_podcast, clock)
        ended = 0
        try:
            until(lambda: all_worked_on(workers, 0))
            for _ in range(20):
                time.sleep(0.05)
                ended += server.end_sessions()
            last = time.monotonic()
            until(lambda: all_worked_on(workers, last))
        finally:
            for worker in workers:
                worker.stop()

        assert ended > 20
        assert [worker.error for worker in workers] == [None] * len(workers)

    @pytest.mark.skipif(binary() is None, reason="no pgbouncer on this machine")
    def test_behind_pgbouncer_too(self, server: Postgres, name: str, add_podcast: AddPodcast, clock: Clock) -> None:
        uri = server.uri.replace("/postgres?", f"/{name}?")
        with pgbouncer_before(server.uri) as proxy, opened(proxy.before(uri)) as database:
            workers = at_work(database, add_podcast, clock)
            try:
                until(lambda: all_worked_on(workers, 0))
                server.stop()
                time.sleep(RESTART_SECONDS)
                server.start()
                back = time.monotonic()
                until(lambda: all_worked_on(workers, back))
            finally:
                for worker in workers:
                    worker.stop()

        assert [worker.error for worker in workers] == [None] * len(workers)

    def test_longer_than_patience_lasts_is_the_drivers_error(self, server: Postgres, direct: Database) -> None:
        direct.podcasts.all()
        server.stop()
        try:
            with patience(Patience(seconds=0.2)), pytest.raises(DBAPIError):
                direct.podcasts.all()
        finally:
            server.start()

        assert direct.podcasts.all() == []

    def test_an_address_where_nobody_ever_answered_is_told_of_at_once(self) -> None:
        nowhere = Database.at("postgresql://postgres@127.0.0.1:9/airdate")
        began = time.monotonic()

        with pytest.raises(DBAPIError, match="refused"):
            nowhere.podcasts.all()

        assert time.monotonic() - began < 5
        nowhere.engine.dispose()

"""What is done again after a lost connection, and what never is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from podcasting.database.lost_connections import (
    Patience,
    again,
    again_if_undone,
    again_reading,
    is_lost,
    is_undone,
    patience,
    watch,
    when_reachable,
)


def lost() -> DBAPIError:
    """What SQLAlchemy raises when the server vanishes: no SQLSTATE, the connection invalidated."""
    return OperationalError("SELECT 1", {}, psycopg.OperationalError("server closed"), connection_invalidated=True)


def told(error: type[psycopg.Error]) -> DBAPIError:
    """What the server says with an SQLSTATE, on a connection that stays."""
    return OperationalError("SELECT 1", {}, error("told"))


LOSSES = [
    lost(),
    told(psycopg.errors.AdminShutdown),
    told(psycopg.errors.CrashShutdown),
    told(psycopg.errors.CannotConnectNow),
    told(psycopg.errors.IdleSessionTimeout),
    told(psycopg.errors.ConnectionFailure),
    told(psycopg.errors.ProtocolViolation),  # 08P01: PgBouncer's word for a server that it lost
]
UNDOINGS = [told(psycopg.errors.SerializationFailure), told(psycopg.errors.DeadlockDetected)]
FAULTS = [
    OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked")),
    IntegrityError("INSERT", {}, psycopg.errors.UniqueViolation("there is one")),
    told(psycopg.errors.LockNotAvailable),
    told(psycopg.errors.DiskFull),
    ValueError("a fault of ours"),
]


class Troubled:
    """Work that fails with each of the errors in turn, and then is done."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.tries = 0

    def __call__(self) -> str:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


class Sleeper:
    def __init__(self) -> None:
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def sleeper() -> Sleeper:
    return Sleeper()


@pytest.fixture(autouse=True)
def _no_waiting(sleeper: Sleeper) -> object:
    with patience(Patience(sleep=sleeper)):
        yield


@pytest.mark.parametrize("error", LOSSES)
def test_what_is_a_lost_connection(error: DBAPIError) -> None:
    assert is_lost(error)
    assert not is_undone(error)


@pytest.mark.parametrize("error", UNDOINGS)
def test_what_the_server_undid(error: DBAPIError) -> None:
    assert is_undone(error)
    assert not is_lost(error)


@pytest.mark.parametrize("error", FAULTS)
@pytest.mark.parametrize("decorate", [again, again_if_undone, lambda work: lambda: again_reading(work)])
def test_a_fault_is_raised_at_once(
    decorate: Callable[[Callable[[], str]], Callable[[], str]], error: Exception, sleeper: Sleeper
) -> None:
    work = Troubled(error)

    with pytest.raises(type(error)) as raised:
        decorate(work)()

    assert raised.value is error
    assert (work.tries, sleeper.slept) == (1, [])


@pytest.mark.parametrize("error", [*LOSSES, *UNDOINGS])
@pytest.mark.parametrize("decorate", [again, again_if_undone])
def test_a_write_of_which_nothing_was_kept_is_done_again(
    decorate: Callable[[Callable[[], str]], Callable[[], str]], error: Exception, sleeper: Sleeper
) -> None:
    work = Troubled(error, error)

    assert decorate(work)() == "done"
    assert work.tries == 3
    assert len(sleeper.slept) == 2


class TestCommits:
    """A COMMIT that was sent may have been done."""

    def committing(self, error: BaseException | None, then: BaseException | None = None) -> Callable[[], str]:
        engine = create_engine("sqlite://")
        watch(engine)
        errors = [error, then]

        def work() -> str:
            self.tries += 1
            failure = errors.pop(0) if errors else None
            if failure is not None and failure is then:
                raise failure  # before its COMMIT
            with engine.begin() as connection:
                connection.execute(text("SELECT 1"))
            engine.dispose()
            if failure is not None:
                raise failure
            return "done"

        self.tries = 0
        return work

    def test_only_what_may_be_done_twice_is_done_again(self) -> None:
        work = self.committing(lost())

        with pytest.raises(OperationalError):
            again_if_undone(work)()
        assert self.tries == 1

        assert again(self.committing(lost()))() == "done"
        assert self.tries == 2

    def test_what_the_server_says_it_undid_is_done_again_all_the_same(self) -> None:
        assert again_if_undone(self.committing(told(psycopg.errors.SerializationFailure)))() == "done"
        assert self.tries == 2

    def test_each_try_is_judged_by_itself(self) -> None:
        assert again_if_undone(self.committing(UNDOINGS[0], then=lost()))() == "done"
        assert self.tries == 3


class TestPatience:
    def test_it_ends_after_ten_seconds_with_the_drivers_error(self, sleeper: Sleeper) -> None:
        error = lost()
        work = Troubled(*[error] * 1000)

        with pytest.raises(OperationalError) as raised:
            again(work)()

        assert raised.value is error
        assert 10 <= sum(sleeper.slept) < 11
        assert max(sleeper.slept) <= 1

    def test_it_is_shared_with_the_connections_made_meanwhile(self, sleeper: Sleeper) -> None:
        refusals = Troubled(*[psycopg.OperationalError("connection refused")] * 1000)

        def work() -> str:
            try:
                return when_reachable(refusals, refusal=psycopg.OperationalError, known=True)
            except psycopg.OperationalError as error:
                raise OperationalError("", {}, error, connection_invalidated=True) from error

        with pytest.raises(OperationalError):
            again(work)()

        assert 10 <= sum(sleeper.slept) < 12

    def test_a_part_of_a_call_is_not_tried_by_itself(self) -> None:
        part = Troubled(lost())
        whole = Troubled()

        def work() -> str:
            whole()
            return again(part)()

        assert again(work)() == "done"
        assert (whole.tries, part.tries) == (2, 2)

    def test_none_means_one_try(self) -> None:
        work = Troubled(lost())

        with patience(Patience(seconds=0)), pytest.raises(OperationalError):
            again(work)()

        assert work.tries == 1

    def test_it_says_that_it_waits_and_why(self, caplog: pytest.LogCaptureFixture) -> None:
        again(Troubled(told(psycopg.errors.AdminShutdown)))()

        assert caplog.messages == ["the database's connection was lost; trying again (1): told"]


class TestConnecting:
    REFUSED = psycopg.OperationalError("connection failed: Connection refused")
    STARTING = psycopg.OperationalError("connection failed: FATAL:  the database system is starting up")

    def connect(self, work: Troubled, *, known: bool) -> str:
        return when_reachable(work, refusal=psycopg.OperationalError, known=known)

    def test_an_address_that_once_answered_is_waited_for(self) -> None:
        assert self.connect(Troubled(self.REFUSED, self.STARTING), known=True) == "done"

    def test_one_that_never_did_is_told_of_at_once(self) -> None:
        work = Troubled(self.REFUSED)

        with pytest.raises(psycopg.OperationalError, match="refused"):
            self.connect(work, known=False)
        assert work.tries == 1

    def test_unless_a_server_says_that_it_is_on_its_way(self) -> None:
        assert self.connect(Troubled(self.STARTING), known=False) == "done"

    def test_a_fault_is_no_refusal(self) -> None:
        with pytest.raises(ValueError, match="ours"):
            self.connect(Troubled(ValueError("ours")), known=True)

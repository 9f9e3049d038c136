"""What the breakers and alarms promise to many workers at once, on SQLite and on a real PostgreSQL alike."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from podcasting.breaker import State, Tolerance
from podcasting.database import Database
from podcasting.database.breakers import KEPT_FOR, Passage
from podcasting.errors import ProviderPaused
from tests.fakes.clock import Clock

TOLERANCE = Tolerance(failures=3, first_pause=30, longest_pause=100, probe=20, look_again=5)
VOICE = "voice of elsewhere"


def enter(database: Database, clock: Clock, provider: str = VOICE) -> Passage:
    return database.breakers.enter(provider, clock.now, TOLERANCE)


def fail(database: Database, clock: Clock, times: int = 1, provider: str = VOICE) -> list[bool]:
    """Calls that fail; for each, whether it opened the breaker."""
    opened = []
    for _ in range(times):
        passage = enter(database, clock, provider)
        opened.append(database.breakers.failed(passage, clock.now, TOLERANCE, reason="503") is not None)
    return opened


def state(database: Database, clock: Clock) -> State:
    (breaker,) = database.breakers.all()
    return breaker.state(clock.now)


def test_failures_in_a_row_open_it_for_everybody(database: Database, clock: Clock) -> None:
    assert fail(database, clock, 3) == [False, False, True]

    with pytest.raises(ProviderPaused, match="voice of elsewhere is not asked for another 30 s: 503") as paused:
        enter(database, clock)
    assert paused.value.seconds == 30
    assert enter(database, clock, "another provider") == Passage("another provider")


def test_a_success_between_ends_the_row(database: Database, clock: Clock) -> None:
    fail(database, clock, 2)
    database.breakers.succeeded(enter(database, clock))

    assert fail(database, clock, 2) == [False, False]


def test_a_provider_that_never_failed_costs_no_row(database: Database, clock: Clock) -> None:
    database.breakers.succeeded(enter(database, clock))

    assert database.breakers.all() == []


def test_of_many_workers_one_probes(database: Database, clock: Clock) -> None:
    fail(database, clock, 3)
    clock.forward(30)
    assert state(database, clock) is State.HALF_OPEN

    def try_once(_: int) -> Passage | float:
        try:
            return enter(database, clock)
        except ProviderPaused as paused:
            return paused.seconds

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(try_once, range(8)))

    assert [each for each in results if isinstance(each, Passage)] == [Passage(VOICE, probing=True, troubled=True)]
    assert [each for each in results if not isinstance(each, Passage)] == [5.0] * 7


def test_a_probe_that_succeeds_closes_it(database: Database, clock: Clock) -> None:
    fail(database, clock, 3)
    clock.forward(30)

    database.breakers.succeeded(enter(database, clock))

    assert enter(database, clock) == Passage(VOICE)


def test_a_probe_that_fails_opens_it_for_twice_as_long_up_to_a_limit(database: Database, clock: Clock) -> None:
    fail(database, clock, 3)
    waits = []
    for _ in range(4):
        (breaker,) = database.breakers.all()
        assert breaker.open_until is not None
        waits.append((breaker.open_until - clock.now).total_seconds())
        clock.now = breaker.open_until
        assert fail(database, clock) == [True]

    assert waits == [30, 60, 100, 100]


def test_a_probe_whose_worker_died_makes_room_for_another(database: Database, clock: Clock) -> None:
    fail(database, clock, 3)
    clock.forward(30)
    enter(database, clock)
    clock.forward(19)
    with pytest.raises(ProviderPaused):
        enter(database, clock)
    clock.forward(1)

    assert enter(database, clock).probing


def test_a_probe_that_was_broken_off_makes_room_at_once(database: Database, clock: Clock) -> None:
    fail(database, clock, 3)
    clock.forward(30)

    database.breakers.abandon(enter(database, clock))

    assert enter(database, clock).probing


def test_calls_begun_before_it_opened_neither_prolong_nor_close_it(database: Database, clock: Clock) -> None:
    early = [enter(database, clock) for _ in range(6)]
    reports = [database.breakers.failed(each, clock.now, TOLERANCE, reason="503") for each in early[:5]]
    assert [report is not None for report in reports] == [False, False, True, False, False]
    database.breakers.succeeded(early[5])

    with pytest.raises(ProviderPaused) as paused:
        enter(database, clock)
    assert paused.value.seconds == 30


def test_a_wait_that_the_provider_asked_for_is_everybodys(database: Database, clock: Clock) -> None:
    database.breakers.throttled(enter(database, clock), clock.now, TOLERANCE, after=3600, reason="429")

    with pytest.raises(ProviderPaused) as paused:
        enter(database, clock)
    assert paused.value.seconds == 3600
    clock.forward(3600)
    assert enter(database, clock).probing


def test_a_shorter_wait_does_not_cut_a_longer_one_short(database: Database, clock: Clock) -> None:
    first, second = enter(database, clock), enter(database, clock)
    database.breakers.throttled(first, clock.now, TOLERANCE, after=600, reason="429")
    database.breakers.throttled(second, clock.now, TOLERANCE, after=10, reason="429")

    with pytest.raises(ProviderPaused) as paused:
        enter(database, clock)
    assert paused.value.seconds == 600


def test_without_a_wait_asked_for_the_pause_is_our_own(database: Database, clock: Clock) -> None:
    database.breakers.throttled(enter(database, clock), clock.now, TOLERANCE, after=None, reason="429")

    with pytest.raises(ProviderPaused) as paused:
        enter(database, clock)
    assert paused.value.seconds == 30


def test_leave_that_was_given_before_it_opened_does_not_hold_afterwards(database: Database, clock: Clock) -> None:
    early = enter(database, clock)
    database.breakers.confirm(early, clock.now, TOLERANCE)
    fail(database, clock, 2)
    database.breakers.confirm(early, clock.now, TOLERANCE)
    fail(database, clock)

    with pytest.raises(ProviderPaused, match="voice of elsewhere is not asked for another 30 s: 503"):
        database.breakers.confirm(early, clock.now, TOLERANCE)
    clock.forward(30)
    with pytest.raises(ProviderPaused) as half_open:
        database.breakers.confirm(early, clock.now, TOLERANCE)
    assert half_open.value.seconds == 5, "it is no probe"
    database.breakers.succeeded(enter(database, clock))
    database.breakers.confirm(early, clock.now, TOLERANCE)


def test_who_probes_has_leave_until_the_provider_asks_for_a_longer_wait(database: Database, clock: Clock) -> None:
    early = enter(database, clock)
    fail(database, clock, 3)
    clock.forward(30)
    probe = enter(database, clock)
    database.breakers.confirm(probe, clock.now, TOLERANCE)
    database.breakers.throttled(early, clock.now, TOLERANCE, after=600, reason="429")

    with pytest.raises(ProviderPaused) as paused:
        database.breakers.confirm(probe, clock.now, TOLERANCE)
    assert paused.value.seconds == 600


def test_failures_of_many_workers_at_once_are_all_counted_and_one_opens_it(database: Database, clock: Clock) -> None:
    passages = [enter(database, clock) for _ in range(16)]

    with ThreadPoolExecutor(8) as pool:
        reports = list(
            pool.map(lambda each: database.breakers.failed(each, clock.now, TOLERANCE, reason="503"), passages)
        )

    assert len([report for report in reports if report]) == 1
    (breaker,) = database.breakers.all()
    assert (breaker.failures, breaker.openings) == (16, 1)


def test_what_failed_long_ago_is_forgotten(database: Database, clock: Clock) -> None:
    fail(database, clock, 1, provider="a host that one feed named once")
    fail(database, clock, 2)
    clock.now += KEPT_FOR

    assert fail(database, clock) == [False], "three failures in a row, but a week apart"
    assert [each.provider for each in database.breakers.all()] == [VOICE]


def test_who_asked_for_a_longer_wait_than_that_is_left_alone_until_it_is_over(database: Database, clock: Clock) -> None:
    week = KEPT_FOR.total_seconds()
    database.breakers.throttled(enter(database, clock), clock.now, TOLERANCE, after=3 * week, reason="429")
    clock.forward(2 * week)
    fail(database, clock, provider="another")

    with pytest.raises(ProviderPaused):
        enter(database, clock)
    clock.forward(2 * week)
    fail(database, clock, provider="another")
    assert enter(database, clock) == Passage(VOICE)


def test_a_person_may_close_it(database: Database, clock: Clock) -> None:
    fail(database, clock, 3)

    assert database.breakers.close(VOICE)
    assert not database.breakers.close(VOICE)
    assert enter(database, clock) == Passage(VOICE)


class TestAlarms:
    def test_of_many_workers_at_once_one_is_told_to_sound_it(self, database: Database, clock: Clock) -> None:
        with ThreadPoolExecutor(8) as pool:
            told = list(
                pool.map(
                    lambda number: database.alarms.sound("speech", f"episode {number}", clock.now, quiet_seconds=3600),
                    range(40),
                )
            )

        assert told.count(True) == 1
        (alarm,) = database.alarms.standing(clock.now, quiet_seconds=3600)
        assert alarm.count == 40

    def test_it_is_new_again_after_a_quiet_time_only(self, database: Database, clock: Clock) -> None:
        def sound() -> bool:
            return database.alarms.sound("speech", "the voice is away", clock.now, quiet_seconds=3600)

        assert sound()
        clock.forward(3599)
        assert not sound()
        clock.forward(3599)
        assert not sound(), "it went on all the time"
        clock.forward(3600)
        assert database.alarms.standing(clock.now, quiet_seconds=3600) == []
        assert sound()
        (alarm,) = database.alarms.standing(clock.now, quiet_seconds=3600)
        assert (alarm.count, alarm.opened_at) == (1, clock.now)

    def test_those_that_stand_are_told_newest_first(self, database: Database, clock: Clock) -> None:
        for key in ("collect", "speech"):
            database.alarms.sound(key, f"episodes fail at {key}", clock.now, quiet_seconds=3600)
            clock.now += timedelta(seconds=1)

        standing = database.alarms.standing(clock.now, quiet_seconds=3600)

        assert [alarm.key for alarm in standing] == ["speech", "collect"]

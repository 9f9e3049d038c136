"""How often a host is asked."""

from __future__ import annotations

from podcasting.providers.feeds.pace import LONGEST_PAUSE_SECONDS, MAX_HOSTS, Pace


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def pace(self, seconds: float) -> Pace:
        return Pace(seconds, clock=lambda: self.now, sleep=self.sleep)


def test_a_host_is_asked_once_a_pause() -> None:
    time = Time()
    pace = time.pace(2)

    pace.wait("a")
    pace.wait("b")
    assert time.slept == []
    pace.wait("a")
    assert time.slept == [2]
    time.now += 1.5
    pace.wait("a")
    assert time.slept == [2, 0.5]
    time.now += 100
    pace.wait("a")
    assert time.slept == [2, 0.5]


def test_those_that_wait_at_once_have_turns() -> None:
    slept: list[float] = []
    pace = Pace(1, clock=lambda: 0, sleep=slept.append)  # nobody has begun to wait yet

    for _ in range(4):
        pace.wait("a")

    assert slept == [1, 2, 3]


def test_without_a_pause_nothing_waits() -> None:
    time = Time()
    pace = time.pace(0)

    for _ in range(3):
        pace.wait("a")

    assert time.slept == []


def test_a_host_s_wish_lengthens_the_pause_and_never_shortens_it() -> None:
    time = Time()
    pace = time.pace(2)
    pace.wait("a")
    pace.slow_down("a", 5)
    pace.slow_down("b", 0.1)

    for host in ("a", "a", "b", "b"):
        pace.wait(host)

    assert time.slept == [5, 5, 2]


def test_a_wish_has_a_bound() -> None:
    time = Time()
    pace = time.pace(1)
    pace.slow_down("a", 86_400)

    pace.wait("a")
    pace.wait("a")

    assert time.slept == [LONGEST_PAUSE_SECONDS]


def test_no_more_hosts_are_remembered_than_so_many() -> None:
    time = Time()
    pace = time.pace(1)

    for number in range(MAX_HOSTS + 1):
        pace.wait(str(number))
    pace.wait("0")

    assert time.slept == [], "the first of them was forgotten"
    pace.wait(str(MAX_HOSTS))
    assert time.slept == [1]

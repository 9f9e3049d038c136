"""What the bench says of moments: how fast things went, and when they went as fast as before."""

from __future__ import annotations

import pytest

from bench.sections.recovery import BEFORE_SECONDS, OUTAGE_SECONDS, full_speed, rate, shares_by_second

EVERY_TENTH = [number / 10 for number in range(100)]


def test_a_rate_counts_what_lies_between() -> None:
    assert rate(EVERY_TENTH, 2.05, 4.05) == pytest.approx(10)
    assert rate(EVERY_TENTH, 20, 30) == 0


def test_full_speed_begins_where_a_window_is_full_and_stays_so() -> None:
    slow = [20.5, 22.0, 23.5]
    again = [25 + number / 10 for number in range(60)]

    assert full_speed([*EVERY_TENTH, *slow, *again], 20, 9, within=20) == pytest.approx(5.0)
    assert full_speed([*EVERY_TENTH, *slow, *again], 20, 0, within=20) == pytest.approx(0.5)


@pytest.mark.parametrize("moments", [[], [21.0, 24.0], [39.0 + number / 10 for number in range(60)]])
def test_what_never_comes_back_in_time_is_told_so(moments: list[float]) -> None:
    assert full_speed([*EVERY_TENTH, *moments], 20, 9, within=20) is None


def test_shares_are_of_the_speed_before() -> None:
    began = 10.0
    moments = [*EVERY_TENTH, *(began + OUTAGE_SECONDS + number / 5 for number in range(50))]

    shares = shares_by_second(moments, began, before=10)

    before, during = shares[: round(BEFORE_SECONDS)], shares[round(BEFORE_SECONDS) :][: round(OUTAGE_SECONDS)]
    after = shares[len(before) + len(during) :]
    assert before == pytest.approx([1.0] * len(before), abs=0.11)
    assert during[:-1] == [0.0] * (len(during) - 1)
    assert after[1:9] == pytest.approx([0.5] * 8, abs=0.11)
    assert shares_by_second([], began, before=0) == [0.0] * len(shares)

"""How long a claim lasts: a backlog of any length adds a logarithm of copies, not a copy a tick."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from podcasting.database.claims import MOST_DOUBLINGS, claim_expiry

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


def test_a_first_claim_lasts_as_long_as_asked() -> None:
    assert claim_expiry(NOW, 300, 0) == NOW + timedelta(seconds=300)


@pytest.mark.parametrize("earlier", range(MOST_DOUBLINGS))
def test_each_claim_of_the_same_work_lasts_twice_as_long_as_the_last(earlier: int) -> None:
    assert claim_expiry(NOW, 300, earlier + 1) - NOW == 2 * (claim_expiry(NOW, 300, earlier) - NOW)


@pytest.mark.parametrize("earlier", [MOST_DOUBLINGS, MOST_DOUBLINGS + 1, 10_000])
def test_a_claim_never_lasts_longer_than_three_and_a_half_days(earlier: int) -> None:
    assert claim_expiry(NOW, 300, earlier) == NOW + timedelta(seconds=300 * 1024)


def test_a_day_of_backlog_adds_nine_copies() -> None:
    moment, copies = NOW, 0
    while moment < NOW + timedelta(days=1):
        moment = claim_expiry(moment, 300, copies)
        copies += 1

    assert copies == 9

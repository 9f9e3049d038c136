"""What is due, decided from rows and a time alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podcasting.due import Work, has_ended, slot_after, work_for
from podcasting.models import Episode, EpisodeStatus, Podcast
from tests.fakes.episodes import a_podcast

FIRST = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
WEEK = timedelta(days=7)


def weekly() -> Podcast:
    return a_podcast(first_slot=FIRST, next_episode_at=FIRST, frequency_days=7)


def an_episode(status: EpisodeStatus) -> Episode:
    return Episode(
        id="show-1", podcast_id="show", slot=FIRST, number=1, status=status, created_at=FIRST, updated_at=FIRST
    )


def test_the_slot_after_a_late_start_stays_on_the_grid() -> None:
    assert slot_after(weekly(), FIRST + timedelta(hours=5, minutes=17)) == FIRST + WEEK


def test_slots_missed_in_an_outage_of_weeks_are_passed_over() -> None:
    assert slot_after(weekly(), FIRST + 3 * WEEK + timedelta(days=2)) == FIRST + 4 * WEEK


def test_exactly_on_a_slot_the_next_one_is_a_period_away() -> None:
    assert slot_after(weekly(), FIRST + 2 * WEEK) == FIRST + 3 * WEEK


def test_just_before_a_slot_it_is_that_slot() -> None:
    assert slot_after(weekly(), FIRST + 2 * WEEK - timedelta(microseconds=1)) == FIRST + 2 * WEEK


def test_before_the_first_slot_it_is_the_first() -> None:
    assert slot_after(weekly(), FIRST - timedelta(days=40)) == FIRST


@given(
    days=st.floats(min_value=1 / 24, max_value=366),
    since=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=365 * 20)),
)
def test_the_next_slot_is_on_the_grid_after_now_and_at_most_a_period_away(days: float, since: timedelta) -> None:
    podcast = a_podcast(first_slot=FIRST, next_episode_at=FIRST, frequency_days=days)
    period, now = timedelta(days=days), FIRST + since

    following = slot_after(podcast, now)

    assert now < following <= now + period
    assert (following - FIRST) % period == timedelta(0)


@given(
    days=st.floats(min_value=1 / 24, max_value=366),
    number=st.integers(min_value=1, max_value=400),
    early=st.integers(min_value=0, max_value=2).map(lambda microseconds: timedelta(microseconds=microseconds)),
)
def test_no_slot_is_lost_to_rounding_at_its_edge(days: float, number: int, early: timedelta) -> None:
    podcast = a_podcast(first_slot=FIRST, next_episode_at=FIRST, frequency_days=days)
    slot = FIRST + number * timedelta(days=days)

    assert slot_after(podcast, slot - early) == (slot if early else slot + timedelta(days=days))


@pytest.mark.parametrize(
    ("status", "work"),
    [
        (EpisodeStatus.PENDING, Work.GENERATION),
        (EpisodeStatus.CONTENT_COLLECTED, Work.GENERATION),
        (EpisodeStatus.SCRIPT_READY, Work.GENERATION),
        (EpisodeStatus.COMPLETED, Work.PROCESSING),
        (EpisodeStatus.PUBLISHED, None),
        (EpisodeStatus.FAILED, None),
        (EpisodeStatus.SKIPPED, None),
    ],
)
def test_an_episode_needs_what_its_status_says(status: EpisodeStatus, work: Work | None) -> None:
    assert work_for(an_episode(status)) is work


@pytest.mark.parametrize("status", EpisodeStatus)
def test_an_episode_has_ended_exactly_when_it_needs_nothing(status: EpisodeStatus) -> None:
    assert has_ended(an_episode(status)) is (work_for(an_episode(status)) is None)

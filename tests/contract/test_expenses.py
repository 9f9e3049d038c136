"""What providers were paid for an episode, the same on each database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from podcasting.database import Database
from podcasting.database.reporting import ProviderSpend, Reporting, Window
from podcasting.models import Episode, Podcast
from podcasting.observing import Expense
from tests.fakes.clock import Clock

AddPodcast = Callable[..., Podcast]
WRITER = Expense("writer openai:gpt-5-mini", 1, 1000, 200, 0, 0.01)
VOICE = Expense("voice polly:neural", 1, 0, 0, 80, 0.002)
LOCAL = Expense("writer local:qwen", 1, 500, 100, 0, None)


@pytest.fixture
def episode(database: Database, add_podcast: AddPodcast, clock: Clock) -> Episode:
    add_podcast(database)
    opened = database.podcasts.open_slot("my-show", clock.now, stuck_after=1800)
    assert opened is not None
    return opened


def test_what_a_stage_spent_is_summed_by_provider(database: Database, episode: Episode, clock: Clock) -> None:
    database.expenses.record(episode.id, "script", [WRITER, WRITER], clock.now)
    database.expenses.record(episode.id, "speech", [VOICE, VOICE, VOICE], clock.now)

    assert database.expenses.of(episode.id) == {
        "script": [Expense(WRITER.provider, 2, 2000, 400, 0, pytest.approx(0.02))],
        "speech": [Expense(VOICE.provider, 3, 0, 0, 240, pytest.approx(0.006))],
    }


def test_what_failed_attempts_spent_counts_too(database: Database, episode: Episode, clock: Clock) -> None:
    for _ in range(3):
        database.expenses.record(episode.id, "script", [WRITER], clock.now)

    assert database.expenses.of(episode.id)["script"] == [
        Expense(WRITER.provider, 3, 3000, 600, 0, pytest.approx(0.03))
    ]


def test_several_providers_of_a_stage_are_lines_of_their_own_in_their_order(
    database: Database, episode: Episode, clock: Clock
) -> None:
    database.expenses.record(episode.id, "script", [WRITER, LOCAL, WRITER], clock.now)

    assert [each.provider for each in database.expenses.of(episode.id)["script"]] == [WRITER.provider, LOCAL.provider]


def test_a_price_that_nobody_knows_is_no_price_of_nothing(database: Database, episode: Episode, clock: Clock) -> None:
    database.expenses.record(episode.id, "script", [LOCAL], clock.now)

    assert database.expenses.of(episode.id)["script"] == [LOCAL]


def test_nothing_spent_is_nothing_written(database: Database, episode: Episode, clock: Clock) -> None:
    database.expenses.record(episode.id, "script", [], clock.now)

    assert database.expenses.of(episode.id) == {}
    assert database.expenses.of("no-such-episode") == {}


def test_a_report_sums_what_was_spent_in_its_window(
    database: Database, episode: Episode, clock: Clock, add_podcast: AddPodcast
) -> None:
    add_podcast(database, "another")
    other = database.podcasts.open_slot("another", clock.now, stuck_after=1800)
    assert other is not None
    database.expenses.record(episode.id, "script", [WRITER, LOCAL], clock.now)
    database.expenses.record(other.id, "script", [WRITER], clock.now)
    database.expenses.record(other.id, "speech", [VOICE], clock.now - timedelta(days=30))
    window = Window(clock.now - timedelta(days=1), clock.now + timedelta(days=1))

    assert Reporting(database.engine, window).provider_spend() == [
        ProviderSpend("script", WRITER.provider, 2, 2000, 400, 0, pytest.approx(0.02)),
        ProviderSpend("script", LOCAL.provider, 1, 500, 100, 0, None),
    ]
    of_one = Reporting(database.engine, Window(window.since, window.until, "another"))
    assert [each.calls for each in of_one.provider_spend()] == [1]

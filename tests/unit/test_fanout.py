"""Discovery: what is due is claimed page by page and sent; what could not be sent is given back in the same run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from podcasting.database import Database
from podcasting.database.checkpoints import Checkpoint
from podcasting.models import Episode, EpisodeStatus, Podcast, PodcastState
from publishers.episode_checker import check_episodes, send_on
from publishers.fanout import Counts, Discovery, Sender
from publishers.messages import EpisodeProcessingMessage, PodcastGenerationMessage
from publishers.podcast_scheduler import schedule_podcast, schedule_podcasts
from publishers.queues import Task
from tests.fakes.clock import Clock
from tests.fakes.sender import RecordingSender

STUCK_AFTER = 1800
AddPodcast = Callable[..., Podcast]


@pytest.fixture
def sender() -> RecordingSender:
    return RecordingSender()


@pytest.fixture
def discovery(sqlite: Database, sender: RecordingSender, clock: Clock) -> Discovery:
    return discovering(sqlite, sender, clock)


def discovering(database: Database, sender: Sender, clock: Clock, page: int = 500) -> Discovery:
    return Discovery(database=database, sender=sender, now=clock.now, claim_seconds=300, page=page)


def later(discovery: Discovery, clock: Clock, seconds: float) -> Discovery:
    """The same discovery, at a later tick."""
    return replace(discovery, now=clock.forward(seconds))


def groups(sender: RecordingSender) -> list[list[str]]:
    """For whom each call's messages were."""
    return [[item.group for item in call] for call in sender.calls]


def an_episode(
    database: Database, clock: Clock, podcast_id: str, status: EpisodeStatus = EpisodeStatus.PENDING
) -> Episode:
    """The podcast's episode, once its worker got so far and died."""
    opened = database.podcasts.open_slot(podcast_id, clock.now, stuck_after=STUCK_AFTER)
    assert opened is not None
    if status is not EpisodeStatus.PENDING:
        taken = database.leases.take(opened.id, holder="a worker", now=clock.now, seconds=60, stuck_after=STUCK_AFTER)
        assert taken is not None
        lease, _ = taken
        done = Checkpoint("any", "key", {}, 1, clock.now)
        database.checkpoints.record(lease, done, stuck_after=STUCK_AFTER, status=status)
        database.leases.release(lease)
    return database.episodes.get(opened.id)


# Podcasts ---------------------------------------------------------------------------------------------


def test_a_due_podcast_becomes_a_generation_message(
    discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    latest = clock.now - timedelta(days=7)
    add_podcast(discovery.database, "my-show", title="My Show", frequency_days=7, latest_episode_at=latest)

    assert schedule_podcasts(discovery) == Counts(claimed=1, sent=1)

    [item] = sender.sent
    assert (item.task, item.group) == (Task.GENERATE_PODCAST, "my-show")
    assert isinstance(item.message, PodcastGenerationMessage)
    assert item.message.model_dump(mode="json") == {
        "version": "1.0",
        "type": "podcast_generation",
        "data": {
            "podcastId": "my-show",
            "title": "My Show",
            "frequency": 7,
            "latestEpisodeDate": "2026-11-17T06:00:00Z",
        },
        "metadata": {"retryCount": 0, "source": "podcast_scheduler"},
    }


def test_all_podcasts_of_an_owner_are_one_group(
    discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast
) -> None:
    for name, owner in (("a", "ann"), ("b", "ann"), ("c", None)):
        add_podcast(discovery.database, name, owner=owner)

    schedule_podcasts(discovery)

    assert sorted(item.group for item in sender.sent) == ["ann", "ann", "c"]


def test_what_is_not_due_or_paused_is_not_sent(
    discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    add_podcast(discovery.database, "tomorrow", first_slot=clock.now + timedelta(days=1))
    add_podcast(discovery.database, "paused")
    discovery.database.podcasts.set_state("paused", PodcastState.PAUSED)

    assert schedule_podcasts(discovery) == Counts()
    assert sender.calls == []


def test_podcasts_are_sent_page_by_page_and_oldest_first(
    sqlite: Database, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    for hours, name in enumerate(["e", "c", "a", "d", "b"]):
        add_podcast(sqlite, name, first_slot=clock.now - timedelta(hours=hours))

    counts = schedule_podcasts(discovering(sqlite, sender, clock, page=2))

    assert groups(sender) == [["b", "d"], ["a", "c"], ["e"]]
    assert counts == Counts(claimed=5, sent=5)


def test_a_last_page_that_is_full_is_followed_by_no_empty_call(
    sqlite: Database, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    for name in "abcd":
        add_podcast(sqlite, name)

    assert schedule_podcasts(discovering(sqlite, sender, clock, page=2)) == Counts(claimed=4, sent=4)
    assert [len(call) for call in sender.calls] == [2, 2]


def test_what_was_sent_is_not_sent_again_at_the_next_tick(
    discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    add_podcast(discovery.database)
    schedule_podcasts(discovery)

    assert schedule_podcasts(later(discovery, clock, 60)) == Counts()
    assert len(sender.sent) == 1


def test_what_no_worker_began_is_sent_again_when_its_claim_expires(
    discovery: Discovery, add_podcast: AddPodcast, clock: Clock
) -> None:
    add_podcast(discovery.database)
    schedule_podcasts(discovery)

    assert schedule_podcasts(later(discovery, clock, 300)) == Counts(claimed=1, sent=1)
    assert schedule_podcasts(later(discovery, clock, 599)) == Counts()
    assert schedule_podcasts(later(discovery, clock, 1)) == Counts(claimed=1, sent=1)


def test_one_podcast_can_be_sent_alone(discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast) -> None:
    add_podcast(discovery.database, "this")
    add_podcast(discovery.database, "that")

    assert schedule_podcast(discovery, "this") == Counts(claimed=1, sent=1)
    assert schedule_podcast(discovery, "this") == Counts()
    assert groups(sender) == [["this"]]


# Failures ---------------------------------------------------------------------------------------------


def test_a_failed_send_releases_its_claim_so_that_the_next_tick_sends_it(
    discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    for name in "abc":
        add_podcast(discovery.database, name)
    sender.refused = {"b"}

    assert schedule_podcasts(discovery) == Counts(claimed=3, sent=2, released=1)

    sender.refused = set()
    assert schedule_podcasts(later(discovery, clock, 60)) == Counts(claimed=1, sent=1)
    assert groups(sender)[-1] == ["b"]


def test_a_failed_send_does_not_lengthen_the_next_claim(
    discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    # An outage of SQS is not a backlog; the podcast must not wait twice as long for it.
    add_podcast(discovery.database)
    sender.refused = {"my-show"}
    for _ in range(4):
        discovery = later(discovery, clock, 60)
        schedule_podcasts(discovery)
    sender.refused = set()
    schedule_podcasts(discovery)

    assert schedule_podcasts(later(discovery, clock, 300)) == Counts(claimed=1, sent=1)


def test_a_discovery_stops_after_a_page_that_failed(
    sqlite: Database, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    for hours, name in enumerate("dcba"):
        add_podcast(sqlite, name, first_slot=clock.now - timedelta(hours=hours))
    sender.refused = {"a"}

    assert schedule_podcasts(discovering(sqlite, sender, clock, page=2)) == Counts(claimed=2, sent=1, released=1)
    assert groups(sender) == [["a", "b"]]


def test_a_failed_send_is_logged_with_its_reason(
    discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast, caplog: pytest.LogCaptureFixture
) -> None:
    add_podcast(discovery.database, "my-show")
    sender.refused = {"my-show"}

    with caplog.at_level(logging.ERROR):
        schedule_podcasts(discovery)

    assert "my-show: refused" in caplog.text


def test_a_sender_that_breaks_leaves_no_claim_behind(
    sqlite: Database, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    class Breaks(RecordingSender):
        def send(self, _):
            raise RuntimeError("no broker is configured")

    for name in "ab":
        add_podcast(sqlite, name)

    with pytest.raises(RuntimeError, match="no broker is configured"):
        schedule_podcasts(discovering(sqlite, Breaks(), clock))

    assert schedule_podcasts(discovering(sqlite, sender, clock)) == Counts(claimed=2, sent=2)


def test_what_a_worker_began_meanwhile_is_not_given_back(
    sqlite: Database, add_podcast: AddPodcast, clock: Clock
) -> None:
    # SQS took the message, a worker began, and only the answer was lost.
    podcast = add_podcast(sqlite)

    class LosesItsAnswer(RecordingSender):
        def send(self, outgoing):
            sqlite.podcasts.open_slot(podcast.id, clock.now, stuck_after=STUCK_AFTER)
            return super().send(outgoing)

    schedule_podcasts(discovering(sqlite, LosesItsAnswer(refused=[podcast.id]), clock))

    assert sqlite.claims.podcasts(clock.now, seconds=300, limit=10) == []


# Episodes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [EpisodeStatus.PENDING, EpisodeStatus.CONTENT_COLLECTED, EpisodeStatus.SCRIPT_READY])
def test_an_episode_stuck_in_the_making_has_its_podcasts_generation_sent_again(
    discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock, status: EpisodeStatus
) -> None:
    add_podcast(discovery.database, "my-show")
    an_episode(discovery.database, clock, "my-show", status)

    assert check_episodes(later(discovery, clock, STUCK_AFTER)) == Counts(claimed=1, sent=1)

    [item] = sender.sent
    assert (item.task, item.group) == (Task.GENERATE_PODCAST, "my-show")
    assert isinstance(item.message, PodcastGenerationMessage)
    assert item.message.data.podcast_id == "my-show"


def test_a_completed_episode_becomes_a_processing_message(
    discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    add_podcast(discovery.database, "my-show")
    episode = an_episode(discovery.database, clock, "my-show", EpisodeStatus.COMPLETED)
    discovery = later(discovery, clock, STUCK_AFTER)

    assert check_episodes(discovery) == Counts(claimed=1, sent=1)

    [item] = sender.sent
    assert (item.task, item.group) == (Task.PROCESS_EPISODE, "my-show")
    assert isinstance(item.message, EpisodeProcessingMessage)
    assert item.message.model_dump(mode="json") == {
        "version": "1.0",
        "type": "episode_processing",
        "data": {
            "episodeId": episode.id,
            "podcastId": "my-show",
            "status": "completed",
            "timestamp": "2026-11-24T06:30:00Z",
        },
        "metadata": {"retryCount": 0, "source": "episode_checker"},
    }


@pytest.mark.parametrize("status", [EpisodeStatus.SCRIPT_READY, EpisodeStatus.COMPLETED])
def test_an_episode_counts_for_its_owner(
    discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock, status: EpisodeStatus
) -> None:
    add_podcast(discovery.database, "my-show", owner="ann")
    episode = an_episode(discovery.database, clock, "my-show", status)

    check_episodes(later(discovery, clock, STUCK_AFTER))
    send_on(discovery, episode.id, even_if_claimed=True)

    assert [item.group for item in sender.sent] == ["ann", "ann"]


def test_an_episode_that_gets_on_is_left_alone(
    discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    add_podcast(discovery.database)
    an_episode(discovery.database, clock, "my-show", EpisodeStatus.SCRIPT_READY)

    assert check_episodes(later(discovery, clock, STUCK_AFTER - 1)) == Counts()
    assert sender.calls == []


def test_episodes_are_sent_page_by_page_and_oldest_first(
    sqlite: Database, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    for name in ("first", "second", "third"):
        add_podcast(sqlite, name)
        an_episode(sqlite, clock, name, EpisodeStatus.COMPLETED)
        clock.forward(60)
    clock.forward(STUCK_AFTER)

    assert check_episodes(discovering(sqlite, sender, clock, page=2)) == Counts(claimed=3, sent=3)
    assert groups(sender) == [["first", "second"], ["third"]]


def test_an_episode_whose_message_could_not_be_sent_is_found_at_the_next_tick(
    discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    add_podcast(discovery.database)
    an_episode(discovery.database, clock, "my-show", EpisodeStatus.COMPLETED)
    sender.refused = {"my-show"}
    assert check_episodes(later(discovery, clock, STUCK_AFTER)) == Counts(claimed=1, released=1)

    sender.refused = set()
    assert check_episodes(later(discovery, clock, 60)) == Counts(claimed=1, sent=1)


def test_an_episode_can_be_sent_on_at_once(
    discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    add_podcast(discovery.database)
    episode = an_episode(discovery.database, clock, "my-show", EpisodeStatus.COMPLETED)

    assert send_on(discovery, episode.id) == Counts(claimed=1, sent=1)
    assert [item.task for item in sender.sent] == [Task.PROCESS_EPISODE]


def test_an_episode_that_is_being_worked_on_is_not_sent_on(
    discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    add_podcast(discovery.database)
    episode = an_episode(discovery.database, clock, "my-show")
    discovery.database.leases.take(episode.id, holder="a worker", now=clock.now, seconds=60, stuck_after=STUCK_AFTER)

    assert send_on(discovery, episode.id) == Counts()
    assert sender.calls == []


def test_an_episode_that_has_ended_is_not_sent_on(
    discovery: Discovery, sender: RecordingSender, add_podcast: AddPodcast, clock: Clock
) -> None:
    database = discovery.database
    add_podcast(database)
    episode = an_episode(database, clock, "my-show")
    taken = database.leases.take(episode.id, holder="a worker", now=clock.now, seconds=60, stuck_after=STUCK_AFTER)
    assert taken is not None
    database.episodes.skip(taken[0], "nothing new", clock.now)

    assert send_on(discovery, episode.id) == Counts()
    assert sender.calls == []


# Two at once ------------------------------------------------------------------------------------------


def test_two_discoveries_at_once_send_each_podcast_once(
    sqlite: Database, sqlite_url: str, add_podcast: AddPodcast, clock: Clock
) -> None:
    names = sorted(f"show-{number:02}" for number in range(30))
    for name in names:
        add_podcast(sqlite, name)
    start = threading.Barrier(2)
    senders = [RecordingSender(), RecordingSender()]

    def tick(sender: RecordingSender) -> Counts:
        database = Database.at(sqlite_url)
        start.wait(timeout=10)
        try:
            return schedule_podcasts(discovering(database, sender, clock, page=3))
        finally:
            database.engine.dispose()

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(tick, senders))

    assert sorted(item.group for sender in senders for item in sender.sent) == names
    assert sum(counts, Counts()) == Counts(claimed=30, sent=30)

"""The fallback's next piece of work: what it takes, and what becomes of it; on a real database, over fakes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from operations.fallback.due_work import Policy, do_next
from podcasting.breaker import Tolerance
from podcasting.errors import Permanent, Retryable, Throttled
from podcasting.models import Episode, EpisodeStatus, Podcast
from podcasting.protection import protected
from podcasting.studio import Studio
from tests.fakes.clock import Clock
from tests.fakes.sources import FakeSources
from tests.fakes.stories import feed_of
from tests.fakes.voices import ToneVoice

AddPodcast = Callable[..., Podcast]
SOURCE = "https://example.org/feed.xml"
POLICY = Policy(claim=300, max_retries=2, retry_base=10, time_limit=60)


@pytest.fixture
def fed(studio: Studio) -> Studio:
    """The studio, with something to tell."""
    return replace(
        studio, sources=FakeSources({SOURCE: feed_of("tides", "bees")}), voice=ToneVoice(seconds_per_character=0.04)
    )


def next_line(studio: Studio, policy: Policy = POLICY) -> str | None:
    return do_next(studio, policy, holder="a fallback")


def only_episode(studio: Studio) -> Episode:
    (episode,) = studio.database.episodes.newest()
    return episode


def test_a_due_podcast_is_published_in_one_go(fed: Studio, add_podcast: AddPodcast) -> None:
    add_podcast(fed.database)

    line = next_line(fed)

    episode = only_episode(fed)
    assert episode.status is EpisodeStatus.PUBLISHED
    assert line == f"{episode.id}: published: {episode.title}"
    assert episode.id.encode() in fed.site.get("my-show/feed.xml")
    assert next_line(fed) is None


def test_what_was_begun_comes_first_and_goes_on_where_it_stopped(
    fed: Studio, add_podcast: AddPodcast, clock: Clock
) -> None:
    add_podcast(fed.database)
    failing = replace(fed, voice=Failing(Retryable("the voice is away")))
    assert "tried again in" in str(next_line(failing))
    add_podcast(fed.database, "another-show")
    clock.forward(60)

    assert str(next_line(fed)).startswith("my-show-")
    done = fed.database.history.of(fed.database.episodes.newest(podcast_id="my-show")[0].id)
    assert [event.what.value for event in done] == ["started", "given back", "started", "started", "published"]
    assert isinstance(fed.sources, FakeSources)
    assert fed.sources.asked.count(SOURCE) == 1, "what was collected was collected again"


def test_what_may_pass_is_tried_as_often_as_by_a_task(fed: Studio, add_podcast: AddPodcast, clock: Clock) -> None:
    add_podcast(fed.database)
    failing = replace(fed, voice=Failing(Retryable("the voice is away")))

    lines = []
    while line := next_line(failing):
        lines.append(line)
        clock.forward(900)

    assert ["tried again in" in line for line in lines] == [True, True, False]
    assert lines[-1].endswith("given up: the voice is away")
    assert only_episode(fed).status is EpisodeStatus.FAILED
    assert "the voice is away" in str(only_episode(fed).failure)


def test_what_cannot_pass_fails_at_once(fed: Studio, add_podcast: AddPodcast) -> None:
    add_podcast(fed.database)

    line = next_line(replace(fed, voice=Failing(Permanent("no such language"))))

    assert "failed: turn 1 of" in str(line)
    assert only_episode(fed).status is EpisodeStatus.FAILED


def test_a_paused_provider_is_waited_for_and_uses_up_no_try(fed: Studio, add_podcast: AddPodcast, clock: Clock) -> None:
    add_podcast(fed.database)
    limits = replace(fed.limits, tolerance=Tolerance(first_pause=30))
    throttled = protected(replace(fed, limits=limits, voice=Failing(Throttled("429", after=50))))

    for _ in range(POLICY.max_retries + 3):
        assert "tried again in 50 s" in str(next_line(throttled))
        assert next_line(throttled) is None
        clock.forward(50)

    assert only_episode(fed).attempts <= 1, "of what was collected and written before"
    assert str(next_line(protected(replace(fed, limits=limits)))).count("published") == 1


def test_what_another_has_in_hand_is_left_to_it(fed: Studio, add_podcast: AddPodcast, clock: Clock) -> None:
    add_podcast(fed.database)
    episode = fed.database.podcasts.open_slot("my-show", clock.now, stuck_after=0)
    assert episode is not None
    fed.database.leases.take(episode.id, holder="a worker", now=clock.now, seconds=60, stuck_after=0)

    assert "being worked on elsewhere" in str(next_line(fed))
    assert only_episode(fed).attempts == 1


def test_what_was_claimed_for_a_queue_that_is_gone_is_done_once_it_is_reopened(
    fed: Studio, add_podcast: AddPodcast, clock: Clock
) -> None:
    add_podcast(fed.database)
    assert len(fed.database.claims.podcasts(clock.now, seconds=300, limit=10)) == 1, "its message was sent"
    assert next_line(fed) is None

    assert fed.database.claims.reopen(clock.now) == 1

    assert str(next_line(fed)).startswith("my-show-")
    assert fed.database.claims.reopen(clock.now) == 0


def test_reopening_leaves_what_waits_for_its_time_and_what_is_in_hand(
    fed: Studio, add_podcast: AddPodcast, clock: Clock
) -> None:
    add_podcast(fed.database, "waits")
    add_podcast(fed.database, "in-hand")
    for name in ("waits", "in-hand"):
        episode = fed.database.podcasts.open_slot(name, clock.now, stuck_after=0)
        assert episode is not None
        if name == "waits":
            fed.database.claims.put_off(episode.id, clock.now.replace(year=2030))
        else:
            fed.database.leases.take(episode.id, holder="a worker", now=clock.now, seconds=60, stuck_after=0)
            assert len(fed.database.claims.episodes(clock.now, seconds=300, limit=10)) == 1

    assert fed.database.claims.reopen(clock.now) == 0


def test_what_takes_too_long_is_interrupted_and_tried_again(fed: Studio, add_podcast: AddPodcast) -> None:
    add_podcast(fed.database)
    before = signal.getsignal(signal.SIGALRM)

    line = next_line(replace(fed, voice=Stuck()), replace(POLICY, time_limit=0.5))

    assert "longer than 0.5 s (AIRDATE_SOFT_TIME_LIMIT)" in str(line)
    assert only_episode(fed).status is EpisodeStatus.SCRIPT_READY
    assert signal.getsignal(signal.SIGALRM) is before


class Failing(ToneVoice):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def speak(self, text: str, host: int) -> object:  # noqa: ARG002 - the port's
        raise self._error


class Stuck(ToneVoice):
    def speak(self, text: str, host: int) -> object:
        time.sleep(30)
        return super().speak(text, host)

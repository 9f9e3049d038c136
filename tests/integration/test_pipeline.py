"""An episode made and published by the real stages, over fakes of the outside world and a real database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import feedparser
import pytest

from podcasting import due, generation, processing, syndication
from podcasting.database.leases import Lease
from podcasting.errors import LeaseLost, NothingNew, Permanent, Retryable
from podcasting.models import STAGES, Episode, EpisodeStatus, Podcast
from podcasting.studio import Studio
from podcasting.work import Work, kept
from tests.fakes.clock import Clock
from tests.fakes.sources import FakeSources
from tests.fakes.storage import MemoryStorage
from tests.fakes.stories import feed_of
from tests.fakes.voices import ToneVoice

AddPodcast = Callable[..., Podcast]
SOURCE = "https://example.org/feed.xml"


@pytest.fixture(autouse=True)
def news(studio: Studio) -> FakeSources:
    """The feed that the podcasts here read."""
    assert isinstance(studio.sources, FakeSources)
    studio.sources.feeds[SOURCE] = feed_of("tides", "bridges", "bees")
    return studio.sources


def open_slot(studio: Studio, podcast_id: str = "my-show") -> Episode:
    episode = studio.database.podcasts.open_slot(podcast_id, studio.now(), stuck_after=studio.limits.stuck_after)
    assert episode is not None
    return episode


def begin(studio: Studio, episode: Episode) -> Work:
    limits = studio.limits
    taken = studio.database.leases.take(
        episode.id, holder="test", now=studio.now(), seconds=limits.lease_seconds, stuck_after=limits.stuck_after
    )
    assert taken is not None
    return Work(studio, studio.database.podcasts.get(episode.podcast_id), taken[1], taken[0])


def do(studio: Studio, episode: Episode, work_on: Callable[[Work], None]) -> Lease:
    work = begin(studio, episode)
    try:
        work_on(work)
    finally:
        studio.database.leases.release(work.lease)
    return work.lease


def make(studio: Studio, episode: Episode) -> Episode:
    do(studio, episode, generation.generate)
    do(studio, episode, processing.process)
    return studio.database.episodes.get(episode.id)


def test_a_due_podcast_becomes_a_published_episode(studio: Studio, add_podcast: AddPodcast) -> None:
    add_podcast(studio.database)
    episode = open_slot(studio)

    do(studio, episode, generation.generate)
    assert studio.database.episodes.get(episode.id).status is EpisodeStatus.COMPLETED
    assert studio.site.size("my-show/feed.xml") is None

    do(studio, episode, processing.process)
    assert studio.database.episodes.get(episode.id).status is EpisodeStatus.PUBLISHED
    feed = feedparser.parse(studio.site.get("my-show/feed.xml"))
    assert [entry.id for entry in feed.entries] == [episode.id]
    (enclosure,) = feed.entries[0].enclosures
    audio = studio.site.get(enclosure.href.removeprefix(f"{studio.site_url}/"))
    assert len(audio) == int(enclosure.length)


def test_the_stages_run_in_the_order_that_is_written_down(
    studio: Studio, add_podcast: AddPodcast, clock: Clock
) -> None:
    def later() -> datetime:
        clock.forward(1)
        return clock.now

    add_podcast(studio.database)
    episode = make(replace(studio, now=later), open_slot(studio))

    assert tuple(studio.database.checkpoints.of(episode.id)) == STAGES


def test_done_twice_everything_is_found_done(studio: Studio, add_podcast: AddPodcast) -> None:
    add_podcast(studio.database)
    episode = open_slot(studio)
    do(studio, episode, generation.generate)
    assert isinstance(studio.voice, ToneVoice)
    spoken, before = len(studio.voice.spoken), studio.database.checkpoints.of(episode.id)

    do(studio, episode, generation.generate)

    assert len(studio.voice.spoken) == spoken
    assert studio.database.checkpoints.of(episode.id) == before


def test_a_crash_in_mid_speech_repeats_no_clip(studio: Studio, add_podcast: AddPodcast) -> None:
    add_podcast(studio.database)
    episode = open_slot(studio)

    class Crash(BaseException):
        """As final as kill -9 for the code under test."""

    class CrashingVoice(ToneVoice):
        def speak(self, text: str, host: int) -> object:
            if len(self.spoken) == 4:
                raise Crash
            return super().speak(text, host)

    crashing = CrashingVoice()
    with pytest.raises(Crash):
        do(replace(studio, voice=crashing), episode, generation.generate)
    calm = ToneVoice()
    do(replace(studio, voice=calm), episode, generation.generate)

    assert len(crashing.spoken) == 4
    assert not {*crashing.spoken} & {*calm.spoken}
    assert studio.database.episodes.get(episode.id).status is EpisodeStatus.COMPLETED


def test_the_next_episode_tells_only_what_is_new(
    studio: Studio, add_podcast: AddPodcast, news: FakeSources, clock: Clock
) -> None:
    add_podcast(studio.database)
    make(studio, open_slot(studio))
    clock.forward(86_400)
    news.feeds[SOURCE] = feed_of("pips", "tides", "bridges", "bees")

    second = make(studio, open_slot(studio))

    collected = studio.database.checkpoints.of(second.id)["collect"].output
    assert [story["title"] for story in collected["stories"]] == [feed_of("pips").entries[0].title]
    feed = feedparser.parse(studio.site.get("my-show/feed.xml"))
    assert feed.entries[0].id == second.id
    assert len(feed.entries) == 2


def test_a_slot_with_nothing_new_says_so(studio: Studio, add_podcast: AddPodcast, clock: Clock) -> None:
    add_podcast(studio.database)
    make(studio, open_slot(studio))
    clock.forward(86_400)

    with pytest.raises(NothingNew, match="nothing new"):
        do(studio, open_slot(studio), generation.generate)


def test_a_failing_source_says_where(studio: Studio, add_podcast: AddPodcast, news: FakeSources) -> None:
    add_podcast(studio.database)
    news.feeds[SOURCE] = Retryable("example.org does not answer")
    work = begin(studio, open_slot(studio))

    with pytest.raises(Retryable, match="does not answer"):
        generation.generate(work)

    assert work.stage == "collect"


def test_a_language_that_the_voice_does_not_speak_fails(studio: Studio, add_podcast: AddPodcast) -> None:
    add_podcast(studio.database, language="he")

    with pytest.raises(Permanent, match="he"):
        do(studio, open_slot(studio), generation.generate)


def test_a_clip_that_was_lost_is_spoken_again_and_only_it(studio: Studio, add_podcast: AddPodcast) -> None:
    add_podcast(studio.database)
    episode = open_slot(studio)
    lost: list[str] = []

    class Losing(MemoryStorage):
        """A workspace that loses a clip once, after all of them were made."""

        def get(self, key: str) -> bytes:
            if key.startswith("clips/") and key in self.contents and not lost:
                lost.append(key)
                self.contents.pop(key)
            return super().get(key)

    losing = replace(studio, workspace=Losing())
    with pytest.raises(Retryable, match="spoken again"):
        do(losing, episode, generation.generate)
    assert isinstance(studio.voice, ToneVoice)
    spoken = len(studio.voice.spoken)

    do(losing, episode, generation.generate)

    assert len(studio.voice.spoken) == spoken + 1
    assert studio.database.episodes.get(episode.id).status is EpisodeStatus.COMPLETED


def test_damaged_audio_is_never_published_and_a_retry_makes_it_again(studio: Studio, add_podcast: AddPodcast) -> None:
    add_podcast(studio.database)
    episode = open_slot(studio)
    do(studio, episode, generation.generate)
    key = studio.database.checkpoints.of(episode.id)["master"].output["key"]
    whole = studio.workspace.get(key)
    studio.workspace.put(key, whole[: len(whole) // 3], content_type="audio/mpeg")

    work = begin(studio, episode)
    with pytest.raises(Permanent):
        processing.process(work)
    studio.database.episodes.fail(work.lease, work.stage, "damaged", studio.now())
    assert studio.site.size("my-show/feed.xml") is None

    reached = due.status_reached(studio.database.checkpoints.of(episode.id))
    assert reached is EpisodeStatus.SCRIPT_READY
    studio.database.episodes.retry(episode.id, reached, studio.now())
    assert make(studio, episode).status is EpisodeStatus.PUBLISHED
    assert studio.workspace.get(key) == whole


def test_a_worker_that_lost_its_lease_stops_and_writes_nothing(
    studio: Studio, add_podcast: AddPodcast, clock: Clock
) -> None:
    add_podcast(studio.database)
    episode = open_slot(studio)
    frozen = begin(studio, episode)
    clock.forward(studio.limits.lease_seconds + 1)
    successor = begin(studio, episode)

    with pytest.raises(LeaseLost):
        generation.generate(frozen)

    generation.generate(successor)
    numbers = {stage.key for stage in studio.database.checkpoints.of(episode.id).values()}
    assert len(numbers) == 4
    assert studio.database.episodes.get(episode.id).status is EpisodeStatus.COMPLETED


def test_the_lease_is_kept_while_the_work_lasts_and_its_loss_is_told(
    studio: Studio, add_podcast: AddPodcast, clock: Clock
) -> None:
    hasty = replace(studio, limits=replace(studio.limits, lease_seconds=0.15))
    add_podcast(hasty.database)
    episode = open_slot(hasty)
    work = begin(hasty, episode)

    with kept(work):
        clock.forward(0.1)
        assert not work.lost.wait(0.2)  # renewed at the clock's new time
        clock.forward(1)
        begin(hasty, episode)
        assert work.lost.wait(5)
        with pytest.raises(LeaseLost):
            work.progress("clip 2 of 3")


def test_two_workers_that_publish_at_once_leave_the_newer_feed(
    studio: Studio, add_podcast: AddPodcast, news: FakeSources, clock: Clock
) -> None:
    add_podcast(studio.database)
    make(studio, open_slot(studio))
    clock.forward(86_400)
    news.feeds[SOURCE] = feed_of("pips")

    class Overtaken(MemoryStorage):
        """A site whose first write of the feed is overtaken by another worker's publication."""

        overtaken = False

        def put(self, key: str, content: bytes, *, content_type: str, cache_seconds: int = 0) -> None:
            if key.endswith("feed.xml") and not self.overtaken:
                self.overtaken = True
                make(replace(studio, site=self), open_slot(studio))
            super().put(key, content, content_type=content_type, cache_seconds=cache_seconds)

    site = Overtaken()
    syndication.refresh(replace(studio, site=site), "my-show")

    assert len(feedparser.parse(site.get("my-show/feed.xml")).entries) == 2


@pytest.mark.parametrize("meanwhile", ["a podcast is added", "a podcast publishes"])
def test_a_list_of_shows_that_was_overtaken_is_written_again(
    studio: Studio, add_podcast: AddPodcast, meanwhile: str
) -> None:
    add_podcast(studio.database)
    add_podcast(studio.database, id="other-show", title="Other show")
    make(studio, open_slot(studio))

    class Overtaken(MemoryStorage):
        """A site whose first list of the shows is overtaken."""

        lists = 0

        def put(self, key: str, content: bytes, *, content_type: str, cache_seconds: int = 0) -> None:
            if key == "index.html":
                self.lists += 1
                if self.lists == 1 and meanwhile == "a podcast is added":
                    add_podcast(studio.database, id="new-show", title="New show")
                elif self.lists == 1:
                    make(replace(studio, site=self), open_slot(studio, "other-show"))
            super().put(key, content, content_type=content_type, cache_seconds=cache_seconds)

    site = Overtaken()
    syndication.refresh(replace(studio, site=site), "my-show")

    overtaken, right = site.get("index.html"), MemoryStorage()
    syndication.refresh_all(replace(studio, site=right))
    assert overtaken == right.get("index.html")
    assert overtaken.count(b"No episode yet") == (2 if meanwhile == "a podcast is added" else 0)


def test_all_shows_are_written_with_one_list_of_them(studio: Studio, add_podcast: AddPodcast) -> None:
    for number in range(5):
        add_podcast(studio.database, id=f"show-{number}")

    class Counting(MemoryStorage):
        lists = 0

        def put(self, key: str, content: bytes, *, content_type: str, cache_seconds: int = 0) -> None:
            self.lists += key == "index.html"
            super().put(key, content, content_type=content_type, cache_seconds=cache_seconds)

    site = Counting()
    syndication.refresh_all(replace(studio, site=site))

    assert site.lists == 1
    assert {f"show-{number}/feed.xml" for number in range(5)} <= set(site.contents)


def test_made_from_the_database_alone_the_site_is_the_same_bytes(studio: Studio, add_podcast: AddPodcast) -> None:
    add_podcast(studio.database)
    make(studio, open_slot(studio))
    before = {key: studio.site.get(key) for key in ("my-show/feed.xml", "my-show/index.html", "index.html")}

    rebuilt = replace(studio, site=MemoryStorage())
    syndication.refresh_all(rebuilt)

    assert {key: rebuilt.site.get(key) for key in before} == before

"""How an episode sounds, as its podcast chose: from the settings to the feed; and clips that turn out unfit."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import feedparser
import numpy as np
import pytest

from podcasting import generation, processing
from podcasting.audio.mixing import Mixing
from podcasting.errors import Permanent, Retryable
from podcasting.models import Episode, EpisodeStatus, Podcast
from podcasting.production import Production
from podcasting.providers.voices import Samples
from podcasting.studio import Studio
from podcasting.work import Work
from tests.fakes.clock import Clock
from tests.fakes.sources import FakeSources
from tests.fakes.stories import feed_of
from tests.fakes.tunes import kept
from tests.fakes.voices import ToneVoice

AddPodcast = Callable[..., Podcast]
SOURCE = "https://example.org/feed.xml"


@pytest.fixture(autouse=True)
def news(studio: Studio) -> FakeSources:
    assert isinstance(studio.sources, FakeSources)
    studio.sources.feeds[SOURCE] = feed_of("tides", "bridges")
    return studio.sources


def open_slot(studio: Studio) -> Episode:
    episode = studio.database.podcasts.open_slot("my-show", studio.now(), stuck_after=studio.limits.stuck_after)
    assert episode is not None
    return episode


def do(studio: Studio, episode: Episode, work_on: Callable[[Work], None]) -> None:
    limits = studio.limits
    taken = studio.database.leases.take(
        episode.id, holder="test", now=studio.now(), seconds=limits.lease_seconds, stuck_after=limits.stuck_after
    )
    assert taken is not None
    try:
        work_on(Work(studio, studio.database.podcasts.get(episode.podcast_id), taken[1], taken[0]))
    finally:
        studio.database.leases.release(taken[0])


def choose(studio: Studio, mixing: Mixing) -> None:
    studio.database.podcasts.change(
        "my-show", lambda podcast: podcast.model_copy(update={"production": Production(mixing=mixing)})
    )


def enclosures(studio: Studio) -> list[tuple[str, str]]:
    feed = feedparser.parse(studio.site.get("my-show/feed.xml"))
    return [(entry.enclosures[0].href, entry.enclosures[0].type) for entry in feed.entries]


def test_a_podcast_that_switches_keeps_its_old_episodes_as_they_are(
    studio: Studio, add_podcast: AddPodcast, news: FakeSources, clock: Clock, tmp_path: Path
) -> None:
    add_podcast(studio.database)
    first = open_slot(studio)
    do(studio, first, generation.generate)
    do(studio, first, processing.process)
    (old,) = enclosures(studio)
    clock.forward(86_400)
    news.feeds[SOURCE] = feed_of("bees", "tides", "bridges")

    intro = kept(studio.workspace, tmp_path, 4)
    choose(studio, Mixing(format="m4a", intro=intro, intro_under_seconds=1))
    second = open_slot(studio)
    do(studio, second, generation.generate)
    do(studio, second, processing.process)

    new, still = enclosures(studio)
    assert still == old
    assert old[1] == "audio/mpeg"
    assert new[0].endswith("/audio.m4a")
    assert new[1] == "audio/x-m4a"
    content = studio.site.get(new[0].removeprefix(f"{studio.site_url}/"))
    with av.open(io.BytesIO(content)) as container:
        chapters = container.chapters()
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert np.sqrt(np.mean(sound[:44_100] ** 2)) > 0.02, "the intro is heard before the first word"
    mastered = studio.database.checkpoints.of(second.id)["master"].output
    assert mastered["cues"][0]["start"] == pytest.approx(3, abs=0.1)
    assert chapters[0]["start"] == 0
    assert float(chapters[1]["start"] * chapters[1]["time_base"]) == pytest.approx(
        mastered["chapters"][1]["start"], abs=0.002
    )


def test_a_change_of_the_mix_makes_new_audio_and_no_new_clip(studio: Studio, add_podcast: AddPodcast) -> None:
    add_podcast(studio.database)
    episode = open_slot(studio)
    do(studio, episode, generation.generate)
    assert isinstance(studio.voice, ToneVoice)
    spoken, before = len(studio.voice.spoken), studio.database.checkpoints.of(episode.id)["master"].output

    choose(studio, Mixing(turn_pause_seconds=0.8, loudness_lufs=-18))
    do(studio, episode, generation.generate)

    after = studio.database.checkpoints.of(episode.id)["master"].output
    assert len(studio.voice.spoken) == spoken
    assert after["key"] != before["key"]
    assert after["seconds"] > before["seconds"]
    assert after["loudness_lufs"] == pytest.approx(-18, abs=0.5)


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_music_that_is_not_there_fails_with_the_fix(
    studio: Studio, add_podcast: AddPodcast, tmp_path: Path, harm: str
) -> None:
    add_podcast(studio.database)
    bed = kept(studio.workspace, tmp_path, 4)
    choose(studio, Mixing(bed=bed))
    if harm == "gone":
        studio.workspace.contents.pop(bed)
    else:
        studio.workspace.put(bed, b"fLaC" + bytes(99), content_type="audio/flac")

    with pytest.raises(Permanent, match=rf"the bed, {bed}, is .*`airdate podcasts music PODCAST --bed FILE`"):
        do(studio, open_slot(studio), generation.generate)


class HoarseVoice(ToneVoice):
    """Cuts off the peaks of its third turn, for so many takes."""

    def __init__(self, bad_takes: int) -> None:
        super().__init__(seconds_per_character=0.04)
        self.bad_takes = bad_takes
        self.bad_text: str | None = None

    def speak(self, text: str, host: int) -> Samples:
        sound = super().speak(text, host)
        if len(self.spoken) == 3:
            self.bad_text = text
        if text == self.bad_text and self.bad_takes:
            self.bad_takes -= 1
            return np.clip(sound * np.float32(20), -1, 1)
        return sound


def test_an_unfit_clip_is_spoken_again_alone_and_once(studio: Studio, add_podcast: AddPodcast) -> None:
    add_podcast(studio.database)
    episode = open_slot(studio)
    hoarse = HoarseVoice(bad_takes=1)
    studio = replace(studio, voice=hoarse)

    with pytest.raises(Retryable, match=r"of turn 3 \(.*\): \d\d\.\d% of it is clipped .* spoken again"):
        do(studio, episode, generation.generate)
    spoken = len(hoarse.spoken)
    do(studio, episode, generation.generate)

    assert len(hoarse.spoken) == spoken + 1
    assert hoarse.spoken[-1][0] == hoarse.bad_text
    assert studio.database.episodes.get(episode.id).status is EpisodeStatus.COMPLETED


def test_a_clip_that_stays_unfit_fails_the_episode_and_a_retry_speaks_it_again(
    studio: Studio, add_podcast: AddPodcast
) -> None:
    add_podcast(studio.database)
    episode = open_slot(studio)
    hoarse = HoarseVoice(bad_takes=2)
    studio = replace(studio, voice=hoarse)

    with pytest.raises(Retryable):
        do(studio, episode, generation.generate)
    with pytest.raises(Permanent, match=r"turn 3 .* and so was the take before; change the script or the voice"):
        do(studio, episode, generation.generate)
    spoken = len(hoarse.spoken)
    with pytest.raises(Retryable, match="is spoken again"):  # as `airdate episodes retry` has it done
        do(studio, episode, generation.generate)
    do(studio, episode, generation.generate)

    assert len(hoarse.spoken) == spoken + 1
    assert studio.database.episodes.get(episode.id).status is EpisodeStatus.COMPLETED

"""What an episode asks of storage, as the cost model has it, against one that is made by the real stages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.fleet.counting import CountingStorage
from operations.cost.bill import READS, READS_PER_CLIP, WRITES, WRITES_PER_CLIP
from podcasting import generation, processing
from podcasting.models import Episode, EpisodeStatus, Podcast
from podcasting.studio import Studio
from podcasting.work import Work
from tests.fakes.shell import Shell
from tests.fakes.sources import FakeSources
from tests.fakes.stories import feed_of
from tests.fakes.voices import ToneVoice

SOURCE = "https://example.org/feed.xml"


def make_one(studio: Studio, counts: Counter[str], add_podcast: Callable[..., Podcast]) -> Episode:
    assert isinstance(studio.sources, FakeSources)
    studio.sources.feeds[SOURCE] = feed_of("tides", "bridges", "bees")
    counting = replace(
        studio,
        workspace=CountingStorage(studio.workspace, counts),
        site=CountingStorage(studio.site, counts),
    )
    database, limits = studio.database, studio.limits
    add_podcast(database, frequency_days=7)
    episode = database.podcasts.open_slot("my-show", studio.now(), stuck_after=limits.stuck_after)
    assert episode is not None
    for work_on in (generation.generate, processing.process):
        taken = database.leases.take(
            episode.id, holder="test", now=studio.now(), seconds=limits.lease_seconds, stuck_after=limits.stuck_after
        )
        assert taken is not None
        lease, begun = taken
        work_on(Work(counting, database.podcasts.get("my-show"), begun, lease))
        database.leases.release(lease)
    return database.episodes.get(episode.id)


def test_an_episode_asks_of_storage_what_the_model_says(studio: Studio, add_podcast: Callable[..., Podcast]) -> None:
    assert isinstance(studio.voice, ToneVoice)
    counts: Counter[str] = Counter()
    episode = make_one(studio, counts, add_podcast)
    clips = len(studio.voice.spoken)

    assert episode.status is EpisodeStatus.PUBLISHED
    assert clips > 5
    assert counts["puts"] == WRITES + WRITES_PER_CLIP * clips
    assert counts["gets"] == READS + READS_PER_CLIP * clips


def test_without_a_number_the_bill_is_that_of_the_database(
    airdate: Shell, studio: Studio, add_podcast: Callable[..., Podcast]
) -> None:
    episode = make_one(studio, Counter(), add_podcast)
    done = studio.database.checkpoints.of(episode.id)

    load = airdate.json("cost", AIRDATE_DATABASE_URL=str(studio.database.engine.url))["load"]

    assert load["episodes_per_day"] == pytest.approx(1 / 7)
    assert load["minutes"] == pytest.approx(done["check"].output["seconds"] / 60)
    assert load["generation_seconds"] == pytest.approx(
        sum(done[stage].seconds for stage in ("collect", "script", "speech", "master"))
    )
    assert load["processing_seconds"] == pytest.approx(
        sum(done[stage].seconds for stage in ("check", "transcript", "cover", "publish", "feed"))
    )

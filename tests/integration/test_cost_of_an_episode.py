"""What an episode asks of storage, as the cost model has it, against one that is made by the real stages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from bench.fleet.counting import CountingStorage
from operations.cost.bill import READS, READS_PER_CLIP, WRITES, WRITES_PER_CLIP
from podcasting import generation, processing
from podcasting.models import EpisodeStatus, Podcast
from podcasting.studio import Studio
from podcasting.work import Work
from tests.fakes.sources import FakeSources
from tests.fakes.stories import feed_of
from tests.fakes.voices import ToneVoice

SOURCE = "https://example.org/feed.xml"


def test_an_episode_asks_of_storage_what_the_model_says(studio: Studio, add_podcast: Callable[..., Podcast]) -> None:
    assert isinstance(studio.sources, FakeSources)
    assert isinstance(studio.voice, ToneVoice)
    studio.sources.feeds[SOURCE] = feed_of("tides", "bridges", "bees")
    counts: Counter[str] = Counter()
    counting = replace(
        studio,
        workspace=CountingStorage(studio.workspace, counts),
        site=CountingStorage(studio.site, counts),
    )
    database, limits = studio.database, studio.limits
    add_podcast(database)
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
    clips = len(studio.voice.spoken)

    assert database.episodes.get(episode.id).status is EpisodeStatus.PUBLISHED
    assert clips > 5
    assert counts["puts"] == WRITES + WRITES_PER_CLIP * clips
    assert counts["gets"] == READS + READS_PER_CLIP * clips

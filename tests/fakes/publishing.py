"""Episodes made and published by the real stages, over fakes of the outside world and a real database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from podcasting import generation, processing
from podcasting.database import Database
from podcasting.database.revisions import migrate
from podcasting.models import Episode, Podcast
from podcasting.providers.feeds import Feed
from podcasting.providers.voices import Samples
from podcasting.providers.writers import Brief, Script
from podcasting.providers.writers.extractive import ExtractiveWriter
from podcasting.studio import Limits, Studio
from podcasting.work import Work
from tests.fakes.clock import Clock
from tests.fakes.sources import FakeSources
from tests.fakes.storage import MemoryStorage
from tests.fakes.stories import feed_of
from tests.fakes.voices import ToneVoice

SOURCE = "https://example.org/feed.xml"
SITE = "https://podcasts.example.org"


class PolyglotVoice(ToneVoice):
    """Hums whatever language it is given."""

    def speaks(self, language: str) -> bool:
        return bool(language)

    def speak(self, text: str, host: int) -> Samples:
        return super().speak(f"{text} a", host)


class PolyglotWriter(ExtractiveWriter):
    """Writes English, and calls it what it was asked for."""

    def write(self, brief: Brief) -> Script:
        return super().write(brief.model_copy(update={"language": "en"}))


class PublishingHouse:
    """A studio, and podcasts that publish when told to."""

    def __init__(self, database: Database, path: Path) -> None:
        self.path = path
        self.clock = Clock()
        self.sources = FakeSources()
        self.site = MemoryStorage()
        self.studio = Studio(
            database=database,
            workspace=MemoryStorage(),
            site=self.site,
            site_url=SITE,
            sources=self.sources,
            writer=PolyglotWriter(),
            voice=PolyglotVoice(seconds_per_character=0.02),
            limits=Limits(),
            now=self.clock,
        )

    def found(self, podcast_id: str, **changes: Any) -> Podcast:
        """A new podcast, due now."""
        fields: dict[str, Any] = {
            "id": podcast_id,
            "title": podcast_id.replace("-", " ").title(),
            "sources": (SOURCE,),
            "frequency_days": 1,
            "first_slot": self.clock.now,
            "next_episode_at": self.clock.now,
        }
        podcast = Podcast.model_validate(fields | changes)
        self.studio.database.podcasts.add(podcast, self.clock.now)
        return podcast

    def publish(self, podcast_id: str, news: Feed | None = None) -> Episode:
        """Its next episode, made of this news and published."""
        self.sources.feeds[SOURCE] = news or feed_of("tides", "bridges", "bees")
        episode = self.studio.database.podcasts.open_slot(podcast_id, self.clock.now, stuck_after=1800)
        assert episode is not None
        for stage in (generation.generate, processing.process):
            taken = self.studio.database.leases.take(
                episode.id, holder="test", now=self.clock.now, seconds=60, stuck_after=1800
            )
            assert taken is not None
            work = Work(self.studio, self.studio.database.podcasts.get(podcast_id), taken[1], taken[0])
            stage(work)
            self.studio.database.leases.release(work.lease)
        self.clock.forward(86_400)
        return self.studio.database.episodes.get(episode.id)

    def feed(self, podcast_id: str) -> bytes:
        """Its public feed."""
        return self.site.get(f"{podcast_id}/feed.xml")


@contextmanager
def publishing_house(folder: Path) -> Iterator[PublishingHouse]:
    """A house with a database of its own."""
    path = folder / "airdate.db"
    database = Database.at(f"sqlite:///{path}")
    migrate(database.engine)
    yield PublishingHouse(database, path)
    database.engine.dispose()


@contextmanager
def copied(house: PublishingHouse, folder: Path) -> Iterator[PublishingHouse]:
    """The same house again, to be changed as one likes: to publish an episode takes seconds."""
    path = folder / "airdate.db"
    with closing(sqlite3.connect(house.path)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    database = Database.at(f"sqlite:///{path}")
    copy = PublishingHouse(database, path)
    copy.clock.now = house.clock.now
    copy.site.contents = dict(house.site.contents)
    assert isinstance(house.studio.workspace, MemoryStorage)
    assert isinstance(copy.studio.workspace, MemoryStorage)
    copy.studio.workspace.contents = dict(house.studio.workspace.contents)
    yield copy
    database.engine.dispose()

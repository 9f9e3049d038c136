"""What a publication pays for the page that lists all shows, by how many there are."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert

from bench.measuring import Sample, alternately
from podcasting import syndication
from podcasting.database import Database
from podcasting.database.revisions import migrate
from podcasting.database.schema import podcasts
from podcasting.providers.feeds.web import WebSources
from podcasting.providers.storage.folder import FolderStorage
from podcasting.providers.voices.hibari import HibariVoice
from podcasting.providers.writers.extractive import ExtractiveWriter
from podcasting.stages.page import render_index
from podcasting.studio import Limits, Studio

DESCRIPTION = "What changed in the world of things, week by week, told by two who read it for you."
AT_ONCE = 1000
"""Rows an INSERT."""


def refreshing(shows: int, repeats: int) -> dict[str, Sample]:
    """Processor seconds to publish one show among so many: as it is done, and with all shows read twice."""
    with _site(shows) as studio:
        contestants: dict[str, Callable[[], float]] = {
            "ours": lambda: _spent(studio),
            "all read twice": lambda: _spent(studio, twice=True),
        }
        for once in contestants.values():
            once()  # the template is compiled, the file is in the cache
        return alternately(contestants, repeats)


def _spent(studio: Studio, *, twice: bool = False) -> float:
    began = time.process_time()
    if twice:
        all_shows = studio.database.podcasts.all()
        studio.site.put("index.html", render_index(all_shows), content_type="text/html; charset=utf-8")
        again = {show.id: show.version for show in studio.database.podcasts.all()}
        if again != {show.id: show.version for show in all_shows}:
            raise RuntimeError("the shows changed while nobody changed them")
    else:
        syndication.refresh(studio, "show-0")
    return time.process_time() - began


@contextmanager
def _site(shows: int) -> Iterator[Studio]:
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="airdate-bench-") as folder:
        database = Database.at(f"sqlite:///{folder}/airdate.db")
        migrate(database.engine)
        rows = [_row(number, now) for number in range(shows)]
        with database.engine.begin() as connection:
            for start in range(0, shows, AT_ONCE):
                connection.execute(insert(podcasts), rows[start : start + AT_ONCE])
        site = FolderStorage(Path(folder) / "site")
        yield Studio(
            database=database,
            workspace=site,
            site=site,
            site_url="https://bench.example",
            sources=WebSources(allow_files=False),
            writer=ExtractiveWriter(),
            voice=HibariVoice(),
            limits=Limits(),
            now=lambda: now,
        )
        database.engine.dispose()


def _row(number: int, now: datetime) -> dict[str, object]:
    return {
        "id": f"show-{number}",
        "title": f"Show number {number}",
        "description": DESCRIPTION,
        "author": "Airdate",
        "language": "en",
        "sources": ["https://bench.example/feed.xml"],
        "hosts": ["Ada", "Ben"],
        "frequency_days": 7,
        "state": "active",
        "first_slot": now,
        "next_episode_at": now,
        "latest_episode_at": now,
        "version": 3,
        "created_at": now,
        "claimable_at": now,
    }

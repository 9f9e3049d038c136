"""What one episode asks of the database, of storage and of a voice, counted; and what a database can take.

The episode is a real one: the example feed, the embedded writer and voice, PostgreSQL.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, event

from podcasting import generation, processing
from podcasting.database import Database
from podcasting.database.checkpoints import Checkpoint
from podcasting.database.leases import Lease
from podcasting.models import Episode, Podcast
from podcasting.providers.feeds.web import WebSources
from podcasting.providers.storage import Storage
from podcasting.providers.storage.folder import FolderStorage
from podcasting.providers.voices.hibari import HibariVoice
from podcasting.providers.writers.extractive import ExtractiveWriter
from podcasting.studio import Limits, Studio
from podcasting.work import Work

WRITERS = 4
"""Threads that write at once when it is measured how much a database takes."""
STAGES_PER_LEASE = 5
LIMITS = Limits()


@dataclass(frozen=True)
class Counted:
    """Of one episode."""

    minutes: float
    generation_seconds: float
    """Of a processor."""
    processing_seconds: float
    transactions: int
    """Those that wrote: claims, leases, checkpoints, the end."""
    statements: int
    puts: int
    gets: int
    site_megabytes: float
    """What stays: the site and the mastered audio."""
    clip_megabytes: float
    clips: int
    """Calls to the voice."""


class CountingStorage:
    """Another storage, and what is asked of it."""

    def __init__(self, under: Storage, counts: Counter[str]) -> None:
        self._under = under
        self._counts = counts

    def put(self, key: str, content: bytes, *, content_type: str, cache_seconds: int = 0) -> None:
        """See :class:`podcasting.providers.storage.Storage`."""
        self._counts["puts"] += 1
        self._counts["clip bytes" if key.startswith("clips/") else "bytes"] += len(content)
        self._under.put(key, content, content_type=content_type, cache_seconds=cache_seconds)

    def get(self, key: str) -> bytes:
        """See :class:`podcasting.providers.storage.Storage`."""
        self._counts["gets"] += 1
        return self._under.get(key)

    def size(self, key: str) -> int | None:
        """See :class:`podcasting.providers.storage.Storage`."""
        self._counts["gets"] += 1
        return self._under.size(key)

    def delete(self, key: str) -> None:
        """See :class:`podcasting.providers.storage.Storage`."""
        self._counts["deletes"] += 1
        self._under.delete(key)


def counted(database: Database, folder: Path) -> Counted:
    """Make one episode, and count."""
    counts: Counter[str] = Counter()
    voice = HibariVoice()
    studio = Studio(
        database=database,
        workspace=CountingStorage(FolderStorage(folder / "work"), counts),
        site=CountingStorage(FolderStorage(folder / "site"), counts),
        site_url="https://example.org",
        sources=WebSources(
            allow_files=True, allowed_private_hosts=frozenset(), max_bytes=5 * 1024 * 1024, timeout_seconds=20
        ),
        writer=ExtractiveWriter(),
        voice=voice,
        limits=LIMITS,
        now=_now,
    )
    voice.speak("Warm.", 0)  # the model is loaded once a process, not once an episode
    _podcast(database, "counted", sources=("examples/feed.xml",))
    _count_sql(database.engine, counts)
    database.claims.podcasts(_now(), seconds=300, limit=10)
    episode_id = _opened(database, "counted")
    generation_seconds = _do(studio, episode_id, generation.generate)
    database.claims.make_claimable(episode_id, _now(), even_if_claimed=False)
    database.claims.episode(episode_id, _now(), seconds=300)
    processing_seconds = _do(studio, episode_id, processing.process)
    asked = counts.copy()
    done = database.checkpoints.of(episode_id)
    return Counted(
        minutes=done["check"].output["seconds"] / 60,
        generation_seconds=generation_seconds,
        processing_seconds=processing_seconds,
        transactions=asked["writing transactions"],
        statements=asked["statements"],
        puts=asked["puts"],
        gets=asked["gets"],
        site_megabytes=asked["bytes"] / 1e6,
        clip_megabytes=asked["clip bytes"] / 1e6,
        clips=len(done["speech"].output["clips"]),
    )


def transactions_per_second(database: Database, seconds: float) -> float:
    """How many transactions ``WRITERS`` threads write: a lease taken, stages recorded, the lease let go."""
    names = [f"writer-{number}" for number in range(WRITERS)]
    for name in names:
        _podcast(database, name, sources=("https://example.org/feed.xml",))
    end = threading.Event()

    def write(name: str) -> int:
        episode_id, done = _opened(database, name), 0
        while not end.is_set():
            lease, _ = _taken(database, episode_id)
            for stage in range(STAGES_PER_LEASE):
                checkpoint = Checkpoint(f"stage {stage}", "key", {"made": "x" * 200}, 1.0, _now())
                database.checkpoints.record(lease, checkpoint, stuck_after=LIMITS.stuck_after)
            database.leases.release(lease)
            done += STAGES_PER_LEASE + 2
        return done

    with ThreadPoolExecutor(WRITERS) as threads:
        began = time.monotonic()
        writing = [threads.submit(write, name) for name in names]
        end.wait(seconds)
        end.set()
        done = sum(each.result() for each in writing)
        return done / (time.monotonic() - began)


def _do(studio: Studio, episode_id: str, what: Callable[[Work], object]) -> float:
    """Have it done; returns the seconds of a processor, which one slot with a core of its own takes."""
    lease, episode = _taken(studio.database, episode_id)
    began = time.process_time()
    what(Work(studio, studio.database.podcasts.get(episode.podcast_id), episode, lease))
    took = time.process_time() - began
    studio.database.leases.release(lease)
    return took


def _opened(database: Database, podcast_id: str) -> str:
    episode = database.podcasts.open_slot(podcast_id, _now(), stuck_after=LIMITS.stuck_after)
    if episode is None:
        raise RuntimeError(f"{podcast_id} is not due")
    return episode.id


def _taken(database: Database, episode_id: str) -> tuple[Lease, Episode]:
    taken = database.leases.take(
        episode_id, holder="bench", now=_now(), seconds=LIMITS.lease_seconds, stuck_after=LIMITS.stuck_after
    )
    if taken is None:
        raise RuntimeError(f"{episode_id} has ended")
    return taken


def _podcast(database: Database, name: str, *, sources: tuple[str, ...]) -> None:
    now = _now()
    database.podcasts.add(
        Podcast(id=name, title=name, sources=sources, frequency_days=1, first_slot=now, next_episode_at=now), now
    )


def _count_sql(engine: Engine, counts: Counter[str]) -> None:
    wrote = threading.local()

    @event.listens_for(engine, "before_cursor_execute")
    def executed(_: object, __: object, statement: str, *___: object) -> None:
        counts["statements"] += 1
        if not statement.lstrip().upper().startswith("SELECT"):
            wrote.yes = True

    @event.listens_for(engine, "commit")
    def committed(_: object) -> None:
        counts["writing transactions"] += getattr(wrote, "yes", False)
        wrote.yes = False


def _now() -> datetime:
    return datetime.now(UTC)

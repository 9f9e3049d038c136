"""Real workers that make real episodes: the Procfile's, on PostgreSQL, an SQS over HTTP and a folder."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from bench.making.stories import feed
from bench.surroundings import Surroundings, surroundings
from chaos import queues
from operations.command import COMMANDS
from podcasting.errors import UnknownPodcast
from podcasting.models import STAGES, EpisodeStatus, Podcast

VISIBILITY_SECONDS = 60
START_SECONDS = 60
EPISODE_SECONDS = 300
MEGABYTE = 1_000_000
SETTINGS = {
    "AIRDATE_GENERATORS": "1",
    "AIRDATE_PROCESSORS": "1",
    "AIRDATE_MAX_STORIES": "30",
}
EVERYTHING = (
    "podcasting.generation",
    "podcasting.processing",
    "podcasting.providers.feeds.web",
    "podcasting.providers.voices.hibari",
    *COMMANDS,
)
"""What every process imported as it started, before each imported what it uses."""


@dataclass(frozen=True)
class Start:
    """How a worker came up: from its exec until it says that it is ready."""

    seconds: float
    processor_seconds: float
    """Of the worker and the children that it had by then."""
    megabytes: float
    """What it and its children hold that they do not share, together."""


@dataclass(frozen=True)
class Episode:
    """One that was made and published."""

    audio_seconds: float
    seconds: float
    """From the message to the feed that lists it."""
    stages: dict[str, float]
    """Seconds each."""
    processor_seconds: float
    """Of the two processes that made and published it."""
    peaks: dict[str, float]
    """By worker, the most that its process held so far, in megabytes; what it shares with its parent counts."""
    audio: Path


class Workshop:
    """Made by :func:`workshop`."""

    def __init__(self, around: Surroundings) -> None:
        self._folder = around.folder
        self._database = around.database
        self._fleet = around.fleet
        self._sqs = queues.client(around.endpoint)
        self._queue = around.queue_urls["podcast-generation"]
        self._names: dict[str, str] = {}
        self._starts = 0

    def start(self, kind: str, **settings: str) -> Start:
        """Start a worker of this kind (its line in the Procfile, or ``everything``), and wait until it is ready.

        Raises:
            TimeoutError: it is not.
        """
        self._starts += 1
        name = self._names[kind] = f"{kind}-{self._starts}"
        log = self._folder / "logs" / f"{name}.log"
        began = time.monotonic()
        self._fleet.add(name, AIRDATE_HOME=str(self._folder / "home"), **settings)
        _until(lambda: log.exists() and b" ready." in log.read_bytes(), START_SECONDS, f"{name} ready; see {log}")
        took = time.monotonic() - began
        family = self._family(kind)
        times = [process.cpu_times() for process in family]
        spent = sum(each.user + each.system for each in times) + times[0].children_user + times[0].children_system
        return Start(took, spent, sum(process.memory_full_info().uss for process in family) / MEGABYTE)

    def stop(self) -> None:
        """End the workers."""
        self._fleet.stop()

    def make(self, podcast: str, *, stories: int, edition: int) -> Episode:
        """Have the podcast's next episode made and published, of stories that it has not told.

        Raises:
            TimeoutError: it is not within five minutes.
        """
        (self._folder / f"{podcast}.xml").write_text(feed(stories, edition), encoding="utf-8")
        self._make_due(podcast)
        shutil.rmtree(self._folder / "home" / "work" / "clips", ignore_errors=True)  # no sentence is spoken already
        at_work = {kind: self._family(kind)[-1] for kind in ("generator", "processor")}
        before = self._spent(at_work)
        now = datetime.now(UTC)
        message = {
            "version": "1.0",
            "type": "podcast_generation",
            "data": {"podcastId": podcast, "title": "Bench", "frequency": 366, "latestEpisodeDate": None},
            "metadata": {"retryCount": 0, "source": "podcast_scheduler"},
        }
        self._sqs.send_message(QueueUrl=self._queue, MessageBody=json.dumps(message))
        seconds = _until(lambda: self._published(podcast, now), EPISODE_SECONDS, f"an episode of {podcast}")
        (episode,) = self._database.episodes.newest(podcast_id=podcast, limit=1)
        done = self._database.checkpoints.of(episode.id)
        return Episode(
            audio_seconds=float(done["master"].output["seconds"]),
            seconds=seconds,
            stages={stage: done[stage].seconds for stage in STAGES},
            processor_seconds=self._spent(at_work) - before,
            peaks={kind: peak(process.pid) for kind, process in at_work.items()},
            audio=self._folder / "home" / "work" / str(done["master"].output["key"]),
        )

    def _make_due(self, podcast: str) -> None:
        now = datetime.now(UTC)
        with suppress(UnknownPodcast):
            self._database.podcasts.make_due(podcast, now)
            return
        show = Podcast(
            id=podcast,
            title="Bench",
            sources=(str(self._folder / f"{podcast}.xml"),),
            frequency_days=366,
            first_slot=now,
            next_episode_at=now,
        )
        self._database.podcasts.add(show, now)

    def _published(self, podcast: str, since: datetime) -> bool:
        newest = self._database.episodes.newest(podcast_id=podcast, limit=1)
        if newest and newest[0].status is EpisodeStatus.FAILED:
            raise RuntimeError(f"{newest[0].id} failed: {newest[0].failure}")
        return bool(newest and newest[0].created_at > since - timedelta(seconds=1)) and (
            newest[0].status is EpisodeStatus.PUBLISHED
        )

    def _family(self, kind: str) -> list[psutil.Process]:
        worker = psutil.Process(self._fleet.pid(self._names[kind]))
        return [worker, *worker.children()]

    @staticmethod
    def _spent(processes: dict[str, psutil.Process]) -> float:
        return sum(times.user + times.system for times in (each.cpu_times() for each in processes.values()))


def _until(true: Callable[[], bool], at_most: float, what: str) -> float:
    """How long it took until something was true, looked at often: what is measured here takes a second or two."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > at_most:
            raise TimeoutError(f"{what}: not within {at_most:g} s")
        time.sleep(0.02)
    return time.monotonic() - began


def peak(pid: int) -> float:
    """The most memory that a process ever held, in megabytes."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 / MEGABYTE if found else 0.0


@contextmanager
def workshop() -> Iterator[Workshop]:
    """One whose tables and queues are there, and no worker."""

    def with_everything(procfile: str) -> str:
        discovery = next(line for line in procfile.splitlines() if line.startswith("discovery:"))
        return f"{procfile}\neverything:{discovery.partition(':')[2]} --include {','.join(EVERYTHING)}\n"

    with surroundings(lambda _: SETTINGS, with_everything, visibility_seconds=VISIBILITY_SECONDS) as around:
        yield Workshop(around)

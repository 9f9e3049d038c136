"""The demo: a podcast from a fresh machine, made by what makes every podcast, and followed step by step.

``prepare`` is run by ``airdate demo`` before the processes start. ``follow`` is one of the processes:
it only watches. Nothing here makes an episode; beat's own schedule does.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from operations.flower_login import flower_login
from operations.ports import free_port, is_free
from operations.queue_depth import DepthReader
from operations.summary import summary
from podcasting.due import has_ended
from podcasting.fingerprint import fingerprint
from podcasting.models import Episode, EpisodeStatus, Podcast
from settings import settings
from tasks import wiring

HOME = Path("var/demo")
EXAMPLES = Path(__file__).parent.parent / "examples" / "feed.xml"
PATIENCE_SECONDS = 300
WORKERS = ("discovery", "generator", "processor")


def environment(feed: str | None) -> dict[str, str]:
    """The demo's environment: embedded whatever else is set, in a home of its own, with an impatient beat."""
    chosen = {
        "AIRDATE_ENV_FILE": os.devnull,
        "AIRDATE_HOME": str(HOME),
        "AIRDATE_SCHEDULE_PODCASTS_EVERY": "2",
        "AIRDATE_CHECK_EPISODES_EVERY": "5",
        "AIRDATE_RETRY_BASE": "3",
        "AIRDATE_SITE_PORT": _port("AIRDATE_SITE_PORT", 8417),
        "AIRDATE_FLOWER_PORT": _port("AIRDATE_FLOWER_PORT", 5555),
    }
    source = urlsplit(feed or "")
    if source.hostname:
        # Whoever names a feed on this machine means it.
        chosen["AIRDATE_ALLOWED_PRIVATE_HOSTS"] = (
            f"{source.hostname}:{source.port or (443 if source.scheme == 'https' else 80)}"
        )
    cleared = (
        "EPISODE_PROCESSING_QUEUE_URL",
        "PODCAST_GENERATION_QUEUE_URL",
        "AIRDATE_DISCOVERY_QUEUE_URL",
        "AIRDATE_DATABASE_URL",
        "AIRDATE_PUBLIC_URL",
        "AIRDATE_BUCKET",
        "AIRDATE_AWS_ENDPOINT",
    )
    return dict.fromkeys(cleared, "") | chosen


def _port(variable: str, usual: int) -> str:
    # A port that somebody chose is used or refused; the usual one gives way to a free one, and so does 0.
    chosen = os.environ.get(variable, "")
    if chosen not in {"", "0"}:
        return chosen
    return str(usual if not chosen and is_free(usual) else free_port())


def prepare(source: str | None) -> Podcast:
    """Add the demo's podcast (of the examples, unless a source is given), due now, unless an earlier run did."""
    podcast_id = f"demo-{fingerprint('demo', source)[:8]}" if source else "everyday-wonders"
    podcasts = wiring.database().podcasts
    now = wiring.utc_now()
    for podcast in podcasts.all():
        if podcast.id == podcast_id:
            _try_again(podcast, now)
            return podcast
    podcast = Podcast(
        id=podcast_id,
        title=f"News from {urlsplit(source).hostname or Path(source).name}" if source else "Everyday Wonders",
        description=f"{'' if source else 'How ordinary things work. '}Made by Airdate's demo.",
        sources=(source or str(EXAMPLES),),
        frequency_days=1,
        first_slot=now.replace(microsecond=0),
        next_episode_at=now.replace(microsecond=0),
    )
    podcasts.add(podcast, now)
    return podcast


def _try_again(podcast: Podcast, now: datetime) -> None:
    # A demo that ended without an episode is run again to see one, not to read the old reason.
    newest = wiring.database().episodes.newest(podcast_id=podcast.id, limit=1)
    if newest and has_ended(newest[0]) and not is_published(podcast.id):
        wiring.database().podcasts.make_due(podcast.id, now.replace(microsecond=0))


def follow(podcast_id: str, *, began: float, stay: bool) -> int:
    """Tell what happens until the podcast's newest episode has ended; then show where things are.

    ``began`` is when the command was started (seconds since the epoch). With ``stay`` it goes on
    until stopped. Returns the exit code: 0 only when an episode is published.
    """
    watcher = _Watcher(podcast_id, began)
    if is_published(podcast_id) and wiring.database().podcasts.get(podcast_id).next_episode_at > wiring.utc_now():
        watcher.tell("an earlier run made the episode, and the next is not due yet; the workers are starting")
    else:
        watcher.tell("beat looks for due podcasts every 2 s; the workers are starting")
    episode = watcher.until_ended()
    if episode is None:
        watcher.tell(f"nothing was published within {PATIENCE_SECONDS} s: the logs are in {settings().home / 'log'}/")
        return 1
    seen = watcher.until_flower_sees_all()
    total = time.time() - began
    report = summary(wiring.studio(), DepthReader.of_settings().read(), total_seconds=total)
    (settings().home / "summary.json").write_text(json.dumps(report, indent=2) + "\n")
    published = _published(podcast_id)
    if episode.failure is not None:
        watcher.tell(f"episode {episode.id} {episode.status.value}: {episode.failure.reason}")
    if not published:
        return 1
    _show(report, podcast_id, published[0], total)
    if not seen:
        watcher.tell(f"Flower did not see all of {', '.join(WORKERS)}: the logs are in {settings().home / 'log'}/")
        return 1
    while stay:
        time.sleep(3600)
    return 0


def is_published(podcast_id: str) -> bool:
    """Whether an episode of the podcast is published."""
    return bool(_published(podcast_id))


def _published(podcast_id: str) -> list[Episode]:
    return wiring.database().episodes.newest(podcast_id=podcast_id, status=EpisodeStatus.PUBLISHED)


class _Watcher:
    """Reads the database and Flower, and tells what changed."""

    def __init__(self, podcast_id: str, began: float) -> None:
        self._podcast_id = podcast_id
        self._began = began
        self._told: set[tuple[str, str]] = set()
        self._deadline = time.monotonic() + PATIENCE_SECONDS

    def tell(self, line: str) -> None:
        """Print a line with the seconds since the start."""
        click.echo(f"{time.time() - self._began:6.1f} s  {line}")

    def until_ended(self) -> Episode | None:
        """The podcast's newest episode once it has ended and none is due, or None when that took too long."""
        database = wiring.database()
        while time.monotonic() < self._deadline:
            podcast = database.podcasts.get(self._podcast_id)
            newest = database.episodes.newest(podcast_id=self._podcast_id, limit=1)
            for episode in newest:
                self._tell_progress(episode)
                if podcast.next_episode_at > wiring.utc_now() and has_ended(episode):
                    return episode
            time.sleep(0.2)
        return None

    def until_flower_sees_all(self) -> bool:
        """Whether Flower shows each worker, within half a minute or so."""
        last = time.monotonic() + 45
        while time.monotonic() < last:
            names = _workers_in_flower()
            if all(any(name.startswith(f"{worker}@") for name in names) for worker in WORKERS):
                self.tell(f"Flower sees {', '.join(sorted(names))}")
                return True
            time.sleep(0.5)
        return False

    def _tell_progress(self, episode: Episode) -> None:
        self._once(
            episode.id, "begun", f"episode {episode.number} of {self._podcast_id} for {episode.slot:%Y-%m-%d %H:%M} UTC"
        )
        done = wiring.database().checkpoints.of(episode.id)
        for name, stage in done.items():
            self._once(episode.id, name, f"  {name:<10} done in {stage.seconds:5.1f} s")
        if episode.attempts > 1:
            again = f"  trying again, start {episode.attempts}: the reason is in {settings().home / 'log'}/"
            self._once(episode.id, f"{episode.status} {episode.attempts}", again)
        if episode.status is EpisodeStatus.PUBLISHED:
            self._once(episode.id, "published", f"published: {episode.title}")

    def _once(self, episode_id: str, what: str, line: str) -> None:
        if (episode_id, what) not in self._told:
            self._told.add((episode_id, what))
            self.tell(line)


def _workers_in_flower() -> list[str]:
    url = f"http://127.0.0.1:{settings().flower_port}/workers?json=1"
    try:
        asked = urllib.request.Request(url, headers=flower_login().header)
        with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310 - our own, on loopback
            workers: list[dict[str, Any]] = json.load(answer)["data"]
    except (urllib.error.URLError, OSError, ValueError, KeyError):
        return []
    return [str(worker["hostname"]) for worker in workers if worker.get("status")]


def _show(report: dict[str, Any], podcast_id: str, episode: Episode, total: float) -> None:
    home, site = settings().home, settings().site_url
    about = next(each for podcast in report["podcasts"] for each in podcast["episodes"] if each["id"] == episode.id)
    command = f"AIRDATE_HOME={home} {Path(sys.executable).parent / 'airdate'}"
    queues = ", ".join(f"{name} {depth['dead_letters']}" for name, depth in report["queues"].items())
    flower = flower_login()
    sound = f"{about['duration_seconds']:.0f} s of audio at {about['loudness_lufs']:.1f} LUFS"
    click.echo(
        f"""
{episode.title}
  {sound}, {len(about["chapter_titles"])} chapters, ready {total:.0f} s after the start

  listen     {site}/{podcast_id}/
  subscribe  {site}/{podcast_id}/feed.xml
  MP3        {home / about["audio"]}
  feed       {home}/site/{podcast_id}/feed.xml
  summary    {home}/summary.json
  Flower     http://127.0.0.1:{settings().flower_port}/  (user {flower.user}, password {flower.password})
  logs       {home}/log/
  dead letters: {queues}

Try next, in another terminal:
  {command} episodes list
  {command} episodes show {episode.id}
  {command} queues
  {command} generate {podcast_id}

A podcast of your own:  make demo FEED=<address or file of a feed>,  or  make run
"""
    )

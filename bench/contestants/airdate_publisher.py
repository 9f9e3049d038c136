"""Airdate's publisher in a process of its own, as the peers are.

``python -m bench.contestants.airdate_publisher COUNT [PROFILE]``: podcasts become validated messages and Celery
tasks as they do at each tick; the database, which has a section of its own, is left out. Prints the seconds it
took. With a second argument it writes a profile to that file.
"""

from __future__ import annotations

import cProfile
import sys
import time
from datetime import UTC, datetime

from podcasting.models import Podcast
from publishers.podcast_scheduler import generation_of
from settings import settings
from tasks import app
from tasks.sending import CelerySender

DUE = datetime(2026, 11, 25, 6, tzinfo=UTC)


def a_podcast(number: int) -> Podcast:
    """One that is due."""
    return Podcast(
        id=f"morning-news-{number}",
        title=f"Morning news {number}",
        sources=("https://news.example/feed",),
        frequency_days=1,
        first_slot=DUE,
        next_episode_at=DUE,
    )


def publish(count: int) -> float:
    """Send a message for each of ``count`` podcasts, a page at a time; returns the seconds it took."""
    sender, page = CelerySender(app), settings().discovery_page
    podcasts = [a_podcast(number) for number in range(count)]
    sender.send([generation_of(podcasts[0])])
    began = time.perf_counter()
    for start in range(0, count, page):
        failed = sender.send([generation_of(podcast) for podcast in podcasts[start : start + page]])
        if failed:
            raise SystemExit(f"not sent: {failed}")
    return time.perf_counter() - began


if __name__ == "__main__":
    profile = cProfile.Profile()
    if len(sys.argv) > 2:  # noqa: PLR2004 - its arguments
        seconds = profile.runcall(publish, int(sys.argv[1]))
        profile.dump_stats(sys.argv[2])
    else:
        seconds = publish(int(sys.argv[1]))
    print(seconds)  # noqa: T201 - its answer

"""A show and its episodes as feed and page are given them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from podcasting.models import Podcast
from podcasting.providers.writers import Section
from podcasting.stages.collect import Mention
from podcasting.stages.feed import PublishedEpisode
from podcasting.stages.master import Chapter
from podcasting.stages.publish import PublishedFiles

RELEASED = datetime(2026, 3, 3, 6, 30, 12, 345678, tzinfo=UTC)


def a_podcast(**changes: Any) -> Podcast:
    fields: dict[str, Any] = {
        "id": "field-notes",
        "title": "Field Notes",
        "description": "What changed in observation.",
        "author": "The Observers",
        "language": "en-GB",
        "sources": ("https://example.org/feed",),
        "frequency_days": 7,
        "first_slot": RELEASED,
        "next_episode_at": RELEASED + timedelta(days=7),
        "version": 4,
    }
    return Podcast(**(fields | changes))


def an_episode(number: int = 1, **changes: Any) -> PublishedEpisode:
    folder = f"field-notes/field-notes-{number}"
    chapters = (
        Chapter(title="Welcome", url=None, start=0, end=8.2),
        Chapter(title="Ice", url="https://www.example.org/ice?a=1&b=2", start=8.2, end=3700),
        Chapter(title="Whales", url="https://ocean.example.net/whales", start=3700, end=3725),
        Chapter(title="Goodbye", url=None, start=3725, end=3725.6),
    )
    fields: dict[str, Any] = {
        "id": f"field-notes-{number}",
        "number": number,
        "title": f"Ice and whales {number}",
        "summary": "A satellite and a hydrophone.",
        "sections": tuple(Section(title=chapter.title, url=chapter.url) for chapter in chapters),
        "also": (Mention(title="Balloons", url="https://example.com/balloons"), Mention(title="Kites", url=None)),
        "hosts": ("Ada", "Ben"),
        "language": "en-GB",
        "released_at": RELEASED + timedelta(days=7 * (number - 1)),
        "seconds": 3725.6,
        "files": PublishedFiles(
            audio=f"{folder}/audio.mp3",
            audio_bytes=12_345_678,
            vtt=f"{folder}/transcript.vtt",
            srt=f"{folder}/transcript.srt",
            json_transcript=f"{folder}/transcript.json",
            chapters=f"{folder}/chapters.json",
            cover="field-notes/cover.jpg",
        ),
        "chapters": chapters,
    }
    return PublishedEpisode(**(fields | changes))

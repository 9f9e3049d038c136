"""Publish: copy an episode's files from the workspace to where listeners fetch them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from podcasting.audio.mixing import AudioFormat
from podcasting.errors import Permanent
from podcasting.models import Frozen
from podcasting.providers.storage import Storage
from podcasting.stages.master import AUDIO_TYPES, Chapter

AUDIO_TYPE = "audio/mpeg"
VTT_TYPE = "text/vtt"
SRT_TYPE = "application/x-subrip"
JSON_TYPE = "application/json"
CHAPTERS_TYPE = "application/json+chapters"
COVER_TYPE = "image/jpeg"
FEED_TYPE = "application/rss+xml"
PAGE_TYPE = "text/html"
"""Media types, as the Podcasting 2.0 namespace names those of transcripts and chapters."""

HOUR = 3600
DAY = 24 * HOUR

TAKE_DIGITS = 12
"""Of the SHA-256 of the audio: enough to tell the takes of one episode apart."""


class PublishInput(Frozen):
    """What a finished episode consists of; all but ``chapters``, the ids and the format are workspace keys."""

    podcast_id: str
    episode_id: str
    audio: str
    vtt: str
    srt: str
    json_transcript: str
    cover: str
    chapters: tuple[Chapter, ...]
    audio_format: AudioFormat = "mp3"


class PublishedFiles(Frozen):
    """Where an episode's files are on the site: its keys, which are also the paths of their URLs."""

    audio: str
    audio_bytes: int
    audio_type: str = AUDIO_TYPE
    """The media type of ``audio``; what was published before there was a choice is MP3."""
    vtt: str
    srt: str
    json_transcript: str
    chapters: str
    cover: str


def publish(given: PublishInput, workspace: Storage, site: Storage) -> PublishedFiles:
    """Put ``given``'s files on the site, in a folder named after the sound itself.

    Doing it again puts the same bytes under the same keys; a worker that was frozen and wakes with another take
    of the episode writes beside its successor's, not over it.

    Raises:
        Permanent: the workspace no longer holds one of the files.
        Retryable, Throttled: a store failed.
    """
    audio = _content(workspace, given.audio)
    folder = f"{given.podcast_id}/{given.episode_id}/{hashlib.sha256(audio).hexdigest()[:TAKE_DIGITS]}"
    files = PublishedFiles(
        audio=f"{folder}/audio.{given.audio_format}",
        audio_bytes=len(audio),
        audio_type=AUDIO_TYPES[given.audio_format],
        vtt=f"{folder}/transcript.vtt",
        srt=f"{folder}/transcript.srt",
        json_transcript=f"{folder}/transcript.json",
        chapters=f"{folder}/chapters.json",
        cover=f"{given.podcast_id}/cover.jpg",
    )
    site.put(files.audio, audio, content_type=files.audio_type, cache_seconds=DAY)
    copies = [
        (given.vtt, files.vtt, f"{VTT_TYPE}; charset=utf-8", HOUR),
        (given.srt, files.srt, f"{SRT_TYPE}; charset=utf-8", HOUR),
        (given.json_transcript, files.json_transcript, JSON_TYPE, HOUR),
        (given.cover, files.cover, COVER_TYPE, HOUR),
    ]
    for source, target, content_type, cache_seconds in copies:
        site.put(target, _content(workspace, source), content_type=content_type, cache_seconds=cache_seconds)
    site.put(files.chapters, chapters_json(given.chapters), content_type=CHAPTERS_TYPE, cache_seconds=HOUR)
    return files


def empty(files: PublishedFiles, site: Storage) -> None:
    """Leave nothing in an episode's files. A worker on AWS may write and not delete (infrastructure/permissions.yaml).

    Raises:
        Retryable, Throttled: the store failed.
    """
    for key in (files.audio, files.vtt, files.srt, files.json_transcript, files.chapters, files.cover):
        site.put(key, b"", content_type="text/plain")


def chapters_json(chapters: Sequence[Chapter]) -> bytes:
    """``chapters`` in the Podcasting 2.0 JSON Chapters Format, version 1.2.0; times in seconds."""
    entries = []
    for chapter in sorted(chapters, key=lambda chapter: chapter.start):
        entry: dict[str, float | str] = {
            "startTime": round(chapter.start, 3),
            "endTime": round(chapter.end, 3),
            "title": chapter.title,
        }
        if url := web_url(chapter.url):
            entry["url"] = url
        entries.append(entry)
    text = json.dumps({"version": "1.2.0", "chapters": entries}, ensure_ascii=True, indent=1)
    return f"{text}\n".encode("ascii")


def web_url(url: str | None) -> str | None:
    """``url`` when it is an http or https address that may stand in a link, else None.

    Sources are strangers: what their feeds call a link may be ``javascript:``, ``data:`` or ``file:``.
    """
    if url is None or any(character.isspace() or not character.isprintable() for character in url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and parts.hostname else None


def _content(workspace: Storage, key: str) -> bytes:
    try:
        return workspace.get(key)
    except KeyError:
        raise _gone(key) from None


def _gone(key: str) -> Permanent:
    return Permanent(f"publish: the workspace no longer holds {key}; `airdate episodes retry` makes the episode again")

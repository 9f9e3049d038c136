"""Publishing: the right bytes under the right keys, as the right type."""

from __future__ import annotations

import hashlib
import json

import pytest

from podcasting.errors import Permanent
from podcasting.stages.master import Chapter
from podcasting.stages.publish import PublishInput, chapters_json, publish, web_url
from tests.fakes.storage import MemoryStorage

CHAPTERS = (
    Chapter(title="Welcome", url=None, start=0.0, end=8.24),
    Chapter(title="A “story”", url="https://example.org/a?b=c&d=e", start=8.24, end=25.0004),
    Chapter(title="Another", url="javascript:alert(1)", start=25.0004, end=60),
)
GIVEN = PublishInput(
    podcast_id="show",
    episode_id="show-1",
    audio="audio/1.mp3",
    vtt="text/1.vtt",
    srt="text/1.srt",
    json_transcript="text/1.json",
    cover="covers/1.jpg",
    chapters=CHAPTERS,
)

FOLDER = f"show/show-1/{hashlib.sha256(b'content of audio/1.mp3').hexdigest()[:12]}"


@pytest.fixture
def workspace() -> MemoryStorage:
    storage = MemoryStorage()
    for key in (GIVEN.audio, GIVEN.vtt, GIVEN.srt, GIVEN.json_transcript, GIVEN.cover):
        storage.put(key, f"content of {key}".encode(), content_type="application/octet-stream")
    return storage


@pytest.mark.parametrize(
    ("field", "key", "source", "content_type"),
    [
        ("audio", f"{FOLDER}/audio.mp3", GIVEN.audio, "audio/mpeg"),
        ("vtt", f"{FOLDER}/transcript.vtt", GIVEN.vtt, "text/vtt; charset=utf-8"),
        ("srt", f"{FOLDER}/transcript.srt", GIVEN.srt, "application/x-subrip; charset=utf-8"),
        ("json_transcript", f"{FOLDER}/transcript.json", GIVEN.json_transcript, "application/json"),
        ("cover", "show/cover.jpg", GIVEN.cover, "image/jpeg"),
    ],
)
def test_each_file_goes_to_its_place(
    workspace: MemoryStorage, field: str, key: str, source: str, content_type: str
) -> None:
    site = MemoryStorage()

    files = publish(GIVEN, workspace, site)

    assert getattr(files, field) == key
    assert site.get(key) == workspace.get(source)
    assert site.content_types[key] == content_type
    assert site.cache_seconds[key] > 0


def test_the_size_is_of_the_audio(workspace: MemoryStorage) -> None:
    assert publish(GIVEN, workspace, MemoryStorage()).audio_bytes == len(workspace.get(GIVEN.audio))


def test_twice_is_once(workspace: MemoryStorage) -> None:
    site = MemoryStorage()

    first = publish(GIVEN, workspace, site)
    contents = dict(site.contents)
    second = publish(GIVEN, workspace, site)

    assert first == second
    assert site.contents == contents


def test_another_take_of_the_episode_is_put_beside_it(workspace: MemoryStorage) -> None:
    site = MemoryStorage()
    first = publish(GIVEN, workspace, site)
    before = {key: content for key, content in site.contents.items() if key != first.cover}
    workspace.put(GIVEN.audio, b"another take, by a worker that woke late", content_type="audio/mpeg")

    second = publish(GIVEN, workspace, site)

    assert second.audio != first.audio
    assert {key: site.contents[key] for key in before} == before


@pytest.mark.parametrize("field", ["audio", "vtt", "srt", "json_transcript", "cover"])
def test_a_file_that_is_gone_is_named(workspace: MemoryStorage, field: str) -> None:
    del workspace.contents[getattr(GIVEN, field)]

    with pytest.raises(Permanent, match=f"no longer holds {getattr(GIVEN, field)}; `airdate episodes retry`"):
        publish(GIVEN, workspace, MemoryStorage())


def test_chapters_are_podcasting_2_chapters(workspace: MemoryStorage) -> None:
    site = MemoryStorage()

    files = publish(GIVEN, workspace, site)

    assert files.chapters == f"{FOLDER}/chapters.json"
    assert site.content_types[files.chapters] == "application/json+chapters"
    assert json.loads(site.get(files.chapters)) == {
        "version": "1.2.0",
        "chapters": [
            {"startTime": 0.0, "endTime": 8.24, "title": "Welcome"},
            {"startTime": 8.24, "endTime": 25.0, "title": "A “story”", "url": "https://example.org/a?b=c&d=e"},
            {"startTime": 25.0, "endTime": 60.0, "title": "Another"},
        ],
    }


def test_chapters_ascend_and_carry_any_letter() -> None:
    shuffled = [CHAPTERS[2], CHAPTERS[0].model_copy(update={"title": "\ud800 lone"}), CHAPTERS[1]]

    starts = [chapter["startTime"] for chapter in json.loads(chapters_json(shuffled))["chapters"]]

    assert starts == sorted(starts)


@pytest.mark.parametrize(
    "url", ["http://example.org", "https://example.org/a?b#c", "HTTPS://EXAMPLE.ORG", "https://ä.de/"]
)
def test_what_may_be_linked(url: str) -> None:
    assert web_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "javascript:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//example.org/x",
        "/relative",
        "https:///no-host",
        "https://exa mple.org",
        "https://example.org/\x00",
        "http://[broken",
    ],
)
def test_what_may_not_be_linked(url: str | None) -> None:
    assert web_url(url) is None

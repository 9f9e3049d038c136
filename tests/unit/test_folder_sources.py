"""Folders of texts, and files of every kind, as sources."""

from __future__ import annotations

import gzip
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podcasting.errors import AirdateError, Permanent, Retryable
from podcasting.providers.feeds import Feed
from podcasting.providers.feeds.folders import MAX_DEPTH, MAX_FILES
from podcasting.providers.feeds.local import LocalSources
from podcasting.providers.feeds.web import WebSources
from tests.fakes.documents import WORDS, article, document, rss
from tests.fakes.telegram import Post, channel_page

MONDAY = datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "notes"
    inside.mkdir()
    return inside


def put(path: Path, text: str | bytes = f"{WORDS}\n", *, hours: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    moment = MONDAY.timestamp() + hours * 3600
    os.utime(path, (moment, moment))
    return path


def read(path: Path, **changes: int) -> Feed:
    feed = WebSources(allow_files=True, **changes).feed(str(path), None)  # type: ignore[arg-type]
    assert feed is not None
    return feed


def test_each_text_is_an_entry_newest_first(folder: Path) -> None:
    put(folder / "a.md", f"# Old\n\n{WORDS}")
    put(folder / "deep" / "er" / "b.txt", f"Newest\n\n{WORDS}", hours=3)
    put(folder / "talk.en.vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nThe tide is high.\n", hours=2)
    put(folder / "talk.json", '{"version": "1.0.0", "segments": [{"body": "The moon is new."}]}', hours=1)
    put(folder / "saved.html", article(), hours=-1)

    feed = read(folder)

    assert feed.title == "notes"
    assert feed.troubles == ()
    assert [each.title for each in feed.entries] == ["Newest", "Talk", "Talk", "Old", "Tide gauges"]
    assert [each.text for each in feed.entries[1:3]] == ["The tide is high.", "The moon is new."]
    assert all(each.url is None and each.is_whole for each in feed.entries), "paths are nobody's business"
    assert feed.entries[0].published_at == datetime(2026, 1, 5, 11, tzinfo=UTC)


def test_an_unchanged_folder_is_not_read_again_and_any_change_is_seen(folder: Path) -> None:
    sources = WebSources(allow_files=True)
    put(folder / "a.md")
    first = sources.feed(str(folder), None)
    assert first is not None
    assert sources.feed(str(folder), first.validators) is None

    put(folder / "a.md", hours=1)
    touched = sources.feed(str(folder), first.validators)
    assert touched is not None
    assert touched.entries[0].key == first.entries[0].key, "only its date changed"

    put(folder / "a.md", WORDS.replace("six", "ten"), hours=1)
    edited = sources.feed(str(folder), touched.validators)
    assert edited is not None
    assert edited.entries[0].key != first.entries[0].key

    put(folder / "b.md")
    assert sources.feed(str(folder), edited.validators) is not None


def test_the_same_words_in_two_files_are_two_entries(folder: Path) -> None:
    put(folder / "a.md")
    put(folder / "b.md")

    assert len({each.key for each in read(folder).entries}) == 2


def test_what_is_no_text_is_a_trouble_or_passed_over(folder: Path) -> None:
    put(folder / "good.md")
    put(folder / "picture.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    put(folder / "feed.json", '{"version": "https://jsonfeed.org/version/1.1", "items": []}')
    put(folder / "data.json", '{"name": "package"}')
    put(folder / "bomb.json", "[" * 100_000)
    put(folder / "empty.md", "")
    put(folder / "passed.over.png", b"\x89PNG")
    put(folder / ".hidden.md")
    put(folder / ".git" / "notes.md")

    feed = read(folder)

    assert [each.title for each in feed.entries] == ["Good"]
    told = "\n".join(feed.troubles)
    assert len(feed.troubles) == 5, told
    assert f"{(folder / 'empty.md').as_uri()} is empty; write something into it, or remove it" in feed.troubles
    assert all(name in told for name in ("picture.txt", "feed.json", "data.json", "bomb.json", "empty.md"))


def test_nothing_outside_of_the_folder_is_read(folder: Path, tmp_path: Path) -> None:
    secret = put(tmp_path / "secret.md", "# Secret\n\nNobody's business.")
    put(tmp_path / "elsewhere" / "more.md")
    put(folder / "inside.md")
    (folder / "link.md").symlink_to(secret)
    (folder / "relative.md").symlink_to("../secret.md")
    (folder / "folder").symlink_to(tmp_path / "elsewhere")
    (folder / "round").symlink_to(folder)
    (folder / "self.md").symlink_to("self.md")
    (folder / "nothing.md").symlink_to("nowhere.md")
    (folder / "device.md").symlink_to("/dev/zero")

    assert [each.title for each in read(folder).entries] == ["Inside"]


def test_a_link_within_the_folder_is_followed(folder: Path) -> None:
    put(folder / "a.md")
    (folder / "b.md").symlink_to("a.md")

    assert len(read(folder).entries) == 2


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    put(folder / "a.md")
    os.mkfifo(folder / "pipe.md")

    assert len(read(folder).entries) == 1


def test_a_folder_s_size_is_bounded(folder: Path) -> None:
    for number in range(5):
        put(folder / f"{number}.md", "x" * 90 + "\n", hours=number)
    put(folder / "large.md", WORDS * 100, hours=-1)

    feed = read(folder, max_bytes=300)

    assert [each.title for each in feed.entries] == ["4", "3", "2"]
    assert "beyond 300 bytes" in feed.troubles[0]


def test_the_newest_files_are_read_and_no_more_than_so_many(folder: Path) -> None:
    for number in range(MAX_FILES + 5):
        put(folder / f"{number}.txt", "Words.", hours=number)

    keys = [each.key for each in read(folder).entries]

    assert len(keys) == MAX_FILES
    assert keys[0].startswith(f"{MAX_FILES + 4}.txt ")


def test_a_deep_folder_is_left_at_some_depth(folder: Path) -> None:
    put(folder.joinpath(*["d"] * MAX_DEPTH) / "within.md")
    put(folder.joinpath(*["d"] * (MAX_DEPTH + 1)) / "beyond.md")

    assert [each.title for each in read(folder).entries] == ["Within"]


def test_an_empty_folder_is_a_source_with_nothing_yet(folder: Path) -> None:
    assert read(folder).entries == ()


def test_a_name_that_is_no_text_does_no_harm(folder: Path) -> None:
    put(Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9\x1b[2J.md")))

    [entry] = read(folder).entries
    assert entry.title.isprintable()
    entry.model_dump_json()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_permanent(folder: Path) -> None:
    folder.chmod(0)
    try:
        with pytest.raises(Permanent, match="permissions"):
            read(folder)
    finally:
        folder.chmod(0o700)


FILES = {
    "feed.xml": (rss("One", "Two"), ["One", "Two"]),
    "feed.json": (b'{"version": "https://jsonfeed.org/version/1.1", "items": [{"id": "1", "title": "One"}]}', ["One"]),
    "page.html": (article(), ["Tide gauges"]),
    "sitemap.xml": (b"<urlset><url><loc>https://a.org/p</loc></url></urlset>", [""]),
    "sitemap.xml.gz": (gzip.compress(b"<urlset><url><loc>https://a.org/p</loc></url></urlset>"), [""]),
    "talk.vtt": (b"WEBVTT\n\n00:00.000 --> 00:01.000\nThe tide is high.\n", ["Talk"]),
    "talk.srt": (b"1\n00:00:00,000 --> 00:00:01,000\nThe tide is high.\n", ["Talk"]),
    "talk.json": (b'{"segments": [{"body": "The tide is high."}]}', ["Talk"]),
    "talk.txt": (b"[0:01] The tide\n[0:02] is high\n[0:03] now.", ["Talk"]),
    "tides.md": (b"<p align='center'>A logo</p>\n\n# Tides\n\nWords.", ["Tides"]),
    "tides.txt": (b"Tides\n\nWords.", ["Tides"]),
    "README": (b"Just words.", ["README"]),
    "ends.vtt": (rss("One"), ["One"]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_s_kind_shows_in_its_content(folder: Path, name: str) -> None:
    body, titles = FILES[name]

    assert [each.title for each in read(put(folder / name, body)).entries] == titles


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_did_not_change_is_not_read_again(folder: Path, name: str) -> None:
    sources = WebSources(allow_files=True)
    path = put(folder / name, FILES[name][0])
    first = sources.feed(str(path), None)
    assert first is not None

    put(path, FILES[name][0], hours=1)

    assert sources.feed(str(path), first.validators) is None


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("picture.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is binary"),
        ("empty.md", b"", "is empty; write something into it, or remove it"),
        ("empty.txt", b" \n", "is empty; write something into it"),
        ("words.xml", b"just words", "not a feed"),
        ("other.json", b'{"a": 1}', "neither a JSON Feed nor a transcript"),
        ("index.xml", b"<sitemapindex><sitemap><loc>https://a.org/s.xml</loc></sitemap></sitemapindex>", "is an index"),
        ("bomb.xml.gz", gzip.compress(b"<urlset>" + b" " * 6_000_000), "limit of 5,242,880 bytes"),
        ("half.xml.gz", gzip.compress(os.urandom(500))[:-300], "damaged gzip"),
        ("script.html", b"<!doctype html><html><body><script>draw()</script></body></html>", "no text that could be"),
        ("bomb.xml", b'<!DOCTYPE rss [<!ENTITY a "b">]><rss/>', "entities"),
        ("bomb.vtt", b"WEBVTT\n\n" + b"\0" * 100, "is binary"),
    ],
)  # fmt: skip
def test_a_file_of_no_kind_is_refused_with_its_name_and_reason(
    folder: Path, name: str, body: bytes, reason: str
) -> None:
    with pytest.raises(Permanent, match=reason) as refusal:
        read(put(folder / name, body))

    assert name in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("suffix", ["md", "txt", "vtt", "srt", "json", "html", "xml", "xml.gz", "none"])
@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe\0\0" + b"a" * 1001, b"\xfe\xff\xd8\x00", b"\x1f\x8b\x08", b"<" * 100_000, b"[" * 100_000,
        b"a" * 10_000, "\u202e\u200b\ufeff".encode() * 100, b"---\n" * 1000, b"\r" * 10_000, b"%PDF-1.7\n",
        b"WEBVTT\n\n00:00.000 --> " + b"9" * 10_000, b"<html>" + b"<div>" * 50_000, b"<urlset>" + b"<url>" * 1000,
        b"<?xml version='1.0' encoding='idna'?><rss>",
    ],
    ids=range(14),
)  # fmt: skip
def test_no_file_makes_a_reader_stumble(folder: Path, suffix: str, body: bytes) -> None:
    with suppress(AirdateError):
        read(put(folder / f"it.{suffix}", body))


NAMES = st.sampled_from(
    ["a.md", "a.txt", "a.vtt", "a.json", "a.html", "a.xml", "a.gz", "a", "2026-01-05-a [a1b2c3d4e5f].en.srt"]
)
TYPES = st.sampled_from(["", "text/html", "text/xml", "text/plain", "application/json", "text/markdown"])
PIECES = st.sampled_from(
    [b"<rss>", b"<urlset>", b"<html>", b"<p>", b"{", b"[", b'"segments"', b":", b"}", b"]", b"WEBVTT\n", b"\n\n",
     b"# a\n", b"0:01 a\n", b"00:00.000 --> 00:01.000\n", b"---\n", b"title: x\n", b"\x1f\x8b\x08\0", b"\xff\xfe",
     b"\0", b"<!ENTITY", b"words "]
)  # fmt: skip
BODIES = st.binary(max_size=400) | st.lists(PIECES, max_size=20).map(b"".join)
LOCAL = LocalSources(max_bytes=10_000)
WEB = WebSources(allow_files=False, max_bytes=10_000)
WEB._robots = SimpleNamespace(require=lambda _: None)  # type: ignore[assignment]


@settings(deadline=None)
@given(BODIES, NAMES, TYPES)
def test_no_bytes_make_a_reader_stumble(body: bytes, name: str, media_type: str) -> None:
    it = document(body, media_type, url=f"https://example.org/{name}")
    feeds: list[Feed] = []
    with suppress(Permanent, Retryable):
        feeds.append(LOCAL._read(it, name, None))
    with suppress(Permanent, Retryable):
        feeds.append(WEB._read(it, is_page_itself=False))

    for entry in (entry for feed in feeds for entry in feed.entries):
        assert all(letter.isprintable() or letter == "\n" for letter in entry.title + entry.text)


def test_a_saved_page_of_a_channel_has_its_posts(folder: Path) -> None:
    saved = folder / "Tide News – Telegram.html"
    saved.write_bytes(
        channel_page(Post(41, MONDAY, "High water came at noon."), Post(42, MONDAY, f"Low water. {WORDS}"))
    )
    sources = WebSources(allow_files=True)

    feed = sources.feed(str(saved), None)

    assert feed is not None
    assert feed.title == "Tide News"
    assert [entry.url for entry in feed.entries] == ["https://t.me/tide_news/42", "https://t.me/tide_news/41"]
    assert sources.feed(str(saved), feed.validators) is None

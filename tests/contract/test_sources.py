"""One contract, several readers: of the web, of JSON Feed, of files, and the fake that other tests use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Protocol
from xml.sax.saxutils import escape

import pytest

from podcasting.errors import Permanent
from podcasting.providers.feeds import Entry, Feed, Page, Sources, Validators
from podcasting.providers.feeds.web import WebSources
from tests.fakes.sources import FakeSources
from tests.fakes.website import Answer, Website

MONDAY = datetime(2026, 1, 5, 8, tzinfo=UTC)
SUNDAY = datetime(2026, 1, 4, 8, tzinfo=UTC)
WORDS = "The harbour has a tide gauge that writes down the height of the water. " * 12


def entry(key: str, published_at: datetime | None, url: str | None = None) -> Entry:
    return Entry(
        key=key,
        title=f"About {key} & more",
        url=url,
        author=None,
        published_at=published_at,
        text=f"What there is to say on {key}.",
    )


class Stand(Protocol):
    """Where a reader of some kind finds what a test puts there."""

    sources: Sources

    def put_feed(self, *entries: Entry, etag: str = "one") -> str: ...
    def put_page(self, text: str | None) -> str: ...
    def missing(self) -> str: ...


def rss(entries: tuple[Entry, ...]) -> bytes:
    items = []
    for each in entries:
        date = f"<pubDate>{format_datetime(each.published_at)}</pubDate>" if each.published_at else ""
        link = f"<link>{escape(each.url)}</link>" if each.url else ""
        items.append(
            f"<item><guid isPermaLink='false'>{each.key}</guid><title>{escape(each.title)}</title>{link}{date}"
            f"<description>{escape(each.text)}</description></item>"
        )
    return f"<rss version='2.0'><channel><title>News</title>{''.join(items)}</channel></rss>".encode()


def article(text: str | None) -> bytes:
    body = f"<article><h1>Title</h1><p>{text}</p></article>" if text else ""
    return f"<html><head><title>Title</title></head><body>{body}</body></html>".encode()


class FakeStand:
    def __init__(self) -> None:
        self.fake = FakeSources()
        self.sources: Sources = self.fake

    def put_feed(self, *entries: Entry, etag: str = "one") -> str:
        newest_first = sorted(entries, key=lambda each: -each.published_at.timestamp() if each.published_at else 0)
        self.fake.feeds["feed"] = Feed(title="News", entries=tuple(newest_first), validators=Validators(etag=etag))
        return "feed"

    def put_page(self, text: str | None) -> str:
        self.fake.pages["page"] = Page(title="Title", text=text) if text else None
        return "page"

    def missing(self) -> str:
        return "nowhere"


class WebStand:
    def __init__(self, site: Website) -> None:
        self.site = site
        self.sources: Sources = WebSources(allow_files=False, allowed_private_hosts=frozenset({site.host}))

    def put_feed(self, *entries: Entry, etag: str = "one") -> str:
        self.site.answers["/feed"] = Answer(body=rss(entries), headers={"ETag": f'"{etag}"'})
        return self.site.url("/feed")

    def put_page(self, text: str | None) -> str:
        self.site.answers["/page"] = Answer(body=article(text), content_type="text/html; charset=utf-8")
        return self.site.url("/page")

    def missing(self) -> str:
        return self.site.url("/nowhere")


class JsonStand(WebStand):
    """The web, where feeds are JSON Feeds."""

    def put_feed(self, *entries: Entry, etag: str = "one") -> str:
        items = [
            {
                "id": each.key,
                "title": each.title,
                "url": each.url,
                "date_published": each.published_at and each.published_at.isoformat(),
                "content_text": each.text,
            }
            for each in entries
        ]
        body = json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "News", "items": items}).encode()
        self.site.answers["/feed"] = Answer(body, headers={"ETag": f'"{etag}"'}, content_type="application/feed+json")
        return self.site.url("/feed")


class FileStand:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources: Sources = WebSources(allow_files=True)

    def put_feed(self, *entries: Entry, etag: str = "one") -> str:
        path = self.folder / "feed.xml"
        path.write_bytes(rss(entries) + f"<!-- {etag} -->".encode())
        return str(path)

    def put_page(self, text: str | None) -> str:
        # Pages are read only beside a feed that was.
        self.sources.feed(self.put_feed(), None)
        path = self.folder / "page.html"
        path.write_bytes(article(text))
        return path.as_uri()

    def missing(self) -> str:
        return str(self.folder / "nowhere.xml")


@pytest.fixture(params=["fake", "web", "json", "file"])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    if request.param == "fake":
        yield FakeStand()
    elif request.param == "file":
        yield FileStand(tmp_path)
    else:
        with Website() as site:
            yield JsonStand(site) if request.param == "json" else WebStand(site)


def test_a_feed_is_read_newest_first(stand: Stand) -> None:
    source = stand.put_feed(entry("old", SUNDAY, "https://example.org/old"), entry("new", MONDAY))

    feed = stand.sources.feed(source, None)

    assert feed is not None
    assert feed.title == "News"
    assert feed.entries == (entry("new", MONDAY), entry("old", SUNDAY, "https://example.org/old"))


def test_an_unchanged_feed_is_not_read_again(stand: Stand) -> None:
    source = stand.put_feed(entry("old", SUNDAY))
    first = stand.sources.feed(source, None)
    assert first is not None

    assert stand.sources.feed(source, first.validators) is None


def test_a_changed_feed_is_read_again(stand: Stand) -> None:
    first = stand.sources.feed(stand.put_feed(entry("old", SUNDAY)), None)
    assert first is not None

    second = stand.sources.feed(stand.put_feed(entry("new", MONDAY), etag="two"), first.validators)

    assert second is not None
    assert [each.key for each in second.entries] == ["new"]
    assert second.validators != first.validators


def test_a_feed_without_entries_is_a_feed(stand: Stand) -> None:
    feed = stand.sources.feed(stand.put_feed(), None)

    assert feed is not None
    assert feed.entries == ()


def test_undated_entries_keep_their_order(stand: Stand) -> None:
    source = stand.put_feed(*(entry(key, None) for key in "cab"))

    feed = stand.sources.feed(source, None)

    assert feed is not None
    assert [each.key for each in feed.entries] == ["c", "a", "b"]


def test_a_missing_feed_is_permanent_and_named(stand: Stand) -> None:
    with pytest.raises(Permanent, match=re.escape(stand.missing())):
        stand.sources.feed(stand.missing(), None)


def test_a_missing_page_is_permanent_and_named(stand: Stand) -> None:
    with pytest.raises(Permanent, match="nowhere"):
        stand.sources.page(stand.missing())


def test_a_page_gives_its_text(stand: Stand) -> None:
    page = stand.sources.page(stand.put_page(WORDS))

    assert page is not None
    assert page.title == "Title"
    assert "tide gauge that writes down" in page.text
    assert "<p>" not in page.text


def test_a_page_without_text_gives_none(stand: Stand) -> None:
    assert stand.sources.page(stand.put_page(None)) is None

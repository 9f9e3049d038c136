"""Sitemaps and indexes of them (https://www.sitemaps.org/protocol.html), with the titles of news sitemaps."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from podcasting.errors import Permanent
from podcasting.providers.feeds import Entry
from podcasting.providers.feeds.dates import iso_moment, newest_first
from podcasting.providers.feeds.fetch import Document, without_credentials
from podcasting.providers.feeds.limits import MAX_KEY_CHARACTERS, MAX_TITLE_CHARACTERS
from podcasting.providers.feeds.markup import root_of
from podcasting.providers.feeds.parse import ResolveLink
from podcasting.providers.feeds.text import decode, plain_text

MAX_LOCATIONS = 50_000
"""The protocol's own limit for one file."""
_MOST_TAGS = 700_000  # of that many locations with all their fields; libxml2 takes a microsecond a tag
_MAX_ADDRESS_CHARACTERS = 2_048  # "must be less than 2,048 characters"


@dataclass(frozen=True)
class Location:
    """What a sitemap lists: a page, or in an index another sitemap."""

    url: str
    changed: str
    """Its ``lastmod``, or in a news sitemap its date of publication, as written; empty when there is none."""
    title: str = ""

    @property
    def moment(self) -> datetime | None:
        """When it changed last."""
        return iso_moment(self.changed)


@dataclass(frozen=True)
class Sitemap:
    """What one file lists, newest first; undated ones after those, in the file's order."""

    is_index: bool
    locations: tuple[Location, ...]


def parse_sitemap(document: Document, resolve_link: ResolveLink) -> Sitemap:
    """The sitemap, or index of sitemaps, that ``document`` holds; as far as its XML is sound.

    Raises:
        Permanent: entities are declared, its markup is excessive, or it is not a sitemap.
    """
    shown = without_credentials(document.url)
    root = root_of(decode(document.body, document.charset), shown, most_tags=_MOST_TAGS)
    found: list[Location] = []
    kind = ""
    try:
        for event, element in _events(root):
            kind = kind or _local(element)
            if event == "end" and _local(element) in {"url", "sitemap"}:
                if location := _location(element, resolve_link):
                    found.append(location)
                element.clear()
            if len(found) == MAX_LOCATIONS:
                break
    except etree.XMLSyntaxError as error:
        if not found:
            raise Permanent(f"{shown} is a damaged sitemap ({error.msg}); mend it") from error
    return Sitemap(kind == "sitemapindex", tuple(sorted(found, key=lambda location: newest_first(location.moment))))


def entry_of(location: Location) -> Entry:
    """A page of a sitemap: another entry each time that its ``lastmod`` changes."""
    return Entry(
        key=f"{location.url} {location.changed}".strip()[:MAX_KEY_CHARACTERS],
        title=location.title,
        url=location.url,
        author=None,
        published_at=location.moment,
        text="",
    )


def _events(root: str) -> Iterator[tuple[str, etree._Element]]:
    yield from etree.iterparse(
        io.BytesIO(root.encode("utf-8", "replace")),
        events=("start", "end"),
        recover=True,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _location(element: etree._Element, resolve_link: ResolveLink) -> Location | None:
    fields: dict[str, str] = {}
    for field in element.iter():
        if field is not element:
            name = _local(field)
            # `loc` only as a child: images and videos have addresses of their own.
            if name != "loc" or field.getparent() is element:
                fields.setdefault(name, (field.text or "").strip())
    address = fields.get("loc", "")
    url = resolve_link(address) if 0 < len(address) < _MAX_ADDRESS_CHARACTERS else None
    if url is None:
        return None
    changed = fields.get("lastmod") or fields.get("publication_date") or ""
    is_news = "news" in fields
    title = plain_text(fields.get("title", "")).replace("\n", " ")[:MAX_TITLE_CHARACTERS] if is_news else ""
    return Location(url=url, changed=changed[:64], title=title.strip())


def _local(element: etree._Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""

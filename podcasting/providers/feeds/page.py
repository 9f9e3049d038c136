"""A page: its main text, the feeds that it declares, and itself as a source."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from lxml import etree, html

from podcasting.errors import Permanent
from podcasting.providers.feeds import Entry, Feed, Page
from podcasting.providers.feeds.dates import http_moment, iso_moment
from podcasting.providers.feeds.fetch import Document, without_credentials
from podcasting.providers.feeds.limits import MAX_TEXT_CHARACTERS, MAX_TITLE_CHARACTERS
from podcasting.providers.feeds.parse import ResolveLink
from podcasting.providers.feeds.text import decode, is_excessive, tidy, wording

FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/feed+json"})
MAX_DECLARED_FEEDS = 3
"""Tried of those that a page declares; the first is its main one by custom."""

LEAST_CHARACTERS = 200
"""Of a page that is a source itself; less is a notice ("We have moved"), a login or a cookie banner."""

_COMMENTS = re.compile(r"\bcomments?\b", re.IGNORECASE)


def main_text(document: Document) -> Page | None:
    """The main text of a page; None when it has none, or more markup than is parsed."""
    found = _extracted(document)
    return found and Page(title=found.title, text=found.text)


def declared_feeds(markup: str, resolve_link: ResolveLink) -> list[str]:
    """The feeds that a page declares as its alternates (RSS Board, "RSS Autodiscovery"), those of comments last."""
    if "alternate" not in markup or is_excessive(markup):
        return []
    try:
        parser = html.HTMLParser(encoding="utf-8", no_network=True)
        tree = html.document_fromstring(markup.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        return []
    links = [
        link
        for link in tree.iter("link")
        if "alternate" in link.get("rel", "").lower().split()
        and link.get("type", "").partition(";")[0].strip().lower() in FEED_TYPES
    ]
    links.sort(key=lambda link: _COMMENTS.search(link.get("title", "")) is not None)
    found = [url for link in links if (url := resolve_link(link.get("href", "").strip()))]
    return list(dict.fromkeys(found))[:MAX_DECLARED_FEEDS]


def page_as_feed(document: Document, *, url: str | None) -> Feed:
    """A page as a source of one entry, which is another one each time that a sentence of its main text changes.

    Raises:
        Permanent: it has no main text, or no more than a notice.
    """
    found = _extracted(document)
    if found is None or len(found.text) < LEAST_CHARACTERS:
        raise Permanent(
            f"{without_credentials(document.url)} has no text that could be read aloud (or draws it by script); "
            "give its feed, or another page"
        )
    entry = Entry(
        key=wording(found.text),
        title=found.title,
        url=url,
        author=found.author,
        published_at=http_moment(document.validators.last_modified) or iso_moment(found.date),
        text=found.text,
        is_whole=True,
    )
    host = urlsplit(document.url).hostname if url else None
    return Feed(title=found.site or host or found.title, entries=(entry,), validators=document.validators)


class _Extracted(Page):
    author: str | None
    site: str
    date: str


def _extracted(document: Document) -> _Extracted | None:
    import trafilatura  # heavy, and only pages need it

    markup = decode(document.body, document.charset)
    if is_excessive(markup):
        return None
    try:
        found = trafilatura.bare_extraction(
            markup,
            include_comments=False,
            include_tables=False,
            favor_precision=True,
            with_metadata=True,
            date_extraction_params={"extensive_search": False, "original_date": False},
        )
    except Exception:  # noqa: BLE001 - an extractor that stumbles over a hostile page found nothing
        return None
    # Its other return type is for `as_dict`.
    text = tidy(getattr(found, "text", None) or "")[:MAX_TEXT_CHARACTERS]
    if not text:
        return None
    return _Extracted(
        title=_line(getattr(found, "title", None)),
        text=text,
        author=_line(getattr(found, "author", None)) or None,
        site=_line(getattr(found, "sitename", None)),
        date=_line(getattr(found, "date", None)),
    )


def _line(value: object) -> str:
    return tidy(value).replace("\n", " ")[:MAX_TITLE_CHARACTERS].strip() if isinstance(value, str) else ""

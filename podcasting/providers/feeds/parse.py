"""Feed documents (RSS, Atom, RDF) to entries."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import feedparser  # type: ignore[import-untyped]

from podcasting.errors import Permanent
from podcasting.providers.feeds import Entry, Feed
from podcasting.providers.feeds.dates import newest_first
from podcasting.providers.feeds.fetch import Document, without_credentials
from podcasting.providers.feeds.limits import (
    MAX_ENTRIES,
    MAX_KEY_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    MAX_TITLE_CHARACTERS,
)
from podcasting.providers.feeds.markup import root_of
from podcasting.providers.feeds.text import decode, plain_text, tidy

_UTF8 = {"content-type": "application/xml; charset=utf-8"}

ResolveLink = Callable[[str], str | None]
"""An entry's link as it stands to the URL to read it at; None when it leads nowhere we go."""


def parse_feed(document: Document, resolve_link: ResolveLink) -> Feed:
    """The feed that ``document`` holds, newest entry first; undated ones after those, in feed order.

    Malformed XML is accepted as far as it holds entries.

    Raises:
        Permanent: entities are declared, its markup is excessive, or it is not a feed; says what it looks like.
    """
    shown = without_credentials(document.url)
    # feedparser expands entities, and its patterns for the prolog take quadratic time on a hostile one.
    root = root_of(decode(document.body, document.charset), shown)
    parsed = _parsed(root)
    if not parsed.get("version") and not parsed["entries"]:
        raise Permanent(f"{shown} is not a feed: it looks like {_looks_like(root)}; docs/sources.md lists what is read")
    entries = [_entry(item, resolve_link) for item in parsed["entries"][:MAX_ENTRIES]]
    return Feed(
        title=_title(parsed["feed"]),
        entries=tuple(sorted(entries, key=lambda entry: newest_first(entry.published_at))),
        validators=document.validators,
    )


def _parsed(root: str) -> Mapping[str, Any]:
    # Bytes in a stream, never a string: feedparser takes a string for a URL or a path to open.
    stream = io.BytesIO(root.encode("utf-8", "replace"))
    try:
        # Its own clean-up of HTML isn't needed: only plain text is kept.
        parsed: Mapping[str, Any] = feedparser.parse(
            stream, response_headers=_UTF8, sanitize_html=False, resolve_relative_uris=False
        )
    except Exception:  # noqa: BLE001 - a parser that stumbles over hostile bytes may raise anything
        return {"entries": [], "feed": {}}
    return parsed


def _looks_like(root: str) -> str:
    start = root[:500].lower()
    if not start:
        return "an empty document"
    if start.startswith(("{", "[")):
        return "JSON"
    if re.search(r"<(html|head|body|div|p)\b", start):
        return "an HTML page"
    if start.startswith("<"):
        return "XML of another kind"
    return "something else than XML"


def _entry(item: Mapping[str, Any], resolve_link: ResolveLink) -> Entry:
    title = _title(item)
    text = _text(item)
    link = _string(item, "link")
    key = _string(item, "id") or link or hashlib.sha256(f"{title}\n{text}".encode("utf-8", "replace")).hexdigest()
    return Entry(
        key=key[:MAX_KEY_CHARACTERS],
        title=title,
        url=resolve_link(link) if link else None,
        author=tidy(_string(item, "author"))[:MAX_TITLE_CHARACTERS] or None,
        published_at=_published_at(item),
        text=text,
    )


def _string(item: Mapping[str, Any], field: str) -> str:
    value = item.get(field)
    return value.strip() if isinstance(value, str) else ""


def _title(item: Mapping[str, Any]) -> str:
    # Titles hold markup or not, whatever they declare; a tag in one is never meant to be read out.
    return plain_text(_string(item, "title")).replace("\n", " ")[:MAX_TITLE_CHARACTERS].strip()


def _text(item: Mapping[str, Any]) -> str:
    """The longest of what the entry carries: its content, or its summary."""
    parts = [*(item.get("content") or ()), item.get("summary_detail") or {}]
    return max((_plain(part) for part in parts), key=len, default="")


def _plain(part: Mapping[str, Any]) -> str:
    value = _string(part, "value")
    plain = tidy(value) if part.get("type") == "text/plain" and "</" not in value else plain_text(value)
    return plain[:MAX_TEXT_CHARACTERS]


def _published_at(item: Mapping[str, Any]) -> datetime | None:
    for field in ("published_parsed", "updated_parsed", "created_parsed"):
        # dict.get: feedparser's own answers a missing date with another one and a DeprecationWarning.
        moment = dict.get(item, field) if isinstance(item, dict) else None
        if moment is not None:
            try:
                year, month, day, hour, minute, second = moment[:6]
                return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
            except (ValueError, OverflowError, TypeError):
                continue
    return None

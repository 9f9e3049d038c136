"""JSON documents to entries: JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1)."""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic_core import from_json

from podcasting.errors import Permanent
from podcasting.providers.feeds import Entry, Feed
from podcasting.providers.feeds.dates import iso_moment, newest_first
from podcasting.providers.feeds.fetch import Document, without_credentials
from podcasting.providers.feeds.limits import (
    MAX_ENTRIES,
    MAX_KEY_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    MAX_TITLE_CHARACTERS,
)
from podcasting.providers.feeds.parse import ResolveLink
from podcasting.providers.feeds.text import MAX_TAGS, is_excessive, plain_text, tidy

MAX_BRACKETS = 300_000
"""A list or object costs sixty bytes and more, whatever little it takes to write it."""
VERSIONS = ("https://jsonfeed.org/version/", "http://jsonfeed.org/version/", "https://www.jsonfeed.org/version/")

# "id … If it is a number, it should be coerced to a string" (version 1.1, Items). Other types count as absent.
_Text = Annotated[
    str, BeforeValidator(lambda value: str(value) if isinstance(value, str | int | float) and value is not True else "")
]


class _Author(BaseModel):
    name: _Text = ""


class _Item(BaseModel):
    id: _Text = ""
    url: _Text = ""
    external_url: _Text = ""
    title: _Text = ""
    summary: _Text = ""
    content_text: _Text = ""
    content_html: _Text = ""
    date_published: _Text = ""
    date_modified: _Text = ""
    author: _Author | None = None  # version 1.0
    authors: list[_Author] | None = None

    @property
    def names(self) -> str:
        """Of its authors."""
        authors = self.authors or ([self.author] if self.author else [])
        return tidy(", ".join(author.name for author in authors if author.name)).replace("\n", " ")


def load_json(text: str, shown: str) -> object:
    """The value that ``text`` writes in JSON.

    Raises:
        Permanent: it is malformed, nested too deep (200 levels), or of more lists and objects than a source can need.
    """
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        raise Permanent(f"{shown} holds more JSON than a feed can need; use a shorter feed")
    try:
        value: object = from_json(text.encode("utf-8", "replace"), allow_inf_nan=True)
    except ValueError as error:
        raise Permanent(f"{shown} is damaged JSON ({error}); mend it") from error
    return value


def is_json_feed(value: object) -> bool:
    """Whether a JSON document says that it is a JSON Feed."""
    version = value.get("version") if isinstance(value, dict) else None
    return isinstance(version, str) and version.startswith(VERSIONS)


def parse_json_feed(document: Document, value: object, resolve_link: ResolveLink) -> Feed:
    """The feed that ``value``, the content of ``document``, holds, newest entry first.

    Items that are none are left out. Its further pages (``next_url``) are not read: they are older.

    Raises:
        Permanent: it has no list of items, or their markup is excessive.
    """
    shown = without_credentials(document.url)
    items = value.get("items") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(items, list):
        raise Permanent(f"{shown} is a JSON Feed without a list of items; mend the feed")
    read = [item for each in items[:MAX_ENTRIES] if (item := _item(each))]
    if sum(item.content_html.count("<") + item.title.count("<") for item in read) > MAX_TAGS:
        raise Permanent(f"{shown} holds more markup than a feed can need; use a shorter feed")
    title = value.get("title")
    return Feed(
        title=_plain(title, MAX_TITLE_CHARACTERS).replace("\n", " ") if isinstance(title, str) else "",
        entries=tuple(
            sorted((_entry(item, resolve_link) for item in read), key=lambda each: newest_first(each.published_at))
        ),
        validators=document.validators,
    )


def _item(value: object) -> _Item | None:
    try:
        return _Item.model_validate(value)
    except ValidationError:
        return None


def _entry(item: _Item, resolve_link: ResolveLink) -> Entry:
    title = _plain(item.title, MAX_TITLE_CHARACTERS).replace("\n", " ")
    text = max(
        _plain(item.content_html, MAX_TEXT_CHARACTERS),
        tidy(item.content_text)[:MAX_TEXT_CHARACTERS],
        tidy(item.summary)[:MAX_TEXT_CHARACTERS],
        key=len,
    )
    # A linkblog's item is about another page; its own address comes first all the same.
    link = (item.url or item.external_url).strip()
    key = item.id.strip() or link or hashlib.sha256(f"{title}\n{text}".encode("utf-8", "replace")).hexdigest()
    return Entry(
        key=key[:MAX_KEY_CHARACTERS],
        title=title,
        url=resolve_link(link) if link else None,
        author=item.names[:MAX_TITLE_CHARACTERS] or None,
        published_at=iso_moment(item.date_published) or iso_moment(item.date_modified),
        text=text,
    )


def _plain(value: str, most: int) -> str:
    return "" if is_excessive(value) else plain_text(value)[:most].strip()

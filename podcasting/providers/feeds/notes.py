"""Texts that people write for themselves or their sites: plain text and Markdown, with or without front matter."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from podcasting.providers.feeds.dates import iso_moment, written_moment
from podcasting.providers.feeds.limits import MAX_TEXT_CHARACTERS, MAX_TITLE_CHARACTERS
from podcasting.providers.feeds.text import plain_text, tidy

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MAX_MARKDOWN_CHARACTERS = MAX_TEXT_CHARACTERS
"""Read of one file. Markdown's parser takes quadratic time on a hostile one: half a second of this length."""

_FRONT_MATTER = re.compile(r"(---|\+\+\+)[ \t]*\n(.{0,8000}?)\n(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_WIKI_LINK = re.compile(r"!?\[\[(?:[^\[\]|\n]{0,200}\|)?([^\[\]|\n]{1,200})\]\]")
_DATED_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})[-_ ]?(.*)")
_LANGUAGE_OF_NAME = re.compile(r"\.[a-z]{2,3}(?:-[A-Za-z]{2,4})?$")
_VIDEO_OF_NAME = re.compile(r"\s*\[[\w-]{11}\]$")
_LONGEST_FIRST_LINE = 120
_WRAPPED_AT = range(45, 121)  # characters; shorter lines are meant to be lines, and longer ones are paragraphs
_BULLET = re.compile(r"\s*(?:[-*\u2022]|\d{1,3}[.)])\s")
_UNSPOKEN_TOKENS = frozenset({"fence", "code_block"})


@dataclass(frozen=True)
class Note:
    """A file's words. Its title may be empty; its address is the one that its front matter gives."""

    title: str
    text: str
    author: str | None = None
    url: str | None = None
    moment: datetime | None = None
    is_draft: bool = False


@dataclass
class _Matter:
    fields: Mapping[str, object] = field(default_factory=dict)

    def text(self, *names: str) -> str:
        found = next((value for name in names if isinstance(value := self.fields.get(name), str)), "")
        return tidy(found).replace("\n", " ")[:MAX_TITLE_CHARACTERS].strip()

    def authors(self) -> str | None:
        value = self.fields.get("authors", self.fields.get("author"))
        names = value if isinstance(value, list) else [value]
        joined = ", ".join(name for name in names if isinstance(name, str))
        return tidy(joined).replace("\n", " ")[:MAX_TITLE_CHARACTERS] or None


def read_markdown(text: str) -> Note:
    """A Markdown file (CommonMark, tables) as text to be read: without code, tables and pictures.

    Its title is its front matter's, or its first heading. A damaged front matter counts as text.
    """
    matter, body = _front_matter(text.replace("\r\n", "\n"))
    body = _WIKI_LINK.sub(r"\1", body[:MAX_MARKDOWN_CHARACTERS])
    parser = _parser()
    tokens = parser.parse(body)
    title = matter.text("title")
    heading, rest = _first_heading(tokens)
    if heading and (not title or tidy(heading.content) == title):
        title = title or plain_text(parser.renderInline(heading.content)).replace("\n", " ")
        tokens = rest
    spoken = plain_text(parser.renderer.render(list(_without_tables(tokens)), parser.options, {}))
    return Note(
        title=title[:MAX_TITLE_CHARACTERS],
        text=spoken[:MAX_TEXT_CHARACTERS],
        author=matter.authors(),
        url=_address(matter.text("canonical_url", "canonical", "url", "link")),
        moment=written_moment(matter.fields.get("date")),
        is_draft=matter.fields.get("draft") is True or matter.fields.get("published") is False,
    )


def read_plain(text: str) -> Note:
    """A plain text, its paragraphs in one line each. Its title is a short first line that stands alone."""
    lines = tidy(_unwrapped(text[: MAX_TEXT_CHARACTERS * 2])).split("\n")
    first, _, after = text.lstrip().replace("\r\n", "\n").partition("\n")
    is_titled = (
        0 < len(first.strip()) <= _LONGEST_FIRST_LINE
        and after.startswith("\n")
        and len(lines) > 1
        and not first.rstrip().endswith((".", "!", "?", ":", ","))
    )
    body = "\n".join(lines[1:] if is_titled else lines)[:MAX_TEXT_CHARACTERS]
    return Note(title=lines[0].lstrip("#= ") if is_titled else "", text=body)


def _unwrapped(text: str) -> str:
    """``text`` without the line breaks that only keep its lines short enough for a screen."""
    pieces: list[str] = []
    before = ""
    for line in text.splitlines():
        is_wrapped = len(before) in _WRAPPED_AT and line.strip() and not _BULLET.match(line)
        pieces += (" " if is_wrapped else "\n", line)
        before = line.rstrip()
    return "".join(pieces)


def title_of_name(name: str) -> tuple[str, datetime | None]:
    """What a file's name (without its ending) tells: a title, and the date that some put before it.

    A language (``talk.en``) and a video's id (``talk [a1b2c3d4e5f]``), as download tools add them, are no title.
    """
    name = _VIDEO_OF_NAME.sub("", _LANGUAGE_OF_NAME.sub("", name))
    dated = _DATED_NAME.fullmatch(name)
    moment = iso_moment(dated[1]) if dated else None
    words = dated[2] if dated and moment and dated[2] else name
    if " " not in words:
        words = words.replace("-", " ").replace("_", " ")
    title = tidy(words).replace("\n", " ")[:MAX_TITLE_CHARACTERS].strip()
    return title[:1].upper() + title[1:], moment


def _front_matter(text: str) -> tuple[_Matter, str]:
    found = _FRONT_MATTER.match(text)
    if found is None:
        return _Matter(), text
    fields = _toml(found[2]) if found[1] == "+++" else _yaml(found[2])
    return (_Matter(fields), text[found.end() :]) if fields is not None else (_Matter(), text)


def _yaml(text: str) -> Mapping[str, object] | None:
    import yaml  # heavy, and only files with front matter need it

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError):
        return None
    return _named(value)


def _toml(text: str) -> Mapping[str, object] | None:
    try:
        return _named(tomllib.loads(text))
    except (ValueError, RecursionError):
        return None


def _named(value: object) -> Mapping[str, object] | None:
    return {str(name).lower(): each for name, each in value.items()} if isinstance(value, dict) else None


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": True}).enable("table")


def _first_heading(tokens: list[Token]) -> tuple[Token | None, list[Token]]:
    """The text of the heading that a document begins with, and the tokens after it."""
    if len(tokens) > 2 and tokens[0].type == "heading_open":  # noqa: PLR2004 - opened, its text, closed
        return tokens[1], tokens[3:]
    return None, tokens


def _without_tables(tokens: list[Token]) -> list[Token]:
    kept = []
    is_in_table = False
    for token in tokens:
        if token.type == "table_open":
            is_in_table = True
        elif token.type == "table_close":
            is_in_table = False
        elif not is_in_table and token.type not in _UNSPOKEN_TOKENS:
            for inner in token.children or ():
                if inner.type == "image":
                    inner.type, inner.children, inner.content, inner.tag = "text", None, "", ""
            kept.append(token)
    return kept


def _address(value: str) -> str | None:
    return value if value.startswith(("https://", "http://")) else None

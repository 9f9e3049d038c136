"""What kind of source a document is: by its content first, by its name and media type where content can't tell."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import PurePosixPath

from podcasting.errors import Permanent
from podcasting.providers.feeds.fetch import Document, without_credentials
from podcasting.providers.feeds.markup import without_prolog
from podcasting.providers.feeds.text import is_binary
from podcasting.providers.feeds.transcripts import is_cued, is_timed


class Kind(StrEnum):
    """A kind of source, or of a file in a folder."""

    FEED = "RSS or Atom"
    JSON = "JSON"
    SITEMAP = "sitemap"
    PAGE = "page"
    TRANSCRIPT = "transcript"
    MARKDOWN = "Markdown"
    TEXT = "plain text"


PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
PAGE_SUFFIXES = frozenset({".html", ".htm", ".xhtml"})
MARKDOWN_SUFFIXES = frozenset({".md", ".markdown", ".mdown"})
TRANSCRIPT_SUFFIXES = frozenset({".vtt", ".srt"})
TEXT_SUFFIXES = frozenset({".txt", ".text"})

_ROOTS = {
    "rss": Kind.FEED,
    "feed": Kind.FEED,
    "rdf": Kind.FEED,
    "urlset": Kind.SITEMAP,
    "sitemapindex": Kind.SITEMAP,
    "html": Kind.PAGE,
    "head": Kind.PAGE,
    "body": Kind.PAGE,
}
_ROOT = re.compile(r"<(?:[\w.-]{1,50}:)?([\w.-]{1,50})[\s/>]")
_JSON = re.compile(r"""\s*(\{\s*["}]|\[\s*[\[{\]"])""")
_XML_SUFFIXES = frozenset({".xml", ".rss", ".atom", ".rdf"})
_FEED_SUFFIXES = _XML_SUFFIXES | {".json"}
_SEEN_CHARACTERS = 2_000


def kind_of(document: Document, text: str, name: str) -> Kind:
    """The kind of ``document``, whose text is ``text`` and which is called ``name`` (the end of its path).

    What is of no kind that is read counts as a feed, whose parser says what it looks like.

    Raises:
        Permanent: it is binary.
    """
    if is_binary(document.body):
        shown = without_credentials(document.url)
        raise Permanent(f"{shown} is binary, not text; give a feed, page, sitemap, transcript or text")
    suffix = PurePosixPath(name).suffix.lower()
    is_page = document.media_type in PAGE_TYPES
    if suffix in MARKDOWN_SUFFIXES and not is_page:  # it may begin with a tag
        return Kind.MARKDOWN
    start = without_prolog(text)[:_SEEN_CHARACTERS]
    root = _ROOT.match(start)
    known = _ROOTS.get(root[1].lower()) if root else None
    if suffix in _FEED_SUFFIXES and (known is Kind.PAGE or (known is None and is_page)):
        return Kind.FEED  # an error or a notice in a feed's place must not be told as a story: the parser refuses it
    if known:
        return known
    if is_page or (suffix in PAGE_SUFFIXES and start.startswith("<")):
        return Kind.PAGE
    if _JSON.match(start):
        return Kind.JSON
    is_xml = start.startswith("<") or suffix in _XML_SUFFIXES or "xml" in document.media_type
    return Kind.FEED if not start or is_xml else _kind_of_text(document.media_type, suffix, start, text)


def _kind_of_text(media_type: str, suffix: str, start: str, text: str) -> Kind:
    if is_cued(start) or is_timed(text):
        return Kind.TRANSCRIPT
    if media_type in {"text/markdown", "text/x-markdown"}:
        return Kind.MARKDOWN
    return Kind.TEXT if media_type in {"", "text/plain"} or suffix in TEXT_SUFFIXES else Kind.FEED

"""XML and HTML that others wrote, to where a parser may have it."""

from __future__ import annotations

import re

from podcasting.errors import Permanent
from podcasting.providers.feeds.text import MAX_TAGS, is_excessive

_ENTITY = re.compile(r"<!\s*ENTITY", re.IGNORECASE)
_PROLOG = re.compile(r"\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[[^\]]*\]\s*)?>", re.DOTALL | re.IGNORECASE)


def root_of(text: str, shown: str, *, most_tags: int = MAX_TAGS) -> str:
    """The XML document ``text`` from its root on, safe to be parsed.

    Raises:
        Permanent: it declares entities, which let a short document become a huge one, or its markup is excessive.
    """
    # The search is over all of the text: what a parser takes for the DOCTYPE can be argued about.
    if _ENTITY.search(text):
        raise Permanent(f"{shown} declares XML entities, which may be a bomb; publish it without them")
    if is_excessive(text, most_tags=most_tags):
        raise Permanent(f"{shown} holds more markup than a feed can need; use a shorter feed")
    return without_prolog(text)


def without_prolog(text: str) -> str:
    """``text`` without what stands before its root: declarations, comments and the DOCTYPE."""
    position = 0
    while match := _PROLOG.match(text, position):
        position = match.end()
    return text[position:]

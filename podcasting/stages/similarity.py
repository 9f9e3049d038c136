"""Whether two entries tell the same story."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

_SHINGLE_WORDS: Final = 3
_COMPARED_WORDS: Final = 300
_SAME_TITLE: Final = 0.8
_RELATED_TITLE: Final = 0.4
_SAME_TEXT: Final = 0.6
_CONTAINED_TEXT: Final = 0.8
_TELLING_TITLE_WORDS: Final = 4
_TELLING_SHINGLES: Final = 40
"""Below these sizes a title ("Weekly update") or a text ("Read more on our site") tells no story."""

_TRACKING = re.compile(r"^(utm_.*|mc_[ce]id|fbclid|gclid|dclid|msclkid|igshid|yclid|at_.*|ref|ref_src|cmpid|cmp|xtor)$")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Likeness:
    """What an entry is compared by."""

    address: str | None
    title: frozenset[str]
    text: frozenset[tuple[str, ...]]

    @classmethod
    def of(cls, title: str, url: str | None, text: str) -> Likeness:
        """The likeness of an entry; costs time linear in its text."""
        words = _WORD.findall(text.casefold())[:_COMPARED_WORDS]
        return cls(
            address=normalised_url(url) if url else None,
            title=frozenset(_WORD.findall(title.casefold())),
            text=frozenset(zip(*(words[start:] for start in range(_SHINGLE_WORDS)), strict=False)),
        )

    def is_near(self, other: Likeness) -> bool:
        """Whether both tell the same story: same page, near-identical title, or near-identical text."""
        if self.address is not None and self.address == other.address:
            return True
        titles = _jaccard(self.title, other.title)
        if titles >= _SAME_TITLE and min(len(self.title), len(other.title)) >= _TELLING_TITLE_WORDS:
            return True
        shorter = min(len(self.text), len(other.text))
        if shorter < _TELLING_SHINGLES and titles < _RELATED_TITLE:
            return False
        # One feed may carry the whole of what another only begins.
        contained = len(self.text & other.text) >= _CONTAINED_TEXT * shorter > 0
        return contained or _jaccard(self.text, other.text) >= _SAME_TEXT


def normalised_url(url: str) -> str | None:
    """``url`` without scheme, ``www.``, tracking parameters and order of parameters.

    None for a site's front page, which feeds link to when an item has no page of its own.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    host = parts.netloc.lower().removeprefix("www.")
    query = sorted((name, value) for name, value in parse_qsl(parts.query) if not _TRACKING.match(name.lower()))
    path = parts.path.rstrip("/")
    if not path and not query:
        return None
    # "#item-3" tells items of one page apart; "#xtor=RSS-1" is tracking.
    fragment = "" if "=" in parts.fragment else parts.fragment
    return f"{host}{path}?{urlencode(query)}#{fragment}"


def _jaccard(
    left: frozenset[str] | frozenset[tuple[str, ...]], right: frozenset[str] | frozenset[tuple[str, ...]]
) -> float:
    together = len(left | right)
    return len(left & right) / together if together else 0.0

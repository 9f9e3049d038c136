"""What becomes of each entry that the sources hold: told to who wants to know why a story is used or is not."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from podcasting.models import Frozen
from podcasting.providers.feeds import Entry


class Verdict(StrEnum):
    """What becomes of an entry."""

    USED = "used"
    """It is one of the episode's stories."""
    KNOWN = "known"
    """An earlier episode looked at it."""
    LIKE_ANOTHER = "like another"
    """A story that is used says the same."""
    NO_ROOM = "no room"
    """New, but the episode has its stories; the newest of these are named in its notes."""
    NO_TEXT = "no text"
    """Neither the source nor its page has words to talk about, or the page could not be read."""


class Judged(Frozen):
    """An entry, and what becomes of it."""

    source: str
    entry: Entry
    verdict: Verdict


Judge = Callable[[Judged], None]


def unheard(_judged: Judged) -> None:
    """Tell nobody."""

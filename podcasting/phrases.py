"""The fixed words of feeds and pages in a podcast's own language, and how that language writes dates and lists.

``phrases.toml`` holds the words. What it has no words for is told in English, and said to be English.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

FALLBACK = "en"
MINUTE = 60
HOUR = 60 * MINUTE

RIGHT_TO_LEFT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
"""Languages that are mostly written from the right; by their first part, for those the CLDR does not know either."""

Unit = Literal["hour", "day", "week"]


def primary(language: str) -> str:
    """The first part of a BCP 47 tag: ``en`` of ``en-GB``."""
    return language.replace("_", "-").partition("-")[0].lower()


def direction(language: str) -> str:
    """``rtl`` or ``ltr``, as HTML's ``dir`` has it."""
    return "rtl" if primary(language) in RIGHT_TO_LEFT else "ltr"


@dataclass(frozen=True)
class Phrases:
    """The words for one language."""

    language: str
    """BCP 47, of the words: the podcast's own, or English."""
    words: dict[str, str]

    @property
    def direction(self) -> str:
        """``rtl`` or ``ltr``."""
        return direction(self.language)

    def __getitem__(self, name: str) -> str:
        """A phrase.

        Raises:
            KeyError: there is none of that name.
        """
        return self.words[name]

    def say(self, name: str, **filled: object) -> str:
        """A phrase with what it leaves open filled in; words that came from outside stay as they are."""
        return self.words[name].format(**filled)

    def day(self, moment: datetime) -> str:
        """A date for people, in UTC: ``March 3, 2026``, ``3 March 2026`` (en-GB), ``3. März 2026``."""
        return _day(moment.date(), self._locale)

    def every(self, count: int, unit: Unit) -> str:
        """How often, for two or more of a unit: ``Every 2 weeks``."""
        from babel.dates import format_timedelta

        period = timedelta(**{f"{unit}s": count})
        # The threshold keeps it from saying "2 weeks" of 14 days.
        return self.say(
            "every", amount=format_timedelta(period, granularity=unit, threshold=10_000, locale=self._locale)
        )

    def listed(self, names: Sequence[str]) -> str:
        """Names in a row: ``Ada, Ben and Cleo``."""
        from babel.lists import format_list

        return format_list(list(names), "standard", locale=self._locale) if names else ""

    def length(self, seconds: float) -> str:
        """How long something takes: ``45 s``, ``12 min``, ``1 h 5 min``."""
        if round(seconds) < MINUTE:
            return f"{round(seconds)} {self['seconds']}"
        hours, minutes = divmod(round(seconds / MINUTE), MINUTE)
        shown = f"{minutes} {self['minutes']}"
        return f"{hours} {self['hours']} {shown}" if hours else shown

    @property
    def _locale(self) -> str:
        return _locale(self.language)


def phrases(language: str) -> Phrases:
    """The words for a BCP 47 language, or English ones."""
    known = _catalogue()
    if primary(language) in known:
        return Phrases(language, known[primary(language)])
    return Phrases(FALLBACK, known[FALLBACK])


@cache
def _catalogue() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name("phrases.toml").read_text("utf-8"))


@lru_cache(maxsize=1024)
def _day(day: date, locale: str) -> str:
    # Kept, since a page of ten thousand shows says the same few hundred days.
    from babel.dates import format_date  # reads the CLDR's files when first asked

    return format_date(day, "long", locale=locale)


@cache
def _locale(language: str) -> str:
    from babel import Locale, UnknownLocaleError

    try:
        return str(Locale.parse(language, sep="-"))
    except (UnknownLocaleError, ValueError):  # a region or a script that the CLDR has no data for
        return primary(language)

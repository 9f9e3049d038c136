"""How long a text takes to read aloud, at the least and at the most: a clip beyond that is no reading of it. Seconds.

Wide on purpose: a good clip that is refused stops an episode. Half a reading at a common pace is within these bounds,
though; that it is doubtful :func:`doubted_below` tells, and another take shows.
"""

from __future__ import annotations

import re
import unicodedata

_SYLLABIC = re.compile(r"[\u1100-\u11ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff]")
"""Kana, Han and Hangul: a character is a syllable, or several."""

_LEAST_LETTER = 0.025
"""Forty letters a second: quicker than an auctioneer, so part of the text was not spoken."""
_LEAST_SYLLABLE = 0.05
"""Twenty syllables a second: twice as quick as the quickest speakers of Japanese and Spanish are measured."""
_DOUBTED_LETTER, _DOUBTED_SYLLABLE = 0.05, 0.1
"""Twenty letters a second, ten syllables. Voices read 10 to 16 letters (measured of hibari and kokoro: 6 to 13, 16), so
half of what they read is quicker.
"""
_MOST_LETTER = 0.25
"""Three times as slow as news is read (12 letters a second)."""
_MOST_CAPITAL = 0.7
"""It may be spelled out: "W" takes three syllables."""
_MOST_DIGIT = 0.9
"""It may be a word, and with its place two: the 7 of 70,000 is "seventy thousand"."""
_MOST_SYLLABLE = 0.9
"""Kanji have up to four syllables."""
_MOST_SYMBOL = 1.5
"""For example "per cent", "degrees Celsius", "multiplied by"."""
_MOST_PAUSE = 1.0
"""At a full stop, a comma, a dash."""
_MOST_AROUND = 4.0
"""Silence before and after, which the mastering takes off."""


def shortest(text: str) -> float:
    """The least that a reading of ``text`` takes."""
    return _at_pace(text, _LEAST_LETTER, _LEAST_SYLLABLE)


def doubted_below(text: str) -> float:
    """What a reading of ``text`` takes unless the voice is very quick, or left out much of it."""
    return _at_pace(text, _DOUBTED_LETTER, _DOUBTED_SYLLABLE)


def longest(text: str) -> float:
    """The most that a reading of ``text`` takes."""
    return _MOST_AROUND + sum(map(_most, text))


def _at_pace(text: str, letter: float, syllable: float) -> float:
    syllables = len(_SYLLABIC.findall(text))
    letters = sum(character.isalnum() for character in text) - syllables
    return letter * letters + syllable * syllables


def _most(character: str) -> float:
    if _SYLLABIC.match(character):
        return _MOST_SYLLABLE
    if character.isnumeric():
        return _MOST_DIGIT
    if character.isalpha():
        return _MOST_CAPITAL if character.isupper() else _MOST_LETTER
    kind = unicodedata.category(character)
    if kind.startswith("S") or character in "%&@/#*§†":
        return _MOST_SYMBOL
    return _MOST_PAUSE if kind.startswith("P") else 0.0

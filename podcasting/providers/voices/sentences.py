"""Long texts in parts: an engine takes so many characters at once, and a cut is least heard between sentences."""

from __future__ import annotations

import re
from itertools import pairwise

_ENDS = (
    re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])"),  # sentences; those of Chinese and Japanese need no space
    re.compile(r"(?<=[,;:–—])\s+|(?<=[、，；：])"),
    re.compile(r"\s+"),
)
"""Where a text may be cut, the best places first."""


def in_parts(text: str, most: int) -> list[str]:
    """``text`` in parts of at most ``most`` characters: whole sentences, else clauses, else words, else pieces.

    Nothing is lost but white space at the cuts.
    """
    return [part for part in _parts(text.strip(), most, 0) if part]


def _parts(text: str, most: int, level: int) -> list[str]:
    if len(text) <= most:
        return [text]
    if level == len(_ENDS):
        return [text[start : start + most] for start in range(0, len(text), most)]
    parts: list[str] = []
    for piece in _pieces(text, _ENDS[level]):
        # As full as may be: each part is a request of its own, and a voice starts afresh with it.
        if parts and len(parts[-1]) + len(piece) <= most:
            parts[-1] += piece
        else:
            parts.append(piece)
    return [whole for part in parts for whole in _parts(part.strip(), most, level + 1)]


def _pieces(text: str, end: re.Pattern[str]) -> list[str]:
    """``text`` cut after each ``end``; joined they are the text again."""
    cuts = [0, *(found.end() for found in end.finditer(text)), len(text)]
    return [text[start:stop] for start, stop in pairwise(cuts) if start < stop]

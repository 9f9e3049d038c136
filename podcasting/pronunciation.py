"""Pronunciation: words that a voice reads wrong, spelled for it as they sound. What people read keeps the word."""

from __future__ import annotations

import re
from collections.abc import Mapping

_UNSPACED = "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Scripts that put no space between words: Thai, Lao, Burmese, Khmer, kana and Han."""
_LETTER = rf"[^\W{_UNSPACED}]"
"""Beside one of these a word goes on; beside a character of those scripts nobody can tell."""


def respelled(text: str, pronunciations: Mapping[str, str]) -> str:
    """``text`` with each word of ``pronunciations`` spelled as it says.

    Whole words only (``SQS``, not the ``SQS`` of ``MySQSl``), as they are written, upper and lower case told apart; of
    two that begin at the same place the longer one. What was put in is not looked at again.
    """
    words = sorted(filter(str.strip, pronunciations), key=len, reverse=True)
    if not words:
        return text
    pattern = "|".join(map(_whole, words))
    return re.sub(pattern, lambda found: pronunciations[found.group()], text)


def _whole(word: str) -> str:
    """A pattern for ``word`` that does not match within another; of the word each character means itself."""
    before = rf"(?<!{_LETTER})" if re.match(_LETTER, word[0]) else ""
    after = rf"(?!{_LETTER})" if re.match(_LETTER, word[-1]) else ""
    return f"{before}{re.escape(word)}{after}"

"""Text that is only text: cleaned of signs that nobody sees, and searched for what a voice must not read aloud."""

from __future__ import annotations

import html
import re
import unicodedata

_JOINERS = "\u200c\u200d"  # Persian and the scripts of India spell with them
_WITHOUT_JOINERS = dict.fromkeys(map(ord, _JOINERS))
_ACTS = (
    "laugh(?:s|ing|ter)?|chuckl(?:es?|ing)|giggl(?:es?|ing)|sigh(?:s|ing)?|gasps?|paus(?:es?|ing)|whisper(?:s|ing)?|"
    "applause"
)
_MARKUP: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (what, re.compile(pattern, re.IGNORECASE | re.MULTILINE))
    for what, pattern in (
        ("a web address", r"\b[a-z][a-z0-9+.-]{1,20}://|\bwww\.[^\s.]|\b(?:javascript|data|mailto):\S"),
        ("a web address", r"\b(?:[a-z0-9-]{1,63}\.){1,5}[a-z]{2,24}/\S"),
        ("an e-mail address", r"\b[\w.+-]{1,64}@[\w-]{1,63}\.\w"),
        ("a tag", r"</?[a-z!?][^<>]{0,500}>|<!--|<\|"),
        ("Markdown", r"\]\([^()\s]|```|\*\*|__\w|^\s{0,3}#{1,6}\s|^\s{0,3}[-*]\s|(?<![\w*])\*\w[^*]{0,300}\*(?!\w)"),
        ("a stage direction or placeholder", r"\[[^\[\]]{1,300}\]|\{\{|\}\}|\{%"),
        ("a stage direction", rf"\((?:\w+ly )?(?:{_ACTS})(?: \w+){{0,3}}\)|\((?:\w+ )?music(?: \w+)?\)"),
    )
)


def cleaned(text: str) -> str:
    """``text`` in one line, without control characters, marks of direction and signs of no width.

    Those are for smuggling: what is seen or heard would not be what is stored. Joiners stay where a script needs them.
    """
    kept = "".join(character for character in text if not _is_hidden(character))
    return " ".join(unicodedata.normalize("NFC", kept).split())


def fault(text: str) -> str | None:
    """What in ``text`` is no plain text: an address, a tag, Markdown, a stage direction; or None.

    Looked for as it would be read: entities unfolded, forms of compatibility (full width) as what they stand for, and
    without joiners between signs. Stage directions in round brackets are known in English only.
    """
    read = unicodedata.normalize("NFKC", html.unescape(text)).translate(_WITHOUT_JOINERS)
    return next((what for what, pattern in _MARKUP if pattern.search(read)), None)


def _is_hidden(character: str) -> bool:
    if character.isspace():
        return False
    return unicodedata.category(character) in {"Cc", "Cf", "Co", "Cs", "Cn"} and character not in _JOINERS

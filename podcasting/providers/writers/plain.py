"""Text that is only text: cleaned of signs that nobody sees, and searched for what a voice must not read aloud."""

from __future__ import annotations

import html
import re
import unicodedata

_JOINERS = "\u200c\u200d"  # Persian and the scripts of India spell with them
_MARKUP: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (what, re.compile(pattern, re.IGNORECASE | re.MULTILINE))
    for what, pattern in (
        ("a web address", r"\b[a-z][a-z0-9+.-]{1,20}://|\bwww\.[^\s.]|\b(?:javascript|data|mailto):\S"),
        ("a web address", r"\b(?:[a-z0-9-]{1,63}\.){1,5}[a-z]{2,24}/\S"),
        ("an e-mail address", r"\b[\w.+-]{1,64}@[\w-]{1,63}\.\w"),
        ("a tag", r"</?[a-z!?][^<>]{0,500}>|<!--|<\|"),
        ("Markdown", r"\]\([^()\s]|```|\*\*|__\w|^\s{0,3}#{1,6}\s|^\s{0,3}[-*]\s"),
        ("a stage direction or placeholder", r"\[[^\[\]]{1,300}\]|\{\{|\}\}|\{%"),
    )
)


def cleaned(text: str) -> str:
    """``text`` in one line, without control characters, marks of direction and signs of no width.

    Those are for smuggling: what is seen or heard would not be what is stored. Joiners stay where a script needs them.
    """
    kept = "".join(character for character in text if not _is_hidden(character))
    return " ".join(unicodedata.normalize("NFC", kept).split())


def fault(text: str) -> str | None:
    """What in ``text`` is no plain text: an address, a tag, Markdown, a stage direction; or None."""
    read = html.unescape(text)
    return next((what for what, pattern in _MARKUP if pattern.search(read)), None)


def _is_hidden(character: str) -> bool:
    if character.isspace():
        return False
    return unicodedata.category(character) in {"Cc", "Cf", "Co", "Cs", "Cn"} and character not in _JOINERS

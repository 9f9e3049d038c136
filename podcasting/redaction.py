"""Redaction: what no log, trace or report may tell, and what becomes of a text that holds it.

Known by their shape: passwords in addresses, signatures and tokens in query strings, ``Authorization`` headers, AWS's
access keys, and whatever is given to a name like *password* or *secret*. What has no shape (a secret access key is
forty letters) is known by its value: :func:`keep_secret`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

HIDDEN = "***"

NAMES = (
    r"[\w.\-]*(?:signature|credential|token|secret|passw(?:or)?d|passwd|pwd|auth|api[_\-]?key|access[_\-]?key(?:[_\-]?id)?)"
    r"[\w.\-]*|key|sig|dsn|[\w.\-]*[_\-](?:key|sig|dsn)"
)
"""Of what is secret, in a query string or in front of an equals sign."""

SECRET_NAME = re.compile(NAMES, re.IGNORECASE)

VALUE = r"[^\s&;,'\"<>\\)\]}#]+"

SHAPES = tuple(
    (re.compile(shape, re.IGNORECASE), instead)
    for shape, instead in (
        # user:password@host; what SQLAlchemy takes for a password may hold a slash, a web address's may not.
        (r"(\b(?!https?:)[a-z][a-z0-9+.\-]*://[^\s/:@'\"<>]*):[^\s'\"<>]*@", rf"\1:{HIDDEN}@"),
        # A Sentry DSN is a web address whose user is the key.
        (r"(\bhttps?://)[^\s/'\"<>]*@", rf"\1{HIDDEN}@"),
        (r"(\bauthorization['\"]?\s*[:=]\s*['\"]?)[^'\"\r\n]+", rf"\1{HIDDEN}"),
        (r"(\b(?:bearer|basic)\s+)[a-z0-9+/._~=\-]{8,}", rf"\1{HIDDEN}"),
        (rf"((?<![\w.\-])(?:{NAMES})\s*=\s*['\"]?){VALUE}", rf"\1{HIDDEN}"),
        # A mapping as Python or JSON writes it: only there does a colon say that a value follows.
        (rf"(['\"](?:{NAMES})\\?['\"]\s*:\s*\\?)(['\"])(?:\\.|(?!\2).)*", rf"\1\2{HIDDEN}"),
        # Where a private podcast is (podcasting/private_feeds.py): whoever knows it may hear it.
        (r"(/private/)[a-z0-9_\-]{22,64}", rf"\1{HIDDEN}"),
        (r"\b((?:AKIA|ASIA)[A-Z0-9]{2})[A-Z0-9]{14}\b", rf"\1{HIDDEN}"),
    )
)

HINTS = re.compile(
    r"@|=|/private/|authorization|bearer|basic|AKIA|ASIA|['\"]\s*:|signature|credential|token|secret|passw|pwd",
    re.IGNORECASE,
)
"""What a text without any secret mostly does not hold, so that most lines are looked at once."""

SHORTEST_SECRET = 6
"""Characters: a shorter value would hide parts of innocent words."""

_known: set[str] = set()


def keep_secret(values: Iterable[str]) -> None:
    """Have these values hidden from now on, also as they are written in addresses."""
    for value in values:
        if len(value) >= SHORTEST_SECRET:
            _known.update({value, quote(value, safe=""), quote(value)})


def forget_secrets() -> None:
    """Hide known values no longer; what has a secret's shape is hidden all the same."""
    _known.clear()


def is_secret(name: str) -> bool:
    """Whether what is kept under this name is a secret."""
    return SECRET_NAME.fullmatch(name) is not None


def redact(text: str) -> str:
    """``text`` with what is secret in it hidden."""
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    if HINTS.search(text):
        for shape, instead in SHAPES:
            text = shape.sub(instead, text)
    return text

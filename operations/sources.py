"""Sources as people give them: an address, or on one's own machine the path of a file or folder."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from podcasting.errors import InvalidPodcast
from settings import settings

TAKEN = (
    "an address (https://…) of a feed, page, sitemap or public Telegram channel, or the path of such a file, "
    "of a transcript or text, or of a folder of texts"
)
"""What a source may be; docs/sources.md tells more."""

_PAGE = "page:"
_TELEGRAM_HOSTS = frozenset({"t.me", "telegram.me", "telegram.dog"})
_CHANNEL = re.compile(r"/([A-Za-z]\w{3,31})/?", re.ASCII)


def checked(source: str) -> str:
    """A source as it is kept: an address as given, a file or folder by its whole path.

    A Telegram channel's address becomes that of its public posts (``t.me/NAME`` shows none).

    Raises:
        InvalidPodcast: Airdate could never read it; says why and what to give instead.
    """
    address = source.removeprefix(_PAGE)
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidPodcast(f"source {source!r} is no address: {error}") from None
    if parts.scheme in {"http", "https"}:
        if not host:
            raise InvalidPodcast(f"source {source!r} names no host")
        return source if address != source else _with_posts(parts, source)
    if address != source:
        raise InvalidPodcast(f"source {source!r}: after {_PAGE} stands an address, https://…")
    if len(parts.scheme) > 1 and parts.scheme != "file":
        raise InvalidPodcast(f"source {source!r}: Airdate reads http, https and files, not {parts.scheme}")
    if not settings().files_allowed:
        raise InvalidPodcast(
            f"source {source!r} is a file; here only addresses are allowed "
            "(AIRDATE_ALLOW_FILE_SOURCES=true allows files)"
        )
    return str(_existing(source, parts))


def _existing(source: str, parts: SplitResult) -> Path:
    path = Path(unquote(parts.path) if parts.scheme == "file" else source).expanduser()
    try:
        if source and (path.is_file() or path.is_dir()) and path.resolve() != Path(path.anchor):
            return path.resolve()
        is_there = bool(source) and path.exists()
    except (OSError, ValueError, RuntimeError):
        is_there = False
    reason = "that is no file, and no folder of texts" if is_there else "there is no such file or folder"
    raise InvalidPodcast(f"source {source!r}: {reason}; give {TAKEN}")


def _with_posts(parts: SplitResult, source: str) -> str:
    channel = _CHANNEL.fullmatch(parts.path)
    if parts.hostname in _TELEGRAM_HOSTS and channel:
        return urlunsplit(parts._replace(path=f"/s/{channel[1]}"))
    return source

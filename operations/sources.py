"""Sources as people give them: the address of a feed, or on one's own machine the path of a file."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from podcasting.errors import InvalidPodcast
from settings import settings


def checked(source: str) -> str:
    """A source as it is kept: an address as given, a file by its whole path.

    Raises:
        InvalidPodcast: Airdate could never read it; says why and what to give instead.
    """
    try:
        parts = urlsplit(source)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidPodcast(f"source {source!r} is no address: {error}") from None
    if parts.scheme in {"http", "https"}:
        if not host:
            raise InvalidPodcast(f"source {source!r} names no host")
        return source
    if len(parts.scheme) > 1 and parts.scheme != "file":
        raise InvalidPodcast(f"source {source!r}: Airdate reads http, https and files, not {parts.scheme}")
    if not settings().files_allowed:
        raise InvalidPodcast(
            f"source {source!r} is a file; here only addresses are allowed "
            "(AIRDATE_ALLOW_FILE_SOURCES=true allows files)"
        )
    path = Path(parts.path if parts.scheme == "file" else source).expanduser()
    if not path.is_file():
        raise InvalidPodcast(
            f"source {source!r}: there is no such file; give a feed's address (https://…) or the path of a file"
        )
    return str(path.resolve())

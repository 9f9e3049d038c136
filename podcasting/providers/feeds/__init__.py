"""The source port: what has entries (feeds, sitemaps, folders, channels …), and the pages they point to."""

from __future__ import annotations

from typing import Protocol

from podcasting.models import Frozen, UtcDatetime


class Validators(Frozen):
    """What a server gave us to ask "has it changed?" with (RFC 9110, section 13.1)."""

    etag: str | None = None
    last_modified: str | None = None


class Entry(Frozen):
    """One item of a source."""

    key: str
    """Its guid, or its link, or the hash of what it says: what makes it the same item tomorrow."""
    title: str
    url: str | None
    author: str | None
    published_at: UtcDatetime | None
    text: str
    """Plain text of what the source itself carries; may be a summary, may be empty."""
    is_whole: bool = False
    """Whether ``text`` is all there is, however short: the page at ``url`` has no more of it."""


class Feed(Frozen):
    """A source as read, newest entry first."""

    title: str
    entries: tuple[Entry, ...]
    validators: Validators
    troubles: tuple[str, ...] = ()
    """What of it could not be read while the rest was, a line each."""


class Page(Frozen):
    """A page's main text."""

    title: str = ""
    text: str


class Sources(Protocol):
    """Reads sources and pages. Hostile input is expected; every read is bounded in bytes and seconds."""

    def feed(self, source: str, validators: Validators | None) -> Feed | None:
        """What ``source`` (a URL, or the path of a file or folder) holds, or None when it has not changed.

        What kind of source it is shows in its content; docs/sources.md lists the kinds.

        Raises:
            Retryable: it can't be reached, or the server failed (5xx, timeout).
            Throttled: the server asked us to slow down.
            Permanent: missing (404, 410, no such file), too large, of no kind that is read, entities declared,
                closed to robots, or an address we refuse to go to. Names the source and the fix.
        """
        ...

    def page(self, url: str) -> Page | None:
        """The main text of the page at ``url``, or None when it has none to be found.

        Raises as :meth:`feed` does.
        """
        ...

"""The source port: feeds and the pages they point to."""

from __future__ import annotations

from typing import Protocol

from podcasting.models import Frozen, UtcDatetime


class Validators(Frozen):
    """What a server gave us to ask "has it changed?" with (RFC 9110, section 13.1)."""

    etag: str | None = None
    last_modified: str | None = None


class Entry(Frozen):
    """One item of a feed."""

    key: str
    """Its guid, or its link, or the hash of what it says: what makes it the same item tomorrow."""
    title: str
    url: str | None
    author: str | None
    published_at: UtcDatetime | None
    text: str
    """Plain text of what the feed itself carries; may be a summary, may be empty."""


class Feed(Frozen):
    """A feed as read, newest entry first."""

    title: str
    entries: tuple[Entry, ...]
    validators: Validators


class Sources(Protocol):
    """Reads feeds and pages. Hostile input is expected; every read is bounded in bytes and seconds."""

    def feed(self, source: str, validators: Validators | None) -> Feed | None:
        """The feed at ``source`` (a URL, or a file's path), or None when it has not changed.

        Raises:
            Retryable: it can't be reached, or the server failed (5xx, timeout).
            Throttled: the server asked us to slow down.
            Permanent: missing (404, 410, no such file), too large, not a feed, no entries and no
                feed, entities declared, or an address we refuse to go to. Names the source and the fix.
        """
        ...

    def page(self, url: str) -> str | None:
        """The main text of the page at ``url``, or None when it has none to be found.

        Raises as :meth:`feed` does.
        """
        ...

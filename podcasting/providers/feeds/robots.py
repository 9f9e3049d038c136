"""robots.txt (RFC 9309), honoured for pages and for what lists them; a feed is published to be fetched by programs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from podcasting.errors import Permanent, ProviderPaused, Retryable, Throttled
from podcasting.providers.feeds.fetch import Fetcher, without_credentials
from podcasting.providers.feeds.pace import Pace
from podcasting.providers.feeds.text import decode

if TYPE_CHECKING:
    from protego import Protego

USER_AGENT_TOKEN = "Airdate"  # noqa: S105 - RFC 9309's "product token", not a secret
MAX_BYTES = 512 * 1024
"""Read of one file; what follows is ignored. "MUST be at least 500 kibibytes" (section 2.5)."""
KEPT_FOR = timedelta(hours=24)
"""Section 2.4: "SHOULD NOT use the cached version for more than 24 hours"."""
MAX_FILES = 500
_LONGEST_ADDRESS = 4_000


@dataclass(frozen=True)
class _Rules:
    file: Protego | None
    """None where everything is allowed."""
    until: datetime


class Robots:
    """Says whether an address may be read. Safe to use from several threads; keeps files for a day at most."""

    def __init__(self, fetcher: Fetcher, pace: Pace, now: Callable[[], datetime]) -> None:
        self._fetcher = fetcher
        self._pace = pace
        self._now = now
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Rules] = OrderedDict()

    def require(self, url: str) -> None:
        """Return if ``url`` may be read; from then on its host is asked as slowly as its robots.txt wishes.

        Raises:
            Permanent: robots.txt closes it to us.
            Retryable, Throttled, ProviderPaused: robots.txt can't be had for now (5xx, no answer), which closes the
                site until it can.
        """
        parts = urlsplit(url)
        if parts.path == "/robots.txt":
            return
        rules = self._rules(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
        if rules.file is None:
            return
        shown = without_credentials(url)
        try:
            is_open = rules.file.can_fetch(url[:_LONGEST_ADDRESS], USER_AGENT_TOKEN)
        except ValueError:  # of an address that can't be split; reading it fails with a better word
            return
        if not is_open:
            raise Permanent(
                f"{shown} is closed to robots by its site's robots.txt (for {USER_AGENT_TOKEN}); "
                "give the site's feed, or ask its owner to allow it"
            )

    def _rules(self, site: str) -> _Rules:
        with self._lock:
            kept = self._kept.get(site)
        if kept is not None and kept.until > self._now():
            return kept
        rules = _Rules(self._read(site), self._now() + KEPT_FOR)
        with self._lock:
            self._kept[site] = rules
            self._kept.move_to_end(site)
            while len(self._kept) > MAX_FILES:
                self._kept.popitem(last=False)
        return rules

    def _read(self, site: str) -> Protego | None:
        try:
            document = self._fetcher.get(f"{site}/robots.txt", accept="text/plain, */*;q=0.1", cut_at=MAX_BYTES)
        except (Throttled, ProviderPaused):
            raise
        except Retryable as error:  # section 2.3.1.4: "unreachable … MUST assume complete disallow"
            raise Retryable(f"{site} is not read while its robots.txt can't be: {error}", after=error.after) from error
        except Permanent:  # section 2.3.1.3: 4xx, and what can't be had at all, allows everything
            return None
        if document is None:
            return None
        rules = _parsed(decode(document.body, document.charset))
        delay = rules.crawl_delay(USER_AGENT_TOKEN) if rules else None
        if delay:
            self._pace.slow_down(httpx.URL(site).netloc.decode("ascii"), float(delay))
        return rules


def _parsed(text: str) -> Protego | None:
    from protego import Protego

    try:
        return Protego.parse(text)
    except Exception:  # noqa: BLE001 - a parser that stumbles over hostile lines found no rules
        return None

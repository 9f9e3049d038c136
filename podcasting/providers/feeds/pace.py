"""Politeness: how often one host is asked by this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MAX_HOSTS = 2_000
"""Remembered at most; of more, those that were asked longest ago are forgotten."""
LONGEST_PAUSE_SECONDS = 30.0
"""What is granted of a host's own wish (``Crawl-delay``): with longer ones an episode would take an hour."""


class Pace:
    """Makes the requests of one host wait for each other. Safe to use from several threads."""

    def __init__(
        self,
        pause_seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``pause_seconds`` is the least time from one request of a host to its next; 0 for none."""
        self._pause = pause_seconds
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next: OrderedDict[str, float] = OrderedDict()
        self._wishes: OrderedDict[str, float] = OrderedDict()

    def wait(self, host: str) -> bool:
        """Return when ``host`` may be asked, and whether that took a while; the caller asks it then."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next.pop(host, now))
            pause = max(self._pause, self._wishes.get(host, 0.0))
            if pause > 0:
                _remember(self._next, host, turn + pause)
        if turn > now:
            self._sleep(turn - now)
        return turn > now

    def slow_down(self, host: str, seconds: float) -> None:
        """Ask ``host`` no more often than each ``seconds`` from now on (at most the longest that is granted)."""
        with self._lock:
            pause = min(seconds, LONGEST_PAUSE_SECONDS)
            _remember(self._wishes, host, pause)
            if host in self._next:
                self._next[host] = max(self._next[host], self._clock() + pause)


def _remember(table: OrderedDict[str, float], host: str, value: float) -> None:
    table[host] = value
    table.move_to_end(host)
    while len(table) > MAX_HOSTS:
        table.popitem(last=False)

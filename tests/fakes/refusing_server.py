"""A server on loopback that gives each request the same answer, at a time of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fakes.loopback_server import HttpHandler, LoopbackServer


@contextmanager
def refusing(status: int, body: bytes, *, seconds_ahead: float = 0) -> Iterator[str]:
    """Serve; gives the address."""

    class Handler(HttpHandler):
        def do_POST(self) -> None:
            self.body()
            self.answer(status, {}, body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(int((timestamp or time.time()) + seconds_ahead))

    with LoopbackServer(Handler) as server:
        yield server.address

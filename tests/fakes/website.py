"""A website on loopback whose answers a test writes down, byte by byte if it likes."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.fakes.loopback_server import HttpHandler, LoopbackServer


@dataclass(frozen=True)
class Answer:
    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "text/xml"
    raw: Callable[[Website, BaseHTTPRequestHandler], None] | None = None
    """Writes the whole answer itself: to dribble it, or to break off."""


class Website(LoopbackServer):
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        super().__init__(self._handler(), tls)

    def url(self, path: str) -> str:
        return f"{self.address}{path}"

    def _handler(site) -> type[HttpHandler]:  # noqa: N805 - `self` is the handler below
        class Handler(HttpHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, self.headers_by_name()))
                answer = site.answers.get(self.path, Answer(status=404))
                if answer.raw is not None:
                    with suppress(OSError):  # the reader gives up, as it should
                        answer.raw(site, self)
                    return
                etag = answer.headers.get("ETag")
                is_unchanged = etag is not None and self.headers.get("If-None-Match") == etag
                self.send_response(304 if is_unchanged else answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if not is_unchanged:
                    self.send_header("Content-Type", answer.content_type)
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if not is_unchanged:
                    with suppress(OSError):  # the body may be more than the reader is willing to read
                        self.wfile.write(answer.body)

        return Handler

"""A server on loopback, at a free port, that answers from threads of its own for as long as it is entered."""

from __future__ import annotations

import socketserver
import ssl
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self


class LoopbackServer:
    """Each connection is a ``handler``'s; as a base class, what a fake has in common with the others."""

    def __init__(self, handler: type[socketserver.BaseRequestHandler], tls: ssl.SSLContext | None = None) -> None:
        self.closing = threading.Event()
        """Set when the test is over, so that an answer without an end has one."""
        self._server = _Server(("127.0.0.1", 0), handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        """Without a slash at its end."""
        return f"http://{self.host}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Answer nobody any more."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class HttpHandler(BaseHTTPRequestHandler):
    """One that says nothing of what it does."""

    def body(self) -> bytes:
        """What came with the request."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def headers_by_name(self) -> dict[str, str]:
        """The request's, by lower-case name."""
        return {name.lower(): value for name, value in self.headers.items()}

    def answer(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        """A whole answer; its length is the body's, where ``headers`` do not say otherwise."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128  # some are asked much at once

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Who asked went away, which is what some tests are about.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

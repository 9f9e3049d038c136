"""Receivers on loopback: a web app that takes webhooks, and a mail server. They keep what they were told.

The signature is checked by what the Standard Webhooks specification says, with another library than ours.
"""

from __future__ import annotations

import base64
import json
import socketserver
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC


@dataclass(frozen=True)
class Told:
    """A request, as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(frozen=True)
class Reply:
    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: Callable[[Receiver, BaseHTTPRequestHandler], None] | None = None
    """Writes the whole answer itself: to dribble it, or to break off."""


def broken_off(_: Receiver, handler: BaseHTTPRequestHandler) -> None:
    """Hangs up without a word, once the request was read."""
    handler.close_connection = True


def silent(receiver: Receiver, _: BaseHTTPRequestHandler) -> None:
    """Says nothing until the test is over."""
    receiver.closing.wait(60)


def dribbling(receiver: Receiver, handler: BaseHTTPRequestHandler) -> None:
    """Says 200, then a byte at a time without an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    with suppress(OSError):
        while not receiver.closing.wait(0.05):
            handler.wfile.write(b".")
            handler.wfile.flush()


def endless(receiver: Receiver, handler: BaseHTTPRequestHandler) -> None:
    """Says 200, then more than anybody wants to read."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    with suppress(OSError):
        while not receiver.closing.is_set():
            handler.wfile.write(b"." * 65_536)


class Receiver:
    """Answers with what was lined up, then with 204."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = deque(replies)
        self.told: list[Told] = []
        self.closing = threading.Event()
        """Set when the test is over, so that a reply without an end has one."""
        self._server = _HttpServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def url(self, path: str = "/hooks") -> str:
        return f"http://{self.host}{path}"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler below
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.told.append(Told(self.command, self.path, headers, body))
                reply = receiver.replies.popleft() if receiver.replies else Reply()
                if reply.raw is not None:
                    reply.raw(receiver, self)
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                pass

        return Handler


def signatures(told: Told, key: str) -> list[bool]:
    """Of each signature, whether the key made it."""
    secret = base64.b64decode(key.split("_", 1)[1])
    content = f"{told.headers['webhook-id']}.{told.headers['webhook-timestamp']}.".encode() + told.body
    code = HMAC(secret, SHA256())
    code.update(content)
    wanted = f"v1,{base64.b64encode(code.finalize()).decode()}"
    return [each == wanted for each in told.headers["webhook-signature"].split(" ")]


class MailServer:
    """Takes mail by SMTP (RFC 5321), as little of it as a client needs; ``refusing`` answers each sender with 550."""

    def __init__(self, *, refusing: bool = False) -> None:
        self.refusing = refusing
        self.mails: list[str] = []
        self._server = _SmtpServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> MailServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(server) -> type[socketserver.StreamRequestHandler]:  # noqa: N805 - `self` is the handler below
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 mail.example.org")
                while line := self.rfile.readline():
                    verb = line[:4].upper()
                    if verb == b"DATA":
                        self._say("354 go on")
                        server.mails.append(self._mail())
                        self._say("250 kept")
                    elif verb == b"MAIL" and server.refusing:
                        self._say("550 not from you")
                    elif verb == b"QUIT":
                        self._say("221 bye")
                        return
                    else:
                        self._say("250 mail.example.org" if verb in {b"EHLO", b"HELO"} else "250 well")

            def _mail(self) -> str:
                lines = []
                while (line := self.rfile.readline()) not in {b".\r\n", b""}:
                    lines.append(line)
                return b"".join(lines).decode("utf-8", "replace")

            def _say(self, line: str) -> None:
                with suppress(OSError):
                    self.wfile.write(f"{line}\r\n".encode())

        return Handler


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # many are told at once


class _SmtpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

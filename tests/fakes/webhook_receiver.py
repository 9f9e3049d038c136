"""Receivers on loopback: a web app that takes webhooks, and a mail server. They keep what they were told.

The signature is checked by what the Standard Webhooks specification says, with another library than ours.
"""

from __future__ import annotations

import base64
import json
import socketserver
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from tests.fakes.loopback_server import HttpHandler, LoopbackServer


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


class Receiver(LoopbackServer):
    """Answers with what was lined up, then with 204."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = deque(replies)
        self.told: list[Told] = []
        super().__init__(self._handler())

    def url(self, path: str = "/hooks") -> str:
        return f"{self.address}{path}"

    def _handler(receiver) -> type[HttpHandler]:  # noqa: N805 - `self` is the handler below
        class Handler(HttpHandler):
            def do_POST(self) -> None:
                receiver.told.append(Told(self.command, self.path, self.headers_by_name(), self.body()))
                reply = receiver.replies.popleft() if receiver.replies else Reply()
                if reply.raw is not None:
                    reply.raw(receiver, self)
                    return
                self.answer(reply.status, reply.headers, reply.body)

            do_GET = do_POST

        return Handler


def signatures(told: Told, key: str) -> list[bool]:
    """Of each signature, whether the key made it."""
    secret = base64.b64decode(key.split("_", 1)[1])
    content = f"{told.headers['webhook-id']}.{told.headers['webhook-timestamp']}.".encode() + told.body
    code = HMAC(secret, SHA256())
    code.update(content)
    wanted = f"v1,{base64.b64encode(code.finalize()).decode()}"
    return [each == wanted for each in told.headers["webhook-signature"].split(" ")]


class MailServer(LoopbackServer):
    """Takes mail by SMTP (RFC 5321), as little of it as a client needs; ``refusing`` answers each sender with 550."""

    def __init__(self, *, refusing: bool = False) -> None:
        self.refusing = refusing
        self.mails: list[str] = []
        super().__init__(self._handler())

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

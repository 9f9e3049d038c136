"""The storm: a proxy in front of SQS that doubles every message, delays some, loses answers, and refuses."""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.ports import free_port

LONGEST_ANSWER = 60
"""Seconds; a long poll takes 20."""
ANSWERS_LOST = 0.005
"""Of the sends that succeeded, the share whose answer the sender never sees."""
DELAYED = 0.25
HOP_BY_HOP = frozenset({"host", "content-length", "connection", "expect", "transfer-encoding"})


class Storm:
    """Passes everything on to ``target``; what is sent to a queue that does not hold dead letters arrives twice.

    One of the two may be late, by up to ``longest_delay`` seconds, and a batch arrives in another order.
    """

    def __init__(self, target: str, *, seed: int, longest_delay: int) -> None:
        address = urlsplit(target)
        self.target = (str(address.hostname), int(address.port or 80))
        self.endpoint = f"http://127.0.0.1:{free_port()}"
        self.counts: Counter[str] = Counter()
        self._port = int(urlsplit(self.endpoint).port or 0)
        self._chance = random.Random(f"storm {seed}")  # noqa: S311 - to be repeated, no secret
        self._longest_delay = longest_delay
        self._lock = threading.Lock()
        self._server: _Server | None = None

    def pass_on(self) -> None:
        """Listen; does nothing when it does."""
        if self._server is None:
            self._server = _Server(self, self._port)
            threading.Thread(target=self._server.serve_forever, args=(0.05,), name="storm", daemon=True).start()

    def refuse(self) -> None:
        """Nobody listens any more, and every connection ends."""
        if self._server is not None:
            self._server.end()
            self._server = None

    def count(self, what: str, number: int = 1) -> None:
        """Add to the counts."""
        with self._lock:
            self.counts[what] += number

    def doubled(self, action: str, request: dict[str, Any]) -> list[dict[str, Any]]:
        """What to send on in place of a request that sends messages: the one to answer first, then its double."""
        with self._lock:
            chance = self._chance
            if action == "SendMessage":
                first, second = self._apart(request, chance)
                self.counts["doubled"] += 1
                return [first, second]
            pairs = [self._apart(entry, chance) for entry in request["Entries"]]
            self.counts["doubled"] += len(pairs)
            chance.shuffle(pairs)
            originals = [first for first, _ in pairs]
            chance.shuffle(pairs)
            return [request | {"Entries": originals}, request | {"Entries": [second for _, second in pairs]}]

    def loses_the_answer(self) -> bool:
        """Whether the sender shall not learn that its send succeeded."""
        with self._lock:
            lost = self._chance.random() < ANSWERS_LOST
            self.counts["answers lost"] += lost
            return lost

    def _apart(self, message: dict[str, Any], chance: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
        delays = [int(message.get("DelaySeconds") or 0)] * 2
        if chance.random() < DELAYED:
            late = chance.randrange(2)
            delays[late] = min(900, delays[late] + chance.randint(1, self._longest_delay))
            self.counts["delayed"] += 1
        first, second = (message | ({"DelaySeconds": delay} if delay else {}) for delay in delays)
        return first, second


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, storm: Storm, port: int) -> None:
        self.storm = storm
        self._clients: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        client, address = super().get_request()
        self._clients.add(client)
        return client, address

    def shutdown_request(self, request: Any) -> None:
        self._clients.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed ends its connections in every way there is."""

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        for client in list(self._clients):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._upstream: http.client.HTTPConnection | None = None

    def finish(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        with suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        self._pass(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        action = (self.headers.get("X-Amz-Target") or "").rpartition(".")[2]
        self.server.storm.count(action or "other")
        if action not in {"SendMessage", "SendMessageBatch"}:
            self._pass(body)
            return
        request = json.loads(body)
        if str(request.get("QueueUrl", "")).endswith("-dead-letters"):
            self._pass(body)
            return
        first, second = self.server.storm.doubled(action, request)
        status, headers, answer = self._ask(json.dumps(first).encode())
        if status == http.HTTPStatus.OK:
            self._ask(json.dumps(second).encode())
            if self.server.storm.loses_the_answer():
                self.close_connection = True
                return
        self._answer(status, headers, answer)

    def _pass(self, body: bytes) -> None:
        self._answer(*self._ask(body))

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        for last_try in (False, True):
            if self._upstream is None:
                self._upstream = http.client.HTTPConnection(*self.server.storm.target, timeout=LONGEST_ANSWER)
            try:
                self._upstream.request(self.command, self.path, body or None, headers)
                answer = self._upstream.getresponse()
                return answer.status, answer.getheaders(), answer.read()
            except (http.client.HTTPException, OSError):
                self._upstream.close()
                self._upstream = None
                if last_try:
                    raise
        raise AssertionError

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Nothing: there would be a line a request."""

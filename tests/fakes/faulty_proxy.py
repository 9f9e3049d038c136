"""A TCP proxy before an AWS endpoint that fails on demand, and counts what is asked.

It understands requests, so as to count and to answer them; answers it passes on byte by byte.
"""

from __future__ import annotations

import http
import selectors
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from tests.fakes.ports import free_port

LINES_END = b"\r\n\r\n"
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: close() sends RST, not FIN."""
TRICKLES_PER_SECOND = 20


@dataclass(frozen=True)
class Fault:
    only: frozenset[str] | None = None
    """The actions it befalls; None: all."""


@dataclass(frozen=True)
class Refuse(Fault):
    pass


@dataclass(frozen=True)
class Reset(Fault):
    pass


@dataclass(frozen=True)
class Answer(Fault):
    whole: bytes = b""


@dataclass(frozen=True)
class BlackHole(Fault):
    pass


@dataclass(frozen=True)
class Slow(Fault):
    seconds: float = 0


@dataclass(frozen=True)
class Trickle(Fault):
    bytes_per_second: float = 0


NO_FAULT = Fault()


class FaultyProxy:
    """Passes on to ``target`` until told otherwise. A fault begins at once, and replaces the one before.

    ``only`` has it befall the named API actions alone, and the others pass.
    """

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        assert address.hostname is not None
        assert address.port is not None
        self.target = (address.hostname, address.port)
        self._port = free_port()
        self.endpoint = f"http://127.0.0.1:{self._port}"
        self.changed = threading.Condition()
        """Guards all that follows; notified when the fault changes or a connection ends."""
        self._fault = NO_FAULT
        self._counts: Counter[str] = Counter()
        self._connections: set[_Connection] = set()
        self._listening: _Listening | None = None

    # Faults ---------------------------------------------------------------------------------------

    def pass_on(self) -> None:
        """No fault."""
        self._set(NO_FAULT)

    def refuse(self) -> None:
        """Nobody listens, as of a server that is gone; its connections are closed."""
        self._set(Refuse())

    def reset(self) -> None:
        """Reset every connection, those that exist and those to come."""
        self._set(Reset())

    def answer(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = "application/x-amz-json-1.0",
        *,
        only: Collection[str] | None = None,
    ) -> None:
        """Answer each request so from now on; the target sees none."""
        reason = http.HTTPStatus(status).phrase
        head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._set(Answer(_frozen(only), head.encode() + body))

    def black_hole(self, *, only: Collection[str] | None = None) -> None:
        """Read requests, send none on, and answer none.

        Answers under way are lost too. A connection that lost something is silent until its client closes it.
        """
        self._set(BlackHole(_frozen(only)))

    def slow(self, seconds: float, *, only: Collection[str] | None = None) -> None:
        """The target is asked at once, and its answer held back until ``seconds`` after the request."""
        self._set(Slow(_frozen(only), seconds))

    def trickle(self, bytes_per_second: float, *, only: Collection[str] | None = None) -> None:
        """Answers arrive in small pieces."""
        self._set(Trickle(_frozen(only), bytes_per_second))

    def fault_for(self, action: str) -> Fault:
        """What befalls this action now."""
        fault = self._fault
        return fault if fault.only is None or action in fault.only else NO_FAULT

    def _set(self, fault: Fault) -> None:
        with self.changed:
            self._fault = fault
            self.changed.notify_all()
            ending = list(self._connections) if isinstance(fault, (Refuse, Reset)) else []
        for connection in ending:
            connection.end(reset=isinstance(fault, Reset))
        if isinstance(fault, Refuse):
            self._stop_listening()
        else:
            self._listen()

    # Counts ---------------------------------------------------------------------------------------

    @property
    def counts(self) -> Counter[str]:
        """How often each API action was asked, whatever came of it: a copy."""
        with self.changed:
            return self._counts.copy()

    def forget_counts(self) -> None:
        """Count from nothing."""
        with self.changed:
            self._counts.clear()

    def count(self, action: str) -> None:
        """One more; called by its connections."""
        with self.changed:
            self._counts[action] += 1

    # Life -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen, with no fault."""
        self.pass_on()

    def stop(self) -> None:
        """End every connection, and listen no more."""
        self._stop_listening()
        with self.changed:
            ending = list(self._connections)
        for connection in ending:
            connection.end()
        for connection in ending:
            connection.join()

    def __enter__(self) -> FaultyProxy:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listen(self) -> None:
        if self._listening is None:
            self._listening = _Listening(self, self._port)

    def _stop_listening(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def accepted(self, client: socket.socket) -> None:
        """Serve a new connection; called by the listening thread."""
        connection = _Connection(self, client)
        with self.changed:
            fault = self._fault
            self._connections.add(connection)
        if isinstance(fault, (Refuse, Reset)):
            connection.end(reset=isinstance(fault, Reset))
        connection.start()

    def ended(self, connection: _Connection) -> None:
        """Forget a connection; called by its thread."""
        with self.changed:
            self._connections.discard(connection)


class _Listening:
    """The listening socket and its thread. Closing leaves the port refused when it returns."""

    def __init__(self, proxy: FaultyProxy, port: int) -> None:
        self._proxy = proxy
        self._socket = socket.create_server(("127.0.0.1", port), backlog=512)
        self._socket.settimeout(0)
        # A thread blocked in accept() would keep a closed socket listening: it waits for either, and is woken.
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="faulty-proxy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._wake.close()
        self._thread.join()
        self._socket.close()
        self._woken.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                if any(key.fileobj is self._woken for key, _ in selector.select()):
                    return
                with suppress(OSError):  # it went away before it was accepted
                    client, _ = self._socket.accept()
                    client.settimeout(None)
                    self._proxy.accepted(client)


class _Connection:
    """A client's connection: one thread reads its requests, another gives it the target's answers."""

    def __init__(self, proxy: FaultyProxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._target: socket.socket | None = None
        self._action = ""
        self._asked = 0.0
        self._lost = False
        self._ending = False
        self._reset = False
        self._asking = threading.Thread(target=self._serve, name="faulty-proxy-requests", daemon=True)
        self._answering: threading.Thread | None = None

    def start(self) -> None:
        self._asking.start()

    def join(self) -> None:
        self._asking.join()

    def end(self, *, reset: bool = False) -> None:
        """Have its threads end it. They alone close: a close() under a blocked recv() would send nothing."""
        with self._proxy.changed:
            self._ending = True
            self._reset |= reset
            self._proxy.changed.notify_all()
            target = self._target
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RD)  # wakes recv(), and unlike SHUT_WR sends no FIN before the RST
        if target is not None:
            with suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)

    # Requests -------------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            with suppress(OSError):
                while not self._ending and (request := self._read_request()):
                    self._ask(*request)
        finally:
            self._close()

    def _read_request(self) -> tuple[str, bytes] | None:
        data = b""
        while LINES_END not in data:
            if not (more := self._client.recv(65536)):
                return None
            data += more
        head, _, body = data.partition(LINES_END)
        line, *lines = head.split(b"\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (each.partition(b":") for each in lines)}
        if headers.get(b"expect", b"").lower() == b"100-continue":
            # Answered here, so that the target, not told of it, gives one answer to one request.
            self._client.sendall(b"HTTP/1.1 100 Continue" + LINES_END)
            lines = [each for each in lines if not each.lower().startswith(b"expect:")]
        length = int(headers.get(b"content-length", b"0"))
        parts = [body]
        missing = length - len(body)
        while missing > 0:
            if not (more := self._client.recv(min(missing, 1 << 20))):
                return None
            parts.append(more)
            missing -= len(more)
        body = b"".join(parts)
        return _action(line, headers, body), b"\r\n".join([line, *lines]) + LINES_END + body

    def _ask(self, action: str, request: bytes) -> None:
        if action:
            self._proxy.count(action)
        fault = self._proxy.fault_for(action)
        if self._lost or isinstance(fault, BlackHole):
            self._lost = True
            return
        if isinstance(fault, Answer):
            self._client.sendall(fault.whole)
            return
        target = self._connected()
        self._action, self._asked = action, time.monotonic()
        target.sendall(request)

    def _connected(self) -> socket.socket:
        if self._target is None:
            try:
                target = socket.create_connection(self._proxy.target)
            except OSError:
                self._reset = True
                raise
            target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._proxy.changed:
                self._target = target
                if self._ending:
                    raise ConnectionAbortedError
            self._answering = threading.Thread(target=self._relay, name="faulty-proxy-answers", daemon=True)
            self._answering.start()
        return self._target

    # Answers --------------------------------------------------------------------------------------

    def _relay(self) -> None:
        assert self._target is not None
        with suppress(OSError):
            while data := self._target.recv(65536):
                self._deliver(data)
        if self._ending or self._lost or isinstance(self._proxy.fault_for(self._action), BlackHole):
            self._lost = True  # nor does the end of a connection come out of a black hole
            return
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)

    def _deliver(self, data: bytes) -> None:
        while data and not self._ending and not self._lost:
            fault = self._proxy.fault_for(self._action)
            match fault:
                case BlackHole():
                    self._lost = True
                case Slow(seconds=seconds) if (left := self._asked + seconds - time.monotonic()) > 0:
                    self._pause(fault, left)
                case Trickle(bytes_per_second=rate):
                    size = max(1, int(rate / TRICKLES_PER_SECOND))
                    self._client.sendall(data[:size])
                    data = data[size:]
                    self._pause(fault, size / rate)
                case _:
                    self._client.sendall(data)
                    return

    def _pause(self, fault: Fault, seconds: float) -> None:
        with self._proxy.changed:
            self._proxy.changed.wait_for(
                lambda: self._ending or self._proxy.fault_for(self._action) is not fault, timeout=seconds
            )

    def _close(self) -> None:
        self.end()
        if self._answering is not None:
            self._answering.join()
        if self._target is not None:
            self._target.close()
        if self._reset:
            with suppress(OSError):
                self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._client.close()
        self._proxy.ended(self)


def _action(line: bytes, headers: dict[bytes, bytes], body: bytes) -> str:
    # SQS speaks JSON and names the action in a header; SNS speaks the query protocol, and names it in a form.
    if target := headers.get(b"x-amz-target"):
        return target.decode().rpartition(".")[2]
    if headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded"):
        form = body.decode()
    else:
        form = urlsplit(line.split(b" ")[1].decode()).query
    return parse_qs(form).get("Action", [""])[0]


def _frozen(only: Collection[str] | None) -> frozenset[str] | None:
    return None if only is None else frozenset(only)

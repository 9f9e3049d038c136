"""The proxy fails as it says, and counts what it is asked: the transport's tests rest on it."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.fakes.faulty_proxy import FaultyProxy
from tests.fakes.loopback_server import HttpHandler, LoopbackServer

PATIENCE = 0.3
"""How long silence must last to count as such."""


class Target(LoopbackServer):
    """Answers each POST with what was posted, once ``hold`` is set; a GET in chunks."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.hold = threading.Event()
        self.hold.set()
        target = self

        class Handler(HttpHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.body()
                assert "Expect" not in self.headers
                target.asked.append(body)
                target.hold.wait(10)
                self.answer(200, {}, body)

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for piece in (b"3\r\nabc\r\n", b"2\r\nde\r\n", b"0\r\n\r\n"):
                    self.wfile.write(piece)

        super().__init__(Handler)


class Client:
    """One connection, kept alive."""

    def __init__(self, proxy: FaultyProxy) -> None:
        address = proxy.endpoint.removeprefix("http://")
        self.connection = http.client.HTTPConnection(address, timeout=5)

    def ask(self, action: str = "ReceiveMessage", body: bytes = b"{}") -> tuple[int, bytes]:
        self.send(action, body)
        return self.answer()

    def send(self, action: str = "ReceiveMessage", body: bytes = b"{}") -> None:
        self.connection.request("POST", "/", body, {"X-Amz-Target": f"AmazonSQS.{action}"})

    def answer(self) -> tuple[int, bytes]:
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def hears_nothing(self) -> bool:
        """Silence, and the connection open."""
        assert self.connection.sock is not None
        self.connection.sock.settimeout(PATIENCE)
        try:
            self.connection.sock.recv(1)
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        self.connection.close()


@pytest.fixture
def target() -> Iterator[Target]:
    with Target() as served:
        yield served


@pytest.fixture
def proxy(target: Target) -> Iterator[FaultyProxy]:
    with FaultyProxy(target.address) as started:
        yield started


@pytest.fixture
def connect(proxy: FaultyProxy) -> Iterator[Callable[[], Client]]:
    clients: list[Client] = []

    def connected() -> Client:
        clients.append(Client(proxy))
        return clients[-1]

    yield connected
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Callable[[], Client]) -> Client:
    return connect()


def until(true: Callable[[], object]) -> None:
    last = time.monotonic() + 5
    while not true():
        assert time.monotonic() < last
        time.sleep(0.005)


def test_passes_on_over_one_connection(client: Client) -> None:
    client.connection.connect()
    kept = client.connection.sock

    assert client.ask(body=b"one") == (200, b"one")
    assert client.ask(body=b"x" * 3_000_000) == (200, b"x" * 3_000_000)
    assert client.connection.sock is kept


def test_passes_on_a_chunked_answer(client: Client) -> None:
    client.connection.request("GET", "/")

    assert client.answer() == (200, b"abcde")


def test_answers_expect_100_continue_and_sends_it_on_without(proxy: FaultyProxy, target: Target) -> None:
    host, _, port = proxy.endpoint.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert raw.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(b"ok")
        assert raw.recv(100).startswith(b"HTTP/1.1 200")

    assert target.asked == [b"ok"]


def test_counts_actions_of_both_protocols(proxy: FaultyProxy, client: Client) -> None:
    client.ask("ReceiveMessage")
    client.ask("ReceiveMessage")
    client.ask("DeleteMessageBatch")
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    client.connection.request("POST", "/", b"Action=Publish&Version=2010-03-31", form)
    client.answer()
    client.connection.request("GET", "/?Action=ListTopics")
    client.answer()

    assert proxy.counts == {"ReceiveMessage": 2, "DeleteMessageBatch": 1, "Publish": 1, "ListTopics": 1}
    proxy.forget_counts()
    assert not proxy.counts


def test_counts_all_of_many_at_once(proxy: FaultyProxy, connect: Callable[[], Client]) -> None:
    def ask_often(client: Client) -> None:
        for _ in range(50):
            client.ask()

    threads = [threading.Thread(target=ask_often, args=(connect(),)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert proxy.counts == {"ReceiveMessage": 500}


def test_refuses_and_comes_back_at_the_same_port(
    proxy: FaultyProxy, client: Client, connect: Callable[[], Client]
) -> None:
    client.ask()
    for _ in range(3):
        proxy.refuse()

        with pytest.raises(ConnectionRefusedError):
            connect().ask()
        proxy.pass_on()
        assert connect().ask()[0] == 200
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        client.ask()


def test_resets_connections_new_and_old(
    proxy: FaultyProxy, target: Target, client: Client, connect: Callable[[], Client]
) -> None:
    target.hold.clear()
    client.send()
    until(lambda: target.asked)

    proxy.reset()

    with pytest.raises(ConnectionResetError):
        client.answer()
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        connect().ask()
    target.hold.set()
    proxy.pass_on()
    assert connect().ask()[0] == 200


def test_answers_itself(proxy: FaultyProxy, target: Target, client: Client) -> None:
    client.ask()
    proxy.answer(503, b"later", "text/plain")

    assert client.ask() == (503, b"later")
    assert client.ask() == (503, b"later")
    assert len(target.asked) == 1
    assert proxy.counts["ReceiveMessage"] == 3
    proxy.pass_on()
    assert client.ask() == (200, b"{}")


def test_a_fault_of_some_actions_leaves_the_others_alone(proxy: FaultyProxy, client: Client) -> None:
    proxy.answer(403, b"no", only={"ReceiveMessage"})

    assert client.ask("ReceiveMessage") == (403, b"no")
    assert client.ask("DeleteMessage") == (200, b"{}")


def test_a_black_hole_swallows_requests_and_the_answers_under_way(
    proxy: FaultyProxy, target: Target, client: Client, connect: Callable[[], Client]
) -> None:
    idle = connect()
    idle.ask(body=b"before")
    target.hold.clear()
    client.send(body=b"under way")
    until(lambda: len(target.asked) == 2)

    proxy.black_hole()
    target.hold.set()
    new = connect()
    new.send(body=b"swallowed")

    assert new.hears_nothing()
    assert client.hears_nothing()
    proxy.pass_on()
    assert client.hears_nothing()
    assert idle.ask() == (200, b"{}")
    assert target.asked == [b"before", b"under way", b"{}"]


def test_a_slow_answer_is_late_and_its_request_is_not(proxy: FaultyProxy, target: Target, client: Client) -> None:
    proxy.slow(0.3)
    began = time.monotonic()
    client.send()
    until(lambda: target.asked)
    assert time.monotonic() - began < 0.2

    assert client.answer()[0] == 200
    assert 0.3 <= time.monotonic() - began < 1


def test_a_slow_answer_is_let_go_when_the_fault_ends(proxy: FaultyProxy, target: Target, client: Client) -> None:
    proxy.slow(60)
    client.send()
    until(lambda: target.asked)

    proxy.pass_on()

    assert client.answer()[0] == 200


def test_trickles(proxy: FaultyProxy, client: Client) -> None:
    proxy.trickle(2000)
    began = time.monotonic()

    assert client.ask(body=b"x" * 800) == (200, b"x" * 800)
    assert 0.4 <= time.monotonic() - began < 2


def test_a_target_that_is_down_resets(connect: Callable[[], Client], target: Target) -> None:
    target.close()

    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        connect().ask()

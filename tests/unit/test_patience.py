"""A queue that cannot be received from is asked again, but not at once, and said so once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
from kombu import Connection

from broker.channel import LONGEST_BACKOFF_SECONDS, Channel
from broker.transport import Transport

WORK, REMOTE_CONTROL = "discovery", "discovery@host.example.celery.pidbox"
URL = "http://127.0.0.1:9/1/queue"


class FakeHub:
    """Remembers what is to be called, and when."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def call_later(self, seconds: float, _: Callable[[str], None], __: str) -> None:
        self.waits.append(seconds)

    def call_soon(self, _: Callable[[str], None], __: str) -> None:
        self.waits.append(0)


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def channel(hub: FakeHub) -> Iterator[Channel]:
    options = {"queue_urls": {}, "region": "us-east-1", "is_secure": False, "polling_interval": 0}
    with Connection("sqs://key:secret@127.0.0.1:9", transport=Transport, transport_options=options) as connection:
        connection.connection.polling_interval = 0
        channel = connection.channel()
        channel.hub = hub
        channel._active_queues += [WORK, REMOTE_CONTROL]
        channel._noack_queues.add(REMOTE_CONTROL)
        yield channel
        channel._active_queues.clear()


def fail(channel: Channel, queue: str, times: int = 1) -> None:
    """The queue's poll ends in a refusal, and the next one is planned."""
    for _ in range(times):
        channel._loop1(queue, channel._on_messages_ready(URL, queue, {"Trouble": "HTTP 503"}))


def answer(channel: Channel, queue: str) -> None:
    channel._loop1(queue, channel._on_messages_ready(URL, queue, {}))


@pytest.mark.parametrize("queue", [WORK, REMOTE_CONTROL])
def test_a_queue_that_fails_is_asked_again_after_a_while(channel: Channel, hub: FakeHub, queue: str) -> None:
    fail(channel, queue, times=20)

    assert len(hub.waits) == 20
    assert all(0 < wait <= LONGEST_BACKOFF_SECONDS for wait in hub.waits)


@pytest.mark.parametrize("queue", [WORK, REMOTE_CONTROL])
def test_a_queue_that_answers_again_is_asked_at_once(channel: Channel, hub: FakeHub, queue: str) -> None:
    fail(channel, queue)
    answer(channel, queue)

    assert hub.waits[-1] == 0


def test_the_trouble_of_one_queue_does_not_slow_another(channel: Channel, hub: FakeHub) -> None:
    fail(channel, WORK)
    answer(channel, REMOTE_CONTROL)

    assert hub.waits[-1] == 0


def test_an_outage_is_told_once_and_so_is_its_end(channel: Channel, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="broker.channel"):
        fail(channel, WORK, times=3)
        fail(channel, REMOTE_CONTROL, times=3)
        answer(channel, WORK)
        answer(channel, REMOTE_CONTROL)

    assert [record.getMessage() for record in caplog.records] == [
        f"cannot receive from {URL}: HTTP 503; trying again until it answers",
        f"receiving from {URL} again",
    ]


def test_a_poll_that_a_shutdown_cut_off_is_no_trouble(channel: Channel, caplog: pytest.LogCaptureFixture) -> None:
    channel._active_queues.remove(WORK)
    with caplog.at_level(logging.WARNING, logger="broker.channel"):
        channel._on_messages_ready(URL, WORK, {"Trouble": "cancelled"})

    assert caplog.records == []

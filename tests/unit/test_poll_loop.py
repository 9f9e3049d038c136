"""The poll loop, turned by hand: it waits for room, survives what signing does, and starts again what stalls."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from kombu import Connection

from broker.channel import Channel
from broker.receiver import TOTAL_SECONDS
from broker.receiving import FULL_PAUSE_SECONDS, STALLED_SECONDS
from broker.transport import Transport

WAIT_SECONDS = 20
LONG_AGO = -(WAIT_SECONDS + TOTAL_SECONDS + STALLED_SECONDS + 1.0)


class HandHub:
    """An event loop that keeps what it is given until a test calls it."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], Any]] = []
        self.later: list[tuple[float, Callable[[], Any]]] = []

    def call_soon(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.soon.append(lambda: call(*arguments))

    def call_later(self, seconds: float, call: Callable[..., Any], *arguments: Any) -> None:
        self.later.append((seconds, lambda: call(*arguments)))


class Polls:
    """In place of the connection that receives: it keeps each poll's callback."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[Any], Any]] = []
        self.error: Exception | None = None

    def receive_message(self, *_: Any, callback: Callable[[Any], Any], **__: Any) -> None:
        if self.error is not None:
            raise self.error
        self.callbacks.append(callback)


@pytest.fixture
def hub() -> HandHub:
    return HandHub()


@pytest.fixture
def polls() -> Polls:
    return Polls()


@pytest.fixture
def liveness(tmp_path: Path) -> Path:
    return tmp_path / "alive"


@pytest.fixture
def channel(hub: HandHub, polls: Polls, liveness: Path) -> Iterator[Channel]:
    options = {
        "queue_urls": {"work": "http://127.0.0.1:9/1/work"},
        "wait_time_seconds": WAIT_SECONDS,
        "polling_interval": 0,
        "region": "us-east-1",
        "is_secure": False,
        "liveness_file": str(liveness),
    }
    with Connection("sqs://key:secret@127.0.0.1:9", transport=Transport, transport_options=options) as connection:
        channel = connection.channel()
        channel.hub = hub
        channel._asynsqs = polls
        channel._active_queues.append("work")
        yield channel
        channel._active_queues.clear()


def test_a_poll_that_found_messages_is_followed_by_another_at_once(
    channel: Channel, hub: HandHub, polls: Polls
) -> None:
    channel._schedule_queue("work")
    polls.callbacks.pop()({"Messages": []})

    (again,) = hub.soon
    again()
    assert len(polls.callbacks) == 1


def test_a_worker_with_its_hands_full_looks_again_instead_of_polling_or_spinning(
    channel: Channel, hub: HandHub, polls: Polls
) -> None:
    channel.qos.prefetch_count = 1
    channel.qos.append(object(), "in hand")

    channel._schedule_queue("work")
    assert (polls.callbacks, hub.soon) == ([], [])
    ((seconds, again),) = hub.later
    assert seconds == FULL_PAUSE_SECONDS

    channel.qos.ack("in hand")
    again()
    assert len(polls.callbacks) == 1


@pytest.mark.parametrize(("prefetch", "in_hand", "polls_again"), [(32, 23, False), (32, 22, True), (4, 3, False)])
def test_a_poll_waits_until_a_request_is_worth_it(
    channel: Channel, polls: Polls, prefetch: int, in_hand: int, *, polls_again: bool
) -> None:
    channel.qos.prefetch_count = prefetch
    for number in range(in_hand):
        channel.qos.append(object(), str(number))

    channel._schedule_queue("work")

    assert bool(polls.callbacks) is polls_again
    for number in range(in_hand):
        channel.qos.ack(str(number))


def test_credentials_that_cannot_be_had_are_told_and_waited_for(
    channel: Channel, hub: HandHub, polls: Polls, caplog: pytest.LogCaptureFixture
) -> None:
    polls.error = NoCredentialsError()
    with caplog.at_level(logging.WARNING):
        channel._schedule_queue("work")
        hub.later.pop()[1]()

    assert [record.getMessage() for record in caplog.records] == [
        "cannot receive from work: Unable to locate credentials; trying again until it answers"
    ]
    polls.error = None
    hub.later.pop()[1]()
    assert len(polls.callbacks) == 1


def test_a_stalled_poll_is_begun_anew_and_its_late_answer_begins_no_second_chain(
    channel: Channel, hub: HandHub, polls: Polls
) -> None:
    channel._schedule_queue("work")
    channel._polls["work"] += LONG_AGO
    channel._watch()
    stalled, anew = polls.callbacks

    stalled({"Messages": []})
    assert hub.soon == []
    anew({"Messages": []})
    assert len(hub.soon) == 1


def test_a_poll_under_way_is_left_alone(channel: Channel, polls: Polls) -> None:
    channel._schedule_queue("work")
    channel._watch()

    assert len(polls.callbacks) == 1


def test_the_loop_says_that_it_lives_also_while_sqs_does_not_answer(
    channel: Channel, polls: Polls, liveness: Path
) -> None:
    channel._schedule_queue("work")
    polls.callbacks.pop()({"Trouble": "HTTP 500"})

    channel._watch()
    os.utime(liveness, (0, 0))
    channel._watch()
    assert liveness.stat().st_mtime > 0


def test_a_liveness_file_that_cannot_be_written_ends_nothing(channel: Channel, liveness: Path) -> None:
    liveness.parent.rmdir()

    channel._watch()


def test_after_the_end_nothing_is_polled(channel: Channel, hub: HandHub, polls: Polls) -> None:
    channel._schedule_queue("work")
    channel.close()

    polls.callbacks.pop()({"Messages": [{"ReceiptHandle": "late", "Body": ""}]})
    assert (hub.soon, hub.later) == ([], [])

"""The poll loop: a queue that cannot be received from is asked again, not at once, and said so once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from kombu import Connection

from broker.channel import Channel
from broker.receiver import LONGEST_BACKOFF_SECONDS
from broker.receiving import GATHERING_SECONDS
from broker.transport import Transport

WORK, REMOTE_CONTROL = "discovery", "discovery@host.example.celery.pidbox"
URL = "http://127.0.0.1:9/1/queue"


class FakeHub:
    """Remembers what is to be called, and when; calls it when told."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._calls: list[Callable[[], None]] = []

    def call_later(self, seconds: float, call: Callable[..., None], *arguments: Any) -> None:
        self.waits.append(seconds)
        self._calls.append(partial(call, *arguments))

    def call_soon(self, call: Callable[..., None], *arguments: Any) -> None:
        self.call_later(0, call, *arguments)

    def turn(self) -> None:
        """Call what is to be called, and forget it."""
        calls, self._calls = self._calls, []
        self.waits.clear()
        for call in calls:
            call()


class Polls:
    """The receives that were begun, each with how to end it."""

    def __init__(self) -> None:
        self.begun: list[Callable[..., Any]] = []
        self.error: Exception | None = None

    def __call__(self, _: str, callback: Callable[..., Any]) -> None:
        if self.error is not None:
            raise self.error
        self.begun.append(callback)


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def polls() -> Polls:
    return Polls()


@pytest.fixture
def channel(hub: FakeHub, polls: Polls) -> Iterator[Channel]:
    options = {"queue_urls": {WORK: URL}, "region": "us-east-1", "is_secure": False}
    with Connection("sqs://key:secret@127.0.0.1:9", transport=Transport, transport_options=options) as connection:
        connection.connection.polling_interval = 0
        channel = connection.channel()
        channel.hub = hub
        channel._get_bulk_async = polls
        channel._active_queues += [WORK, REMOTE_CONTROL]
        channel._noack_queues.add(REMOTE_CONTROL)
        channel._passing.add(REMOTE_CONTROL)
        yield channel
        channel._active_queues.clear()


def received(channel: Channel, queue: str, answer: dict[str, Any], times: int = 1) -> None:
    """A poll of the queue is begun, ends in the answer, and the next one is planned."""
    for _ in range(times):
        channel._schedule_queue(queue)
        channel._get_bulk_async.begun[-1](channel._on_messages_ready(URL, queue, answer))


def fail(channel: Channel, queue: str, times: int = 1) -> None:
    received(channel, queue, {"Trouble": "HTTP 503"}, times)


@pytest.mark.parametrize("queue", [WORK, REMOTE_CONTROL])
def test_a_queue_that_fails_is_asked_again_after_a_while(channel: Channel, hub: FakeHub, queue: str) -> None:
    fail(channel, queue, times=20)

    assert len(hub.waits) == 20
    assert all(0 < wait <= LONGEST_BACKOFF_SECONDS for wait in hub.waits)


@pytest.mark.parametrize("queue", [WORK, REMOTE_CONTROL])
def test_a_queue_that_answers_again_is_asked_at_once(channel: Channel, hub: FakeHub, queue: str) -> None:
    fail(channel, queue)
    received(channel, queue, {})

    assert hub.waits[-1] == 0


def test_the_trouble_of_one_queue_does_not_slow_another(channel: Channel, hub: FakeHub) -> None:
    fail(channel, WORK)
    received(channel, REMOTE_CONTROL, {})

    assert hub.waits[-1] == 0


def test_an_outage_is_told_once_and_so_is_its_end_by_the_queue_of_work(
    channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="broker"):
        fail(channel, WORK, times=3)
        fail(channel, REMOTE_CONTROL, times=3)
        received(channel, WORK, {})
        received(channel, REMOTE_CONTROL, {})

    assert [record.getMessage() for record in caplog.records] == [
        f"cannot receive from {WORK}: HTTP 503; trying again until it answers",
        f"receiving from {WORK} again",
    ]


def test_a_poll_that_a_shutdown_cut_off_is_no_trouble(channel: Channel, caplog: pytest.LogCaptureFixture) -> None:
    channel._active_queues.remove(WORK)
    with caplog.at_level(logging.WARNING, logger="broker"):
        channel._on_messages_ready(URL, WORK, {"Trouble": "cancelled"})

    assert caplog.records == []


def test_a_poll_that_cannot_even_begin_is_trouble_and_begun_again(
    channel: Channel, hub: FakeHub, polls: Polls, caplog: pytest.LogCaptureFixture
) -> None:
    polls.error = NoCredentialsError()
    with caplog.at_level(logging.WARNING, logger="broker"):
        for _ in range(3):
            channel._schedule_queue(WORK)

    assert len(hub.waits) == 3
    assert all(0 < wait <= LONGEST_BACKOFF_SECONDS for wait in hub.waits)
    assert caplog.text.count("Unable to locate credentials") == 1


def test_a_cancelled_queue_is_polled_no_more(channel: Channel, hub: FakeHub, polls: Polls) -> None:
    channel._active_queues.remove(WORK)
    channel._schedule_queue(WORK)

    assert (polls.begun, hub.waits) == ([], [])


# Room ---------------------------------------------------------------------------------------------


def holding(channel: Channel, limit: int, held: int) -> None:
    channel.basic_qos(0, limit, apply_global=False)
    for number in range(held):
        message = SimpleNamespace(delivery_info={"sqs_queue": URL}, headers={"id": str(number)})
        channel.qos.append(message, str(number))


@pytest.mark.parametrize(("limit", "held"), [(0, 500), (1, 0), (4, 0), (100, 90)])
def test_a_full_call_is_made_at_once(channel: Channel, polls: Polls, limit: int, held: int) -> None:
    holding(channel, limit, held)
    channel._schedule_queue(WORK)

    assert len(polls.begun) == 1


@pytest.mark.parametrize(("limit", "held"), [(1, 1), (4, 4), (100, 100)])
def test_without_room_nothing_is_called_until_something_is_settled(
    channel: Channel, hub: FakeHub, polls: Polls, limit: int, held: int
) -> None:
    # A worker whose tasks take minutes would else look for room many times a second.
    holding(channel, limit, held)
    channel._schedule_queue(WORK)

    assert (hub.waits, polls.begun) == ([], [])


def test_what_is_settled_makes_room_for_a_full_call_at_once(channel: Channel, hub: FakeHub, polls: Polls) -> None:
    holding(channel, 12, 12)
    channel._schedule_queue(WORK)
    for number in range(10):
        channel.basic_ack(str(number))
    hub.turn()

    assert len(polls.begun) == 1


def test_a_little_room_is_used_after_a_moment_for_a_process_may_be_idle(
    channel: Channel, hub: FakeHub, polls: Polls
) -> None:
    holding(channel, 4, 4)
    channel._schedule_queue(WORK)
    channel.basic_reject("0")
    channel.basic_ack("1")
    assert hub.waits == [GATHERING_SECONDS]
    hub.turn()  # the moment is over
    assert polls.begun == []
    hub.turn()

    assert len(polls.begun) == 1


def test_room_that_was_taken_meanwhile_is_waited_for(channel: Channel, hub: FakeHub, polls: Polls) -> None:
    holding(channel, 4, 3)
    channel._schedule_queue(WORK)
    holding(channel, 4, 4)
    hub.turn()
    assert (polls.begun, hub.waits) == ([], [])

    for number in range(4):
        channel.basic_ack(str(number))
    hub.turn()

    assert len(polls.begun) == 1


def test_a_pool_that_grows_makes_room(channel: Channel, hub: FakeHub, polls: Polls) -> None:
    holding(channel, 4, 4)
    channel._schedule_queue(WORK)
    channel.basic_qos(0, 20, apply_global=False)
    hub.turn()

    assert len(polls.begun) == 1


def test_a_queue_that_was_cancelled_while_it_waited_for_room_is_polled_no_more(
    channel: Channel, hub: FakeHub, polls: Polls
) -> None:
    holding(channel, 1, 1)
    channel._schedule_queue(WORK)
    channel._active_queues.remove(WORK)
    channel.basic_ack("0")
    hub.turn()

    assert (polls.begun, hub.waits) == ([], [])


# Several polls at once ----------------------------------------------------------------------------


def full_answer(channel: Channel, hub: FakeHub, polls: Polls) -> None:
    """The first poll brings ten messages, and what follows from that begins."""
    channel._schedule_queue(WORK)
    polls.begun.pop(0)(10)
    hub.turn()
    hub.turn()


@pytest.mark.parametrize("limit", [0, 32])
def test_a_deep_queue_is_polled_twice_at_once(channel: Channel, hub: FakeHub, polls: Polls, limit: int) -> None:
    # A call brings ten messages however long it takes, and a worker may be done with them before.
    holding(channel, limit, 0)
    full_answer(channel, hub, polls)
    hub.turn()

    assert len(polls.begun) == 2


def test_a_queue_whose_answer_was_not_full_is_polled_once(channel: Channel, hub: FakeHub, polls: Polls) -> None:
    holding(channel, 32, 0)
    channel._schedule_queue(WORK)
    polls.begun.pop(0)(9)
    hub.turn()
    hub.turn()

    assert len(polls.begun) == 1


def test_once_a_queue_is_empty_one_poll_is_left(channel: Channel, hub: FakeHub, polls: Polls) -> None:
    holding(channel, 32, 0)
    full_answer(channel, hub, polls)
    for answer in polls.begun[:]:
        polls.begun.remove(answer)
        answer(0)
        hub.turn()

    assert len(polls.begun) == 1


def test_a_second_poll_needs_room_for_both_answers(channel: Channel, hub: FakeHub, polls: Polls) -> None:
    holding(channel, 32, 13)  # room for nineteen, of which the first poll may bring ten
    full_answer(channel, hub, polls)
    assert len(polls.begun) == 1

    channel.basic_ack("0")
    hub.turn()

    assert len(polls.begun) == 2


def test_polls_that_fail_are_not_multiplied(channel: Channel, hub: FakeHub, polls: Polls) -> None:
    holding(channel, 32, 0)
    full_answer(channel, hub, polls)
    for _ in range(3):
        for answer in polls.begun[:]:
            polls.begun.remove(answer)
            answer(channel._on_messages_ready(URL, WORK, {"Trouble": "HTTP 503"}))
        hub.turn()

    assert len(polls.begun) == 1


# The watchdog -------------------------------------------------------------------------------------


def later(channel: Channel, seconds: float) -> None:
    """As if each poll had begun so much earlier."""
    for queue in channel._polls:
        channel._polls[queue] -= seconds
    channel._under_way = {(queue, began - seconds) for queue, began in channel._under_way}


def test_a_poll_that_stalled_is_begun_anew(channel: Channel, polls: Polls, caplog: pytest.LogCaptureFixture) -> None:
    channel._schedule_queue(WORK)
    channel._watch()
    assert len(polls.begun) == 1
    later(channel, 200)
    with caplog.at_level(logging.WARNING, logger="broker"):
        channel._watch()
        channel._watch()

    assert len(polls.begun) == 2
    assert caplog.text.count("stalled") == 1


def test_a_poll_that_was_given_up_does_not_plan_another(channel: Channel, hub: FakeHub, polls: Polls) -> None:
    # Else each stall would leave one poll more than before.
    channel._schedule_queue(WORK)
    later(channel, 200)
    channel._watch()
    given_up, another = polls.begun
    given_up(0)
    assert hub.waits == []
    another(0)

    assert hub.waits == [0]


def test_a_worker_that_is_busy_for_long_has_not_stalled(
    channel: Channel, hub: FakeHub, polls: Polls, caplog: pytest.LogCaptureFixture
) -> None:
    holding(channel, 1, 1)
    channel._schedule_queue(WORK)
    later(channel, 200)
    with caplog.at_level(logging.WARNING, logger="broker"):
        channel._watch()

    assert (polls.begun, hub.waits, caplog.records) == ([], [], [])


def test_a_queue_that_was_never_polled_is_not_begun_by_the_watchdog(channel: Channel, polls: Polls) -> None:
    channel._watch()

    assert polls.begun == []


def test_the_liveness_file_is_touched_while_the_loop_turns(channel: Channel, tmp_path: Path) -> None:
    file = tmp_path / "alive"
    channel.options = replace(channel.options, liveness_file=str(file))
    channel._watch()

    assert file.exists()


def test_a_liveness_file_that_cannot_be_touched_is_told_and_no_more(
    channel: Channel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    channel.options = replace(channel.options, liveness_file=str(tmp_path / "no" / "such" / "folder"))
    channel._watch()

    assert "liveness file cannot be touched" in caplog.text

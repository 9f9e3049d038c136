"""Events leave in batches from a thread, and nobody waits for them: what cannot be sent is dropped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from broker.events import BYTES_PER_CALL, LONGEST_QUEUE, EventBatch

DENIED = ClientError({"Error": {"Code": "AuthorizationError", "Message": "not allowed"}}, "PublishBatch")
UNREACHABLE = EndpointConnectionError(endpoint_url="https://sns.example.org")
NEVER = 3600.0
PATIENCE = 10.0


class Topic:
    """Keeps what is published to it."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.error: Exception | None = None
        self.open = threading.Event()
        self.open.set()
        self._changed = threading.Condition()

    def publish(self, entries: list[dict[str, Any]]) -> None:
        assert self.open.wait(PATIENCE)
        assert len({entry["Id"] for entry in entries}) == len(entries)
        with self._changed:
            self.calls.append([entry["Message"] for entry in entries])
            self._changed.notify_all()
            if self.error is not None:
                raise self.error

    @property
    def messages(self) -> list[str]:
        return [message for call in self.calls for message in call]

    def wait_for(self, what: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(what, PATIENCE)


@pytest.fixture
def topic() -> Topic:
    return Topic()


@pytest.fixture
def batches(topic: Topic) -> Iterator[Callable[[float], EventBatch]]:
    """Makes batches, which end with the test."""
    made: list[EventBatch] = []

    def make(interval: float) -> EventBatch:
        made.append(EventBatch(topic.publish, interval))
        return made[-1]

    yield make
    topic.open.set()
    for batch in made:
        batch.close()


@pytest.fixture
def slow(batches: Callable[[float], EventBatch]) -> EventBatch:
    return batches(NEVER)


@pytest.fixture
def quick(batches: Callable[[float], EventBatch]) -> EventBatch:
    return batches(0.01)


@pytest.fixture(autouse=True)
def warnings_are_seen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.WARNING, logger="broker.events"):
        yield


def test_events_wait_for_others(slow: EventBatch, topic: Topic) -> None:
    for number in range(5):
        slow.add(f"event {number}")

    assert topic.calls == []


def test_events_are_published_when_their_time_is_over(quick: EventBatch, topic: Topic) -> None:
    quick.add("one")
    topic.wait_for(lambda: topic.messages == ["one"])
    quick.add("two")

    topic.wait_for(lambda: topic.messages == ["one", "two"])


def test_the_last_are_published_at_the_end_in_order_and_in_tens(slow: EventBatch, topic: Topic) -> None:
    events = [f"event {number}" for number in range(23)]
    for event in events:
        slow.add(event)
    slow.close()

    assert [len(call) for call in topic.calls] == [10, 10, 3]
    assert topic.messages == events


def test_a_call_is_no_larger_than_sns_takes(slow: EventBatch, topic: Topic) -> None:
    half = BYTES_PER_CALL // 2
    for letter in ("a", "b", "c"):
        slow.add(letter * half)
    slow.close()

    assert [len(call) for call in topic.calls] == [2, 1]


def test_an_event_too_large_for_a_call_is_tried_alone(slow: EventBatch, topic: Topic) -> None:
    for event in ("a", "b" * (BYTES_PER_CALL + 1), "c"):
        slow.add(event)
    slow.close()

    assert [len(call) for call in topic.calls] == [1, 1, 1]


def test_when_too_many_wait_the_oldest_are_dropped(slow: EventBatch, topic: Topic) -> None:
    for number in range(LONGEST_QUEUE + 7):
        slow.add(str(number))
    slow.close()

    assert topic.messages == [str(number) for number in range(7, LONGEST_QUEUE + 7)]


def test_whoever_adds_does_not_wait_for_a_topic_that_does_not_answer(quick: EventBatch, topic: Topic) -> None:
    topic.open.clear()
    for number in range(LONGEST_QUEUE * 2):
        quick.add(str(number))
    topic.open.set()

    topic.wait_for(lambda: topic.messages[-1:] == [str(LONGEST_QUEUE * 2 - 1)])


@pytest.mark.parametrize("error", [DENIED, UNREACHABLE, LookupError("a surprise")])
def test_trouble_is_told_once_and_drops_what_waits(
    slow: EventBatch, topic: Topic, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    topic.error = error
    for number in range(23):
        slow.add(f"lost {number}")
    slow._flush()
    slow.add("lost too")
    slow._flush()
    topic.error = None
    slow.add("found")
    slow._flush()

    assert [len(call) for call in topic.calls] == [10, 1, 1]
    assert topic.messages[-1] == "found"
    assert caplog.text.count("are not published") == 1
    assert caplog.text.count("are published again") == 1


def test_a_surprise_does_not_end_the_publishing(quick: EventBatch, topic: Topic) -> None:
    topic.error = LookupError("a surprise")
    quick.add("lost")
    topic.wait_for(lambda: "lost" in topic.messages)
    topic.error = None
    last = time.monotonic() + PATIENCE
    while "found" not in topic.messages and time.monotonic() < last:
        quick.add("found")  # and again: what comes while a call fails is dropped with it

    assert "found" in topic.messages


def test_the_end_is_not_kept_by_a_topic_that_is_gone(slow: EventBatch, topic: Topic) -> None:
    topic.error = UNREACHABLE
    for number in range(100):
        slow.add(str(number))
    slow.close()

    assert len(topic.calls) == 1  # each further one would wait as long


def test_without_events_there_is_no_thread_and_no_call(slow: EventBatch, topic: Topic) -> None:
    slow.close()

    assert topic.calls == []
    assert slow._thread is None


def test_the_end_may_come_twice(slow: EventBatch, topic: Topic) -> None:
    slow.add("one")
    slow.close()
    slow.close()

    assert topic.calls == [["one"]]


def test_a_batch_does_not_keep_a_process_from_ending(slow: EventBatch) -> None:
    slow.add("one")

    assert slow._thread is not None
    assert slow._thread.daemon

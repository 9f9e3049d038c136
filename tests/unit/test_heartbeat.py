"""The visibility heartbeat: what is in hand stays in hand, and what is lost is told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from broker.heartbeat import VisibilityHeartbeat

QUEUE = "https://sqs.example.org/1/queue"
OTHER = "https://sqs.example.org/1/other"
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "not allowed"}}, "ChangeMessageVisibilityBatch")


class FakeSqs:
    """Extends what it is asked to; fails the receipts and the queues that it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        """The queue and the receipts of each call."""
        self.timeouts: set[int] = set()
        self.lost: set[str] = set()
        self.is_our_fault = True
        self.errors: dict[str, Exception] = {}
        self.before_answer: Callable[[], None] = lambda: None
        self.called = threading.Semaphore(0)

    def change_message_visibility_batch(
        self,
        *,
        QueueUrl: str,  # noqa: N803 - boto3's names
        Entries: Sequence[dict[str, Any]],  # noqa: N803
    ) -> dict[str, Any]:
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        self.calls.append((QueueUrl, [entry["ReceiptHandle"] for entry in Entries]))
        self.timeouts |= {entry["VisibilityTimeout"] for entry in Entries}
        self.called.release()
        if QueueUrl in self.errors:
            raise self.errors[QueueUrl]
        self.before_answer()
        failed = [
            {
                "Id": entry["Id"],
                "Code": "MessageNotInflight",
                "Message": "not in flight",
                "SenderFault": self.is_our_fault,
            }
            for entry in Entries
            if entry["ReceiptHandle"] in self.lost
        ]
        return {"Successful": [], "Failed": failed}


def from_queue(queue: str | None = QUEUE) -> SimpleNamespace:
    """A received message, as kombu keeps it."""
    return SimpleNamespace(delivery_info={} if queue is None else {"sqs_queue": queue})


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


@pytest.fixture
def unsettled() -> dict[str, Any]:
    """What the worker has in hand."""
    return {}


@pytest.fixture
def heartbeat(sqs: FakeSqs, unsettled: Mapping[str, Any]) -> VisibilityHeartbeat:
    return VisibilityHeartbeat(sqs, 60, lambda: unsettled)


@pytest.fixture(autouse=True)
def warnings_are_seen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.WARNING, logger="broker.heartbeat"):
        yield


def test_everything_in_hand_is_extended_in_tens(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, unsettled: dict[str, Any]
) -> None:
    unsettled.update({f"receipt {number}": from_queue() for number in range(23)})

    heartbeat.beat()

    assert [len(receipts) for _, receipts in sqs.calls] == [10, 10, 3]
    assert [receipt for _, receipts in sqs.calls for receipt in receipts] == list(unsettled)


def test_it_is_extended_by_the_whole_timeout(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, unsettled: dict[str, Any]
) -> None:
    unsettled["receipt"] = from_queue()

    heartbeat.beat()

    assert sqs.timeouts == {60}


def test_each_queue_is_asked_for_its_own(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, unsettled: dict[str, Any]
) -> None:
    unsettled.update({"one": from_queue(QUEUE), "two": from_queue(OTHER), "three": from_queue(QUEUE)})

    heartbeat.beat()

    assert sqs.calls == [(QUEUE, ["one", "three"]), (OTHER, ["two"])]


def test_a_message_of_no_queue_is_left_alone(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, unsettled: dict[str, Any]
) -> None:
    unsettled.update({"of remote control": from_queue(None), "one": from_queue()})

    heartbeat.beat()

    assert sqs.calls == [(QUEUE, ["one"])]


def test_with_nothing_in_hand_nobody_is_asked(heartbeat: VisibilityHeartbeat, sqs: FakeSqs) -> None:
    heartbeat.beat()

    assert sqs.calls == []


def test_a_message_that_is_lost_is_told(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, unsettled: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    unsettled.update({"one": from_queue(), "two": from_queue()})
    sqs.lost = {"two"}

    heartbeat.beat()

    assert [record.getMessage() for record in caplog.records] == [
        f"a message of {QUEUE} is lost to this worker: not in flight"
    ]


def test_a_message_that_is_lost_is_told_once(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, unsettled: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    unsettled["one"] = from_queue()
    sqs.lost = {"one"}

    for _ in range(3):
        heartbeat.beat()

    assert len(caplog.records) == 1


def test_a_message_that_is_lost_is_not_asked_for_again(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, unsettled: dict[str, Any]
) -> None:
    unsettled.update({"one": from_queue(), "two": from_queue()})
    sqs.lost = {"two"}

    heartbeat.beat()
    heartbeat.beat()

    assert sqs.calls[-1] == (QUEUE, ["one"])


def test_a_message_that_sqs_could_not_extend_is_tried_again(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, unsettled: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    unsettled["one"] = from_queue()
    sqs.lost, sqs.is_our_fault = {"one"}, False

    heartbeat.beat()
    heartbeat.beat()

    assert sqs.calls == [(QUEUE, ["one"])] * 2
    assert "not extended" in caplog.text


def test_a_lost_message_that_comes_again_is_extended_again(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, unsettled: dict[str, Any]
) -> None:
    unsettled["one"] = from_queue()
    sqs.lost = {"one"}
    heartbeat.beat()
    unsettled.clear()
    heartbeat.beat()
    unsettled["one"] = from_queue()
    heartbeat.beat()

    assert sqs.calls == [(QUEUE, ["one"])] * 2


def test_what_was_settled_meanwhile_is_no_loss(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, unsettled: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    unsettled["one"] = from_queue()
    sqs.lost = {"one"}
    sqs.before_answer = unsettled.clear

    heartbeat.beat()

    assert caplog.records == []


def test_a_queue_that_refuses_does_not_keep_another_from_its_heartbeat(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, unsettled: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    unsettled.update({"one": from_queue(QUEUE), "two": from_queue(OTHER)})
    sqs.errors[QUEUE] = DENIED

    heartbeat.beat()

    assert sqs.calls == [(QUEUE, ["one"]), (OTHER, ["two"])]
    assert "AccessDenied" in caplog.text


def started(sqs: FakeSqs, unsettled: dict[str, Any], *, timeout: float) -> VisibilityHeartbeat:
    heartbeat = VisibilityHeartbeat(sqs, timeout, lambda: unsettled)
    heartbeat.start()
    return heartbeat


def test_a_heartbeat_beats_until_it_is_stopped(sqs: FakeSqs, unsettled: dict[str, Any]) -> None:
    unsettled["one"] = from_queue()
    heartbeat = started(sqs, unsettled, timeout=0.03)
    try:
        assert all(sqs.called.acquire(timeout=5) for _ in range(3))
    finally:
        heartbeat.stop()
    heartbeat._thread.join(timeout=5)

    assert not heartbeat._thread.is_alive()


def test_a_heartbeat_beats_at_a_third_of_the_timeout(heartbeat: VisibilityHeartbeat, sqs: FakeSqs) -> None:
    # Two may then fail before anything is lost; and none comes at once, for what was just received is fresh.
    waited: list[float] = []

    class EndedAtOnce(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0)
            return True

    heartbeat._ended = EndedAtOnce()
    heartbeat._run()

    assert waited == [20]
    assert sqs.calls == []


def test_a_heartbeat_survives_what_nobody_expected(
    sqs: FakeSqs, unsettled: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    unsettled["one"] = from_queue()
    sqs.errors[QUEUE] = RuntimeError("a surprise")
    heartbeat = started(sqs, unsettled, timeout=0.03)
    try:
        assert all(sqs.called.acquire(timeout=5) for _ in range(2))
    finally:
        heartbeat.stop()

    assert "a surprise" in caplog.text


def test_a_heartbeat_does_not_keep_a_process_from_ending(heartbeat: VisibilityHeartbeat) -> None:
    assert heartbeat._thread.daemon

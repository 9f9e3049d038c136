"""The visibility heartbeat: what is in hand stays in hand, and what is lost is told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from broker.heartbeat import VisibilityHeartbeat
from broker.settling import Receipt

QUEUE = "https://sqs.example.org/1/queue"
OTHER = "https://sqs.example.org/1/other"
UNREACHABLE = EndpointConnectionError(endpoint_url=QUEUE)
LONGEST_HOLD = 3600
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


class Clock:
    """Seconds, as ``time.monotonic`` tells them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


Held = dict[Receipt, str]


def held_of(*handles: str, queue: str = QUEUE) -> Held:
    """Receipts, with the ids of their tasks."""
    return {Receipt(queue, handle): f"task {handle}" for handle in handles}


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


@pytest.fixture
def held() -> Held:
    """What the worker has in hand."""
    return {}


@pytest.fixture
def told() -> list[str]:
    """The handles of the messages that were lost."""
    return []


@pytest.fixture
def seconds() -> Clock:
    return Clock()


@pytest.fixture
def heartbeat(sqs: FakeSqs, held: Held, told: list[str], seconds: Clock) -> VisibilityHeartbeat:
    return VisibilityHeartbeat(sqs, 60, lambda: held, longest_hold=LONGEST_HOLD, lost=told.append, clock=seconds)


@pytest.fixture(autouse=True)
def warnings_are_seen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.WARNING, logger="broker.heartbeat"):
        yield


def test_everything_in_hand_is_extended_in_tens(heartbeat: VisibilityHeartbeat, sqs: FakeSqs, held: Held) -> None:
    held |= held_of(*(f"receipt {number}" for number in range(23)))

    heartbeat.beat()

    assert [len(receipts) for _, receipts in sqs.calls] == [10, 10, 3]
    assert [receipt for _, receipts in sqs.calls for receipt in receipts] == [receipt.handle for receipt in held]


def test_it_is_extended_by_the_whole_timeout(heartbeat: VisibilityHeartbeat, sqs: FakeSqs, held: Held) -> None:
    held |= held_of("receipt")

    heartbeat.beat()

    assert sqs.timeouts == {60}


def test_each_queue_is_asked_for_its_own(heartbeat: VisibilityHeartbeat, sqs: FakeSqs, held: Held) -> None:
    held |= held_of("one") | held_of("two", queue=OTHER) | held_of("three")

    heartbeat.beat()

    assert sqs.calls == [(QUEUE, ["one", "three"]), (OTHER, ["two"])]


def test_with_nothing_in_hand_nobody_is_asked(heartbeat: VisibilityHeartbeat, sqs: FakeSqs) -> None:
    heartbeat.beat()

    assert sqs.calls == []


def test_a_message_that_is_lost_is_told_to_its_task_and_logged(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, held: Held, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    held |= held_of("one", "two")
    sqs.lost = {"two"}

    heartbeat.beat()

    assert told == ["two"]
    assert [record.getMessage() for record in caplog.records] == [
        "the message of task task two is lost to this worker: not in flight"
    ]


def test_a_message_that_is_lost_is_told_once(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, held: Held, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    held |= held_of("one")
    sqs.lost = {"one"}

    for _ in range(3):
        heartbeat.beat()

    assert told == ["one"]
    assert len(caplog.records) == 1


def test_a_message_that_is_lost_is_not_asked_for_again(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, held: Held
) -> None:
    held |= held_of("one", "two")
    sqs.lost = {"two"}

    heartbeat.beat()
    heartbeat.beat()

    assert sqs.calls[-1] == (QUEUE, ["one"])


def test_a_message_that_sqs_could_not_extend_is_tried_again(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, held: Held, caplog: pytest.LogCaptureFixture
) -> None:
    held |= held_of("one")
    sqs.lost, sqs.is_our_fault = {"one"}, False

    heartbeat.beat()
    heartbeat.beat()

    assert sqs.calls == [(QUEUE, ["one"])] * 2
    assert "not extended" in caplog.text


def test_a_lost_message_that_comes_again_is_extended_again(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, held: Held
) -> None:
    held |= held_of("one")
    sqs.lost = {"one"}
    heartbeat.beat()
    held.clear()
    heartbeat.beat()
    held |= held_of("one")
    heartbeat.beat()

    assert sqs.calls == [(QUEUE, ["one"])] * 2


def test_what_was_settled_meanwhile_is_no_loss(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, held: Held, caplog: pytest.LogCaptureFixture
) -> None:
    held |= held_of("one")
    sqs.lost = {"one"}
    sqs.before_answer = held.clear

    heartbeat.beat()

    assert caplog.records == []


def test_a_queue_that_refuses_does_not_keep_another_from_its_heartbeat(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, held: Held, caplog: pytest.LogCaptureFixture
) -> None:
    held |= held_of("one") | held_of("two", queue=OTHER)
    sqs.errors[QUEUE] = DENIED

    heartbeat.beat()

    assert sqs.calls == [(QUEUE, ["one"]), (OTHER, ["two"])]
    assert "AccessDenied" in caplog.text


# The longest hold ---------------------------------------------------------------------------------


def beat_until(heartbeat: VisibilityHeartbeat, seconds: Clock, until: float) -> None:
    """A beat at each third of the visibility timeout, from now on."""
    while seconds.now < until:
        heartbeat.beat()
        seconds.now += 20


def test_a_message_is_held_no_longer_than_allowed_and_its_task_is_told(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, held: Held, told: list[str], seconds: Clock
) -> None:
    received = seconds.now
    held |= held_of("one")

    beat_until(heartbeat, seconds, received + LONGEST_HOLD + 600)

    assert told == ["one"]
    # A beat comes up to 20 s after the receipt, and the last extension ends before the hold does.
    extensions = len(sqs.calls)
    assert received + (extensions - 1) * 20 + 60 <= received + LONGEST_HOLD - 20
    assert received + (extensions - 1) * 20 + 60 > received + LONGEST_HOLD - 60


def test_each_message_has_its_own_time(
    heartbeat: VisibilityHeartbeat, held: Held, told: list[str], seconds: Clock
) -> None:
    held |= held_of("early")
    beat_until(heartbeat, seconds, seconds.now + LONGEST_HOLD // 2)
    held |= held_of("late")
    beat_until(heartbeat, seconds, seconds.now + LONGEST_HOLD // 2)

    assert told == ["early"]


def test_a_message_that_is_settled_and_comes_again_has_its_time_anew(
    heartbeat: VisibilityHeartbeat, held: Held, told: list[str], seconds: Clock
) -> None:
    held |= held_of("one")
    beat_until(heartbeat, seconds, seconds.now + LONGEST_HOLD // 2)
    held.clear()
    heartbeat.beat()
    held |= held_of("one")
    beat_until(heartbeat, seconds, seconds.now + LONGEST_HOLD // 2)

    assert told == []


# Trouble ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [UNREACHABLE, DENIED])
def test_trouble_with_sqs_is_no_loss_and_logged_once(
    heartbeat: VisibilityHeartbeat,
    sqs: FakeSqs,
    held: Held,
    told: list[str],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    held |= held_of("one")
    sqs.errors[QUEUE] = error

    for _ in range(3):
        heartbeat.beat()

    assert told == []
    assert len(sqs.calls) == 3
    assert len(caplog.records) == 1


def test_after_trouble_all_is_extended_again_and_the_next_trouble_is_told(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, held: Held, caplog: pytest.LogCaptureFixture
) -> None:
    held |= held_of("one")
    for error in (UNREACHABLE, None, UNREACHABLE):
        sqs.errors = {QUEUE: error} if error else {}
        heartbeat.beat()

    assert sqs.calls == [(QUEUE, ["one"])] * 3
    assert len(caplog.records) == 2


def test_a_finished_task_is_extended_until_its_message_is_deleted(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, held: Held
) -> None:
    held[Receipt(QUEUE, "finished")] = ""

    heartbeat.beat()

    assert sqs.calls == [(QUEUE, ["finished"])]


def test_the_loss_of_a_finished_one_names_no_task(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, held: Held, caplog: pytest.LogCaptureFixture
) -> None:
    held[Receipt(QUEUE, "finished")] = ""
    sqs.lost = {"finished"}

    heartbeat.beat()

    assert "task (done) is lost" in caplog.text


# The thread ---------------------------------------------------------------------------------------


def started(sqs: FakeSqs, held: Held, *, timeout: float) -> VisibilityHeartbeat:
    heartbeat = VisibilityHeartbeat(
        sqs,
        timeout,  # type: ignore[arg-type]
        lambda: held,
        longest_hold=LONGEST_HOLD,
        lost=lambda _: None,
    )
    heartbeat.start()
    return heartbeat


def test_a_heartbeat_beats_until_it_is_stopped(sqs: FakeSqs, held: Held) -> None:
    held |= held_of("one")
    heartbeat = started(sqs, held, timeout=0.03)
    try:
        assert all(sqs.called.acquire(timeout=5) for _ in range(3))
    finally:
        heartbeat.stop()
    heartbeat._thread.join(timeout=5)

    assert not heartbeat._thread.is_alive()


def test_a_heartbeat_that_is_stopped_has_nothing_under_way_any_more(sqs: FakeSqs, held: Held) -> None:
    # What is released next would be hidden again by an extension that comes after.
    held |= held_of(*(f"receipt {number}" for number in range(23)))
    answer = threading.Event()
    sqs.before_answer = lambda: assert_true(answer.wait(10))
    heartbeat = started(sqs, held, timeout=0.03)
    assert sqs.called.acquire(timeout=5)
    stopping = threading.Thread(target=heartbeat.stop)
    stopping.start()
    assert heartbeat._ended.wait(5)
    assert stopping.is_alive()
    answer.set()
    stopping.join(5)

    assert not heartbeat._thread.is_alive()
    assert len(sqs.calls) == 1


def assert_true(holds: bool) -> None:  # noqa: FBT001 - what must hold
    assert holds


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


def test_what_a_beat_takes_does_not_put_off_the_next(
    heartbeat: VisibilityHeartbeat, sqs: FakeSqs, held: Held, seconds: Clock
) -> None:
    # A slow SQS would else use up, beat by beat, the time in which two may fail; but it is not asked without a pause.
    held |= held_of("one")
    takes = [0.0, 12.0, 50.0]
    waited: list[float] = []

    class EndsAfterThree(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0)
            return len(waited) > len(takes)

    def answer() -> None:
        seconds.now += takes[len(sqs.calls) - 1]

    sqs.before_answer = answer
    heartbeat._ended = EndsAfterThree()
    heartbeat._run()

    assert waited == [20, 20, 8, 5]


def test_a_heartbeat_survives_what_nobody_expected(sqs: FakeSqs, held: Held, caplog: pytest.LogCaptureFixture) -> None:
    held |= held_of("one")
    sqs.errors[QUEUE] = RuntimeError("a surprise")
    heartbeat = started(sqs, held, timeout=0.03)
    try:
        assert all(sqs.called.acquire(timeout=5) for _ in range(2))
    finally:
        heartbeat.stop()

    assert "a surprise" in caplog.text


def test_a_heartbeat_does_not_keep_a_process_from_ending(heartbeat: VisibilityHeartbeat) -> None:
    assert heartbeat._thread.daemon

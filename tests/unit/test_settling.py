"""Settling: deleted in tens or in time, released, buried; nothing counts as settled until SQS has said so."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from broker.settling import Receipt, Settler

QUEUE = "https://sqs.example.org/1/queue"
OTHER = "https://sqs.example.org/1/other"
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "not allowed"}}, "DeleteMessageBatch")
UNREACHABLE = EndpointConnectionError(endpoint_url=QUEUE)
NEVER = 3600.0
"""An interval that no test waits for."""
PATIENCE = 10.0


class FakeSqs:
    """Does what it is asked to, and says so to whoever waits; fails what it is told to."""

    def __init__(self) -> None:
        self.deletes: list[tuple[str, list[str]]] = []
        """The queue and the receipts of each call, answered or not."""
        self.deleted: set[str] = set()
        self.visible: dict[str, int] = {}
        """Released receipts, and after how many seconds."""
        self.error: Exception | None = None
        """Of every call."""
        self.expired: set[str] = set()
        self.busy: dict[str, int] = defaultdict(int)
        """How many more times SQS fails to delete a receipt by its own fault."""
        self._changed = threading.Condition()

    def delete_message_batch(self, *, QueueUrl: str, Entries: Sequence[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        handles = [entry["ReceiptHandle"] for entry in Entries]
        assert 1 <= len(handles) <= 10
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        with self._changed:
            self.deletes.append((QueueUrl, handles))
            self._changed.notify_all()
            if self.error is not None:
                raise self.error
            failed = []
            for entry in Entries:
                handle = entry["ReceiptHandle"]
                if handle in self.expired:
                    failed.append({"Id": entry["Id"], "Code": "ReceiptHandleIsInvalid", "SenderFault": True})
                elif self.busy[handle]:
                    self.busy[handle] -= 1
                    failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
                else:
                    self.deleted.add(handle)
            return {"Successful": [], "Failed": failed}

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: Sequence[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert QueueUrl
        with self._changed:
            self._changed.notify_all()
            if self.error is not None:
                raise self.error
            gone = [entry for entry in Entries if entry["ReceiptHandle"] in self.expired]
            self.visible |= {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in Entries}
            return {"Failed": [{"Id": entry["Id"], "Code": "MessageNotInflight"} for entry in gone]}

    def wait_for(self, what: Callable[[], bool]) -> None:
        """Until a call made it so."""
        with self._changed:
            assert self._changed.wait_for(what, PATIENCE)


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


@pytest.fixture
def settlers(sqs: FakeSqs) -> Iterator[Callable[[float], Settler]]:
    """Makes settlers, which end with the test."""
    made: list[Settler] = []

    def make(interval: float) -> Settler:
        made.append(Settler(sqs, interval))
        return made[-1]

    yield make
    for settler in made:
        settler.close()


@pytest.fixture
def slow(settlers: Callable[[float], Settler]) -> Settler:
    """Sends for no interval's sake."""
    return settlers(NEVER)


@pytest.fixture
def quick(settlers: Callable[[float], Settler]) -> Settler:
    return settlers(0.01)


@pytest.fixture(autouse=True)
def warnings_are_seen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, logger="broker.settling"):
        yield


def receipts(count: int, queue: str = QUEUE) -> list[Receipt]:
    return [Receipt(queue, f"receipt {number}") for number in range(count)]


def delete(settler: Settler, *handles: str, queue: str = QUEUE) -> None:
    for handle in handles:
        settler.delete(Receipt(queue, handle))


# Deleting -----------------------------------------------------------------------------------------


def test_ten_are_deleted_at_once(slow: Settler, sqs: FakeSqs) -> None:
    for receipt in receipts(10):
        slow.delete(receipt)

    sqs.wait_for(lambda: len(sqs.deleted) == 10)
    assert [len(handles) for _, handles in sqs.deletes] == [10]


def test_fewer_than_ten_wait_for_others(slow: Settler, sqs: FakeSqs) -> None:
    for receipt in receipts(9):
        slow.delete(receipt)
    slow.flush(full_calls_only=True)

    assert sqs.deletes == []
    assert slow.pending_deletes() == receipts(9)


def test_fewer_than_ten_are_deleted_when_their_time_is_over(quick: Settler, sqs: FakeSqs) -> None:
    delete(quick, "one", "two")

    sqs.wait_for(lambda: sqs.deleted == {"one", "two"})


def test_what_comes_later_is_deleted_too(quick: Settler, sqs: FakeSqs) -> None:
    delete(quick, "one")
    sqs.wait_for(lambda: sqs.deleted == {"one"})
    delete(quick, "two")

    sqs.wait_for(lambda: sqs.deleted == {"one", "two"})


def test_what_is_over_ten_waits_for_the_next_ten(slow: Settler, sqs: FakeSqs) -> None:
    for receipt in receipts(23):
        slow.delete(receipt)
    sqs.wait_for(lambda: len(sqs.deleted) >= 20)
    slow.close()

    assert len(sqs.deleted) == 23
    assert all(len(handles) == 10 for _, handles in sqs.deletes[:-1])


def test_each_queue_gets_its_own_call(slow: Settler, sqs: FakeSqs) -> None:
    delete(slow, "one")
    delete(slow, "two", queue=OTHER)
    slow.flush()

    assert sorted(sqs.deletes) == [(OTHER, ["two"]), (QUEUE, ["one"])]


def test_ten_of_several_queues_are_no_full_call_and_wait_for_their_time(
    settlers: Callable[[float], Settler], sqs: FakeSqs
) -> None:
    settler = settlers(0.2)
    delete(settler, *(f"a {number}" for number in range(9)))
    delete(settler, *(f"b {number}" for number in range(9)), queue=OTHER)

    sqs.wait_for(lambda: len(sqs.deleted) == 18)
    assert len(sqs.deletes) == 2


def test_releases_do_not_put_off_the_deletes(settlers: Callable[[float], Settler], sqs: FakeSqs) -> None:
    settler = settlers(0.2)
    delete(settler, "done")
    last = time.monotonic() + PATIENCE
    released = 0
    while not sqs.deleted and time.monotonic() < last:
        handle = f"back {released}"
        settler.release(Receipt(QUEUE, handle))
        sqs.wait_for(lambda handle=handle: handle in sqs.visible)  # type: ignore[misc]
        released += 1

    assert sqs.deleted == {"done"}


def test_what_is_deleted_is_pending_no_more(slow: Settler) -> None:
    delete(slow, "one")
    assert slow.pending_deletes() == [Receipt(QUEUE, "one")]
    slow.flush()

    assert slow.pending_deletes() == []


def test_without_work_there_is_no_thread_and_no_call(slow: Settler, sqs: FakeSqs) -> None:
    slow.close()

    assert sqs.deletes == []
    assert slow._thread is None


def test_a_settler_does_not_keep_a_process_from_ending(slow: Settler) -> None:
    delete(slow, "one")

    assert slow._thread is not None
    assert slow._thread.daemon


# What SQS does not delete -------------------------------------------------------------------------


def test_an_expired_receipt_fails_alone_and_is_told(
    slow: Settler, sqs: FakeSqs, caplog: pytest.LogCaptureFixture
) -> None:
    sqs.expired = {"two"}
    delete(slow, "one", "two", "three")
    assert slow.flush()

    assert sqs.deleted == {"one", "three"}
    assert slow.pending_deletes() == []
    assert "SQS will hand it out again: ReceiptHandleIsInvalid" in caplog.text


def test_what_sqs_fails_by_its_own_fault_is_tried_again(quick: Settler, sqs: FakeSqs) -> None:
    sqs.busy["two"] = 2
    delete(quick, "one", "two", "three")

    sqs.wait_for(lambda: "two" in sqs.deleted)
    attempts = [handles for _, handles in sqs.deletes if "two" in handles]
    assert len(attempts) == 3
    assert sum("one" in handles for _, handles in sqs.deletes) == 1


def test_while_it_is_tried_again_it_is_pending(slow: Settler, sqs: FakeSqs) -> None:
    sqs.busy["two"] = 1
    delete(slow, "one", "two")

    assert not slow.flush()
    assert slow.pending_deletes() == [Receipt(QUEUE, "two")]


@pytest.mark.parametrize("error", [UNREACHABLE, DENIED])
def test_while_sqs_does_not_answer_all_is_pending_and_told_once(
    slow: Settler, sqs: FakeSqs, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    sqs.error = error
    delete(slow, "one", "two")
    for _ in range(3):
        assert not slow.flush()

    assert slow.pending_deletes() == [Receipt(QUEUE, "one"), Receipt(QUEUE, "two")]
    assert caplog.text.count("are not deleted") == 1


def test_once_sqs_answers_again_all_is_deleted_and_told(
    quick: Settler, sqs: FakeSqs, caplog: pytest.LogCaptureFixture
) -> None:
    sqs.error = UNREACHABLE
    delete(quick, "one", "two")
    sqs.wait_for(lambda: len(sqs.deletes) >= 3)
    sqs.error = None
    sqs.wait_for(lambda: sqs.deleted == {"one", "two"})
    quick.close()

    assert caplog.text.count("are not deleted") == 1
    assert caplog.text.count("are deleted again") == 1


def test_one_queues_trouble_does_not_keep_another_from_its_deletes(slow: Settler, sqs: FakeSqs) -> None:
    delete(slow, "one")
    delete(slow, "two", queue=OTHER)
    taken = sqs.delete_message_batch

    def denied_to_one(**arguments: Any) -> dict[str, Any]:
        if arguments["QueueUrl"] == QUEUE:
            raise DENIED
        return taken(**arguments)

    sqs.delete_message_batch = denied_to_one  # type: ignore[method-assign]
    assert not slow.flush()
    sqs.delete_message_batch = taken  # type: ignore[method-assign]

    assert sqs.deleted == {"two"}
    assert slow.pending_deletes() == [Receipt(QUEUE, "one")]


def test_a_surprise_does_not_end_the_settling(quick: Settler, sqs: FakeSqs, caplog: pytest.LogCaptureFixture) -> None:
    sqs.error = RuntimeError("a surprise")
    delete(quick, "one")
    sqs.wait_for(lambda: len(sqs.deletes) >= 2)
    sqs.error = None

    sqs.wait_for(lambda: sqs.deleted == {"one"})
    assert "a surprise" in caplog.text


# Releasing ----------------------------------------------------------------------------------------


def test_what_is_released_is_visible_at_once(slow: Settler, sqs: FakeSqs) -> None:
    slow.release(Receipt(QUEUE, "one"))

    sqs.wait_for(lambda: sqs.visible == {"one": 0})


def test_a_release_may_be_for_later(slow: Settler, sqs: FakeSqs) -> None:
    slow.release(Receipt(QUEUE, "one"), 60)
    slow.release(Receipt(QUEUE, "two"))

    sqs.wait_for(lambda: sqs.visible == {"one": 60, "two": 0})


def test_a_release_that_fails_is_left_to_its_timeout(
    slow: Settler, sqs: FakeSqs, caplog: pytest.LogCaptureFixture
) -> None:
    sqs.error = UNREACHABLE
    slow.release(Receipt(QUEUE, "one"))
    slow.close()

    assert sqs.visible == {}
    assert "become visible only after their timeout" in caplog.text


def test_a_release_of_what_others_have_by_now_is_nothing_to_warn_of(
    slow: Settler, sqs: FakeSqs, caplog: pytest.LogCaptureFixture
) -> None:
    sqs.expired = {"one"}
    slow.release(Receipt(QUEUE, "one"))
    slow.close()

    assert [record.levelno for record in caplog.records] == [logging.INFO]


# Burying ------------------------------------------------------------------------------------------


def test_poison_is_copied_and_then_deleted(slow: Settler, sqs: FakeSqs) -> None:
    copied: list[set[str]] = []
    slow.bury(Receipt(QUEUE, "poison"), lambda: copied.append(set(sqs.deleted)))
    slow.close()

    assert copied == [set()]
    assert sqs.deleted == {"poison"}


@pytest.mark.parametrize("error", [UNREACHABLE, DENIED])
def test_poison_that_cannot_be_copied_is_released(
    slow: Settler, sqs: FakeSqs, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def copy() -> None:
        raise error

    slow.bury(Receipt(QUEUE, "poison"), copy)
    slow.close()

    assert sqs.visible == {"poison": 0}
    assert sqs.deleted == set()
    assert "by redrive, without its reason" in caplog.text


def test_poison_whose_copy_is_a_surprise_harms_no_other(
    slow: Settler, sqs: FakeSqs, caplog: pytest.LogCaptureFixture
) -> None:
    def copy() -> None:
        raise ValueError("Parameter validation failed")

    slow.bury(Receipt(QUEUE, "poison"), copy)
    slow.bury(Receipt(QUEUE, "more"), lambda: None)
    delete(slow, "done")
    slow.release(Receipt(QUEUE, "back"))
    slow.close()

    assert sqs.deleted == {"more", "done"}
    assert sqs.visible == {"poison": 0, "back": 0}
    assert "Parameter validation failed" in caplog.text


# The end ------------------------------------------------------------------------------------------


def test_at_the_end_all_is_sent(slow: Settler, sqs: FakeSqs) -> None:
    delete(slow, "one", "two")
    slow.release(Receipt(QUEUE, "three"))
    slow.close()

    assert sqs.deleted == {"one", "two"}
    assert sqs.visible == {"three": 0}


def test_what_cannot_be_sent_at_the_end_is_told(slow: Settler, sqs: FakeSqs, caplog: pytest.LogCaptureFixture) -> None:
    # It is not lost: SQS hands it out again.
    sqs.error = UNREACHABLE
    delete(slow, "one", "two")
    slow.close()

    assert slow.pending_deletes() == [Receipt(QUEUE, "one"), Receipt(QUEUE, "two")]
    assert "2 finished messages could not be deleted: SQS will hand them out again" in caplog.text


def test_an_end_does_not_wait_for_the_pause_between_attempts(sqs: FakeSqs, slow: Settler) -> None:
    sqs.error = UNREACHABLE
    for receipt in receipts(10):
        slow.delete(receipt)
    sqs.wait_for(lambda: len(sqs.deletes) == 1)
    slow.close()

    assert slow._thread is not None
    assert not slow._thread.is_alive()


def test_what_is_settled_after_the_end_is_sent_by_the_next_flush(slow: Settler, sqs: FakeSqs) -> None:
    slow.close()
    delete(slow, "one")
    slow.flush()

    assert sqs.deleted == {"one"}


def test_an_end_may_come_twice(slow: Settler, sqs: FakeSqs) -> None:
    delete(slow, "one")
    slow.close()
    slow.close()

    assert sqs.deletes == [(QUEUE, ["one"])]


def test_many_threads_lose_nothing(quick: Settler, sqs: FakeSqs) -> None:
    def finish(thread: int) -> None:
        delete(quick, *(f"{thread}.{number}" for number in range(100)))

    threads = [threading.Thread(target=finish, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    quick.close()

    assert len(sqs.deleted) == 400
    assert sum(len(handles) for _, handles in sqs.deletes) == 400

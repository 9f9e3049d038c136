"""Publishing in batches: ten entries and a mebibyte a call, several calls at once, each failure told apart."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from broker.batch import BYTES_PER_CALL, TOO_LONG, PublishBatch, entry_bytes
from broker.errors import BatchPublishFailed, PublishFailed

QUEUE = "https://sqs.example.org/1/queue"
OTHER = "https://sqs.example.org/1/other"
FIFO = "https://sqs.example.org/1/queue.fifo"
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "not allowed"}}, "SendMessageBatch")
UNREACHABLE = EndpointConnectionError(endpoint_url=QUEUE)


class FakeSqs:
    """Takes what it is sent; fails the bodies and the calls that it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        """The queue and the bodies of each batch call."""
        self.alone: list[dict[str, Any]] = []
        """What was sent by itself."""
        self.failures: dict[str, dict[str, Any]] = {}
        """The failed entry that answers a body of a batch."""
        self.errors: dict[int, Exception] = {}
        """The error of a whole call, by the call's number from 0."""
        self.too_long: Callable[[list[str]], bool] = lambda _: False
        """Of a call's bodies."""
        self.too_long_code = TOO_LONG[0]
        self.alone_error: Exception | None = None
        self.under_way = 0
        self.most_under_way = 0
        self.meeting: threading.Barrier | None = None
        """Where calls wait for each other, so that they are proven to be under way at once."""
        self._lock = threading.Lock()

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        bodies = [entry["MessageBody"] for entry in Entries]
        with self._lock:
            self.calls.append((QueueUrl, bodies))
            error = self.errors.get(len(self.calls) - 1)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        if self.meeting is not None:
            self.meeting.wait(timeout=10)
        with self._lock:
            self.under_way -= 1
        if self.too_long(bodies):
            raise ClientError({"Error": {"Code": self.too_long_code, "Message": "too long"}}, "SendMessageBatch")
        if error is not None:
            raise error
        failed = [
            {"Id": entry["Id"], **self.failures[entry["MessageBody"]]}
            for entry in Entries
            if entry["MessageBody"] in self.failures
        ]
        return {"Successful": [], "Failed": failed} if failed else {"Successful": []}

    def send_message(self, **arguments: Any) -> dict[str, Any]:
        self.alone.append(arguments)
        if self.alone_error is not None:
            raise self.alone_error
        return {"MessageId": "1"}


class FakeChannel:
    """Puts what is published into the batch, as our channel does."""

    def __init__(self, sqs: FakeSqs) -> None:
        self._sqs = sqs
        self.askers: list[threading.Thread] = []
        """Who asked for the client."""

    def sqs(self) -> FakeSqs:
        self.askers.append(threading.current_thread())
        return self._sqs

    def basic_publish(self, message: dict[str, Any], *, routing_key: str, _publish_batch: PublishBatch) -> str:
        _publish_batch.add(routing_key, message["id"], {"MessageBody": message["body"]})
        return "published"


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


@pytest.fixture
def batch(sqs: FakeSqs) -> PublishBatch:
    """One call at a time, in order."""
    return PublishBatch(FakeChannel(sqs), max_size=1000, threads=ThreadPoolExecutor(1))


def add(batch: PublishBatch, *bodies: str, queue: str = QUEUE, **more: Any) -> None:
    for body in bodies:
        batch.add(queue, f"id of {body[:20]}", {"MessageBody": body, **more})


def failing(batch: PublishBatch) -> dict[str, str]:
    """The reasons with which a flush fails."""
    with pytest.raises(BatchPublishFailed) as caught:
        batch.flush()
    return caught.value.reasons


def test_twenty_three_messages_are_three_calls(batch: PublishBatch, sqs: FakeSqs) -> None:
    bodies = [f"body {number}" for number in range(23)]
    add(batch, *bodies)

    batch.flush()

    assert [len(sent) for _, sent in sqs.calls] == [10, 10, 3]
    assert [body for _, sent in sqs.calls for body in sent] == bodies


def test_a_call_is_no_larger_than_a_mebibyte(batch: PublishBatch, sqs: FakeSqs) -> None:
    half = BYTES_PER_CALL // 2
    add(batch, "a" * half, "b" * half, "c", "d" * half)

    batch.flush()

    assert [[body[0] for body in sent] for _, sent in sqs.calls] == [["a", "b"], ["c", "d"]]


def test_a_call_is_measured_in_bytes(batch: PublishBatch, sqs: FakeSqs) -> None:
    add(batch, "ä" * (BYTES_PER_CALL // 4), "ö" * (BYTES_PER_CALL // 4 + 1))

    batch.flush()

    assert len(sqs.calls) == 2


def test_a_message_too_large_for_any_call_is_sent_by_itself_and_harms_no_other(
    batch: PublishBatch, sqs: FakeSqs
) -> None:
    add(batch, "a", "b" * (BYTES_PER_CALL + 1), "c")

    batch.flush()

    assert [[body[0] for body in sent] for _, sent in sqs.calls] == [["a"], ["b"], ["c"]]


def test_each_queue_gets_its_own_calls_in_order(batch: PublishBatch, sqs: FakeSqs) -> None:
    add(batch, "one")
    add(batch, "two", queue=OTHER)
    add(batch, "three")

    batch.flush()

    assert sorted(sqs.calls) == [(OTHER, ["two"]), (QUEUE, ["one", "three"])]


def test_nothing_to_send_is_no_call(batch: PublishBatch, sqs: FakeSqs) -> None:
    batch.flush()

    assert sqs.calls == []


def test_what_was_flushed_is_not_sent_again(batch: PublishBatch, sqs: FakeSqs) -> None:
    add(batch, "one")
    batch.flush()
    batch.flush()

    assert sqs.calls == [(QUEUE, ["one"])]


def test_what_was_discarded_is_not_sent(batch: PublishBatch, sqs: FakeSqs) -> None:
    add(batch, "one")
    batch.discard()
    batch.flush()

    assert sqs.calls == []


def test_a_full_batch_is_sent_at_once(sqs: FakeSqs) -> None:
    batch = PublishBatch(FakeChannel(sqs), max_size=2, threads=ThreadPoolExecutor(1))

    for number in range(3):
        answer = batch.publish({"id": str(number), "body": f"body {number}"}, routing_key=QUEUE)
        assert answer == "published"

    assert sqs.calls == [(QUEUE, ["body 0", "body 1"])]


def test_an_entry_that_sqs_could_not_take_is_sent_once_more_alone(batch: PublishBatch, sqs: FakeSqs) -> None:
    sqs.failures["two"] = {"Code": "InternalError", "Message": "busy", "SenderFault": False}
    add(batch, "one", "two", "three", MessageGroupId="my-show", DelaySeconds=5)

    batch.flush()

    assert sqs.alone == [{"QueueUrl": QUEUE, "MessageBody": "two", "MessageGroupId": "my-show", "DelaySeconds": 5}]


def test_an_entry_that_fails_twice_is_named_by_its_task_id(batch: PublishBatch, sqs: FakeSqs) -> None:
    sqs.failures["two"] = {"Code": "InternalError", "Message": "busy", "SenderFault": False}
    sqs.alone_error = DENIED
    add(batch, "one", "two", "three")

    assert failing(batch) == {"id of two": str(DENIED)}


def test_a_message_that_is_itself_wrong_is_not_sent_again(batch: PublishBatch, sqs: FakeSqs) -> None:
    sqs.failures["two"] = {"Code": "InvalidMessageContents", "Message": "control character", "SenderFault": True}
    add(batch, "one", "two", "three")

    assert failing(batch) == {"id of two": "InvalidMessageContents: control character"}
    assert sqs.alone == []


def test_a_failure_without_a_message_is_told_by_its_code(batch: PublishBatch, sqs: FakeSqs) -> None:
    sqs.failures["one"] = {"Code": "InternalError", "SenderFault": True}
    add(batch, "one")

    assert failing(batch) == {"id of one": "InternalError: "}


def test_a_call_that_fails_names_all_its_entries_and_the_others_are_sent(batch: PublishBatch, sqs: FakeSqs) -> None:
    sqs.errors[1] = DENIED
    add(batch, *(f"body {number}" for number in range(23)))

    assert failing(batch) == {f"id of body {number}": str(DENIED) for number in range(10, 20)}
    assert [len(sent) for _, sent in sqs.calls] == [10, 10, 3]


def test_once_the_network_is_unreachable_later_calls_are_not_tried_and_all_are_named(
    batch: PublishBatch, sqs: FakeSqs
) -> None:
    # Each would take as long to fail as the first did.
    sqs.errors[1] = UNREACHABLE
    add(batch, *(f"body {number}" for number in range(43)))

    assert failing(batch) == {f"id of body {number}": str(UNREACHABLE) for number in range(10, 43)}
    assert [len(sent) for _, sent in sqs.calls] == [10, 10]


def test_the_next_batch_is_tried_again(batch: PublishBatch, sqs: FakeSqs) -> None:
    sqs.errors[0] = UNREACHABLE
    add(batch, "one")
    failing(batch)
    add(batch, "two")

    batch.flush()

    assert sqs.calls[-1] == (QUEUE, ["two"])


def test_a_queue_that_fails_does_not_keep_another_from_its_messages(batch: PublishBatch, sqs: FakeSqs) -> None:
    sqs.errors[0] = DENIED  # "other" comes before "queue"
    add(batch, "one", queue=OTHER)
    add(batch, "two", queue=QUEUE)

    assert set(failing(batch)) == {"id of one"}
    assert sqs.calls[1] == (QUEUE, ["two"])


def test_a_failed_flush_keeps_nothing_back(batch: PublishBatch, sqs: FakeSqs) -> None:
    # Whoever published was told, and releases its claim; sending it later would send it twice.
    sqs.errors[0] = DENIED
    add(batch, "one")
    failing(batch)
    batch.flush()

    assert len(sqs.calls) == 1


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda sqs: sqs.errors.update({0: DENIED}), "2 messages were not sent: .*AccessDenied.*not allowed"),
        (
            lambda sqs: sqs.failures.update({"one": {"Code": "TooLong", "Message": "262145", "SenderFault": True}}),
            "1 messages were not sent: TooLong: 262145",
        ),
    ],
)
def test_the_error_says_how_many_and_why(
    batch: PublishBatch, sqs: FakeSqs, prepare: Callable[[FakeSqs], None], said: str
) -> None:
    prepare(sqs)
    add(batch, "one", "two")

    with pytest.raises(BatchPublishFailed, match=said):
        batch.flush()


def test_the_error_is_one_that_publishers_of_kombus_expect(batch: PublishBatch, sqs: FakeSqs) -> None:
    sqs.errors[0] = DENIED
    add(batch, "one")

    with pytest.raises(PublishFailed):
        batch.flush()


# Several at once ----------------------------------------------------------------------------------


def test_as_many_calls_are_under_way_at_once_as_there_are_threads(sqs: FakeSqs) -> None:
    batch = PublishBatch(FakeChannel(sqs), max_size=1000, threads=ThreadPoolExecutor(4))
    sqs.meeting = threading.Barrier(4)
    bodies = [f"body {number}" for number in range(80)]
    add(batch, *bodies)

    batch.flush()

    assert sqs.most_under_way == 4
    assert sorted(body for _, sent in sqs.calls for body in sent) == sorted(bodies)


def test_the_client_is_made_before_threads_share_it(sqs: FakeSqs) -> None:
    channel = FakeChannel(sqs)
    batch = PublishBatch(channel, max_size=1000, threads=ThreadPoolExecutor(4))
    add(batch, *(f"body {number}" for number in range(20)))

    batch.flush()

    assert channel.askers[0] is threading.current_thread()
    assert channel.askers.count(threading.current_thread()) == 1


def test_calls_to_several_queues_are_under_way_at_once(sqs: FakeSqs) -> None:
    batch = PublishBatch(FakeChannel(sqs), max_size=1000, threads=ThreadPoolExecutor(2))
    sqs.meeting = threading.Barrier(2)
    add(batch, "one")
    add(batch, "two", queue=OTHER)

    batch.flush()

    assert sqs.most_under_way == 2


def test_a_single_call_takes_no_thread(sqs: FakeSqs) -> None:
    batch = PublishBatch(FakeChannel(sqs), max_size=1000, threads=ThreadPoolExecutor(4))
    callers = []
    sqs.too_long = lambda _: bool(callers.append(threading.current_thread()))
    add(batch, "one")

    batch.flush()

    assert callers == [threading.current_thread()]


def test_calls_to_a_fifo_queue_wait_for_each_other(sqs: FakeSqs) -> None:
    batch = PublishBatch(FakeChannel(sqs), max_size=1000, threads=ThreadPoolExecutor(4))
    bodies = [f"body {number}" for number in range(80)]
    add(batch, *bodies, queue=FIFO)

    batch.flush()

    assert sqs.most_under_way == 1
    assert [body for _, sent in sqs.calls for body in sent] == bodies


def test_each_failure_among_many_calls_is_named(sqs: FakeSqs) -> None:
    batch = PublishBatch(FakeChannel(sqs), max_size=1000, threads=ThreadPoolExecutor(4))
    wrong = {"Code": "InvalidMessageContents", "Message": "control character", "SenderFault": True}
    sqs.failures = {f"body {number}": wrong for number in (3, 33, 63)}
    add(batch, *(f"body {number}" for number in range(80)))

    assert set(failing(batch)) == {"id of body 3", "id of body 33", "id of body 63"}


# Too long -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", TOO_LONG)
def test_a_call_that_sqs_counts_otherwise_is_halved(batch: PublishBatch, sqs: FakeSqs, code: str) -> None:
    sqs.too_long = lambda bodies: len(bodies) > 3
    sqs.too_long_code = code
    add(batch, *(f"body {number}" for number in range(10)))

    batch.flush()

    taken = [sent for _, sent in sqs.calls if len(sent) <= 3]
    assert [body for sent in taken for body in sent] == [f"body {number}" for number in range(10)]


def test_a_single_message_that_is_too_long_is_named_and_the_others_are_sent(batch: PublishBatch, sqs: FakeSqs) -> None:
    sqs.too_long = lambda bodies: "body 6" in bodies
    add(batch, *(f"body {number}" for number in range(10)))

    reasons = failing(batch)

    assert set(reasons) == {"id of body 6"}
    assert "too long" in reasons["id of body 6"]
    taken = [body for _, sent in sqs.calls if "body 6" not in sent for body in sent]
    assert taken == [f"body {number}" for number in range(10) if number != 6]


def test_an_entry_is_counted_with_its_attributes() -> None:
    entry = {
        "MessageBody": "ä",
        "MessageAttributes": {
            "shape": {"DataType": "String", "StringValue": "ö"},
            "data": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
    }

    assert entry_bytes(entry) == 2 + (5 + 6 + 2) + (4 + 6 + 2)


def test_attributes_fill_a_call_too(batch: PublishBatch, sqs: FakeSqs) -> None:
    half = {"half": {"DataType": "String", "StringValue": "a" * (BYTES_PER_CALL // 2)}}
    add(batch, "one", "two", "three", MessageAttributes=half)

    batch.flush()

    assert len(sqs.calls) == 3

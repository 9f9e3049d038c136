"""Publishing in batches: ten entries and a mebibyte a call, each failure told apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from broker.batch import BYTES_PER_CALL, BatchPublishFailed, PublishBatch

QUEUE = "https://sqs.example.org/1/queue"
OTHER = "https://sqs.example.org/1/other"
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
        self.alone_error: Exception | None = None

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        self.calls.append((QueueUrl, [entry["MessageBody"] for entry in Entries]))
        error = self.errors.get(len(self.calls) - 1)
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

    def sqs(self) -> FakeSqs:
        return self._sqs

    def basic_publish(self, message: dict[str, Any], *, routing_key: str, _publish_batch: PublishBatch) -> str:
        _publish_batch.add(routing_key, message["id"], {"MessageBody": message["body"]})
        return "published"


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


@pytest.fixture
def batch(sqs: FakeSqs) -> PublishBatch:
    return PublishBatch(FakeChannel(sqs), max_size=1000)


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
    batch = PublishBatch(FakeChannel(sqs), max_size=2)

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

    assert failing(batch) == {"id of two": "InternalError: busy"}


def test_a_message_that_is_itself_wrong_is_not_sent_again(batch: PublishBatch, sqs: FakeSqs) -> None:
    sqs.failures["two"] = {"Code": "InvalidMessageContents", "Message": "control character", "SenderFault": True}
    add(batch, "one", "two", "three")

    assert failing(batch) == {"id of two": "InvalidMessageContents: control character"}
    assert sqs.alone == []


def test_a_failure_without_a_message_is_told_by_its_code(batch: PublishBatch, sqs: FakeSqs) -> None:
    sqs.failures["one"] = {"Code": "InternalError", "SenderFault": True}
    add(batch, "one")

    assert failing(batch) == {"id of one": "InternalError: "}


@pytest.mark.parametrize("error", [DENIED, UNREACHABLE])
def test_a_call_that_fails_names_all_its_entries_and_the_others_are_sent(
    batch: PublishBatch, sqs: FakeSqs, error: Exception
) -> None:
    sqs.errors[1] = error
    add(batch, *(f"body {number}" for number in range(23)))

    assert failing(batch) == {f"id of body {number}": str(error) for number in range(10, 20)}
    assert [len(sent) for _, sent in sqs.calls] == [10, 10, 3]


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

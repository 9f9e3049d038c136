"""Where a queue's dead letters go, and the copy of poison that says why it is there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broker.dead_letters import ATTRIBUTES_PER_MESSAGE, LONGEST_REASON, REASON, SOURCE_ID, copy_with_reason, redrive_of

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/work"
DEAD = "https://sqs.eu-west-1.amazonaws.com/123456789012/work-dead"


class FakeSqs:
    """Has one queue with a policy, and keeps what it is sent."""

    def __init__(self, attributes: dict[str, str] | None = None) -> None:
        self.attributes = attributes
        self.sent: list[dict[str, Any]] = []

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert (QueueUrl, AttributeNames) == (QUEUE, ["RedrivePolicy"])
        return {} if self.attributes is None else {"Attributes": self.attributes}

    def send_message(self, **arguments: Any) -> None:
        self.sent.append(arguments)


def with_policy(arn: str, count: Any) -> FakeSqs:
    return FakeSqs({"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": count})})


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


# The policy ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [5, "5"])  # SQS has given both
def test_the_policy_says_where_and_after_how_many_receipts(count: Any) -> None:
    redrive = redrive_of(with_policy("arn:aws:sqs:eu-west-1:123456789012:work-dead", count), QUEUE)

    assert redrive == (DEAD, 5)


def test_the_dead_letter_queue_may_be_of_another_account() -> None:
    redrive = redrive_of(with_policy("arn:aws:sqs:eu-west-1:999999999999:graveyard", 3), QUEUE)

    assert redrive is not None
    assert redrive.dead_letter_url == "https://sqs.eu-west-1.amazonaws.com/999999999999/graveyard"


@pytest.mark.parametrize("attributes", [None, {}, {"RedrivePolicy": ""}])
def test_a_queue_without_a_policy_has_none(attributes: dict[str, str] | None) -> None:
    assert redrive_of(FakeSqs(attributes), QUEUE) is None


# The copy -----------------------------------------------------------------------------------------


def copied(sqs: FakeSqs, reason: str = "it is no JSON", **message: Any) -> dict[str, Any]:
    copy_with_reason(sqs, DEAD, {"Body": "hello", "MessageId": "1", "ReceiptHandle": "receipt", **message}, reason)
    return sqs.sent[0]


def test_a_copy_is_the_body_with_the_reason_and_the_id_that_it_had(sqs: FakeSqs) -> None:
    assert copied(sqs) == {
        "QueueUrl": DEAD,
        "MessageBody": "hello",
        "MessageAttributes": {
            REASON: {"DataType": "String", "StringValue": "it is no JSON"},
            SOURCE_ID: {"DataType": "String", "StringValue": "1"},
        },
    }


def test_its_own_attributes_are_kept(sqs: FakeSqs) -> None:
    # As a receive gives them, some fields of which a send does not take.
    received = {
        "shape": {"StringValue": "round", "DataType": "String", "StringListValues": [], "BinaryListValues": []},
        "data": {"BinaryValue": b"\x00\xff", "DataType": "Binary"},
        "count": {"StringValue": "3", "DataType": "Number"},
    }
    attributes = copied(sqs, MessageAttributes=received)["MessageAttributes"]

    assert attributes["shape"] == {"StringValue": "round", "DataType": "String"}
    assert attributes["data"] == {"BinaryValue": b"\x00\xff", "DataType": "Binary"}
    assert attributes["count"] == {"StringValue": "3", "DataType": "Number"}
    assert set(attributes) == {*received, REASON, SOURCE_ID}


@pytest.mark.parametrize(("own", "told"), [(8, {REASON, SOURCE_ID}), (9, {REASON}), (10, set())])
def test_there_are_never_more_attributes_than_sqs_takes(sqs: FakeSqs, own: int, told: set[str]) -> None:
    received = {f"a{number}": {"StringValue": "x", "DataType": "String"} for number in range(own)}
    attributes = copied(sqs, MessageAttributes=received)["MessageAttributes"]

    assert len(attributes) <= ATTRIBUTES_PER_MESSAGE
    assert set(attributes) == {*received, *told}


def test_a_copy_of_a_copy_has_the_later_reason(sqs: FakeSqs) -> None:
    # Somebody redrove it, unmended; its place is there even when there is no room for another.
    received = {f"a{number}": {"StringValue": "x", "DataType": "String"} for number in range(8)}
    received |= {name: {"StringValue": "earlier", "DataType": "String"} for name in (REASON, SOURCE_ID)}
    attributes = copied(sqs, MessageAttributes=received)["MessageAttributes"]

    assert len(attributes) == ATTRIBUTES_PER_MESSAGE
    assert attributes[REASON]["StringValue"] == "it is no JSON"
    assert attributes[SOURCE_ID]["StringValue"] == "1"


def test_a_reason_is_short_and_of_what_sqs_takes(sqs: FakeSqs) -> None:
    reason = "it is \x00\x1f\x7f\ud800\n– not JSON " * 50
    value = copied(sqs, reason)["MessageAttributes"][REASON]["StringValue"]

    assert len(value) == LONGEST_REASON
    assert value.startswith("it is ?????? not JSON ")
    assert value.isascii()
    assert value.isprintable()


def test_without_a_reason_or_an_id_there_is_no_empty_attribute(sqs: FakeSqs) -> None:
    # SQS refuses one.
    copy_with_reason(sqs, DEAD, {"Body": "hello"}, "")

    assert sqs.sent[0]["MessageAttributes"] == {}

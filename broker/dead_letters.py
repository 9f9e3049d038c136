"""Where a queue's dead letters go, and putting poison there with its reason."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

ATTRIBUTES_PER_MESSAGE = 10
"""SQS takes no more (Amazon SQS message quotas)."""

REASON = "DeadLetterReason"
SOURCE_ID = "DeadLetterSourceMessageId"
"""The attributes of a copy: why it is dead, and the MessageId it had in its queue."""

LONGEST_REASON = 256


class Redrive(NamedTuple):
    """A queue's redrive policy."""

    dead_letter_url: str
    max_receive_count: int


def redrive_of(sqs: Any, queue_url: str) -> Redrive | None:
    """The queue's redrive policy, or None if it has none.

    Raises:
        ClientError, BotoCoreError: SQS did not say.
    """
    answer = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["RedrivePolicy"])
    policy = answer.get("Attributes", {}).get("RedrivePolicy")
    if not policy:
        return None
    parsed = json.loads(policy)
    account, name = parsed["deadLetterTargetArn"].split(":")[-2:]
    # A queue's URL ends in account and name, and its dead letters stay in its region: no request needed.
    return Redrive(f"{queue_url.rsplit('/', 2)[0]}/{account}/{name}", int(parsed["maxReceiveCount"]))


def copy_with_reason(sqs: Any, dead_letter_url: str, message: dict[str, Any], reason: str) -> None:
    """Send a copy of a received message to the dead-letter queue.

    Raises:
        ClientError, BotoCoreError: SQS did not take it.
    """
    attributes = {
        name: {key: value for key, value in attribute.items() if key in {"DataType", "StringValue", "BinaryValue"}}
        for name, attribute in message.get("MessageAttributes", {}).items()
    }
    told = {REASON: reason, SOURCE_ID: message.get("MessageId", "")}
    for name, value in told.items():
        if value and (name in attributes or len(attributes) < ATTRIBUTES_PER_MESSAGE):
            attributes[name] = {"DataType": "String", "StringValue": _printable(value)}
    sqs.send_message(QueueUrl=dead_letter_url, MessageBody=message["Body"], MessageAttributes=attributes)


def _printable(text: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in text)[:LONGEST_REASON]

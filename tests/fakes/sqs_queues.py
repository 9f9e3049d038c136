"""Queues on an SQS server: made for a test, and what is in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.fakes.aws import client

COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


@dataclass(frozen=True)
class Depth:
    visible: int
    in_flight: int
    delayed: int
    dead_letters: int

    @property
    def waiting(self) -> int:
        """All that a worker has yet to settle."""
        return self.visible + self.in_flight + self.delayed


@dataclass(frozen=True)
class SqsQueue:
    endpoint: str
    name: str
    url: str
    dead_letters_url: str | None

    def depth(self) -> Depth:
        """What is in it, and in its dead-letter queue."""
        with client("sqs", self.endpoint) as sqs:
            visible, in_flight, delayed = _counts(sqs, self.url)
            dead = sum(_counts(sqs, self.dead_letters_url)) if self.dead_letters_url else 0
        return Depth(visible, in_flight, delayed, dead)

    def send(self, body: str) -> None:
        """Put a raw body on it, as anybody could."""
        with client("sqs", self.endpoint) as sqs:
            sqs.send_message(QueueUrl=self.url, MessageBody=body)


def create_queue(
    endpoint: str, name: str, *, visibility: int, max_receive: int = 3, dead_letters: bool = True
) -> SqsQueue:
    """Make a queue, and its dead-letter queue ``name-dead``."""
    attributes = {"VisibilityTimeout": str(visibility)}
    dead_letters_url = None
    with client("sqs", endpoint) as sqs:
        if dead_letters:
            dead_letters_url = str(sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"])
            found = sqs.get_queue_attributes(QueueUrl=dead_letters_url, AttributeNames=["QueueArn"])
            attributes["RedrivePolicy"] = json.dumps(
                {"deadLetterTargetArn": found["Attributes"]["QueueArn"], "maxReceiveCount": max_receive}
            )
        url = str(sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])
    return SqsQueue(endpoint, name, url, dead_letters_url)


def _counts(sqs: Any, url: str) -> list[int]:
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(COUNTS))["Attributes"]
    return [int(attributes[name]) for name in COUNTS]

"""The six queues of the run: as in ``infrastructure/messaging.yaml``, with a shorter visibility timeout."""

from __future__ import annotations

import json
from typing import Any

import boto3
from botocore.config import Config

from chaos.plan import QUEUES

MAX_RECEIVE_COUNT = 8
"""Not the 3 of the template: here workers are killed far more often than life does it, and each time the
messages that they held, and those that their last poll still fetches, count as received once more."""
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


def client(endpoint: str, config: Config | None = None) -> Any:
    """An SQS client for an emulator."""
    return boto3.client(
        "sqs",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - the emulator takes any
        config=config,
    )


def create(sqs: Any, *, visibility_seconds: int) -> dict[str, str]:
    """Make the queues and their dead-letter queues; the URL of each queue by its name."""
    urls = {}
    for name in QUEUES:
        dead = sqs.create_queue(QueueName=f"airdate-{name}-dead-letters")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVE_COUNT}
        attributes = {
            "VisibilityTimeout": str(visibility_seconds),
            "ReceiveMessageWaitTimeSeconds": "20",
            "RedrivePolicy": json.dumps(redrive),
        }
        urls[name] = str(sqs.create_queue(QueueName=f"airdate-{name}", Attributes=attributes)["QueueUrl"])
    return urls


def waiting(sqs: Any, url: str) -> int:
    """How many messages a queue holds: visible, in flight, delayed."""
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(COUNTS))["Attributes"]
    return sum(int(attributes[name]) for name in COUNTS)

"""Commands that make a queue again what the template makes of it.

`airdate deploy` does not: CloudFormation compares a template with the one before it, and finds nothing to change in
what somebody changed, or deleted, by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from publishers.queues import MAX_RECEIVE_COUNT

DEAD = "-dead-letters"
"""How the template calls a queue's dead-letter queue."""


def with_attribute(url: str, attribute: str, value: int | str | Mapping[str, Any]) -> str:
    """The command that gives the queue at ``url`` an attribute; what SQS wants as JSON is given as a mapping."""
    command = f"aws sqs set-queue-attributes --queue-url {url} --attributes"
    if isinstance(value, Mapping):
        plain = json.dumps(value, separators=(",", ":"))
        return f"{command} '{json.dumps({attribute: plain}, separators=(',', ':'))}'"
    return f"{command} {attribute}={value}"


def redriven(url: str, arn: str) -> str:
    """To the dead-letter queue that the template makes for the queue ``arn``."""
    policy = {"deadLetterTargetArn": f"{arn}{DEAD}", "maxReceiveCount": str(MAX_RECEIVE_COUNT)}
    return with_attribute(url, "RedrivePolicy", policy)


def taking_from(url: str, source_arn: str) -> str:
    """A dead-letter queue, from one queue only."""
    return with_attribute(url, "RedriveAllowPolicy", {"redrivePermission": "byQueue", "sourceQueueArns": [source_arn]})


def refusing_plain(url: str, arn: str) -> str:
    """By the template's policy, in the place of whatever it has."""
    statement = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return with_attribute(url, "Policy", {"Version": "2012-10-17", "Statement": [statement]})


def made_again(url: str) -> str:
    """A queue that the stack has and SQS has not."""
    return f"aws sqs create-queue --queue-name {url.rpartition('/')[2]}, then airdate doctor for the rest"

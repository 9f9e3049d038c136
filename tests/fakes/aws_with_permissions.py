"""An AWS that asks for permissions: moto's server in a process of its own, with users and their policies.

It denies a batch whose own name, ``sqs:SendMessageBatch``, no policy allows, where AWS asks for
``sqs:SendMessage`` only; so policies here name both.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.fakes.aws import client
from tests.fakes.sqs_servers import server

BATCHED = ("sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")


class Keys(NamedTuple):
    access_key: str
    secret: str


class Allowed(NamedTuple):
    """A statement of a policy."""

    actions: Sequence[str]
    resources: Sequence[str] = ("*",)


@dataclass(frozen=True)
class GuardedAws:
    """Prepare it first; then :meth:`guard` it, and nobody may do what no policy allows."""

    endpoint: str

    def user(self, name: str, *allowed: Allowed) -> Keys:
        """Make a user who may do this."""
        statements = [
            {
                "Effect": "Allow",
                "Action": [*each.actions, *(f"{action}Batch" for action in each.actions if action in BATCHED)],
                "Resource": list(each.resources),
            }
            for each in allowed
        ]
        with client("iam", self.endpoint) as iam:
            iam.create_user(UserName=name)
            made = iam.create_access_key(UserName=name)["AccessKey"]
            if statements:
                policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
                iam.put_user_policy(UserName=name, PolicyName="allowed", PolicyDocument=policy)
        return Keys(made["AccessKeyId"], made["SecretAccessKey"])

    def guard(self) -> None:
        """From now on, ask for permissions."""
        connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc, timeout=10)
        connection.request("POST", "/moto-api/reset-auth", "0", {"Content-Type": "text/plain"})
        assert connection.getresponse().status == 200
        connection.close()

    def messages(self, keys: Keys, url: str) -> dict[str, Any]:
        """How many messages a queue holds, as SQS counts them."""
        import boto3

        sqs = boto3.client(
            "sqs",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret,
        )
        counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found: dict[str, Any] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"]
        sqs.close()
        return found


@contextmanager
def guarded_aws() -> Iterator[GuardedAws]:
    """Serve; nobody is asked for permissions yet."""
    with server("moto") as running:
        yield GuardedAws(running.endpoint)

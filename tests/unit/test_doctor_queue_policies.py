"""A queue of AWS whose policies differ from the template's is told in a line."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from operations.doctor.queue_policies import RETENTION, kept_as_the_template_says, takes_from, tls_only
from operations.doctor.queues import QueueExamination
from operations.messaging import dead_letter_queue
from publishers.queues import Queue
from tasks.readiness.findings import Finding, Level
from tests.fakes.templates import of_type, template

TEMPLATE = template("messaging")
NAME = "podcast-generation"
SOURCE = f"arn:aws:sqs:eu-west-1:123456789012:airdate-{NAME}"
DEAD = f"{SOURCE}-dead-letters"
OTHER = "arn:aws:sqs:eu-west-1:123456789012:other"


def as_deployed(logical: str, arn: str) -> str:
    """The policy of the template, as SQS gives it back."""
    [policy] = [
        each["PolicyDocument"]
        for each in of_type(TEMPLATE, "AWS::SQS::QueuePolicy").values()
        if each["Queues"] == [{"Ref": logical}]
    ]
    return json.dumps(policy).replace(json.dumps({"GetAtt": f"{logical}.Arn"}), json.dumps(arn))


def allows(permission: str, *sources: str) -> dict[str, str]:
    return {"RedriveAllowPolicy": json.dumps({"redrivePermission": permission, "sourceQueueArns": sources})}


class Sqs:
    """Two queues on AWS, by the ends of their URLs."""

    def __init__(self) -> None:
        redrive = json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": 3})
        common = {"SqsManagedSseEnabled": "true"}
        self.queues: dict[str, dict[str, str]] = {
            f"airdate-{NAME}": common
            | {
                "QueueArn": SOURCE,
                "VisibilityTimeout": "60",
                "ReceiveMessageWaitTimeSeconds": "20",
                "MessageRetentionPeriod": "345600",
                "RedrivePolicy": redrive,
                "Policy": as_deployed("PodcastGenerationQueue", SOURCE),
            },
            f"airdate-{NAME}-dead-letters": common
            | {
                "QueueArn": DEAD,
                "MessageRetentionPeriod": "1209600",
                "Policy": as_deployed("PodcastGenerationDeadLetterQueue", DEAD),
            }
            | allows("byQueue", SOURCE),
        }

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803, ARG002 - boto3's names
        return {"Attributes": self.queues[QueueUrl.rpartition("/")[2]]}


URL = f"https://sqs.eu-west-1.amazonaws.com/123456789012/airdate-{NAME}"


def examined(sqs: Sqs) -> list[Finding]:
    return [*QueueExamination(sqs, {NAME: URL}, "eu-west-1", 60, on_aws=True).findings()]


def found(sqs: Sqs) -> list[tuple[Level, str]]:
    return [(finding.level, finding.found) for finding in examined(sqs)]


def test_queues_as_the_template_makes_them_are_well() -> None:
    [(level, _)] = found(Sqs())

    assert level is Level.OK


@pytest.mark.parametrize(
    ("queue", "changed", "level", "said"),
    [
        (
            f"airdate-{NAME}",
            {"Policy": ""},
            Level.WARN,
            f"{NAME}: it may be spoken to without TLS: its policy does not refuse that",
        ),
        (
            f"airdate-{NAME}-dead-letters",
            {"Policy": '{"Version": "2012-10-17", "Statement": []}'},
            Level.WARN,
            f"{NAME}'s dead-letter queue: it may be spoken to without TLS: its policy does not refuse that",
        ),
        (
            f"airdate-{NAME}",
            {"MessageRetentionPeriod": "7200"},
            Level.WARN,
            f"{NAME}: it keeps messages for 7200 s, and the template's for 345600 s",
        ),
        (
            f"airdate-{NAME}-dead-letters",
            {"RedriveAllowPolicy": ""},
            Level.WARN,
            f"{NAME}: its dead-letter queue takes from any queue of the account",
        ),
        (
            f"airdate-{NAME}-dead-letters",
            allows("byQueue", SOURCE, OTHER),
            Level.WARN,
            f"{NAME}: its dead-letter queue takes from other too",
        ),
        (
            f"airdate-{NAME}-dead-letters",
            allows("byQueue", OTHER),
            Level.FAIL,
            f"{NAME}: its dead-letter queue does not take from it: its RedriveAllowPolicy is "
            f"{{'redrivePermission': 'byQueue', 'sourceQueueArns': ['{OTHER}']}}",
        ),
        (
            f"airdate-{NAME}-dead-letters",
            allows("denyAll"),
            Level.FAIL,
            f"{NAME}: its dead-letter queue does not take from it: its RedriveAllowPolicy is "
            "{'redrivePermission': 'denyAll', 'sourceQueueArns': []}",
        ),
    ],
)
def test_what_differs_is_told_in_a_line_with_the_command_that_mends_it(
    queue: str, changed: dict[str, str], level: Level, said: str
) -> None:
    sqs = Sqs()
    sqs.queues[queue] |= changed
    [trouble] = examined(sqs)

    assert (trouble.level, trouble.found) == (level, said)
    command = shlex.split(trouble.fix)
    assert command[:4] == ["aws", "sqs", "set-queue-attributes", "--queue-url"]
    assert command[4].endswith(f"/{queue}")
    told = command[-1]
    sqs.queues[queue] |= json.loads(told) if told.startswith("{") else dict([told.split("=", 1)])
    assert [level for level, _ in found(sqs)] == [Level.OK]


PLAIN = {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize(
    ("effect", "condition"),
    [
        ("Allow", PLAIN),
        ("Deny", {"Bool": {"aws:SecureTransport": "true"}}),
        ("Deny", PLAIN | {"StringEquals": {"aws:SourceVpc": "vpc-1"}}),
        ("Deny", {"BoolIfExists": {"aws:SecureTransport": "false"}}),
        ("Deny", {}),
    ],
)
def test_a_policy_that_is_nearly_so_is_not_so(effect: str, condition: dict[str, Any]) -> None:
    statement = {"Effect": effect, "Principal": "*", "Action": "sqs:*", "Resource": SOURCE, "Condition": condition}

    assert [*tls_only(NAME, URL, {"Policy": json.dumps({"Statement": statement})})]


@pytest.mark.parametrize("text", ["", "not JSON", "[]", "null"])
def test_a_policy_that_cannot_be_read_is_none(text: str) -> None:
    assert [*tls_only(NAME, URL, {"Policy": text})]
    assert [*takes_from(NAME, URL, SOURCE, {"RedriveAllowPolicy": text})]


@pytest.mark.parametrize("queue", Queue)
def test_the_doctor_knows_for_how_long_the_templates_queues_keep(queue: Queue) -> None:
    [properties] = [
        each
        for each in of_type(TEMPLATE, "AWS::SQS::Queue").values()
        if each["QueueName"] == {"Sub": f"${{Prefix}}-{queue}"}
    ]

    assert RETENTION[queue] == properties["MessageRetentionPeriod"]
    assert not [*kept_as_the_template_says(queue, URL, {"MessageRetentionPeriod": str(RETENTION[queue])})]
    assert dead_letter_queue(queue).removeprefix("airdate-") not in RETENTION

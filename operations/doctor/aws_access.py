"""Whether the credentials are valid, and allowed what workers need. Nothing is sent, received or deleted.

How each action is proven:

- Sending, deleting and extending: by a batch of one entry that SQS must refuse. It judges entries only after
  it allowed the request, and answers 200 with the entry among the failed ones.
- Receiving has no such entry. A request with an impossible ``MaxNumberOfMessages`` is refused either way; that it
  was refused for this, and not for want of permission, proves something only if SQS looks at permissions first.
  So the same request is made for a queue that does not exist, to which a role of least privilege has no right:
  only if SQS denies that one is the real one made.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from broker.control import EVENT_EXCHANGE
from broker.dead_letters import redrive_of
from operations.doctor.answers import ERRORS, Answer, Meaning
from settings import settings
from tasks import aws
from tasks.readiness.findings import Finding, fail, ok, warn

AREA = "access"
TIMEOUT_SECONDS = 2
PROBE = "airdate-doctor"
TOO_MANY = 11
"""Messages that a receive may not ask for: ten is the most (Amazon SQS message quotas)."""
TOO_LATE = 901
"""Seconds that a message cannot be delayed."""
FORBIDDEN_BODY = "\x00 airdate doctor"
"""SQS takes no such character (SendMessage, Amazon SQS API reference)."""


@dataclass
class Access:
    """What was found out about one resource: actions by what was proven of each."""

    what: str
    allowed: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)


def findings(who: str) -> Iterator[Finding]:
    """About the credentials of ``who`` (an ARN), against what all workers together need.

    Raises:
        SettingsError: embedded, and no embedded AWS runs.
    """
    urls = settings().queue_urls()
    sqs = aws.client("sqs", timeout_seconds=TIMEOUT_SECONDS)
    for name, url in urls.items():
        found = yield from probed(sqs, name, url)
        if found is None:
            return
        yield from _told(found, who, arn_of(url))
    yield from _dead_letter_copies(sqs, urls)
    if settings().events:
        yield from _events(who)
    yield from _metrics()


def identity() -> Generator[Finding, None, str | None]:
    """Whose the credentials are. Yields what is wrong; returns who we are, or None when there is no use in going on."""
    try:
        answer = aws.client("sts", timeout_seconds=TIMEOUT_SECONDS).get_caller_identity()
    except ERRORS as error:
        told = Answer.of(error)
        if told.meaning is Meaning.BAD_CREDENTIALS:
            yield fail(
                AREA,
                f"AWS does not take the credentials: {told.said}",
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a pair that is active, or neither to use a role",
            )
            return None
        return "these credentials"  # an endpoint without STS, or no way to it: SQS's answers will tell
    yield ok(AREA, f"the credentials are those of {answer['Arn']}")
    return str(answer["Arn"])


def probed(sqs: Any, name: str, url: str) -> Generator[Finding, None, Access | None]:
    """Yields what is wrong; returns what may be done to a queue, or None when SQS does not answer."""
    found = Access(name)
    entry = {"Id": "probe", "ReceiptHandle": PROBE}
    probes: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("sqs:SendMessage", lambda: _send(sqs, url)),
        ("sqs:DeleteMessage", lambda: sqs.delete_message_batch(QueueUrl=url, Entries=[entry])),
        (
            "sqs:ChangeMessageVisibility",
            lambda: sqs.change_message_visibility_batch(QueueUrl=url, Entries=[entry | {"VisibilityTimeout": 0}]),
        ),
    )
    for action, ask in probes:
        try:
            answer = ask()
        except ERRORS as error:
            told = Answer.of(error)
            if told.meaning in {Meaning.AWAY, Meaning.BAD_CREDENTIALS, Meaning.CLOCK, Meaning.MISSING}:
                yield warn(AREA, f"{name}: permissions are not proven: {told.said}", "mend what is said about queues")
                return found if told.meaning is Meaning.MISSING else None
            (found.denied if told.meaning is Meaning.DENIED else found.unproven).append(action)
        else:
            (found.allowed if answer.get("Failed") else found.unproven).append(action)
    _receive(sqs, url, found)
    return found


def _send(sqs: Any, url: str) -> Any:
    entry = {"Id": "probe", "MessageBody": FORBIDDEN_BODY, "DelaySeconds": TOO_LATE}
    return sqs.send_message_batch(QueueUrl=url, Entries=[entry])


def _receive(sqs: Any, url: str, found: Access) -> None:
    nowhere = f"{url.rpartition('/')[0]}/{secrets.token_hex(8)}-{PROBE}"
    if _receives(sqs, nowhere) is not Meaning.DENIED:
        found.unproven.append("sqs:ReceiveMessage")
        return
    answers: dict[Meaning | None, list[str]] = {Meaning.DENIED: found.denied, Meaning.OTHER: found.allowed}
    answers.get(_receives(sqs, url), found.unproven).append("sqs:ReceiveMessage")


def _receives(sqs: Any, url: str) -> Meaning | None:
    """What SQS says to a receive that it must refuse; None when it did not."""
    try:
        sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=TOO_MANY, WaitTimeSeconds=0, VisibilityTimeout=0)
    except ERRORS as error:
        return Answer.of(error).meaning
    return None


def _told(found: Access, who: str, resource: str) -> Iterator[Finding]:
    if found.denied:
        yield fail(
            AREA,
            f"{found.what}: {', '.join(found.denied)} denied to {who}",
            f"allow {', '.join(found.denied)} on {resource} in the policy of that role or user"
            + ("" if found.allowed else ", if that is the queue's name; else correct its URL"),
        )
    if found.unproven:
        yield warn(
            AREA,
            f"{found.what}: not denied, but not proven: {', '.join(found.unproven)}",
            "run it with the workers' own role, allowed its queues and no others; then it can be proven",
        )
    if found.allowed and not found.denied and not found.unproven:
        yield ok(AREA, f"{found.what}: allowed {', '.join(found.allowed)}")


def _dead_letter_copies(sqs: Any, urls: dict[str, str]) -> Iterator[Finding]:
    for name, url in urls.items():
        try:
            redrive = redrive_of(sqs, url)
        except ERRORS:
            continue  # the lines about queues tell it
        if redrive is None:
            continue
        try:
            _send(sqs, redrive.dead_letter_url)
        except ERRORS as error:
            if Answer.of(error).meaning is Meaning.DENIED:
                yield warn(
                    AREA,
                    f"{name}: poison becomes a dead letter without its reason: sending to the other queue is denied",
                    f"allow sqs:SendMessage on {arn_of(redrive.dead_letter_url)}",
                )


def _events(who: str) -> Iterator[Finding]:
    sns = aws.client("sns", timeout_seconds=TIMEOUT_SECONDS)
    account = who.split(":")[4] if who.count(":") >= 5 else "000000000000"  # noqa: PLR2004 - an ARN's parts
    made = f"arn:aws:sns:{settings().aws_region}:{account}:{EVENT_EXCHANGE}"
    topic = settings().events_topic_arn or made
    try:
        sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[])
    except ERRORS as error:
        told = Answer.of(error)
        if told.meaning is Meaning.DENIED:
            yield warn(
                AREA,
                "Flower will show nothing: sns:Publish is denied",
                f"allow sns:Publish on {topic} (as infrastructure/permissions.yaml does), or set AIRDATE_EVENTS=false",
            )


def _metrics() -> Iterator[Finding]:
    now = datetime.now(UTC)
    metric = {"Namespace": "AWS/SQS", "MetricName": "ApproximateAgeOfOldestMessage"}
    query = {"Id": "probe", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}
    try:
        aws.client("cloudwatch", timeout_seconds=TIMEOUT_SECONDS).get_metric_data(
            MetricDataQueries=[query], StartTime=now - timedelta(minutes=1), EndTime=now
        )
    except (*ERRORS, ValueError) as error:
        yield warn(
            AREA,
            f"`airdate queues` and Flower will show no ages: {Answer.of(error).said}",
            "allow cloudwatch:GetMetricData",
        )
    else:
        yield ok(AREA, "allowed cloudwatch:GetMetricData")


def arn_of(url: str) -> str:
    """The ARN of the queue at this URL."""
    account, name = url.rsplit("/", 2)[-2:]
    return f"arn:aws:sqs:{settings().aws_region}:{account}:{name}"

"""How deep each queue is, and how old its oldest message: for ``airdate queues``, the demo and Flower's broker page.

SQS counts; the age is CloudWatch's. SQS tells no age, and to receive messages in order to look at
them would use up the receives after which redrive makes them dead letters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from podcasting.errors import Retryable
from settings import settings
from tasks import aws

TIMEOUT_SECONDS = 2
"""Somebody waits for the answer."""
LOOK_BACK = timedelta(minutes=10)
"""AWS publishes a value a minute, a few minutes late."""
PERIOD_SECONDS = 60


@dataclass(frozen=True)
class Depth:
    """What one SQS queue holds."""

    ready: int
    in_flight: int
    delayed: int
    oldest_seconds: int | None = None
    """The age of its oldest message; None when it is empty or CloudWatch has no word of it."""

    @property
    def messages(self) -> int:
        """All of them."""
        return self.ready + self.in_flight + self.delayed


@dataclass(frozen=True)
class QueueDepth:
    """A queue, by the name Celery knows it by, and its dead-letter queue."""

    name: str
    waiting: Depth
    dead: Depth

    def plain(self) -> dict[str, Any]:
        """It for programs."""
        return {
            "visible": self.waiting.ready,
            "in_flight": self.waiting.in_flight,
            "delayed": self.waiting.delayed,
            "oldest_seconds": self.waiting.oldest_seconds,
            "dead_letters": self.dead.messages,
        }


@dataclass(frozen=True)
class Depths:
    """All queues."""

    queues: tuple[QueueDepth, ...]
    why_no_ages: str = ""
    """Why CloudWatch did not answer; empty when it did."""

    def plain(self) -> dict[str, dict[str, Any]]:
        """Them for programs, by name."""
        return {queue.name: queue.plain() for queue in self.queues}


@dataclass(frozen=True)
class DepthReader:
    """Reads the depths of some queues; may be used by several threads."""

    sqs: Any
    cloudwatch: Any
    urls: Mapping[str, str]
    """Queue names to URLs. Where a queue's dead letters are is told by its redrive policy."""

    _dead_letter_urls: dict[str, str] = field(default_factory=dict, init=False)

    @classmethod
    def of_settings(cls) -> DepthReader:
        """Of the queues that the environment names.

        Raises:
            SettingsError: embedded, and no embedded AWS runs.
        """
        sqs, cloudwatch = (aws.client(name, timeout_seconds=TIMEOUT_SECONDS) for name in ("sqs", "cloudwatch"))
        return cls(sqs, cloudwatch, settings().queue_urls())

    @property
    def where(self) -> str:
        """The address of SQS."""
        return str(self.sqs.meta.endpoint_url)

    def read(self) -> Depths:
        """All depths, and ages where CloudWatch has them.

        Raises:
            Retryable: SQS does not answer.
        """
        try:
            counted = {name: self._count(url) for name, url in self.urls.items()}
        except (ClientError, BotoCoreError) as error:
            raise Retryable(f"SQS does not answer: {error}") from error
        ages, why_not = self._ages(held.sqs_name for pair in counted.values() for held in pair if held.sqs_name)
        queues = tuple(
            QueueDepth(name, waiting.depth(ages), dead.depth(ages)) for name, (waiting, dead) in counted.items()
        )
        return Depths(queues, why_not)

    def _count(self, url: str) -> tuple[_Counted, _Counted]:
        attributes = self._attributes(url)
        target = json.loads(attributes.get("RedrivePolicy", "{}")).get("deadLetterTargetArn", "").rpartition(":")[2]
        if not target:
            return _Counted.of(attributes), _Counted("", 0, 0, 0)
        if target not in self._dead_letter_urls:
            self._dead_letter_urls[target] = self.sqs.get_queue_url(QueueName=target)["QueueUrl"]
        return _Counted.of(attributes), _Counted.of(self._attributes(self._dead_letter_urls[target]))

    def _attributes(self, url: str) -> Mapping[str, str]:
        attributes: Mapping[str, str] = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
            "Attributes"
        ]
        return attributes

    def _ages(self, names: Iterable[str]) -> tuple[dict[str, int], str]:
        by_id = {f"queue{number}": name for number, name in enumerate(names)}
        now = datetime.now(UTC)
        try:
            answer = self.cloudwatch.get_metric_data(
                MetricDataQueries=[_age_query(query_id, name) for query_id, name in by_id.items()],
                StartTime=now - LOOK_BACK,
                EndTime=now,
                ScanBy="TimestampDescending",
            )
        except (ClientError, BotoCoreError) as error:
            return {}, f"CloudWatch does not answer: {error}"
        found = {by_id[result["Id"]]: result["Values"] for result in answer["MetricDataResults"]}
        return {name: round(values[0]) for name, values in found.items() if values}, ""


@dataclass(frozen=True)
class _Counted:
    sqs_name: str
    ready: int
    in_flight: int
    delayed: int

    @classmethod
    def of(cls, attributes: Mapping[str, str]) -> _Counted:
        return cls(
            attributes["QueueArn"].rpartition(":")[2],
            int(attributes["ApproximateNumberOfMessages"]),
            int(attributes["ApproximateNumberOfMessagesNotVisible"]),
            int(attributes["ApproximateNumberOfMessagesDelayed"]),
        )

    def depth(self, ages: Mapping[str, int]) -> Depth:
        # CloudWatch is minutes behind: what SQS says is empty now has no oldest message.
        empty = not (self.ready or self.in_flight or self.delayed)
        return Depth(self.ready, self.in_flight, self.delayed, None if empty else ages.get(self.sqs_name))


def _age_query(query_id: str, name: str) -> dict[str, Any]:
    metric = {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": name}],
    }
    return {"Id": query_id, "MetricStat": {"Metric": metric, "Period": PERIOD_SECONDS, "Stat": "Maximum"}}

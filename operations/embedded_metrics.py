"""What AWS measures of a queue and moto does not: how old its oldest message is.

To import this is enough: moto asks every subclass of its provider for what CloudWatch has, each time
somebody reads a metric. So ages are always those of now, and nothing is kept.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from moto.cloudwatch.models import MetricDatum
from moto.core.common_models import CloudWatchMetricProvider
from moto.core.utils import unix_time_millis, utcnow
from moto.sqs.models import sqs_backends


class QueueAges(CloudWatchMetricProvider):
    """``AWS/SQS`` ``ApproximateAgeOfOldestMessage`` of every queue; 0 when it is empty, as on AWS.

    A dead letter's age counts from when it was sent; on AWS, from when redrive moved it.
    """

    @staticmethod
    def get_cloudwatch_metrics(account_id: str, region: str) -> list[MetricDatum]:
        """A value for each queue, stamped with the last whole minute, as AWS does; called by moto."""
        minute = utcnow().replace(second=0, microsecond=0) - timedelta(minutes=1)
        return [
            MetricDatum(
                namespace="AWS/SQS",
                name="ApproximateAgeOfOldestMessage",
                value=_age_seconds(queue),
                dimensions=[{"Name": "QueueName", "Value": queue.name}],
                timestamp=minute,
                unit="Seconds",
            )
            for queue in list(sqs_backends[account_id][region].queues.values())
        ]


def _age_seconds(queue: Any) -> int:
    # All that is not deleted, so those in flight and delayed too; `messages` would be the visible ones.
    sent = [message.sent_timestamp for message in list(queue._messages)]  # noqa: SLF001
    return round((unix_time_millis() - min(sent)) / 1000) if sent else 0

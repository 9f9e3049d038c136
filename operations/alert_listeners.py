"""Who hears what alarms and the budget say: the subscriptions of the alerts topic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

PENDING = "PendingConfirmation"
DELETED = "Deleted"
"""What SNS says in place of a subscription's ARN (Confirm the subscription, Amazon SNS developer guide)."""


@dataclass(frozen=True)
class Listeners:
    """Those of one topic."""

    protocols: tuple[str, ...]
    """Of each that has confirmed, as ``email`` or ``sqs``."""
    waiting: tuple[str, ...]
    """The addresses of those that have not."""

    @classmethod
    def among(cls, subscriptions: Iterable[Mapping[str, str]]) -> Listeners:
        """By subscriptions as SNS lists them."""
        listed = list(subscriptions)
        return cls(
            tuple(each["Protocol"] for each in listed if each["SubscriptionArn"] not in {PENDING, DELETED}),
            tuple(each["Endpoint"] for each in listed if each["SubscriptionArn"] == PENDING),
        )


def listeners(sns: Any, topic: str) -> Listeners:
    """Ask SNS.

    Raises:
        ClientError, BotoCoreError: SNS did not say; a topic that is not there is among that.
    """
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    return Listeners.among(each for page in pages for each in page["Subscriptions"])

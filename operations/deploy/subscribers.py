"""Whether anybody hears the alarms."""

from __future__ import annotations

from typing import Any

PENDING = "PendingConfirmation"
"""What SNS says instead of a subscription's ARN until its owner has confirmed it (Amazon SNS API reference)."""


def unheard(sns: Any, topic: str) -> str:
    """Why nobody hears what is said on a topic, and what to do; empty when somebody does.

    Raises:
        ClientError, BotoCoreError: SNS did not say.
    """
    try:
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        found = [each for page in pages for each in page["Subscriptions"]]
    except sns.exceptions.NotFoundException:
        return f"nobody hears the alarms: {topic} was removed, and the stack knows nothing of it; make it again by hand"
    if any(each["SubscriptionArn"] != PENDING for each in found):
        return ""
    if found:
        waiting = ", ".join(each["Endpoint"] for each in found)
        return f"nobody hears the alarms yet: {waiting} has not confirmed, by the link in the mail that AWS has sent"
    return (
        "nobody hears the alarms: the alerts topic has no subscriber; "
        "airdate deploy --only messaging --param AlertsEmail=ADDRESS"
    )

"""What a deployment says when nobody hears the alarms."""

from __future__ import annotations

from typing import Any

from operations.alert_listeners import listeners


def unheard(sns: Any, topic: str) -> str:
    """Why nobody hears what is said on a topic, and what to do; empty when somebody does.

    Raises:
        ClientError, BotoCoreError: SNS did not say.
    """
    try:
        found = listeners(sns, topic)
    except sns.exceptions.NotFoundException:
        return f"nobody hears the alarms: {topic} was removed, and the stack knows nothing of it; make it again by hand"
    if found.protocols:
        return ""
    if found.waiting:
        waiting = ", ".join(found.waiting)
        return f"nobody hears the alarms yet: {waiting} has not confirmed, by the link in the mail that AWS has sent"
    return (
        "nobody hears the alarms: the alerts topic has no subscriber; "
        "airdate deploy --only messaging --param AlertsEmail=ADDRESS"
    )

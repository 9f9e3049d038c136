"""Airdate's Celery application, observed: each message leaves a line when it is received, begun and done.

A worker started with ``celery -A bench.observed`` is the Procfile's in all else.
"""

from __future__ import annotations

from typing import Any

from celery.signals import task_postrun, task_prerun, task_received

from bench.moments import leave
from tasks import app

app.conf.broker_transport_options = app.conf.broker_transport_options | {
    "fetch_message_attributes": {"MessageSystemAttributeNames": ["SentTimestamp", "MessageGroupId"]}
}


@task_received.connect
def received(request: Any, **_: object) -> None:
    """In a worker's main process."""
    attributes = request.message.delivery_info["sqs_message"]["Attributes"]
    sent = int(attributes["SentTimestamp"]) / 1000
    leave(what="received", id=request.id, sent=sent, group=attributes.get("MessageGroupId"))


@task_prerun.connect
def begun(task_id: str, task: Any, args: Any, **_: object) -> None:
    """In the process that runs it."""
    data = args[0]["data"] if args else {}
    leave(what="begun", id=task_id, task=task.name, subject=data.get("episodeId") or data.get("podcastId"))


@task_postrun.connect
def done(task_id: str, **_: object) -> None:
    """In the process that ran it."""
    leave(what="done", id=task_id)

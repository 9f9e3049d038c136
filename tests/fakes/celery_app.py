"""A Celery application over one queue, configured by environment variables alone, and tasks that leave a trace.

The worker process gets its ``app`` from here; the test makes one alike by :func:`application`, to publish.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery import Celery, Task, shared_task
from kombu import Exchange, Queue

TRANSPORTS = {"ours": "broker.transport:Transport", "stock": "sqs"}
KEY = "embedded"


def application(environment: Mapping[str, str]) -> Celery:
    """An application as the environment says, with the settings of ``celeryconfig`` that matter to a transport.

    ``WORKER_ENDPOINT``, ``WORKER_QUEUE``, ``WORKER_QUEUE_URL``
        where
    ``WORKER_TRANSPORT``
        one of ``TRANSPORTS``
    ``WORKER_VISIBILITY``, ``WORKER_MULTIPLIER``, ``WORKER_WAIT_TIME``, ``WORKER_POLLING_INTERVAL``
        numbers
    ``WORKER_EVENTS``
        1: remote control and events over SNS, which the stock transport has not with the queues it is told
    ``WORKER_OPTIONS``
        transport options, as JSON, over the others
    ``WORKER_RECORD``
        the file that the tasks append to
    """
    endpoint = urlsplit(environment.get("WORKER_ENDPOINT", "http://127.0.0.1:9"))
    queue = environment.get("WORKER_QUEUE", "work")
    url = environment.get("WORKER_QUEUE_URL", "")
    flavour = environment.get("WORKER_TRANSPORT", "ours")
    events = environment.get("WORKER_EVENTS") == "1"
    options: dict[str, Any] = {
        "region": "us-east-1",
        "is_secure": endpoint.scheme != "http",
        "visibility_timeout": int(environment.get("WORKER_VISIBILITY", "30")),
        "wait_time_seconds": int(environment.get("WORKER_WAIT_TIME", "20")),
        "polling_interval": float(environment.get("WORKER_POLLING_INTERVAL", "0")),
        "sqs_base64_encoding": False,
        "supports_fanout": events,
    }
    if flavour == "ours":
        options["queue_urls"] = {queue: url}
    else:
        options["predefined_queues"] = {queue: {"url": url, "access_key_id": KEY, "secret_access_key": KEY}}
    made = Celery("celery_app", set_as_current=False)
    made.conf.update(
        broker_url=f"sqs://{KEY}:{KEY}@{endpoint.netloc}",
        broker_transport=TRANSPORTS[flavour],
        broker_transport_options=options | json.loads(environment.get("WORKER_OPTIONS", "{}")),
        broker_connection_retry_on_startup=True,
        task_ignore_result=True,
        task_queues=[Queue(queue, Exchange("", type="direct"), routing_key=queue)],
        task_default_queue=queue,
        task_create_missing_queues=False,
        task_acks_late=True,
        task_acks_on_failure=False,
        task_acks_on_timeout=False,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=int(environment.get("WORKER_MULTIPLIER", "1")),
        worker_send_task_events=events,
        worker_enable_remote_control=events or environment.get("WORKER_REMOTE_CONTROL") == "1",
        task_send_sent_event=False,
        accept_content=["json"],
        task_serializer="json",
        timezone="UTC",
    )
    return made


@shared_task(name="celery_app.noop")
def noop(*_: Any, **__: Any) -> None:
    """Nothing."""


@shared_task(name="celery_app.record")
def record(text: str) -> None:
    """Leave a line that says who ran when: ``text pid time``."""
    line = f"{text} {os.getpid()} {time.time():.6f}\n"
    # One write of a file opened to append is whole, whoever else writes.
    file = os.open(Path(os.environ["WORKER_RECORD"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


@shared_task(name="celery_app.sleep")
def sleep(seconds: float, text: str) -> None:
    """Take a while; the record says when it began and ended."""
    record(f"start {text}")
    time.sleep(seconds)
    record(f"end {text}")


@shared_task(name="celery_app.hold")
def hold(until: str, text: str) -> None:
    """Be at work until a file is there; the record says when it began and ended."""
    record(f"start {text}")
    while not Path(until).exists():
        time.sleep(0.02)
    record(f"end {text}")


@shared_task(name="celery_app.fail")
def fail(text: str) -> None:
    """Leave a line and fail."""
    record(text)
    raise ValueError(text)


@shared_task(name="celery_app.later", bind=True)
def later(self: Task[Any, Any], text: str, seconds: float) -> None:
    """Leave a line, and the first time come back after ``seconds``."""
    record(text)
    if not self.request.retries:
        raise self.retry(countdown=seconds)


@shared_task(name="celery_app.kill")
def kill(text: str) -> None:
    """Leave a line and die as if out of memory."""
    record(text)
    os.kill(os.getpid(), 9)


def adapt(body: object) -> tuple[str, list[Any]] | None:
    """An adapter, for ``WORKER_OPTIONS``: of another producer's ``{"do": "record", "text": …}`` it makes a task."""
    if isinstance(body, dict) and body.get("do") == "record":
        return "celery_app.record", [body["text"]]
    return None


app = application(os.environ)

"""Celery with the transport that comes with it, configured as its page on SQS says, and else as it comes."""

from __future__ import annotations

import sys
import time
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from workload import ENDPOINT, KEY, MESSAGE, QUEUE, QUEUE_URL, REGION

app = Celery("peer")
app.conf.update(
    broker_url=f"sqs://{KEY}:{KEY}@{urlsplit(ENDPOINT).netloc}",
    broker_transport_options={
        "region": REGION,
        "is_secure": False,
        "predefined_queues": {QUEUE: {"url": QUEUE_URL, "access_key_id": KEY, "secret_access_key": KEY}},
    },
    task_default_queue=QUEUE,
    task_ignore_result=True,
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop(message: dict[str, Any]) -> None:
    """Nothing."""


def publish(count: int) -> float:
    """Send ``count`` tasks one by one; returns the seconds it took."""
    noop.delay(MESSAGE)
    began = time.perf_counter()
    for _ in range(count):
        noop.delay(MESSAGE)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(publish(int(sys.argv[2])))  # noqa: T201 - its answer

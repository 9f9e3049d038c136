"""dramatiq with dramatiq-sqs, as its README says."""

from __future__ import annotations

import sys
import time
from typing import Any

import dramatiq
from dramatiq_sqs import SQSBroker
from workload import ENDPOINT, KEY, MESSAGE, QUEUE, REGION

broker = SQSBroker(
    endpoint_url=ENDPOINT,
    region_name=REGION,
    aws_access_key_id=KEY,
    aws_secret_access_key=KEY,
)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=QUEUE)
def noop(message: dict[str, Any]) -> None:
    """Nothing."""


def publish(count: int) -> float:
    """Send ``count`` messages one by one; returns the seconds it took."""
    noop.send(MESSAGE)
    began = time.perf_counter()
    for _ in range(count):
        noop.send(MESSAGE)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(publish(int(sys.argv[2])))  # noqa: T201 - its answer

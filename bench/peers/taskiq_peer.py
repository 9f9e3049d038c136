"""taskiq with taskiq-aio-sqs, as its README says; with ``PEER_BATCH=1`` it publishes in batches."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

from taskiq_aio_sqs import SQSBroker
from workload import ENDPOINT, KEY, MESSAGE, QUEUE, REGION

SETTLING_SECONDS = 1.5
"""Its last call waits a second to become full."""

broker = SQSBroker(
    QUEUE,
    endpoint_url=ENDPOINT,
    region_name=REGION,
    aws_access_key_id=KEY,
    aws_secret_access_key=KEY,
    wait_time_seconds=20,
    max_number_of_messages=10,  # its default is 1, with which it is far slower
    enable_batching=os.environ.get("PEER_BATCH") == "1",
)


@broker.task(task_name="noop")
async def noop(message: dict[str, Any]) -> None:
    """Nothing."""


async def publish(count: int, *, together: int = 1) -> float:
    """Send ``count`` messages, so many at a time; returns the seconds until all were sent."""
    await broker.startup()
    await noop.kiq(MESSAGE)
    began = time.perf_counter()
    for start in range(0, count, together):
        await asyncio.gather(*(noop.kiq(MESSAGE) for _ in range(start, min(start + together, count))))
    # Its shutdown sends what is left as one call, which SQS refuses from eleven messages on.
    while any(not each.empty() for each in broker._batch_buffers.values()):  # noqa: ASYNC110, SLF001 - it tells nobody
        await asyncio.sleep(0.001)
    seconds = time.perf_counter() - began
    await asyncio.sleep(SETTLING_SECONDS)
    await broker.shutdown()
    return seconds


if __name__ == "__main__":
    together = int(sys.argv[3]) if len(sys.argv) > 3 else 1  # noqa: PLR2004 - its arguments
    print(asyncio.run(publish(int(sys.argv[2]), together=together)))  # noqa: T201 - its answer

"""The limit: boto3 alone, ten messages a call, with as many threads as Airdate's publisher has.

``python -m bench.contestants.raw_publisher COUNT`` reads one of Airdate's messages from standard input, sends so many
like it, each with an id of its own, and prints the seconds it took.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import boto3
from botocore.config import Config

from bench.peers.workload import ENDPOINT, KEY, QUEUE_URL, REGION
from broker.batch import ENTRIES_PER_CALL
from broker.options import Options

THREADS = Options().publish_threads


def publish(count: int, body: str) -> float:
    """Send ``count`` messages; returns the seconds it took."""
    sqs = boto3.client(
        "sqs",
        endpoint_url=ENDPOINT,
        region_name=REGION,
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
        config=Config(max_pool_connections=THREADS),
    )

    envelope = json.loads(body)

    def message() -> str:
        headers = envelope["headers"] | {"id": str(uuid4())}
        return json.dumps(envelope | {"headers": headers})

    def send(_: int) -> None:
        entries = [
            {"Id": str(number), "MessageBody": message(), "MessageGroupId": "morning-news"}
            for number in range(ENTRIES_PER_CALL)
        ]
        answer = sqs.send_message_batch(QueueUrl=QUEUE_URL, Entries=entries)  # type: ignore[arg-type]  # plain dicts
        if answer.get("Failed"):
            raise SystemExit(f"not sent: {answer['Failed']}")

    send(0)
    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(send, range(count // ENTRIES_PER_CALL)))
    return time.perf_counter() - began


if __name__ == "__main__":
    print(publish(int(sys.argv[1]), sys.stdin.read()))  # noqa: T201 - its answer

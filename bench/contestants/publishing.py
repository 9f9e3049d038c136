"""Who publishes: each sends so many messages from a process of its own, and says how long it took."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contestants.peer_environment import PEERS, peer_command, peer_variables
from publishers.queues import Queue
from tests.fakes.aws import client
from tests.fakes.sqs_queues import SqsQueue, create_queue

ROOT = Path(__file__).parents[2]
KEEPS_UP = "50"
"""How many taskiq tasks are sent at once where that is faster: more, and its event loop only gets busier."""


@dataclass(frozen=True)
class Publisher:
    """One that publishes: what runs, where, and whether a request of its carries one message or ten."""

    name: str
    batches: bool
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path = ROOT
    standard_input: str = ""

    def rate(self, count: int) -> float:
        """Messages a second, of ``count``."""
        place = self.command.index("COUNT")
        command = [*self.command[:place], str(count), *self.command[place + 1 :]]
        ran = subprocess.run(
            command,
            cwd=self.folder,
            env=dict(self.environment),
            input=self.standard_input,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if ran.returncode:
            raise RuntimeError(f"{self.name} could not publish: {ran.stderr[-2000:]}")
        return count / float(ran.stdout.split()[-1])


def new_queue(endpoint: str, name: str) -> SqsQueue:
    """An empty queue; one of that name, and what it held, is removed first."""
    with client("sqs", endpoint) as sqs:
        for url in sqs.list_queues(QueueNamePrefix=name).get("QueueUrls", []):
            sqs.delete_queue(QueueUrl=url)
    return create_queue(endpoint, name, visibility=600)


def airdate(endpoint: str) -> Publisher:
    """Airdate's publisher: podcasts to validated messages to Celery tasks to calls of ten."""
    return Publisher(
        "Airdate",
        batches=True,
        command=[sys.executable, "-m", "bench.contestants.airdate_publisher", "COUNT"],
        environment=airdate_variables(endpoint),
    )


def airdate_variables(endpoint: str) -> dict[str, str]:
    """Airdate's settings for an SQS server with queues of its own."""
    urls = {queue: new_queue(endpoint, f"airdate-{queue.value}").url for queue in Queue}
    return dict(os.environ) | {
        "AIRDATE_HOME": tempfile.gettempdir(),
        "AIRDATE_AWS_ENDPOINT": endpoint,
        "AIRDATE_DATABASE_URL": "sqlite:///unused.db",
        "AIRDATE_PUBLIC_URL": "http://127.0.0.1:9",
        "AIRDATE_DISCOVERY_QUEUE_URL": urls[Queue.DISCOVERY],
        "PODCAST_GENERATION_QUEUE_URL": urls[Queue.GENERATION],
        "EPISODE_PROCESSING_QUEUE_URL": urls[Queue.PROCESSING],
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": "us-east-1",
    }


def raw_boto3(endpoint: str, body: str) -> Publisher:
    """boto3 alone, with the same bodies and as many threads."""
    return Publisher(
        "boto3 alone",
        batches=True,
        command=[sys.executable, "-m", "bench.contestants.raw_publisher", "COUNT"],
        environment=peer_variables(endpoint, "raw", new_queue(endpoint, "raw").url),
        standard_input=body,
    )


def peers(endpoint: str) -> list[Publisher]:
    """The peers, one by one and in batches."""

    def peer(name: str, module: str, *arguments: str, batches: bool = False) -> Publisher:
        queue = f"peer-{module}-{int(batches)}{''.join(arguments)}"
        return Publisher(
            name,
            batches=batches,
            command=[peer_command("python"), f"{module}.py", "publish", "COUNT", *arguments],
            environment=peer_variables(endpoint, queue, new_queue(endpoint, queue).url, batch=batches),
            folder=PEERS,
        )

    return [
        peer("Celery", "celery_peer"),
        peer("dramatiq", "dramatiq_peer"),
        peer("taskiq", "taskiq_peer"),
        peer("taskiq, batching", "taskiq_peer", KEEPS_UP, batches=True),
        peer("taskiq, batching, all at once", "taskiq_peer", "1000000", batches=True),
    ]


def body_of(publisher: Publisher) -> str:
    """The body of a message that a publisher has sent to Airdate's generation queue."""
    with client("sqs", publisher.environment["AIRDATE_AWS_ENDPOINT"]) as sqs:
        url = publisher.environment["PODCAST_GENERATION_QUEUE_URL"]
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)
        return str(received["Messages"][0]["Body"])

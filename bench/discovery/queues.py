"""The queues that discoveries send to, on a local SQS server."""

from __future__ import annotations

from uuid import uuid4

from bench.discovery.due_query import CLAIM_SECONDS, PAGE
from tests.fakes.aws import client
from tests.fakes.sqs_queues import SqsQueue, create_queue


class Queues:
    """An SQS server with the three queues, and the environment of a process that sends to them."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        name = uuid4().hex[:8]
        self.generation, self.processing, self._discovery = (
            create_queue(endpoint, f"bench-{name}-{queue}", visibility=60) for queue in ("g", "p", "d")
        )

    def environment(self, database: str) -> dict[str, str]:
        """As a platform's, where nothing is found by itself."""
        return {
            "AIRDATE_ENV_FILE": "/dev/null",
            "AIRDATE_DATABASE_URL": database,
            "AIRDATE_PUBLIC_URL": "https://shows.example.org",
            "AIRDATE_AWS_ENDPOINT": self.endpoint,
            "AIRDATE_CLAIM_SECONDS": str(CLAIM_SECONDS),
            "AIRDATE_DISCOVERY_PAGE": str(PAGE),
            "AWS_ACCESS_KEY_ID": "embedded",
            "AWS_SECRET_ACCESS_KEY": "embedded",
            "PODCAST_GENERATION_QUEUE_URL": self.generation.url,
            "EPISODE_PROCESSING_QUEUE_URL": self.processing.url,
            "AIRDATE_DISCOVERY_QUEUE_URL": self._discovery.url,
        }

    def emptied(self) -> int:
        """Empty them; how many messages there were."""
        used: tuple[SqsQueue, ...] = (self.generation, self.processing)
        there = sum(queue.depth().waiting for queue in used)
        with client("sqs", self.endpoint) as sqs:
            for queue in used:
                sqs.purge_queue(QueueUrl=queue.url)
        return there

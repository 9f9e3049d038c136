"""A queue whose messages wait longer than their claims last is told of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from moto.core.utils import unix_time_millis
from moto.sqs.models import sqs_backends

import operations.embedded_metrics  # noqa: F401 - moto of this process publishes ages from now on
from operations.doctor import backlog
from operations.messaging import deploy
from operations.queue_depth import DepthReader
from publishers.queues import Queue
from settings import EMBEDDED_ACCOUNT, settings
from tasks.readiness.findings import Level
from tests.fakes.aws import NOBODY, client, empty, served_aws
from tests.fakes.environment import set_environment


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served_aws() as endpoint:
        yield endpoint


@pytest.fixture
def reader(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DepthReader]:
    """Of our queues, with claims of five minutes."""
    empty(server)
    set_environment(monkeypatch)
    with ExitStack() as stack:
        sqs, cloudwatch, cloudformation = (
            stack.enter_context(client(name, server)) for name in ("sqs", "cloudwatch", "cloudformation")
        )
        yield DepthReader(sqs, cloudwatch, deploy(cloudformation, sqs, visibility_timeout=60))
    settings.cache_clear()


def wait(reader: DepthReader, queue: Queue, seconds: int) -> None:
    """Put a message on a queue, as if so long ago."""
    reader.sqs.send_message(QueueUrl=reader.urls[queue], MessageBody="{}")
    message = sqs_backends[EMBEDDED_ACCOUNT]["us-east-1"].queues[f"airdate-{queue}"]._messages[-1]
    message.sent_timestamp = int(unix_time_millis() - seconds * 1000)  # type: ignore[assignment]


def test_messages_that_wait_longer_than_their_claims_are_a_warning(reader: DepthReader) -> None:
    wait(reader, Queue.DISCOVERY, 200)
    wait(reader, Queue.GENERATION, 1000)
    [finding] = backlog.findings(reader)

    assert finding.level is Level.WARN
    assert finding.found.startswith("podcast-generation: its oldest message waits for 100")
    assert "AIRDATE_CLAIM_SECONDS=1560" in finding.fix


def test_a_queue_that_cannot_be_asked_is_left_to_its_own_line(reader: DepthReader) -> None:
    with client("sqs", NOBODY) as away:
        urls = {queue: f"{NOBODY}/1/airdate-{queue}" for queue in Queue}

        assert list(backlog.findings(DepthReader(away, reader.cloudwatch, urls))) == []

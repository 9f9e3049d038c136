"""Depths and ages, read over HTTP from an AWS that publishes ages as the embedded one does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.core.utils import unix_time_millis
from moto.sqs.models import sqs_backends

import operations.embedded_metrics  # noqa: F401 - moto of this process publishes ages from now on
from operations.messaging import dead_letter_queue, deploy
from operations.output import duration
from operations.queue_depth import Depth, DepthReader, Depths
from podcasting.errors import Retryable
from publishers.queues import Queue
from settings import EMBEDDED_ACCOUNT
from tests.fakes.aws import NOBODY, client, empty, served_aws


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served_aws() as endpoint:
        yield endpoint


@pytest.fixture
def reader(server: str) -> Iterator[DepthReader]:
    """Of our queues, which are empty."""
    empty(server)
    with ExitStack() as stack:
        sqs, cloudwatch, cloudformation = (
            stack.enter_context(client(name, server)) for name in ("sqs", "cloudwatch", "cloudformation")
        )
        yield DepthReader(sqs, cloudwatch, deploy(cloudformation, sqs, visibility_timeout=60))


def send(reader: DepthReader, name: str, *, age_seconds: int = 0, delay_seconds: int = 0) -> None:
    """Put a message on a queue, by its name on SQS, as if so long ago."""
    url = reader.sqs.get_queue_url(QueueName=name)["QueueUrl"]
    reader.sqs.send_message(QueueUrl=url, MessageBody="{}", DelaySeconds=delay_seconds)
    message = sqs_backends[EMBEDDED_ACCOUNT]["us-east-1"].queues[name]._messages[-1]
    message.sent_timestamp = int(unix_time_millis() - age_seconds * 1000)  # type: ignore[assignment]


def by_name(depths: Depths) -> dict[str, tuple[Depth, Depth]]:
    return {queue.name: (queue.waiting, queue.dead) for queue in depths.queues}


def test_empty_queues_have_no_oldest_message(reader: DepthReader) -> None:
    depths = reader.read()

    assert by_name(depths) == {queue: (Depth(0, 0, 0), Depth(0, 0, 0)) for queue in Queue}
    assert depths.why_no_ages == ""


def test_a_queue_tells_what_is_ready_in_flight_and_delayed(reader: DepthReader) -> None:
    for _ in range(3):
        send(reader, "airdate-discovery")
    reader.sqs.receive_message(QueueUrl=reader.urls["discovery"])
    send(reader, "airdate-discovery", delay_seconds=900)

    waiting, _ = by_name(reader.read())["discovery"]

    assert (waiting.ready, waiting.in_flight, waiting.delayed, waiting.messages) == (2, 1, 1, 4)


def test_a_queue_and_its_dead_letters_have_each_their_oldest_message(reader: DepthReader) -> None:
    send(reader, "airdate-episode-processing", age_seconds=130)
    send(reader, "airdate-episode-processing", age_seconds=10)
    send(reader, dead_letter_queue("episode-processing"), age_seconds=86_400)

    waiting, dead = by_name(reader.read())["episode-processing"]

    assert waiting.oldest_seconds == pytest.approx(130, abs=2)
    assert dead.oldest_seconds == pytest.approx(86_400, abs=2)


def test_a_message_in_flight_is_old_too(reader: DepthReader) -> None:
    send(reader, "airdate-podcast-generation", age_seconds=600)
    reader.sqs.receive_message(QueueUrl=reader.urls["podcast-generation"])

    waiting, _ = by_name(reader.read())["podcast-generation"]

    assert (waiting.ready, waiting.oldest_seconds) == (0, pytest.approx(600, abs=2))


def test_looking_uses_up_no_receive(reader: DepthReader) -> None:
    # Redrive counts them: three looks would make a dead letter.
    send(reader, "airdate-discovery")
    reader.read()

    received = reader.sqs.receive_message(
        QueueUrl=reader.urls["discovery"], MessageSystemAttributeNames=["ApproximateReceiveCount"]
    )
    assert received["Messages"][0]["Attributes"]["ApproximateReceiveCount"] == "1"


def test_all_ages_are_one_request(reader: DepthReader) -> None:
    asked = []
    reader.cloudwatch.meta.events.register("before-call.cloudwatch", lambda model, **_: asked.append(model.name))

    reader.read()

    assert asked == ["GetMetricData"]


class Denied:
    """A CloudWatch that we may not read."""

    def get_metric_data(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetMetricData")


def test_an_age_that_may_not_be_read_is_missing_with_its_reason(reader: DepthReader) -> None:
    send(reader, "airdate-discovery")

    depths = DepthReader(reader.sqs, Denied(), reader.urls).read()

    assert by_name(depths)["discovery"][0] == Depth(1, 0, 0, None)
    assert depths.why_no_ages.startswith("CloudWatch does not answer: ")
    assert "AccessDenied" in depths.why_no_ages


def test_a_cloudwatch_without_the_metric_is_no_error(reader: DepthReader) -> None:
    class Empty:
        def get_metric_data(self, **asked: Any) -> Any:
            return {"MetricDataResults": [{"Id": each["Id"], "Values": []} for each in asked["MetricDataQueries"]]}

    send(reader, "airdate-discovery")
    depths = DepthReader(reader.sqs, Empty(), reader.urls).read()

    assert by_name(depths)["discovery"][0] == Depth(1, 0, 0, None)
    assert depths.why_no_ages == ""


def test_an_sqs_that_does_not_answer_is_named() -> None:
    with client("sqs", NOBODY) as sqs:
        sqs.meta.events.register("needs-retry", lambda **_: None)
        reader = DepthReader(sqs, Denied(), {"discovery": f"{NOBODY}/1/airdate-discovery"})

        with pytest.raises(Retryable, match=rf"SQS does not answer: .*{NOBODY}"):
            reader.read()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "–"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (150, "2 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86_399, "23 h"),
        (86_400 * 14, "14 d"),
    ],
)
def test_an_age_is_said_in_words(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said

"""``airdate exporter``: the depths of the queues as Prometheus reads them."""

from __future__ import annotations

import socket

from click.testing import CliRunner
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from operations.command import main
from operations.exporter import registry
from operations.queue_depth import Depth, Depths, QueueDepth
from podcasting.errors import Retryable
from tests.fakes.environment import ROOT

Sample = tuple[str, tuple[tuple[str, str], ...]]


class Queues:
    """Two queues; or an SQS that does not answer."""

    well = True

    def read(self) -> Depths:
        if not self.well:
            raise Retryable("SQS does not answer: timed out")
        return Depths(
            (
                QueueDepth("discovery", Depth(3, 2, 1, 45), Depth(1, 0, 0)),
                QueueDepth("episode-processing", Depth(0, 0, 0), Depth(0, 0, 0)),
            )
        )


def samples(queues: Queues) -> dict[Sample, float]:
    text = generate_latest(registry(queues)).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_each_state_of_each_queue_is_a_series_and_an_empty_queue_has_no_age() -> None:
    found = samples(Queues())

    depth = {
        dict(labels)["state"]: value
        for (name, labels), value in found.items()
        if ("queue", "discovery") in labels and name == "airdate_queue_depth"
    }
    assert depth == {"visible": 3, "in_flight": 2, "delayed": 1, "dead": 1}
    ages = {labels: value for (name, labels), value in found.items() if name == "airdate_oldest_message_seconds"}
    assert ages == {(("queue", "discovery"),): 45}
    assert found["airdate_queues_read", ()] == 1


def test_while_sqs_does_not_answer_there_is_no_depth_rather_than_a_wrong_one() -> None:
    queues = Queues()
    queues.well = False

    assert samples(queues) == {("airdate_queues_read", ()): 0}


def test_a_port_that_is_taken_is_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = {"AIRDATE_AWS_ENDPOINT": "http://127.0.0.1:1", "AIRDATE_ENV_FILE": "/dev/null"}
        done = CliRunner().invoke(main, ["exporter", "--port", port], env=environment)

    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use; choose others by --address and --port"
    ]


def test_its_port_is_before_those_of_the_workers() -> None:
    assert "# AIRDATE_METRICS_PORT=9417" in (ROOT / ".env.example").read_text()

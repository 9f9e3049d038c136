"""``airdate exporter``: the depths of the queues, in each way that metrics are told."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from operations.command import main
from operations.exporter import registry
from operations.queue_depth import Depth, Depths, QueueDepth
from operations.queue_metrics import queue_values
from podcasting.errors import Retryable
from publishers.queues import Queue
from tasks.telemetry import emf
from tasks.telemetry.names import READ
from tasks.telemetry.otlp import OtlpGauges
from tests.fakes.aws import client, empty, served_aws
from tests.fakes.environment import ROOT
from tests.fakes.telemetry_receiver import telemetry_receiver

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


def test_in_the_embedded_metric_format_a_line_tells_one_value_by_all_its_dimensions() -> None:
    lines: list[str] = []

    emf.write_gauges("trial", queue_values(Queues()), write=lines.append)

    found = [json.loads(line) for line in lines]
    assert len(found) == 2 * 4 + 1 + 1  # four states of two queues, one age, and that SQS answered
    [dead] = [line for line in found if (line.get("Queue"), line.get("State")) == ("discovery", "dead")]
    assert (dead["Deployment"], dead["QueueDepth"]) == ("trial", 1)
    [directive] = dead["_aws"]["CloudWatchMetrics"]
    assert directive == {
        "Namespace": "Airdate",
        "Dimensions": [["Deployment", "Queue", "State"]],
        "Metrics": [{"Name": "QueueDepth", "Unit": "Count"}],
    }
    [age] = [line for line in found if "OldestMessageSeconds" in line]
    assert (age["Queue"], age["OldestMessageSeconds"]) == ("discovery", 45)
    assert all(line.endswith("\n") and "\n" not in line[:-1] for line in lines)


def test_by_opentelemetry_they_are_gauges_that_are_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    queues = Queues()
    with telemetry_receiver() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.address)
        gauges = OtlpGauges("trial", READ)
        gauges.tell(queue_values(queues))
        first = list(received.metrics)
        queues.well = False
        gauges.tell(queue_values(queues))

    dead = {"airdate.queue": "discovery", "airdate.state": "dead"}
    assert ("airdate.queue_depth", dead, 1) in first
    assert ("airdate.oldest_message_seconds", {"airdate.queue": "discovery"}, 45) in first
    assert ("airdate.queues_read", {}, 1) in first
    assert received.units["airdate.oldest_message_seconds"] == "s"
    assert received.metrics[len(first) :] == [("airdate.queues_read", {}, 0)], "an old depth is not told again"


def test_the_command_tells_in_each_way_that_is_named(tmp_path: Path) -> None:
    with served_aws() as endpoint, telemetry_receiver() as received:
        empty(endpoint)
        with client("sqs", endpoint) as sqs:
            for queue in Queue:
                sqs.create_queue(QueueName=f"airdate-{queue}")
        environment = {
            "PATH": os.environ["PATH"],
            "AIRDATE_ENV_FILE": os.devnull,
            "AIRDATE_HOME": str(tmp_path),
            "AIRDATE_AWS_ENDPOINT": endpoint,
            "AIRDATE_METRICS": "emf,otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": received.address,
        }
        command = [sys.executable, "-m", "operations.command", "exporter"]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as run:
            received.until(lambda: received.metrics)
            run.send_signal(signal.SIGTERM)
            said, _ = run.communicate(timeout=30)

    lines = [json.loads(line) for line in said.splitlines()]  # and no address: nobody asked for Prometheus
    assert {line["Queue"] for line in lines if "QueueDepth" in line} == {str(queue) for queue in Queue}
    assert ("airdate.queues_read", {}, 1) in received.metrics


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

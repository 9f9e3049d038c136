"""CloudWatch's embedded metric format: valid by its specification, gathered, and short enough for one write."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tasks.telemetry import measures
from tasks.telemetry.emf import MOST_VALUES, EmbeddedMetrics
from tasks.telemetry.measures import measure
from tasks.telemetry.names import (
    LEASE_LOST,
    METRICS,
    SQS_REQUESTS,
    TASK_FAILED,
    TASK_SECONDS,
    TASK_SUCCEEDED,
    Kind,
    Unit,
)

PIPE_BUF = 4096
"""POSIX: so much is written to a pipe at once, on Linux."""
UNITS = {"Count", "Seconds", "None"}
"""Of those that CloudWatch's MetricDatum knows."""


@pytest.fixture
def lines() -> Iterator[list[str]]:
    written: list[str] = []
    measures.send_to([EmbeddedMetrics("trial", write=written.append, interval=3600)])
    yield written
    measures.close()


def written(lines: list[str]) -> list[dict[str, Any]]:
    measures.close()
    return [json.loads(line) for line in lines]


def check(line: dict[str, Any]) -> None:
    """What the specification asks: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
    CloudWatch_Embedded_Metric_Format_Specification.html."""
    head = line["_aws"]
    assert isinstance(head["Timestamp"], int)
    assert abs(head["Timestamp"] / 1000 - time.time()) < 60, "milliseconds since 1970"
    for directive in head["CloudWatchMetrics"]:
        assert directive["Namespace"] == "Airdate"
        assert 1 <= len(directive["Metrics"]) <= 100
        for dimensions in directive["Dimensions"]:
            assert len(dimensions) <= 30
            assert all(isinstance(line[name], str) for name in dimensions)
        for metric in directive["Metrics"]:
            assert metric["Unit"] in UNITS
            values = line[metric["Name"]]
            values = values if isinstance(values, list) else [values]
            assert 1 <= len(values) <= 100
            assert all(isinstance(value, int | float) for value in values)


def test_a_line_has_the_dimensions_of_what_was_measured(lines: list[str]) -> None:
    measure(TASK_FAILED, Task="generate_podcast", Class="Permanent")

    (line,) = written(lines)
    check(line)
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [
        ["Deployment"],
        ["Deployment", "Task"],
        ["Deployment", "Class"],
    ]
    assert (line["Deployment"], line["Task"], line["Class"]) == ("trial", "generate_podcast", "Permanent")
    assert line["TaskFailed"] == 1


def test_counts_are_added_up_and_of_a_distribution_each_value_is_kept(lines: list[str]) -> None:
    for seconds in (1.5, 2.5, 1.5):
        measure(TASK_SUCCEEDED, Task="a")
        measure(TASK_SECONDS, seconds, Task="a")

    (line,) = written(lines)
    check(line)
    assert line["TaskSucceeded"] == 3
    assert line["TaskSeconds"] == [1.5, 2.5, 1.5]


def test_each_set_of_dimensions_has_a_line_of_its_own(lines: list[str]) -> None:
    measure(SQS_REQUESTS)
    measure(LEASE_LOST)
    measure(TASK_SUCCEEDED, Task="a")
    measure(TASK_SUCCEEDED, Task="b")

    whole, first, second = written(lines)
    assert (whole["SqsRequests"], whole["LeaseLost"]) == (1, 1)
    assert (first["Task"], second["Task"]) == ("a", "b")


def test_many_values_are_several_lines_each_short_enough_for_one_write(lines: list[str]) -> None:
    wanted = [number / 7 for number in range(5 * MOST_VALUES // 2)]
    for value in wanted:
        measure(TASK_SECONDS, value, Task="a" * 5000)
        measure(TASK_SUCCEEDED, Task="a" * 5000)

    found = written(lines)
    assert len(found) == 3
    for text, line in zip(lines, found, strict=True):
        check(line)
        assert len(text.encode()) <= PIPE_BUF
        assert text.endswith("\n")
    assert [value for line in found for value in line["TaskSeconds"]] == pytest.approx(wanted, abs=1e-6)
    assert sum(line.get("TaskSucceeded", 0) for line in found) == len(wanted)


def test_all_metrics_at_once_fit_into_a_write(lines: list[str]) -> None:
    for _ in range(MOST_VALUES):
        for metric in METRICS:
            measure(metric, 1234.567891)

    for line in written(lines):
        check(line)
    assert max(len(text.encode()) for text in lines) <= PIPE_BUF


def test_a_reader_that_is_gone_ends_no_work(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: str) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    measures.send_to([EmbeddedMetrics("trial", write=broken, interval=3600)])
    measure(SQS_REQUESTS)
    measure(TASK_SUCCEEDED, Task="a")
    measures.close()

    assert caplog.text.count("metrics cannot be written") == 1


def test_the_namespace_is_ours_whatever_the_environment_says(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "another")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Another")
    measure(SQS_REQUESTS)

    (line,) = written(lines)
    check(line)
    assert "service" not in line


def test_the_table_of_names_is_sound() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert len({metric.prometheus for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.meaning.endswith(".")
        assert metric.look_at
        assert metric.unit in Unit
        assert bool(metric.buckets) is (metric.kind is Kind.SPREAD)
        assert list(metric.buckets) == sorted(metric.buckets)
    assert TASK_SUCCEEDED.prometheus == "airdate_task_succeeded_total"
    assert TASK_SECONDS.prometheus == "airdate_task_seconds"
    assert SQS_REQUESTS.otlp == "airdate.sqs_requests"

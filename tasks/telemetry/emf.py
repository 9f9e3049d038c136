"""CloudWatch's embedded metric format: a line of JSON on stdout that CloudWatch Logs makes metrics of.

Values are gathered and written every few seconds: a line for each set of dimensions, a metric's values in an array.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from tasks.telemetry import measures
from tasks.telemetry.names import DEPLOYMENT, NAMESPACE, Kind, Metric

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 20
"""CloudWatch keeps one-minute statistics; this is what a process that is killed may lose."""

MOST_VALUES = 50
"""In one array. The format allows 100; so few keep a line within 4,096 bytes, which is what several processes may
write to one pipe without their lines mixing (POSIX's PIPE_BUF, on Linux)."""

Series = tuple[tuple[str, str], ...]
"""Names and values of a line's dimensions."""


def to_stdout(line: str) -> None:
    """Write one line in one write, past what Celery may have put in the place of ``sys.stdout``."""
    os.write(1, line.encode())


def write_gauges(
    deployment: str,
    values: Iterable[tuple[Metric, measures.Labels, float]],
    *,
    write: Callable[[str], None] = to_stdout,
) -> None:
    """Write a line for each value of a gauge, by all its dimensions at once: it says nothing of any of them alone."""
    for metric, labels, value in values:
        line: Any = AmazonCloudWatchEMFProvider(
            namespace=NAMESPACE, service="", default_dimensions={DEPLOYMENT: deployment, **labels}
        ).serialize_metric_set(metrics={metric.name: {"Unit": metric.unit.value, "Value": value}})
        write(json.dumps(line, separators=(",", ":")) + "\n")


class EmbeddedMetrics:
    """Gathers values and writes them; a back end of :mod:`tasks.telemetry.measures`."""

    def __init__(
        self, deployment: str, *, write: Callable[[str], None] = to_stdout, interval: float = INTERVAL_SECONDS
    ) -> None:
        self._deployment = deployment
        self._write = write
        self._interval = interval
        self._gathered: dict[Series, dict[Metric, list[float]]] = {}
        self._told = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="embedded-metrics", daemon=True)
        self._thread.start()

    def add(self, metric: Metric, value: float, labels: measures.Labels) -> None:
        """Take a value: counts are added up, of a distribution each value is kept."""
        values = self._gathered.setdefault(tuple(labels.items()), {}).setdefault(metric, [])
        if metric.kind is Kind.COUNT and values:
            values[0] += value
        else:
            values.append(round(value, 6))

    def close(self) -> None:
        """Write what is left."""
        self._ended.set()
        self._thread.join()
        self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        with measures.exclusively():
            gathered, self._gathered = self._gathered, {}
        for series, metrics in gathered.items():
            for first in range(0, max(map(len, metrics.values())), MOST_VALUES):
                some = {metric: values[first : first + MOST_VALUES] for metric, values in metrics.items()}
                self._line(series, {metric: values for metric, values in some.items() if values})

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            self.flush()

    def _line(self, series: Series, metrics: dict[Metric, list[float]]) -> None:
        # Not by its add_metric, which prints for itself; `service` empty, or an environment variable adds a dimension.
        provider = AmazonCloudWatchEMFProvider(
            namespace=NAMESPACE, service="", default_dimensions={DEPLOYMENT: self._deployment}
        )
        for name, value in series:
            provider.add_dimensions(**{name: value})
        values: dict[str, Any] = {
            metric.name: {"Unit": metric.unit.value, "Value": each if len(each) > 1 else each[0]}
            for metric, each in metrics.items()
        }
        line: Any = provider.serialize_metric_set(metrics=values)
        try:
            self._write(json.dumps(line, separators=(",", ":")) + "\n")
        except OSError as error:  # who reads our output is gone; the work goes on
            if not self._told:
                log.warning("metrics cannot be written to stdout, and are dropped: %s", error)
            self._told = True

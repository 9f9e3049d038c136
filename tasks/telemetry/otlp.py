"""OpenTelemetry: metrics and spans sent by OTLP over HTTP, from threads of each process.

Where to, how often and with what headers is said by OpenTelemetry's own variables (``OTEL_EXPORTER_OTLP_ENDPOINT``,
``OTEL_METRIC_EXPORT_INTERVAL`` …): https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tasks.telemetry import identity, measures
from tasks.telemetry.names import METRICS, Kind, Metric, Unit

CLOSING_MILLISECONDS = 3_000
"""For a collector that does not answer, at the end of a process."""
SENDING_MILLISECONDS = 20_000
"""Likewise, where nothing else waits."""

UNITS = {Unit.COUNT: "1", Unit.SECONDS: "s", Unit.DOLLARS: "USD"}
"""As UCUM has them, which OpenTelemetry asks for; money has its ISO 4217 code."""


def resource(deployment: str) -> Resource:
    """Who tells: this process, of this release, in this deployment."""
    return Resource.create(
        {
            "service.name": "airdate",
            "service.version": version("airdate"),
            "service.instance.id": identity.instance(),
            "deployment.environment.name": deployment,
        }
    )


def tracer_provider(deployment: str) -> TracerProvider:
    """Spans of this process, on their way to the collector."""
    provider = TracerProvider(resource=resource(deployment), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class OtlpMetrics:
    """Counters and histograms; a back end of :mod:`tasks.telemetry.measures`."""

    def __init__(self, deployment: str) -> None:
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        self._provider = MeterProvider([reader], resource(deployment), shutdown_on_exit=False)
        meter = self._provider.get_meter("airdate", version("airdate"))
        self._made = {metric: _made(meter, metric) for metric in METRICS}

    def add(self, metric: Metric, value: float, labels: measures.Labels) -> None:
        """Take a value."""
        self._made[metric](value, _attributes(labels))

    def close(self) -> None:
        """Send what is left, if the collector answers."""
        self._provider.shutdown(CLOSING_MILLISECONDS)


class OtlpGauges:
    """Gauges that somebody reads now and then, and sends at once."""

    def __init__(self, deployment: str, metrics: Iterable[Metric]) -> None:
        # The next reading is sent by the next call, so no thread sends in between.
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=math.inf)
        self._provider = MeterProvider([reader], resource(deployment), shutdown_on_exit=False)
        meter = self._provider.get_meter("airdate", version("airdate"))
        self._values: list[tuple[Metric, measures.Labels, float]] = []
        for metric in metrics:
            # Observed, not set: what was set once would be sent for ever, also when nobody knows it any more.
            meter.create_observable_gauge(metric.otlp, [self._observing(metric)], UNITS[metric.unit], metric.meaning)

    def tell(self, values: Iterable[tuple[Metric, measures.Labels, float]]) -> None:
        """Send them, if the collector answers; a line in the log when it does not."""
        self._values = list(values)
        self._provider.force_flush(SENDING_MILLISECONDS)

    def _observing(self, of: Metric) -> Callable[[CallbackOptions], list[Observation]]:
        return lambda _: [
            Observation(value, _attributes(labels)) for metric, labels, value in self._values if metric is of
        ]


def _attributes(labels: measures.Labels) -> dict[str, str]:
    return {f"airdate.{name.lower()}": label for name, label in labels.items()}


def _made(meter: Any, metric: Metric) -> Any:
    if metric.kind is Kind.COUNT:
        return meter.create_counter(metric.otlp, UNITS[metric.unit], metric.meaning).add
    return meter.create_histogram(
        metric.otlp, UNITS[metric.unit], metric.meaning, explicit_bucket_boundaries_advisory=metric.buckets
    ).record

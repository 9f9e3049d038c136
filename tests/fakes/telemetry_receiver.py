"""A collector of OpenTelemetry's (OTLP over HTTP, protobuf) and a Sentry (its envelope endpoint), on loopback."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.fakes.loopback_server import HttpHandler, LoopbackServer


@dataclass(frozen=True)
class Span:
    """A span as it was received."""

    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]
    failed: bool
    process: str
    seconds: float
    events: tuple[str, ...]


@dataclass
class Received:
    """All that came, in the order in which it came."""

    address: str
    spans: list[Span] = field(default_factory=list)
    metrics: list[tuple[str, dict[str, str], float]] = field(default_factory=list)
    """Name, attributes, and the sum, the last value or the count."""
    newest: dict[tuple[str, str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)
    """The same by process, name and attributes: a process tells a count again, as it then is, once a minute."""
    units: dict[str, str] = field(default_factory=dict)
    reports: list[dict[str, Any]] = field(default_factory=list)
    """Sentry's events."""
    raw: list[bytes] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        return f"{self.address.replace('://', '://a0b1c2d3e4f5a6b7c8d9@')}/7"

    def until(self, true: Callable[[], Any], seconds: float = 40) -> Any:
        last = time.monotonic() + seconds
        while time.monotonic() < last:
            if found := true():
                return found
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s; spans: {[span.name for span in self.spans]}")

    def trace_of(self, name: str) -> list[Span]:
        """The spans of the newest trace that has a span of this name."""
        (*_, newest) = (span.trace for span in self.spans if span.name == name)
        return [span for span in self.spans if span.trace == newest]

    def take(self, path: str, body: bytes) -> None:
        self.raw.append(body)
        if path == "/v1/traces":
            self._spans(ExportTraceServiceRequest.FromString(body))
        elif path == "/v1/metrics":
            self._metrics(ExportMetricsServiceRequest.FromString(body))
        elif path == "/api/7/envelope/":
            self._envelope(body)
        else:
            raise ValueError(path)

    def _spans(self, request: Any) -> None:
        for whole in request.resource_spans:
            process = _plain(whole.resource.attributes)["service.instance.id"]
            for scope in whole.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Span(
                            span.name,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            _plain(span.attributes),
                            span.status.code == 2,
                            process,
                            (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                            tuple(str(_plain(event.attributes)) for event in span.events),
                        )
                    )

    def _metrics(self, request: Any) -> None:
        for whole in request.resource_metrics:
            process = _plain(whole.resource.attributes)["service.instance.id"]
            for scope in whole.scope_metrics:
                for metric in scope.metrics:
                    self.units[metric.name] = metric.unit
                    numbers = (*metric.sum.data_points, *metric.gauge.data_points)
                    values = [(point, point.as_double or point.as_int) for point in numbers]
                    values += [(point, point.count) for point in metric.histogram.data_points]
                    for point, value in values:
                        attributes = _plain(point.attributes)
                        self.metrics.append((metric.name, attributes, value))
                        self.newest[process, metric.name, tuple(sorted(attributes.items()))] = value

    def _envelope(self, body: bytes) -> None:
        # https://develop.sentry.dev/sdk/foundations/transport/envelopes/: a line of headers, then pairs of lines.
        _, *items = body.split(b"\n")
        for header, payload in zip(items[::2], items[1::2], strict=False):
            if json.loads(header)["type"] == "event":
                self.reports.append(json.loads(payload))


def _plain(attributes: Any) -> dict[str, str]:
    return {each.key: str(getattr(each.value, each.value.WhichOneof("value") or "string_value")) for each in attributes}


@contextmanager
def telemetry_receiver() -> Iterator[Received]:
    """Receive until the context ends."""

    class Handler(HttpHandler):
        def do_POST(self) -> None:
            body = self.body()
            encoding = self.headers.get("Content-Encoding")
            if encoding:
                body = gzip.decompress(body) if encoding == "gzip" else zlib.decompress(body)
            received.take(self.path, body)
            self.answer(200, {})

    with LoopbackServer(Handler) as server:
        received = Received(server.address)
        yield received

"""``airdate exporter``: how deep each queue is and how old its oldest message, told in the ways of ``AIRDATE_METRICS``.

Workers do not measure that: of all processes one is enough, and it needs leave to read queues alone.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from operations.queue_depth import DepthReader
from operations.queue_metrics import Reader, Value, queue_values
from podcasting.errors import Permanent
from settings import Settings, settings
from tasks.telemetry import identity
from tasks.telemetry.names import READ
from tasks.telemetry.processes import missing

if TYPE_CHECKING:  # of all commands this one alone needs it
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily

PORT = 9416
"""The one before those of the workers (``AIRDATE_METRICS_PORT``)."""

EVERY_SECONDS = 60
"""What is written or sent, and not asked for: as often as SQS's own metrics."""


class QueueCollector:
    """Reads the queues each time that Prometheus asks."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lock = threading.Lock()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges as of now; without depths while SQS does not answer."""
        from prometheus_client.core import GaugeMetricFamily

        families = {
            metric: GaugeMetricFamily(metric.prometheus, metric.meaning, labels=[name.lower() for name in metric.by])
            for metric in READ
        }
        with self._lock:
            values = queue_values(self._reader)
        for metric, labels, value in values:
            families[metric].add_metric([labels[name] for name in metric.by], value)
        yield from families.values()


def registry(reader: Reader) -> CollectorRegistry:
    """What is served."""
    from prometheus_client import CollectorRegistry

    # It reads once when registered, to learn the names; SQS need not answer for that.
    made = CollectorRegistry(auto_describe=False)
    made.register(QueueCollector(reader))
    return made


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="The port to listen on.")
@click.option("--address", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--once", is_flag=True, help="Print what Prometheus would be served, and end.")
def exporter(*, port: int, address: str, once: bool) -> None:
    """Tell the depth of each queue and the age of its oldest message, in each way that AIRDATE_METRICS names.

    Prometheus, and with nothing named: served, and SQS asked each time that Prometheus asks. emf: a line for each
    queue and state on stdout every minute. otlp: sent every minute. Six requests to SQS for three queues, and one to
    CloudWatch.

    \b
    Examples:
      airdate exporter                         on http://127.0.0.1:9416/metrics, until Ctrl-C
      AIRDATE_METRICS=otlp airdate exporter    to OTEL_EXPORTER_OTLP_ENDPOINT
      airdate exporter --once                  print it
    """
    from prometheus_client import generate_latest, start_http_server

    chosen, reader = settings(), DepthReader.of_settings()
    if once:
        click.echo(generate_latest(registry(reader)).decode(), nl=False)
        return
    lacks = [line for line in missing(chosen) if line.startswith("AIRDATE_METRICS ")]
    if lacks:
        raise Permanent("; ".join(lacks))
    identity.become(f"exporter@{socket.gethostname()}")
    serving: Any = None
    if "prometheus" in chosen.metrics or not chosen.metrics:
        try:
            _, serving = start_http_server(port, address, registry(reader))
        except OSError as error:
            raise Permanent(
                f"cannot listen on {address} port {port}: {error.strerror or error}; "
                "choose others by --address and --port"
            ) from None
        click.echo(f"http://{address}:{port}/metrics")
    tellers = _tellers(chosen)
    if not tellers:
        serving.join()
    while True:
        values = queue_values(reader)
        for tell in tellers:
            tell(values)
        threading.Event().wait(EVERY_SECONDS)


def _tellers(chosen: Settings) -> list[Callable[[list[Value]], None]]:
    tellers: list[Callable[[list[Value]], None]] = []
    if "emf" in chosen.metrics:
        from tasks.telemetry import emf

        tellers.append(lambda values: emf.write_gauges(chosen.deployment, values))
    if "otlp" in chosen.metrics:
        from tasks.telemetry.otlp import OtlpGauges

        tellers.append(OtlpGauges(chosen.deployment, READ).tell)
    return tellers


COMMANDS = (exporter,)

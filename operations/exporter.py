"""``airdate exporter``: how deep each queue is and how old its oldest message, for Prometheus.

Workers do not measure that: of all processes one is enough, and it needs leave to read queues alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import click

from operations.queue_depth import Depth, DepthReader, Depths
from podcasting.errors import Permanent, Retryable
from tasks.telemetry.names import OLDEST_MESSAGE_SECONDS, QUEUE_DEPTH, QUEUES_READ, Metric

if TYPE_CHECKING:  # of all commands this one alone needs it
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily

log = logging.getLogger(__name__)

PORT = 9416
"""The one before those of the workers (``AIRDATE_METRICS_PORT``)."""


class Reader(Protocol):
    """Reads the depths of queues."""

    def read(self) -> Depths:
        """All of them.

        Raises:
            Retryable: SQS does not answer.
        """
        ...


class QueueCollector:
    """Reads the queues each time that Prometheus asks."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lock = threading.Lock()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges as of now; without depths while SQS does not answer."""
        depth, oldest, read = map(_family, (QUEUE_DEPTH, OLDEST_MESSAGE_SECONDS, QUEUES_READ))
        try:
            with self._lock:
                queues = self._reader.read().queues
        except Retryable as error:
            log.warning("%s", error)
            read.add_metric([], 0)
            yield read
            return
        for queue in queues:
            for state, messages in _states(queue.waiting, queue.dead):
                depth.add_metric([queue.name, state], messages)
            if queue.waiting.oldest_seconds is not None:
                oldest.add_metric([queue.name], queue.waiting.oldest_seconds)
        read.add_metric([], 1)
        yield from (depth, oldest, read)


def _states(waiting: Depth, dead: Depth) -> Iterator[tuple[str, int]]:
    yield "visible", waiting.ready
    yield "in_flight", waiting.in_flight
    yield "delayed", waiting.delayed
    yield "dead", dead.messages


def _family(metric: Metric) -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(metric.prometheus, metric.meaning, labels=[name.lower() for name in metric.by])


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
@click.option("--once", is_flag=True, help="Print what would be served, and end.")
def exporter(*, port: int, address: str, once: bool) -> None:
    """Serve the depth of each queue and the age of its oldest message to Prometheus.

    SQS is asked each time that Prometheus asks: six requests for three queues; and CloudWatch once.

    \b
    Examples:
      airdate exporter                   on http://127.0.0.1:9416/metrics, until Ctrl-C
      airdate exporter --once            print it
    """
    from prometheus_client import generate_latest, start_http_server

    served = registry(DepthReader.of_settings())
    if once:
        click.echo(generate_latest(served).decode(), nl=False)
        return
    try:
        _, thread = start_http_server(port, address, served)
    except OSError as error:
        raise Permanent(
            f"cannot listen on {address} port {port}: {error.strerror or error}; choose others by --address and --port"
        ) from None
    click.echo(f"http://{address}:{port}/metrics")
    thread.join()


COMMANDS = (exporter,)

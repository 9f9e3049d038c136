"""Prometheus: each process of a worker measures into files of its own, and the main process serves their sum.

That is prometheus_client's multiprocess mode (https://prometheus.github.io/client_python/multiprocess/), which is told
its folder by the environment, hence before a worker forks.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server, values
from prometheus_client.multiprocess import MultiProcessCollector

from tasks.telemetry import identity, measures
from tasks.telemetry.names import METRICS, Kind, Metric

log = logging.getLogger(__name__)

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
FOLDER = "airdate-metrics-{pid}-"
FOLDERS = re.compile(r"airdate-metrics-(\d+)-")

KINDS = ("discovery", "generator", "processor", "beat")
"""Each kind of process on one machine has a port of its own: ``AIRDATE_METRICS_PORT`` and the next three."""


def prepare() -> None:
    """Give this process, and those it will fork, a folder to measure into; removed when it ends."""
    sweep()
    owner = os.getpid()
    folder = tempfile.mkdtemp(prefix=FOLDER.format(pid=owner))
    os.environ[FOLDER_VARIABLE] = folder
    # `celery` imports Flower to list its commands, and Flower prometheus_client, which has looked for the folder then.
    anew: Any = values.get_value_class  # has no types
    values.ValueClass = anew()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)


def sweep() -> None:
    """Remove the folders of processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob("airdate-metrics-*"):
        found = FOLDERS.match(folder.name)
        if found and _dead(found[1]):  # another user's folder stays as it is
            shutil.rmtree(folder, ignore_errors=True)


def _dead(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def port_of(kind: str, first: int) -> int:
    """The port of a kind of process; one that the Procfile does not know has the port after its four."""
    return first + (KINDS.index(kind) if kind in KINDS else len(KINDS))


def serve(address: str, first_port: int) -> None:
    """Serve ``/metrics`` of this process and of those it forked, from a thread."""
    registry = CollectorRegistry()
    collector: Any = MultiProcessCollector  # has no types
    collector(registry)
    port = port_of(identity.kind(), first_port)
    try:
        start_http_server(port, address, registry)
    except OSError as error:
        log.warning(
            "no metrics are served: %s port %d: %s; the work goes on. Set AIRDATE_METRICS_PORT or "
            "AIRDATE_METRICS_ADDRESS of this process",
            address,
            port,
            error.strerror or error,
        )
    else:
        log.info("metrics are served on http://%s:%d/metrics", address, port)


class PrometheusMetrics:
    """Counters and histograms; a back end of :mod:`tasks.telemetry.measures`."""

    def __init__(self) -> None:
        self._made = {metric: _made(metric) for metric in METRICS}

    def add(self, metric: Metric, value: float, labels: measures.Labels) -> None:
        """Take a value."""
        made = self._made[metric]
        if metric.by:
            made = made.labels(*(labels.get(name, "") for name in metric.by))
        if metric.kind is Kind.COUNT:
            made.inc(value)
        else:
            made.observe(value)

    def close(self) -> None:
        """Nothing is held back."""


def _made(metric: Metric) -> Any:
    labels = [name.lower() for name in metric.by]
    if metric.kind is Kind.COUNT:
        return Counter(metric.prometheus, metric.meaning, labels, registry=None)
    return Histogram(metric.prometheus, metric.meaning, labels, buckets=metric.buckets, registry=None)

"""When telemetry begins and ends, in each process of a worker and in beat.

A worker's children do the tasks and measure them; its main process receives, so it counts requests, says that it
lives, and serves what Prometheus reads. What a child has, it makes after the fork: threads do not survive one.
"""

from __future__ import annotations

import atexit
import importlib.util
import logging
import os
import socket
import threading
import time
from typing import Any

from celery.signals import after_task_publish

from broker.errors import Refused
from settings import Settings, settings
from tasks.telemetry import identity, measures, names, reports, tracing

log = logging.getLogger(__name__)

ALIVE_SECONDS = 60
ENDING_SECONDS = 3

NEEDED = {
    "emf": ("aws_lambda_powertools", "AIRDATE_METRICS", "telemetry"),
    "prometheus": ("prometheus_client", "AIRDATE_METRICS", "telemetry"),
    "otlp": ("opentelemetry.sdk", "AIRDATE_METRICS", "telemetry"),
    "traces": ("opentelemetry.instrumentation.celery", "AIRDATE_TRACES", "telemetry"),
    "sentry": ("sentry_sdk", "AIRDATE_SENTRY_DSN", "sentry"),
}
"""What each needs to be installed, the variable that asks for it, and the extra that brings it."""

_begun_in = 0
_served = False


def missing(chosen: Settings) -> list[str]:
    """What is asked for and not installed: a line each, with the command that installs it."""
    wanted = [
        *sorted(chosen.metrics),
        *(["traces"] if chosen.traces == "otlp" else []),
        *(["sentry"] if chosen.sentry_dsn.get_secret_value() else []),
    ]
    return [
        f"{variable} asks for {name}, and {module} is not installed: pip install 'airdate[{extra}]'"
        for name in wanted
        for module, variable, extra in [NEEDED[name]]
        if not _installed(module)
    ]


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package around it
        return False


def set_up() -> None:
    """A worker's main process, before it forks.

    Raises:
        Refused: what is asked for is not installed; the log says what to do.
    """
    lacks = missing(settings())
    for line in lacks:
        log.critical("not started: %s", line)
    if lacks:
        raise Refused
    if "prometheus" in settings().metrics:
        from tasks.telemetry import prometheus

        prometheus.prepare()


def begin(*, with_traces: bool = True) -> None:
    """Begin in this process, unless it has begun."""
    global _begun_in  # noqa: PLW0603 - a process begins once
    if _begun_in == os.getpid():
        return
    _begun_in = os.getpid()
    chosen = settings()
    if with_traces and chosen.traces == "otlp":
        tracing.begin(chosen.deployment)
    if dsn := chosen.sentry_dsn.get_secret_value():
        reports.begin(dsn, chosen.deployment)
    measures.send_to([_backend(name, chosen) for name in sorted(chosen.metrics)])


def _backend(name: str, chosen: Settings) -> measures.Backend:
    if name == "emf":
        from tasks.telemetry.emf import EmbeddedMetrics

        return EmbeddedMetrics(chosen.deployment)
    if name == "prometheus":
        from tasks.telemetry.prometheus import PrometheusMetrics

        return PrometheusMetrics()
    from tasks.telemetry.otlp import OtlpMetrics

    return OtlpMetrics(chosen.deployment)


def main_process_ready(consumer: Any) -> None:
    """A worker's main process is ready: its pool has forked, so it may have threads. After an outage, once more."""
    global _served  # noqa: PLW0603 - a worker serves once
    begin(with_traces=not type(consumer.pool).__module__.endswith("prefork"))  # there the children do the tasks
    if measures.measuring():
        if not _served:
            _served = True
            _serve()
        consumer.timer.call_repeatedly(ALIVE_SECONDS, _alive)
        _alive()


def beat_began() -> None:
    """Beat is about to send its first tick.

    Raises:
        Refused: as :func:`set_up`.
    """
    identity.become(f"beat@{socket.gethostname()}")
    set_up()
    begin()
    atexit.register(end)
    if measures.measuring():
        _serve()
        after_task_publish.connect(_ticked, weak=False)
        threading.Thread(target=_stay_alive, name="process-alive", daemon=True).start()


def report_from(kind: str) -> None:
    """Reports of errors alone, from a process that is no worker, whose output a person reads."""
    identity.become(f"{kind}@{socket.gethostname()}")
    chosen = settings()
    dsn = chosen.sentry_dsn.get_secret_value()
    if dsn and _installed(NEEDED["sentry"][0]):
        reports.begin(dsn, chosen.deployment)


def end() -> None:
    """Hand on what is left, for a few seconds at most; this process may end.

    The libraries' own limits count each attempt: a collector that is away would hold up a shutdown for a minute.
    """
    global _begun_in  # noqa: PLW0603 - as above
    if _begun_in != os.getpid():
        return
    _begun_in = 0
    last = time.monotonic() + ENDING_SECONDS
    closing = [
        threading.Thread(target=close, daemon=True) for close in (*measures.closers(), tracing.close, reports.close)
    ]
    for thread in closing:
        thread.start()
    for thread in closing:
        thread.join(max(0.0, last - time.monotonic()))


def _serve() -> None:
    if "prometheus" in settings().metrics:
        from tasks.telemetry import prometheus

        prometheus.serve(settings().metrics_address, settings().metrics_port)


def _alive() -> None:
    measures.measure(names.PROCESS_ALIVE, Process=identity.kind())


def _stay_alive() -> None:
    while measures.measuring():
        _alive()
        threading.Event().wait(ALIVE_SECONDS)


def _ticked(**_: Any) -> None:
    measures.measure(names.BEAT_TICKS)


def counted_request(operation: str) -> None:  # noqa: ARG001 - the broker says which; we count all alike
    """The broker's ``on_request``: a request to SQS was made."""
    measures.measure(names.SQS_REQUESTS)


def reported_poison(queue: str, message_id: str, reason: str) -> None:
    """The broker's ``on_poison``: a message of which nothing can be made is a dead letter."""
    reports.words(f"poison in {queue}: {reason}", queue=queue, message=message_id)

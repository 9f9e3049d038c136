"""Telemetry: metrics, traces and reports of errors, each off unless a setting turns it on.

Off, none of its libraries is imported and a task pays for a few comparisons. On, each process of a worker tells for
itself: :mod:`tasks.telemetry.processes` begins when a process begins and ends when it ends.
"""

from __future__ import annotations

from typing import Any

from celery import signals

from tasks.telemetry import identity


def connect() -> None:
    """Have workers and beat begin and end their telemetry; connected as the application is made."""
    signals.worker_init.connect(_worker_named)
    signals.celeryd_after_setup.connect(_worker_set_up)
    signals.worker_process_init.connect(_child_began)
    signals.worker_ready.connect(_worker_ready)
    signals.worker_process_shutdown.connect(_process_ends)
    signals.worker_shutdown.connect(_process_ends)
    signals.beat_init.connect(_beat_began)


def _worker_named(sender: Any, **_: Any) -> None:
    identity.become(sender.hostname)


def _worker_set_up(**_: Any) -> None:
    from tasks.telemetry import processes

    processes.set_up()


def _child_began(**_: Any) -> None:
    if identity.is_main_process():  # a pool without children says so too, before the worker is set up
        return
    from tasks.telemetry import processes

    processes.begin()


def _worker_ready(sender: Any, **_: Any) -> None:
    from tasks.telemetry import processes

    processes.main_process_ready(sender)


def _process_ends(**_: Any) -> None:
    from tasks.telemetry import processes

    processes.end()


def _beat_began(**_: Any) -> None:
    from tasks.telemetry import processes

    processes.beat_began()

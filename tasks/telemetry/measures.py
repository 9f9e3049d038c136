"""Measuring: a value of a metric goes to each back end that is on; with none on, that is one comparison."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tasks.telemetry.names import Metric

Labels = Mapping[str, str]
"""By dimension: ``{"Task": "generate_podcast"}``; of those in :attr:`Metric.by`, any or none."""

LONGEST_LABEL = 100
"""Characters; CloudWatch takes 1,024, but a line of ours must fit into one write."""


class Backend(Protocol):
    """Where values go. Called by one thread at a time."""

    def add(self, metric: Metric, value: float, labels: Labels) -> None:
        """Take a value."""
        ...

    def close(self) -> None:
        """Hand on what is left; takes a few seconds at most."""
        ...


_lock = threading.Lock()
_backends: tuple[Backend, ...] = ()
_guarded = False


def measure(metric: Metric, value: float = 1, **labels: str) -> None:
    """Tell a value of a metric; from any thread."""
    if not _backends:
        return
    short = {name: label[:LONGEST_LABEL] for name, label in labels.items()}
    with _lock:
        for backend in _backends:
            backend.add(metric, value, short)


def measuring() -> bool:
    """Whether anybody is told."""
    return bool(_backends)


def send_to(backends: Sequence[Backend]) -> None:
    """From now on, this process's values go there. What a parent process had is forgotten, and is not ours to close."""
    global _backends, _guarded  # noqa: PLW0603 - a process measures in one way
    if backends and not _guarded:
        # A child forked while another thread of ours measures would wait for ever for a lock that nobody holds.
        os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
        _guarded = True
    _backends = tuple(backends)


def closers() -> list[Callable[[], None]]:
    """Measure no more; what hands on what is left, of each back end."""
    global _backends
    with _lock:
        closing, _backends = _backends, ()
    return [backend.close for backend in closing]


def close() -> None:
    """Hand on what is left, and measure no more."""
    for close_one in closers():
        close_one()


def exclusively() -> threading.Lock:
    """The lock under which :meth:`Backend.add` is called, for a back end whose own thread takes what was added."""
    return _lock

"""A bound on the warm shutdown: what still runs after it is stopped, and its message visible to others at once."""

import os
import signal
import threading
from typing import Any

from celery.signals import worker_shutting_down

from settings import settings


def bound_shutdown(instance: Any, **_: Any) -> None:
    """Prepare a worker; a pool of threads, or none, cannot stop a task and gets no bound."""
    if instance.pool_cls.__module__.endswith("prefork"):
        worker_shutting_down.connect(_begin, weak=False)


def _begin(how: str, **_: Any) -> None:
    if how == "Warm":
        # SIGQUIT is the cold shutdown: it ends the tasks, and the transport gives back their messages.
        bound = threading.Timer(settings().shutdown_seconds, os.kill, (os.getpid(), signal.SIGQUIT))
        bound.daemon = True
        bound.start()

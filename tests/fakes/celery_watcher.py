"""Those who watch a worker and tell it what to do, as Flower and a shell would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery

from tests.fakes.celery_app import application
from tests.fakes.celery_worker import CeleryWorker
from tests.fakes.environment import ROOT


@contextmanager
def watcher(worker: CeleryWorker, endpoint: str) -> Iterator[Celery]:
    """An application that asks and watches, as Flower or a shell would: one of its own each time."""
    app = application(worker.environment | {"WORKER_ENDPOINT": endpoint})
    try:
        yield app
    finally:
        app.close()


@contextmanager
def receiver(app: Celery) -> Iterator[list[dict[str, Any]]]:
    """What an event receiver receives."""
    events: list[dict[str, Any]] = []
    with app.connection_for_read() as connection:
        receiving = app.events.Receiver(connection, handlers={"*": events.append})
        ready = threading.Event()
        receiving.on_consume_ready = lambda *_, **__: ready.set()

        def capture() -> None:
            receiving.capture(limit=None, timeout=None, wakeup=False)

        thread = threading.Thread(target=capture)
        thread.start()
        assert ready.wait(20)
        try:
            yield events
        finally:
            receiving.should_stop = True
            thread.join(20)


def ping_from_a_shell(worker: CeleryWorker) -> Any:
    command = [
        "-m",
        "celery",
        "-A",
        "tests.fakes.celery_app",
        "inspect",
        "--timeout",
        "5",
        "--destination",
        worker.full_name,
        "--json",
        "ping",
    ]
    environment = os.environ | worker.environment
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)

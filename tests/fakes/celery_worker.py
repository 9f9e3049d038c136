"""A real Celery worker in a process of its own, and a producer of the same configuration in this one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery

from tests.fakes.celery_app import application
from tests.fakes.environment import PREFIXES, ROOT


class CeleryWorker:
    """Runs ``celery worker`` on ``tests.fakes.celery_app``; its log and the tasks' record are in the directory.

    Several workers may share a directory: each has a log of its own, and all the one record. ``publish_at``
    is the endpoint to publish at when it is not the worker's: past the proxy that fails for the worker.
    """

    def __init__(
        self,
        directory: Path,
        *,
        endpoint: str,
        queue: str,
        queue_url: str,
        transport: str = "ours",
        pool: str = "prefork",
        concurrency: int = 2,
        multiplier: int = 1,
        visibility: int = 30,
        events: bool = False,
        options: Mapping[str, Any] | None = None,
        wait_time: int = 20,
        polling_interval: float = 0,
        publish_at: str | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self.name = f"{transport}-{uuid4().hex[:8]}"
        self.full_name = f"{self.name}@{socket.gethostname()}"
        self.environment = {
            "WORKER_ENDPOINT": endpoint,
            "WORKER_QUEUE": queue,
            "WORKER_QUEUE_URL": queue_url,
            "WORKER_TRANSPORT": transport,
            "WORKER_VISIBILITY": str(visibility),
            "WORKER_MULTIPLIER": str(multiplier),
            "WORKER_WAIT_TIME": str(wait_time),
            "WORKER_POLLING_INTERVAL": str(polling_interval),
            "WORKER_EVENTS": "1" if events else "0",
            "WORKER_OPTIONS": json.dumps(dict(options or {})),
            "WORKER_RECORD": str(directory / "record"),
        }
        self._arguments = [
            *("-n", self.full_name, "-P", pool, "-c", str(concurrency)),
            *("--without-gossip", "--without-mingle"),
            *(() if events else ("--without-heartbeat",)),
            *arguments,
        ]
        self._log = directory / f"{self.name}.log"
        self._record = directory / "record"
        self._publish_at = publish_at or endpoint
        self._producer: Celery | None = None
        self._process: subprocess.Popen[bytes] | None = None

    # The process ----------------------------------------------------------------------------------

    def command(self, log_level: str) -> list[str]:
        """What starts it."""
        return [sys.executable, "-m", "tests.fakes.celery_main", *self._arguments, "-l", log_level]

    def start(self) -> None:
        """Start; returns at once. ``until_ready`` waits."""
        assert not self.alive(), f"{self.name} runs already"
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith((*PREFIXES, "CELERY_", "WORKER_"))
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command("INFO"),
                cwd=ROOT,
                env=inherited | self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def until_ready(self, seconds: float = 30) -> None:
        """Wait until it consumes."""
        self.until("the worker is ready", lambda: " ready." in self.log(), seconds)

    @property
    def pid(self) -> int:
        """Of the main process, which receives; the pool's are its children."""
        return self._started().pid

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Signal it and all its children."""
        if self.alive():
            os.killpg(self.pid, number)

    def terminate(self) -> None:
        """Ask for a warm shutdown; returns at once."""
        self._started().terminate()

    def wait(self, seconds: float = 30) -> int:
        """The exit code, once it ends; fails with the log when it does not."""
        try:
            return self._started().wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the worker ended not within {seconds} s\n{self.log()[-3000:]}")

    def stop(self) -> None:
        """Kill what is left of it, and let go of the producer."""
        if self._process is not None:
            self.kill()
            self._process.wait(30)
        if self._producer is not None:
            self._producer.close()
            self._producer = None

    def __enter__(self) -> CeleryWorker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # The work -------------------------------------------------------------------------------------

    @property
    def producer(self) -> Celery:
        """An application like the worker's, in this process."""
        if self._producer is None:
            self._producer = application(self.environment | {"WORKER_ENDPOINT": self._publish_at})
        return self._producer

    def publish(self, task: str, *arguments: Any, **send_options: Any) -> str:
        """Send a task of ``celery_app`` by its short name; returns its id."""
        return str(self.producer.send_task(f"celery_app.{task}", args=arguments, **send_options).id)

    def records(self) -> list[str]:
        """The lines that tasks have left: ``text pid time``."""
        return self._record.read_text().splitlines() if self._record.exists() else []

    def texts(self) -> list[str]:
        """The records' texts alone."""
        return [line.rsplit(" ", 2)[0] for line in self.records()]

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def until(self, what: str, true: Callable[[], Any], seconds: float = 60) -> Any:
        """Wait until something is true, and give it back; fails with the log when it takes too long."""
        last = time.monotonic() + seconds
        while time.monotonic() < last:
            if found := true():
                return found
            time.sleep(0.05)
        pytest.fail(f"{what}: not within {seconds} s\n{self.log()[-3000:]}")

    def _started(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"{self.name} was not started"
        return self._process

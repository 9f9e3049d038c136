"""Everything on one machine: the embedded AWS, the site, and the processes of the Procfile.

Stopped in the order in which they need each other: first the workers, then the site and the AWS.
"""

from __future__ import annotations

import fcntl
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from honcho.environ import parse_procfile
from honcho.manager import SYSTEM_PRINTER_NAME, Manager
from honcho.printer import Message, Printer
from honcho.process import Process

from operations import messaging
from operations.companion import Companion
from operations.embedded_aws import EmbeddedAws
from operations.ports import is_free
from podcasting import syndication
from podcasting.database.revisions import migrate
from podcasting.errors import Permanent
from settings import settings
from tasks import aws, wiring

PROCFILE = Path(__file__).parent.parent / "Procfile"
FLOWER_CONFIGURATION = Path(__file__).parent.parent / "flowerconfig.py"
FOREGROUND = "airdate"
"""The process whose lines a person sees; the others write to log files."""


ENDING_SECONDS = 20
"""How long the workers of a run that was killed may need to end."""


@contextmanager
def platform() -> Iterator[None]:
    """Prepare one machine to run Airdate: its folder is ours, AWS answers, queues and tables exist, the site is served.

    Raises:
        Permanent, Retryable: it cannot be prepared; says what is in the way and what to do.
    """
    home = settings().home
    with _only_one(home):
        site_port = settings().site_port
        _require_free(site_port, "AIRDATE_SITE_PORT", "the published site")
        _require_free(settings().flower_port, "AIRDATE_FLOWER_PORT", "Flower")
        migrate(wiring.database().engine)
        embedded = EmbeddedAws(settings().embedded_aws_file)
        embedded.start()
        site = Companion("operations.site", str(home / "site"), str(site_port))
        try:
            messaging.deploy(
                aws.client("cloudformation"), aws.client("sqs"), visibility_timeout=settings().visibility_timeout
            )
            # The queues are new and empty, and no worker is left of an earlier run.
            wiring.database().claims.forget(wiring.utc_now())
            syndication.refresh_all(wiring.studio())
            site.start()
            yield
        finally:
            site.stop()
            embedded.stop()


def run(foreground: str, *, environment: Mapping[str, str] | None = None) -> int:
    """Run the Procfile's processes and ``foreground``, a shell command whose lines are shown, until one ends.

    Returns the exit code: that of the process that ended first, or 130 for Ctrl-C.
    """
    logs = settings().home / "log"
    logs.mkdir(parents=True, exist_ok=True)
    # The commands of this environment first, whatever is activated.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    child = {
        "FLOWER_CONF": str(FLOWER_CONFIGURATION),
        **os.environ,
        **(environment or {}),
        "PATH": path,
        "AIRDATE_HOME": str(settings().home),
        "AIRDATE_FLOWER_PORT": str(settings().flower_port),
        "PYTHONUNBUFFERED": "1",
    }
    manager = Manager(_Shown(sys.stdout))
    manager._process_ctor = _Leashed  # noqa: SLF001 - honcho's own seam, without a public name
    manager.add_process(FOREGROUND, foreground, env=child)
    for name, command in parse_procfile(PROCFILE.read_text()).processes.items():
        # exec, or the shell would end before the worker whose shutdown we wait for.
        manager.add_process(name, f"exec {command} >>{logs / name}.log 2>&1", env=child)
    manager.loop()
    return int(manager.returncode or 0)


class _Leashed(Process):
    """A process that ends with ours, even when we are killed and cannot end it."""

    def run(self, *args: Any, **kwargs: Any) -> None:
        """Run the command; called by honcho in a process of its own."""
        threading.Thread(target=self._end_with_parent, daemon=True).start()
        super().run(*args, **kwargs)

    def _end_with_parent(self) -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            multiprocessing.connection.wait([parent.sentinel])
            os.killpg(self._child.pid, signal.SIGTERM)


class _Shown(Printer):
    """Shows the foreground's lines as they are, and of the others only that one ended before its time."""

    def __init__(self, output: object) -> None:
        super().__init__(output, prefix=False)
        self._ending = False

    def write(self, message: Message) -> None:
        """Print what a person should see."""
        if message.name == FOREGROUND:
            super().write(message)
        elif message.name == SYSTEM_PRINTER_NAME and not self._ending:
            text = str(message.data).strip()
            self._ending = text.endswith("received") or " stopped " in text
            name = text.split(" ", 1)[0]
            if " stopped " in text and name != FOREGROUND:
                why = f"{text}: see {settings().home / 'log' / name}.log. Nothing is lost: start again and it goes on"
                super().write(message._replace(data=why))


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "lock").open("a")
    except OSError as error:
        raise Permanent(
            f"cannot write to {home}/: {error.strerror}; make it writable, or set AIRDATE_HOME to a folder that is"
        ) from None
    with lock:
        for _ in range(ENDING_SECONDS):
            if _taken(lock):
                break
            time.sleep(1)
        else:
            raise Permanent(
                f"Airdate runs under {home}/ already; stop it (Ctrl-C), or set AIRDATE_HOME to another folder"
            )
        yield


def _taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _require_free(port: int, variable: str, what: str) -> None:
    if not is_free(port):
        raise Permanent(
            f"port {port} on 127.0.0.1, for {what}, is in use; "
            f"stop what listens there, or set {variable} to another port"
        )

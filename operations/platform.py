"""Everything on one machine: the embedded AWS, the site, and the processes of the Procfile.

Stopped in the order in which they need each other: first the workers, then the site and the AWS.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from honcho.environ import parse_procfile
from honcho.manager import SYSTEM_PRINTER_NAME, Manager
from honcho.printer import Message, Printer

from operations import messaging
from operations.companion import Companion
from operations.embedded_aws import EmbeddedAws
from operations.ports import is_free
from podcasting import syndication
from podcasting.database.connection import migrate
from podcasting.errors import Permanent
from settings import settings
from tasks import wiring

PROCFILE = Path(__file__).parent.parent / "Procfile"
FOREGROUND = "airdate"
"""The process whose lines a person sees; the others write to log files."""


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
        aws = EmbeddedAws(settings().embedded_aws_file)
        aws.start()
        site = Companion("operations.site", str(home / "site"), str(site_port))
        try:
            messaging.deploy(
                wiring.aws("cloudformation"), wiring.aws("sqs"), visibility_timeout=settings().visibility_timeout
            )
            # The queues are new and empty: whatever was claimed is claimed no more.
            wiring.database().claims.forget(wiring.utc_now())
            syndication.refresh_all(wiring.studio())
            site.start()
            yield
        finally:
            site.stop()
            aws.stop()


def run(foreground: str, *, environment: Mapping[str, str] | None = None) -> int:
    """Run the Procfile's processes and ``foreground``, a shell command whose lines are shown, until one ends.

    Returns the exit code: that of the process that ended first, or 130 for Ctrl-C.
    """
    logs = settings().home / "log"
    logs.mkdir(parents=True, exist_ok=True)
    # The commands of this environment first, whatever is activated.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    child = {
        **os.environ,
        **(environment or {}),
        "PATH": path,
        "AIRDATE_HOME": str(settings().home),
        "AIRDATE_FLOWER_PORT": str(settings().flower_port),
        "PYTHONUNBUFFERED": "1",
    }
    manager = Manager(_Shown(sys.stdout))
    manager.add_process(FOREGROUND, foreground, env=child)
    for name, command in parse_procfile(PROCFILE.read_text()).processes.items():
        manager.add_process(name, f"exec >>{logs / name}.log 2>&1; {command}", env=child)
    manager.loop()
    return int(manager.returncode or 0)


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
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Permanent(
                f"Airdate runs under {home}/ already; stop it (Ctrl-C; if it was killed, its workers are left: "
                "pkill -f 'celery -A tasks'), or set AIRDATE_HOME to another folder"
            ) from None
        yield


def _require_free(port: int, variable: str, what: str) -> None:
    if not is_free(port):
        raise Permanent(
            f"port {port} on 127.0.0.1, for {what}, is in use; "
            f"stop what listens there, or set {variable} to another port"
        )

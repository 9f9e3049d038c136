"""Presence: each worker's main process and beat write into the database, every 30 s, that they live.

From a thread, over connections of its own, so that no work waits for it, and an outage of the database is a line in
the log. `airdate status` shows who is there, and `airdate doctor` that two beats are.
"""

from __future__ import annotations

import atexit
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery.signals import after_task_publish, worker_shutdown

from publishers.queues import Queue
from settings import settings

if TYPE_CHECKING:  # SQLAlchemy comes with the thread, not with the import
    from sqlalchemy import Engine

    from podcasting.database.processes import Process, Processes

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 3
"""For a lock of SQLite's, and for the last write of a process that stops."""
FORK_SECONDS = 0.5
"""How long a fork waits at most for a write that is being made: usually a few milliseconds."""
WRITES_TO_A_SWEEP = 120
"""From one to the next: an hour."""
KINDS = {Queue.DISCOVERY: "discovery", Queue.GENERATION: "generator", Queue.PROCESSING: "processor"}
"""What a worker of one queue is called: its line in the Procfile."""
BEAT = "beat"

_present: dict[str, Presence] = {}
"""This process's: a worker, a beat, or (``worker -B`` without children) both."""


def worker_began(sender: Any, **_signal: Any) -> None:
    """Write down a worker that consumes, from now on; connected to ``worker_ready``, when its children are there.

    ``sender`` is the consumer. The signal comes again after each lost connection.
    """
    from celery.worker.state import active_requests

    queues = tuple(name for name in sender.app.amqp.queues.consume_from if name in set(Queue))
    kind = kind_of(queues)
    solo = sender.pool.__class__.__module__.endswith("solo")
    process = _this_process(sender.hostname, kind, queues=queues, slots=1 if solo else sender.controller.concurrency)
    worker_shutdown.connect(_leave, weak=False)
    _begin(process, lambda: {"busy": len(active_requests)})


def beat_began(**_signal: Any) -> None:
    """Write down a beat, from now on, and warn of another; connected to Celery's ``beat_init``."""
    ticked: dict[str, datetime] = {}

    def tick(**_signal: Any) -> None:
        ticked["ticked_at"] = datetime.now(UTC)

    after_task_publish.connect(tick, weak=False)
    host = socket.gethostname()
    # By its pid: two of one host are two, and that is worth knowing.
    _begin(_this_process(f"{BEAT}-{os.getpid()}@{host}", BEAT), lambda: ticked)


def kind_of(queues: Sequence[str]) -> str:
    """What a worker of these queues is: ``worker`` when it takes from several, or from none of ours."""
    known = [kind for queue, kind in KINDS.items() if queue in queues]
    return known[0] if len(known) == 1 else "worker"


class Presence:
    """Writes down that a process lives, from :meth:`begin` to :meth:`end`.

    ``state`` gives the fields of the process that change; it is asked at each write.
    """

    def __init__(
        self,
        process: Process,
        url: str,
        state: Callable[[], Mapping[str, Any]] = dict,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        every: float | None = None,
    ) -> None:
        from podcasting.database.processes import SEEN_EVERY

        self._process = process
        self._url = url
        self._state = state
        self._now = now
        self._every = SEEN_EVERY if every is None else every
        self._ended = threading.Event()
        self._writing = threading.Lock()
        self._forking = threading.local()
        self._writes = 0
        self._troubled = False
        self._thread = threading.Thread(target=self._live, name="presence", daemon=True)
        self._pid = os.getpid()

    def begin(self) -> None:
        """Write at once, and again and again until the end; returns without waiting for any of it."""
        # A child that is forked in the middle of a write would be born with locks of the driver's held.
        os.register_at_fork(before=self._hold, after_in_parent=self._let_go, after_in_child=self._let_go)
        self._thread.start()

    def end(self) -> None:
        """Take the process out again; does nothing in a child of it, nor twice. Takes three seconds at most."""
        if self._pid == os.getpid() and not self._ended.is_set():
            self._ended.set()
            self._thread.join(PATIENCE_SECONDS)

    def _live(self) -> None:
        from podcasting.database.lost_connections import Patience, patience

        with patience(Patience(seconds=0)):  # the next write is soon enough
            while not self._ended.is_set():
                self._try(self._seen)
                self._ended.wait(self._every)
            self._try(lambda processes: processes.left(self._process.name, pid=self._process.pid))

    def _seen(self, processes: Processes) -> None:
        now = self._now()
        if self._writes == 0 and self._process.kind == BEAT:
            _look_for_others(processes, self._process, now)
        if self._writes % WRITES_TO_A_SWEEP == 0:
            processes.sweep(now)
        processes.seen(replace(self._process, seen_at=now, **self._state()))
        self._writes += 1

    def _try(self, write: Callable[[Processes], None]) -> None:
        try:
            with self._writing, _opened(self._url) as processes:
                write(processes)
        except Exception as error:  # noqa: BLE001 - whatever it is, the work goes on without
            if not self._troubled:
                cause = " ".join(str(getattr(error, "orig", error)).split())
                log.warning(
                    "this process cannot be seen in `airdate status`, since the database takes no note: %s", cause
                )
            self._troubled = True
        else:
            self._troubled = False

    def _hold(self) -> None:
        self._forking.held = self._writing.acquire(timeout=FORK_SECONDS)

    def _let_go(self) -> None:
        if self._forking.held:
            self._writing.release()


def _begin(process: Process, state: Callable[[], Mapping[str, Any]]) -> None:
    if process.name not in _present:
        _present[process.name] = Presence(process, settings().database, state)
        atexit.register(_present[process.name].end)  # a beat has no signal for its end, nor a worker that is told twice
        _present[process.name].begin()


def _leave(**_signal: Any) -> None:
    for presence in _present.values():
        presence.end()


def _this_process(name: str, kind: str, **more: Any) -> Process:
    from podcasting.database.processes import Process

    now = datetime.now(UTC)
    return Process(name, kind, socket.gethostname(), os.getpid(), _release(), started_at=now, seen_at=now, **more)


def _look_for_others(processes: Processes, beat: Process, now: datetime) -> None:
    for other in processes.all():
        if other.kind != BEAT or other.name == beat.name:
            continue
        if other.host == beat.host and not _runs(other.pid):
            processes.left(other.name, pid=other.pid)  # killed here, and this one is its successor
        elif other.is_alive(now):
            log.warning(
                "a second beat: %s was seen %.0f s ago, and this is %s; harmless, and each tick is paid for twice: "
                "stop one of them, unless it just ended",
                other.name,
                (now - other.seen_at).total_seconds(),
                beat.name,
            )


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _opened(url: str) -> Iterator[Processes]:
    # An engine a write: it keeps no connection for the half minute between, and shares none with the work.
    from podcasting.database.connection import connect
    from podcasting.database.processes import Processes

    engine = connect(url)
    try:
        _bound(engine)
        yield Processes(engine)
    finally:
        engine.dispose()


def _bound(engine: Engine) -> None:
    from sqlalchemy import event

    if engine.dialect.name != "sqlite":
        return  # libpq waits five seconds for a connection, by connection.POSTGRES_OPTIONS
    file = engine.url.database or ""
    if not Path(file).is_file():
        raise FileNotFoundError(f"there is no file {file}")  # SQLite would make an empty one
    event.listen(engine, "connect", _be_impatient)


def _be_impatient(connection: Any, _record: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout={PATIENCE_SECONDS * 1000}")


def _release() -> str:
    try:
        return version("airdate")
    except PackageNotFoundError:
        return "unknown"

"""The Procfile against the table of queues: each queue has a worker, each worker a queue, and beat runs once."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from honcho.environ import parse_procfile

from operations.platform import PROCFILE
from podcasting.database.connection import KEPT_CONNECTIONS
from publishers.queues import ROUTES, Queue, Task
from tasks.readiness.findings import Finding, fail, ok, warn

AREA = "procfile"
VARIABLE = re.compile(r"\$\{(\w+)(?::?-([^}]*))?\}|\$(\w+)")


@dataclass(frozen=True)
class Worker:
    """A worker of the Procfile."""

    process: str
    queues: tuple[str, ...]
    processes: int
    """Those that work, with their parent."""


@dataclass(frozen=True)
class Processes:
    """What a Procfile starts."""

    workers: tuple[Worker, ...]
    beats: tuple[str, ...]

    @classmethod
    def of(cls, text: str, environment: Mapping[str, str]) -> Processes:
        """Read a Procfile, its ``${VARIABLE:-default}`` filled in."""
        workers, beats = [], []
        for process, command in parse_procfile(text).processes.items():
            words = shlex.split(VARIABLE.sub(lambda found: _value(found, environment), command))
            if "worker" in words:
                queues = tuple(queue for queue in _option(words, "-Q", "--queues").split(",") if queue)
                workers.append(Worker(process, queues, 1 + _children(words)))
            if "beat" in words or ("worker" in words and {"-B", "--beat"} & set(words)):
                beats.append(process)
        return cls(tuple(workers), tuple(beats))

    @property
    def database_connections(self) -> int:
        """How many connections to the database they keep together."""
        return sum(worker.processes for worker in self.workers) * KEPT_CONNECTIONS

    def findings(self) -> Iterator[Finding]:
        """Whether each queue is worked on, each worker has work, and beat runs once."""
        worked = {queue: worker.process for worker in self.workers for queue in worker.queues}
        troubles = [*self._queues(worked), *self._beat(), *_tasks()]
        yield from troubles
        if not troubles:
            told = ", ".join(f"{queue} by {worked[queue]}" for queue in Queue)
            yield ok(AREA, f"{told}; beat runs once; each queue carries a task")

    def _queues(self, worked: Mapping[str, str]) -> Iterator[Finding]:
        for queue in Queue:
            if queue not in worked:
                yield fail(
                    AREA,
                    f"no worker takes from {queue}: what is sent there is never done",
                    f"add `-Q {queue}` to a worker of {PROCFILE}",
                )
        for worker in self.workers:
            strange = [queue for queue in worker.queues if queue not in set(Queue)]
            if strange or not worker.queues:
                what = f"takes from {', '.join(strange)}, which nobody sends to" if strange else "names no queue (-Q)"
                yield fail(AREA, f"{worker.process} {what}", f"give it one of {', '.join(Queue)} by -Q in {PROCFILE}")

    def _beat(self) -> Iterator[Finding]:
        if not self.beats:
            yield fail(
                AREA, "no beat: nothing that is due is ever found", f"add `beat: celery -A tasks beat` to {PROCFILE}"
            )
        elif len(self.beats) > 1:
            yield warn(
                AREA,
                f"{len(self.beats)} beats ({', '.join(self.beats)}): harmless (discovery claims), and paid for twice",
                f"keep one of them in {PROCFILE}",
            )


def processes(path: Path, environment: Mapping[str, str]) -> Processes | None:
    """What the Procfile starts, or None when there is none, as in an installed wheel."""
    try:
        return Processes.of(path.read_text(), environment)
    except FileNotFoundError:
        return None


def findings(environment: Mapping[str, str], path: Path = PROCFILE) -> Iterator[Finding]:
    """About this installation's Procfile."""
    found = processes(path, environment)
    if found is None:
        yield warn(AREA, f"not checked: there is no {path}", "run it where Airdate's Procfile is")
    else:
        yield from found.findings()


def _tasks() -> Iterator[Finding]:
    for task in set(Task) - set(ROUTES):
        yield fail(AREA, f"task {task} has no queue", "give it one in publishers/queues.py: ROUTES")
    for queue in set(Queue) - set(ROUTES.values()):
        yield fail(AREA, f"queue {queue} carries no task", "route a task to it in publishers/queues.py: ROUTES")


def _value(found: re.Match[str], environment: Mapping[str, str]) -> str:
    return environment.get(found.group(1) or found.group(3)) or found.group(2) or ""


def _option(words: list[str], *names: str) -> str:
    for number, word in enumerate(words):
        for name in names:
            if word == name and number + 1 < len(words):
                return words[number + 1]
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
    return ""


def _children(words: list[str]) -> int:
    if _option(words, "-P", "--pool") == "solo":
        return 0
    told = _option(words, "-c", "--concurrency")
    return int(told) if told.isdecimal() else os.cpu_count() or 1  # Celery's own default

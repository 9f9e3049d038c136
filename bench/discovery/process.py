"""A discovery in a process of its own, as its worker would run it: ``python -m bench.discovery.process``.

It reads orders from its standard input, a JSON object a line, and answers each with a line of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.discovery.checking import require
from publishers.fanout import Counts, Discovery, Outgoing

REPOSITORY = Path(__file__).parents[2]
HEAD_START = 0.5
"""Seconds until all of several have their orders."""


@dataclass(frozen=True)
class Done:
    """What one tick did, and what it took."""

    claimed: int
    sent: int
    seconds: float
    cpu_seconds: float
    """Of this process: the database and SQS have theirs."""
    peak_mb: float
    """The most memory the process ever had, its imports included."""


class Process:
    """One discovery process, started and connected."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=REPOSITORY,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._orders: Any = self._process.stdin
        self._answers: Any = self._process.stdout
        self._answer()

    def begin(self, tick: str, *, send: bool = True, page: int | None = None, at: float = 0) -> None:
        """Have it run one tick: ``check_episodes`` or ``schedule_podcasts``; see :meth:`done`."""
        self._orders.write(json.dumps({"tick": tick, "send": send, "page": page, "begin_at": at}) + "\n")
        self._orders.flush()

    def done(self) -> Done:
        """What came of it, once it is done."""
        return Done(**self._answer())

    def run(self, tick: str, **how: Any) -> Done:
        """Begin, and wait."""
        self.begin(tick, **how)
        return self.done()

    def _answer(self) -> Any:
        line = self._answers.readline()
        require(line, "the discovery process ended")
        return json.loads(line)

    def stop(self) -> None:
        """End it, between two ticks."""
        self._process.communicate(timeout=60)


@contextmanager
def processes(count: int, environment: dict[str, str]) -> Iterator[list[Process]]:
    """As many as asked for; they end with the block."""
    started: list[Process] = []
    try:
        for _ in range(count):
            started.append(Process(environment))  # noqa: PERF401 - those that started are ended, should one not
        yield started
    finally:
        for process in started:
            process.stop()


def all_at_once(running: Sequence[Process], tick: str, **how: Any) -> list[Done]:
    """The same tick in all of them, begun together."""
    begin_at = time.time() + HEAD_START
    for process in running:
        process.begin(tick, at=begin_at, **how)
    return [process.done() for process in running]


class Unsent:
    """A sender that drops what it is given: for what claiming and making messages takes alone."""

    def send(self, _: Sequence[Outgoing]) -> dict[int, str]:
        """Pretend."""
        return {}


def _tick(order: dict[str, Any]) -> Counts:
    from publishers.checker import check
    from publishers.podcast_scheduler import schedule_podcasts
    from tasks import wiring

    ticks: dict[str, Callable[[Discovery], Counts]] = {
        "check_episodes": lambda discovery: check(discovery).episodes,
        "schedule_podcasts": schedule_podcasts,
    }
    discovery = wiring.discovery()
    if not order["send"]:
        discovery = replace(discovery, sender=Unsent())
    if order["page"]:
        discovery = replace(discovery, page=order["page"])
    return ticks[order["tick"]](discovery)


def _peak_mb() -> float:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    # Not ru_maxrss, which begins with what the process that started this one had.
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))) * 1024 / 1e6


def main() -> None:
    """Load what the discovery worker loads, connect, and carry out orders until there are no more."""
    import tasks.discovery
    from tasks import app, wiring

    app.loader.import_default_modules()  # as a worker does: all tasks
    with wiring.database().engine.connect():
        _say(tasks.discovery.check_episodes.name)
    for line in sys.stdin:
        order = json.loads(line)
        time.sleep(max(0, order["begin_at"] - time.time()))
        began, cpu = time.perf_counter(), time.process_time()
        counts = _tick(order)
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
        _say(asdict(Done(counts.claimed, counts.sent, seconds, used, _peak_mb())))
    wiring.database().engine.dispose()


def _say(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

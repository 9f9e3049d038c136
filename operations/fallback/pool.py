"""The processes that do the work, and what becomes of them."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import socket
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from typing import Any

from operations.fallback.due_work import Policy, do_next
from podcasting.errors import Permanent
from settings import settings
from tasks import logs, memory, wiring
from tasks.telemetry import processes, reports

IDLE_SECONDS = 1
MOST_DEATHS = 20
"""A pool whose processes die so often is not helped by more of them."""


class Pool:
    """Processes that claim and work until they are stopped; one that dies is replaced."""

    def __init__(self, size: int, *, once: bool, verbose: bool) -> None:
        """``once``: each ends when it finds nothing due."""
        self._context = multiprocessing.get_context("spawn")  # nothing is shared with us but these two
        self._stop = self._context.Event()
        self._told: Any = self._context.Queue()
        self._once = once
        self._verbose = verbose
        self._processes = [self._process() for _ in range(size)]
        self._deaths = 0

    def start(self) -> None:
        """Start them; returns at once."""
        for process in self._processes:
            process.start()

    def _process(self) -> BaseProcess:
        return self._context.Process(target=_serve, args=(self._stop, self._told, self._once, self._verbose))

    def lines(self, seconds: float) -> Iterator[str]:
        """What they tell within so many seconds."""
        last = time.monotonic() + seconds
        while (left := last - time.monotonic()) > 0 and self.working:
            try:
                yield self._told.get(timeout=min(left, 0.2))
            except queue.Empty:
                continue

    @property
    def working(self) -> bool:
        """Whether any of them still runs."""
        return any(process.is_alive() for process in self._processes)

    def mend(self) -> None:
        """Replace those that died; the lease of what they had in hand runs out, and another goes on with it.

        Raises:
            Permanent: they die again and again.
        """
        for place, process in enumerate(self._processes):
            if process.exitcode not in (None, 0):
                self._deaths += 1
                if self._deaths > MOST_DEATHS:
                    raise Permanent(
                        f"{self._deaths} processes of the fallback died, the last with {process.exitcode}; "
                        "run it with --verbose to see why"
                    )
                self._processes[place] = self._process()
                self._processes[place].start()

    def stop(self, seconds: float) -> Iterator[str]:
        """Have each finish what it has in hand, for so many seconds; then kill them. Yields what they tell."""
        self._stop.set()
        yield from self.lines(seconds)
        for process in self._processes:
            if process.is_alive():
                process.kill()
                yield "stopped in the middle; the next worker goes on after its lease"
            process.join()
        while True:
            try:
                yield self._told.get(timeout=0.1)
            except queue.Empty:
                return


def _serve(stop: Any, told: Any, once: bool, verbose: bool) -> None:  # noqa: FBT001 - spawn passes positions
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is our parent's, which lets us finish
    if verbose:
        logs.configure()
    memory.one_heap()
    processes.report_from("fallback")
    chosen, studio = settings(), wiring.studio()
    policy = Policy(chosen.claim_seconds, chosen.max_retries, chosen.retry_base, chosen.soft_time_limit)
    holder = f"{socket.gethostname()} pid {os.getpid()} (fallback)"
    parent = multiprocessing.parent_process()
    while not stop.is_set() and parent is not None and parent.is_alive():
        line = do_next(studio, policy, holder=holder)
        if line is not None:
            told.put(line)
        elif once:
            break
        else:
            stop.wait(IDLE_SECONDS)
    reports.close()

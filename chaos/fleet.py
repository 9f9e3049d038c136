"""The fleet: the Procfile's processes, twice each, under a supervisor that starts again what ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from honcho.environ import parse_procfile

REPOSITORY = Path(__file__).parent.parent
STOP_SECONDS = 40
START_SECONDS = 8
"""Celery ends a worker, as one that could not start, whose child dies before its loop turns: none is killed then."""
SETTLED = 8
"""A child seen so often is one of the pool: a starting worker has others too, for a moment (uname, ldconfig)."""


@dataclass
class Member:
    """One process of the fleet, and its pool."""

    name: str
    command: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    children: dict[int, int] = field(default_factory=dict)
    """How often each of the pool was seen, without those that were killed on purpose."""
    frozen: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def pool(self) -> list[int]:
        """The children that live, oldest first."""
        with suppress(psutil.Error):
            children = psutil.Process(self.process.pid).children()
            return sorted(child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE)
        return []


class Fleet:
    """Starts, kills, freezes; counts each exit that was nobody's doing."""

    def __init__(self, environment: Mapping[str, str], logs: Path, *, procfile: Path = REPOSITORY / "Procfile") -> None:
        self._environment = dict(environment)
        self._commands = parse_procfile(procfile.read_text()).processes
        self._logs = logs
        self._members: dict[str, Member] = {}
        self._orphaned: list[int] = []
        """The process groups of those whose parent alone was killed."""
        self.exits: list[str] = []
        """A line for each process that exited by itself."""

    def add(self, name: str, **changes: str) -> None:
        """Start a process; the part of ``name`` before the hyphen is its line in the Procfile."""
        command = self._commands[name.partition("-")[0]]
        # Two of a kind on one machine: each has a name of its own, as two machines would give them.
        command = command.replace("@%h", f"-{name.partition('-')[2]}@%h")
        environment = self._environment | changes
        self._members[name] = Member(name, command, environment, self._spawned(name, command, environment))

    def _spawned(self, name: str, command: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self._logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S602 - the Procfile's lines hold variables
                f"exec {command}",
                shell=True,
                cwd=REPOSITORY,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _start_again(self, member: Member) -> None:
        member.process = self._spawned(member.name, member.command, member.environment)
        member.children = {}
        member.frozen = False
        member.started = time.monotonic()

    def pid(self, name: str) -> int:
        """Of the process of that name, as it runs now."""
        return self._members[name].process.pid

    def kill(self, name: str) -> str:
        """SIGKILL to a process and all its children, and start it again; says whom it hit."""
        member = self._members[name]
        pid = member.process.pid
        self._signal(member, signal.SIGKILL)
        member.process.wait()
        self._start_again(member)
        return f"{name} pid {pid}"

    def kill_parent(self, name: str) -> str:
        """SIGKILL to a process alone, and start it again beside its orphans; says whom it hit."""
        member = self._members[name]
        pid = member.process.pid
        member.process.kill()
        member.process.wait()
        self._orphaned.append(pid)
        self._start_again(member)
        return f"{name} pid {pid}"

    def pool(self, name: str) -> list[int]:
        """The children of a worker that live, oldest first; none while it starts."""
        member = self._members[name]
        if time.monotonic() - member.started < START_SECONDS:
            return []
        return [pid for pid in member.pool if member.children.get(pid, 0) >= SETTLED]

    def kill_child(self, name: str, pick: int) -> str:
        """SIGKILL to a child of a pool that is not empty; says whom it hit."""
        pool = self.pool(name)
        pid = pool[pick % len(pool)]
        self._members[name].children.pop(pid, None)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return f"{name} child {pid}"

    def freeze(self, name: str) -> None:
        """SIGSTOP to a process and all its children."""
        member = self._members[name]
        self._signal(member, signal.SIGSTOP)
        member.frozen = True

    def thaw(self, name: str) -> None:
        """SIGCONT to a process and all its children."""
        member = self._members[name]
        self._signal(member, signal.SIGCONT)
        member.frozen = False

    def freeze_child(self, name: str, pick: int) -> int:
        """SIGSTOP to a child of a pool that is not empty: its pid."""
        pool = self.pool(name)
        pid = pool[pick % len(pool)]
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        return pid

    def thaw_child(self, pid: int) -> None:
        """SIGCONT to it, should it live, be it an orphan."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def supervise(self) -> None:
        """Write down who exited by itself, and start it again."""
        for member in self._members.values():
            if member.frozen:
                continue
            code = member.process.poll()
            if code is not None:
                self.exits.append(f"{member.name} exited by itself with {code}; see {self._logs / member.name}.log")
                self._signal(member, signal.SIGKILL)
                self._start_again(member)
                continue
            pool = member.pool
            for pid, seen in member.children.items():
                if pid not in pool and seen >= SETTLED:
                    self.exits.append(f"child {pid} of {member.name} exited by itself")
            member.children = {pid: member.children.get(pid, 0) + 1 for pid in pool}

    def stop(self, prefix: str = "") -> None:
        """End those whose name begins so, as a deployment does: SIGTERM, and SIGKILL only after a while."""
        ending = [self._members.pop(name) for name in list(self._members) if name.startswith(prefix)]
        for member in ending:
            self._signal(member, signal.SIGCONT)
            member.process.terminate()
        last = time.monotonic() + STOP_SECONDS
        for member in ending:
            with suppress(subprocess.TimeoutExpired):
                member.process.wait(max(0.1, last - time.monotonic()))
            self._signal(member, signal.SIGKILL)
            member.process.wait()

    def orphans(self) -> list[int]:
        """The process groups of killed parents in which somebody lives yet."""
        return [group for group in self._orphaned if _lives(group)]

    def _signal(self, member: Member, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(member.process.pid, number)


def _lives(group: int) -> bool:
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if process.status() != psutil.STATUS_ZOMBIE and os.getpgid(process.pid) == group:
                return True
    return False


def plain_environment() -> dict[str, str]:
    """This process's environment without what is set for Airdate or AWS, and with this interpreter's commands."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRDATE_", "AWS_", "CHAOS_"))}
    return kept | {
        "AIRDATE_ENV_FILE": os.devnull,
        "PYTHONPATH": str(REPOSITORY),  # a worker does not look for AIRDATE_STUDIO where it stands
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }

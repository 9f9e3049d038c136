"""What each trouble does to the world, and how it ends again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chaos.disk import Disk
from chaos.fleet import Fleet
from chaos.plan import Kind, Trouble
from chaos.storm import Storm
from tests.fakes.postgres import Postgres

EXCUSES: dict[Kind, str] = {
    Kind.FULL: r"No space left on device|ENOSPC",
    Kind.RESTART: r"OperationalError|InterfaceError|the database system is|server closed the connection",
    Kind.REFUSE: r"EndpointConnectionError|Connection was closed|ConnectionClosed|Could not connect",
}
"""Why a good episode may have failed, once it met such a trouble more often than it may be tried."""


@dataclass
class World:
    """All that troubles befall."""

    fleet: Fleet
    storm: Storm
    postgres: Postgres
    disk: Disk
    clocks: Path
    """The folder with a file for each process whose clock is off."""
    say: Callable[[str], None]
    database_is_down: bool = False
    _ending: list[tuple[float, str, Callable[[], None]]] = field(default_factory=list)

    def befall(self, trouble: Trouble) -> bool:
        """Let it begin; those that last end by :meth:`turn`. False when there is nobody yet whom it could befall."""
        target = trouble.target
        if trouble.kind in {Kind.KILL_CHILD, Kind.FREEZE_CHILD} and not self.fleet.pool(target):
            return False
        match trouble.kind:
            case Kind.KILL:
                self.say(f"{trouble.kind}: {self.fleet.kill(target)}, and its children")
            case Kind.KILL_PARENT:
                self.say(f"{trouble.kind}: {self.fleet.kill_parent(target)}")
            case Kind.KILL_CHILD:
                self.say(f"{trouble.kind}: {self.fleet.kill_child(target, trouble.pick)}")
            case Kind.FREEZE | Kind.FREEZE_CHILD:
                self._freeze(trouble)
            case Kind.REFUSE:
                self.storm.refuse()
                self._until(trouble, "every connection", self.storm.pass_on)
            case Kind.RESTART:
                self._crash_database(trouble)
            case Kind.FULL:
                self.disk.fill()
                self._until(trouble, self.disk.kind, self.disk.free)
            case Kind.CLOCK:
                clock = self.clocks / target
                clock.write_text(str(trouble.step))
                told = f"{target} by {trouble.step:+.0f} s"
                self._until(trouble, told, lambda: clock.unlink(missing_ok=True))
        return True

    def _freeze(self, trouble: Trouble) -> None:
        target = trouble.target
        # The SIGCONT of an earlier freezing would end this one too.
        if any(what.startswith(("frozen", "child frozen")) and target in what for _, what, _ in self._ending):
            self.say(f"{trouble.kind}: {target} is frozen already")
        elif trouble.kind is Kind.FREEZE:
            self.fleet.freeze(target)
            self._until(trouble, target, lambda: self.fleet.thaw(target))
        else:
            pid = self.fleet.freeze_child(target, trouble.pick)
            self._until(trouble, f"{target} child {pid}", lambda: self.fleet.thaw_child(pid))

    def _crash_database(self, trouble: Trouble) -> None:
        if not self.database_is_down:
            self.postgres.stop("immediate")
            self.database_is_down = True
            self._until(trouble, "PostgreSQL", self._start_database)

    def turn(self) -> None:
        """End what has lasted long enough."""
        for ending in [each for each in self._ending if time.monotonic() >= each[0]]:
            self._end(ending)

    def end_all(self) -> None:
        """End what lasts, now."""
        for ending in list(self._ending):
            self._end(ending)

    @property
    def at_hand(self) -> str:
        """What lasts, for people."""
        return ", ".join(what for _, what, _ in self._ending)

    def _until(self, trouble: Trouble, whom: str, undo: Callable[[], None]) -> None:
        what = f"{trouble.kind}: {whom}"
        self.say(f"{what}, for {trouble.seconds:.0f} s")
        self._ending.append((time.monotonic() + trouble.seconds, what, undo))

    def _end(self, ending: tuple[float, str, Callable[[], None]]) -> None:
        self._ending.remove(ending)
        ending[2]()
        self.say(f"over: {ending[1]}")

    def _start_database(self) -> None:
        self.postgres.start()
        self.database_is_down = False

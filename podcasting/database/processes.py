"""Processes: which workers and beats run, where, and when each was last seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from podcasting.database.connection import read
from podcasting.database.lost_connections import again
from podcasting.database.schema import processes

SEEN_EVERY = 30
"""Seconds between two writes of a process that lives."""
SILENT_AFTER = 3 * SEEN_EVERY
"""Seconds after which one that was not seen counts as gone: two writes may fail."""
FORGOTTEN_AFTER = 86_400
"""Seconds after which it is forgotten."""


@dataclass(frozen=True)
class Process:
    """A worker's main process, or a beat."""

    name: str
    """``generator@host``; two beats of one host differ by their pid."""
    kind: str
    """``discovery``, ``generator``, ``processor`` or ``beat``; ``worker`` of one that takes from several queues."""
    host: str
    pid: int
    release: str
    started_at: datetime
    seen_at: datetime
    queues: tuple[str, ...] = ()
    """From which it takes; none for a beat."""
    busy: int = 0
    """How many tasks it was working on when last seen."""
    slots: int = 0
    """How many tasks it works on at most."""
    ticked_at: datetime | None = None
    """When a beat last sent a tick, as of ``seen_at``."""

    def is_alive(self, now: datetime) -> bool:
        """Whether it was seen lately."""
        return now - self.seen_at < timedelta(seconds=SILENT_AFTER)


class Processes:
    """The processes that were seen within a day; ``now`` is passed in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @again
    def seen(self, process: Process) -> None:
        """Write down that a process lives, in the place of what was known by its name."""
        values = asdict(process) | {"queues": ",".join(process.queues)}
        dialect = sqlite if self._engine.dialect.name == "sqlite" else postgresql
        changed = {name: value for name, value in values.items() if name != "name"}
        statement = dialect.insert(processes).values(**values)
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changed))

    @again
    def left(self, name: str, *, pid: int) -> None:
        """Forget a process that stops, unless its successor took the name already."""
        with self._engine.begin() as connection:
            connection.execute(delete(processes).where(processes.c.name == name, processes.c.pid == pid))

    @again
    def sweep(self, now: datetime) -> int:
        """Forget those that were not seen for a day; how many they were."""
        long_ago = now - timedelta(seconds=FORGOTTEN_AFTER)
        with self._engine.begin() as connection:
            return connection.execute(delete(processes).where(processes.c.seen_at <= long_ago)).rowcount

    def all(self) -> list[Process]:
        """All, also those that fell silent; by kind and name."""
        with read(self._engine) as connection:
            statement = select(processes).order_by(processes.c.kind, processes.c.name)
            rows = connection.execute(statement).mappings().all()
        return [Process(**dict(row) | {"queues": tuple(filter(None, row["queues"].split(",")))}) for row in rows]


def living_beats(found: list[Process], now: datetime) -> list[Process]:
    """The beats that were seen lately. More than one do no harm, and cost twice."""
    return [process for process in found if process.kind == "beat" and process.is_alive(now)]

"""The processes that run, by what they write of themselves: one beat, a worker on each queue, one release."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy.exc import DBAPIError

from podcasting.database.processes import SILENT_AFTER, Process, Processes, living_beats
from podcasting.errors import Permanent
from publishers.queues import Queue
from settings import settings
from tasks import wiring
from tasks.presence import KINDS
from tasks.readiness.findings import Finding, Level, fail, ok, warn
from tasks.readiness.tables import Missing, opened, tables_agree

AREA = "processes"


def findings() -> Iterator[Finding]:
    """Of all hosts that write to the database that the environment names."""
    try:
        with opened(settings().database) as engine:
            if tables_agree(engine).level is Level.FAIL:
                yield from _not_looked_at("its tables are not this release's")
            else:
                yield from judged(Processes(engine).all(), wiring.utc_now())
    except Missing:
        yield ok(AREA, "none has run here in the last day")
    except (DBAPIError, Permanent):
        yield from _not_looked_at("the database cannot be read")


def judged(seen: Sequence[Process], now: datetime) -> Iterator[Finding]:
    """Of the processes that were seen within a day."""
    alive = [process for process in seen if process.is_alive(now)]
    if not seen:
        yield ok(AREA, "none has run in the last day")
        return
    if not alive:
        last = max(process.seen_at for process in seen)
        yield warn(
            AREA,
            f"nothing runs: {len(seen)} were seen in the last day, and the last of them "
            f"{(now - last).total_seconds():.0f} s ago",
            "start the Procfile's processes, or see in their logs why they ended",
        )
        return
    troubles = [*_beats(living_beats(list(seen), now)), *_queues(alive), *_releases(alive)]
    yield from troubles
    if not troubles:
        counted = Counter(process.kind for process in alive)
        yield ok(AREA, f"{', '.join(f'{count} {kind}' for kind, count in counted.items())}, of one release")


def _beats(beats: Sequence[Process]) -> Iterator[Finding]:
    if not beats:
        yield fail(
            AREA,
            f"no beat lives (none was seen for {SILENT_AFTER} s): nothing that is due is found",
            "start one: `celery -A tasks beat`, as in the Procfile; see its log if it ran",
        )
    elif len(beats) > 1:
        names = " and ".join(f"{beat.name} (since {beat.started_at:%Y-%m-%d %H:%M} UTC)" for beat in beats)
        yield fail(
            AREA,
            f"{len(beats)} beats live: {names}: harmless (discovery claims), and each tick is paid for so often",
            "stop all but one; a service of beat's has a desired count of 1 and stops the old one first "
            "(infrastructure/compute.yaml)",
        )


def _queues(alive: Sequence[Process]) -> Iterator[Finding]:
    worked = {queue for process in alive for queue in process.queues}
    for queue in Queue:
        if queue not in worked:
            yield fail(
                AREA,
                f"no living worker takes from {queue}: what is sent there waits",
                f"start the Procfile's {KINDS[queue]}; see its log if it ran",
            )


def _releases(alive: Sequence[Process]) -> Iterator[Finding]:
    releases = Counter(process.release for process in alive)
    if len(releases) > 1:
        told = ", ".join(f"{release} ({count})" for release, count in sorted(releases.items()))
        yield warn(AREA, f"several releases run beside each other: {told}", "end the deployment, or take it back")


def _not_looked_at(why: str) -> Iterator[Finding]:
    yield warn(AREA, f"not looked at: {why}", "mend what is said about the database")

"""The table of processes, on every database: who lives, who left, who is forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from podcasting.database import Database
from podcasting.database.processes import FORGOTTEN_AFTER, SILENT_AFTER, Process, living_beats
from tests.fakes.clock import Clock


def process(clock: Clock, name: str = "generator@a", kind: str = "generator", **changes: object) -> Process:
    made = Process(
        name, kind, host=name.partition("@")[2], pid=7, release="0.1.0", started_at=clock.now, seen_at=clock.now
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # its fields


def test_a_process_is_read_as_it_was_written(database: Database, clock: Clock) -> None:
    worker = process(clock, queues=("podcast-generation", "discovery"), busy=1, slots=2)
    beat = process(clock, "beat-9@a", "beat", ticked_at=clock.now)
    database.processes.seen(worker)
    database.processes.seen(beat)

    assert database.processes.all() == [beat, worker]


def test_who_is_seen_again_has_one_row(database: Database, clock: Clock) -> None:
    database.processes.seen(process(clock))
    clock.now += timedelta(seconds=30)
    database.processes.seen(process(clock, busy=2))

    [found] = database.processes.all()
    assert (found.seen_at, found.busy) == (clock.now, 2)


def test_who_is_not_seen_for_three_writes_counts_as_gone(database: Database, clock: Clock) -> None:
    database.processes.seen(process(clock))
    [found] = database.processes.all()

    assert found.is_alive(clock.now + timedelta(seconds=SILENT_AFTER - 1))
    assert not found.is_alive(clock.now + timedelta(seconds=SILENT_AFTER))


def test_who_stops_is_forgotten_but_not_its_successor(database: Database, clock: Clock) -> None:
    database.processes.seen(process(clock, pid=7))
    database.processes.seen(process(clock, pid=8))

    database.processes.left("generator@a", pid=7)
    assert [each.pid for each in database.processes.all()] == [8]
    database.processes.left("generator@a", pid=8)
    assert database.processes.all() == []


def test_after_a_day_of_silence_a_process_is_swept(database: Database, clock: Clock) -> None:
    database.processes.seen(process(clock, "generator@a"))
    clock.now += timedelta(seconds=FORGOTTEN_AFTER)
    database.processes.seen(process(clock, "generator@b"))

    assert database.processes.sweep(clock.now) == 1
    assert [each.name for each in database.processes.all()] == ["generator@b"]


def test_beats_that_live_are_told_from_one_that_died(database: Database, clock: Clock) -> None:
    database.processes.seen(process(clock, "beat-1@old", "beat"))
    clock.now += timedelta(seconds=SILENT_AFTER)
    for host in ("a", "b"):
        database.processes.seen(process(clock, f"beat-1@{host}", "beat"))

    assert [each.host for each in living_beats(database.processes.all(), clock.now)] == ["a", "b"]

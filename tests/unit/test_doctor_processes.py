"""Who runs, as the doctor judges it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from operations.doctor import processes
from operations.doctor.processes import judged
from podcasting.database import Database
from podcasting.database.processes import SILENT_AFTER, Process
from podcasting.database.revisions import migrate
from publishers.queues import Queue
from settings import settings
from tasks.presence import BEAT, KINDS
from tasks.readiness.findings import Level
from tests.fakes.environment import set_environment

NOW = datetime(2026, 11, 26, 6, tzinfo=UTC)


def process(kind: str, host: str = "a", *queues: str, **changes: object) -> Process:
    made = Process(f"{kind}@{host}", kind, host, 7, "0.1.0", NOW - timedelta(hours=1), NOW, queues=queues)
    return replace(made, **changes)  # type: ignore[arg-type]  # its fields


EVERYBODY = [process(BEAT), *(process(kind, "a", queue) for queue, kind in KINDS.items())]


def told(*seen: Process) -> list[tuple[Level, str, str]]:
    return [(finding.level, finding.found, finding.fix) for finding in judged(seen, NOW)]


def test_all_is_well_with_a_beat_and_a_worker_on_each_queue() -> None:
    assert told(*EVERYBODY) == [(Level.OK, "1 beat, 1 discovery, 1 generator, 1 processor, of one release", "")]


def test_where_nothing_ever_ran_there_is_nothing_to_judge() -> None:
    # In a pipeline the doctor looks before workers are started.
    assert [level for level, *_ in told()] == [Level.OK]


def test_two_beats_that_live_fail_in_a_line_that_names_both_hosts() -> None:
    [(level, found, fix)] = told(*EVERYBODY, process(BEAT, "b"))

    assert level is Level.FAIL
    assert "beat@a (since 2026-11-26 05:00 UTC) and beat@b" in found
    assert fix.startswith("stop all but one")


def test_a_beat_that_died_is_no_second_one() -> None:
    died = process(BEAT, "old", seen_at=NOW - timedelta(seconds=SILENT_AFTER))

    assert [level for level, *_ in told(*EVERYBODY, died)] == [Level.OK]


def test_no_beat_fails() -> None:
    [(level, found, _)] = told(*EVERYBODY[1:])

    assert level is Level.FAIL
    assert found.startswith("no beat lives")


@pytest.mark.parametrize("queue", Queue)
def test_a_queue_without_a_living_worker_fails(queue: Queue) -> None:
    silent = [
        replace(each, seen_at=NOW - timedelta(seconds=SILENT_AFTER)) if queue in each.queues else each
        for each in EVERYBODY
    ]
    [(level, found, fix)] = told(*silent)

    assert level is Level.FAIL
    assert found.startswith(f"no living worker takes from {queue}")
    assert KINDS[queue] in fix


def test_a_worker_of_several_queues_serves_them_all() -> None:
    assert [level for level, *_ in told(EVERYBODY[0], process("worker", "a", *Queue))] == [Level.OK]


def test_when_all_fell_silent_it_is_one_line() -> None:
    [(level, found, _)] = told(*(replace(each, seen_at=NOW - timedelta(hours=1)) for each in EVERYBODY))

    assert level is Level.WARN
    assert found == "nothing runs: 4 were seen in the last day, and the last of them 3600 s ago"


def test_two_releases_beside_each_other_are_a_warning() -> None:
    [(level, found, _)] = told(*EVERYBODY, process("generator", "b", Queue.GENERATION, release="0.2.0"))

    assert level is Level.WARN
    assert found == "several releases run beside each other: 0.1.0 (4), 0.2.0 (1)"


@pytest.mark.parametrize("url", ["postgresql://127.0.0.1:9/airdate", "mysql://127.0.0.1/airdate"])
def test_a_database_that_cannot_be_read_is_told_elsewhere(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    set_environment(monkeypatch, AIRDATE_DATABASE_URL=url)
    [finding] = processes.findings()
    settings.cache_clear()

    assert (finding.level, finding.found) == (Level.WARN, "not looked at: the database cannot be read")


def test_tables_of_another_release_are_told_elsewhere(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> None:
    before = Database.at(sqlite_url)
    migrate(before.engine, "0004")
    before.engine.dispose()
    set_environment(monkeypatch, AIRDATE_DATABASE_URL=sqlite_url)
    [finding] = processes.findings()
    settings.cache_clear()

    assert finding.found == "not looked at: its tables are not this release's"

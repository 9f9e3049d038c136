"""The Procfile against the table of queues."""

from __future__ import annotations

from pathlib import Path

import pytest

from operations.doctor.procfile import Processes, Worker, findings
from operations.platform import PROCFILE
from tasks.readiness.findings import Level

OURS = PROCFILE.read_text()


def trouble(text: str) -> tuple[Level, str]:
    [finding] = Processes.of(text, {}).findings()
    return finding.level, f"{finding.found}; {finding.fix}"


def test_our_procfile_is_well() -> None:
    assert [finding.level for finding in findings({})] == [Level.OK]


def test_a_queue_without_a_worker_fails() -> None:
    level, told = trouble(OURS.replace("generator: ", "#generator: "))

    assert level is Level.FAIL
    assert "no worker takes from podcast-generation" in told


def test_a_worker_of_an_unknown_queue_fails() -> None:
    level, told = trouble(f"{OURS}\nother: celery -A tasks worker -Q episode-procesing\n")

    assert level is Level.FAIL
    assert "other takes from episode-procesing, which nobody sends to" in told


def test_a_worker_without_a_queue_fails() -> None:
    assert "other names no queue (-Q)" in trouble(f"{OURS}\nother: celery -A tasks worker\n")[1]


@pytest.mark.parametrize("second", ["beat2: celery -A tasks beat", "w: celery -A tasks worker -B -Q discovery"])
def test_a_second_beat_is_a_warning(second: str) -> None:
    level, told = trouble(f"{OURS}\n{second}\n")

    assert level is Level.WARN
    assert "2 beats" in told


def test_no_beat_fails() -> None:
    level, told = trouble(OURS.replace("beat: ", "#beat: "))

    assert level is Level.FAIL
    assert "nothing that is due is ever found" in told


def test_processes_are_counted_as_the_environment_says() -> None:
    few, many = Processes.of(OURS, {}), Processes.of(OURS, {"AIRDATE_GENERATORS": "8"})

    assert few.workers[:2] == (
        Worker("discovery", ("discovery",), 1),
        Worker("generator", ("podcast-generation",), 3),
    )
    assert (few.database_connections, many.database_connections) == (14, 26)


def test_options_may_be_written_either_way() -> None:
    worker = "w: celery -A tasks worker --queues=discovery,episode-processing --pool=prefork -c 4"

    assert Processes.of(worker, {}).workers == (Worker("w", ("discovery", "episode-processing"), 5),)


def test_without_a_procfile_it_says_so(tmp_path: Path) -> None:
    [finding] = findings({}, tmp_path / "Procfile")

    assert finding.level is Level.WARN

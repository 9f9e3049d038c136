"""Real workers and beats in the table of processes: prefork, solo, two on one host, killed, stopped, a second beat."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest

from podcasting.database import Database
from podcasting.database.processes import Process
from tests.acceptance.conftest import Machine

HOST = socket.gethostname()


@pytest.fixture
def database(machine: Machine) -> Iterator[Database]:
    opened = Database.at(f"sqlite:///{machine.home / 'airdate.db'}")
    yield opened
    opened.engine.dispose()


def there(database: Database) -> dict[str, Process]:
    return {process.name: process for process in database.processes.all()}


@pytest.mark.slow
def test_who_runs_is_there_and_who_stopped_is_not(machine: Machine, database: Database) -> None:
    started = {name: machine.start(name) for name in ("generator", "discovery", "beat")}
    other = machine.start("beat", AIRDATE_HOME=str(machine.home), AIRDATE_SCHEDULE_PODCASTS_EVERY="1")
    names = {f"generator@{HOST}", f"discovery@{HOST}", f"beat-{started['beat'].pid}@{HOST}", f"beat-{other.pid}@{HOST}"}
    machine.until("all are seen", lambda: names == set(there(database)))

    generator = there(database)[f"generator@{HOST}"]
    assert (generator.kind, generator.queues, generator.pid) == (
        "generator", ("podcast-generation",), started["generator"].pid,
    )  # fmt: skip
    assert (generator.slots, generator.busy) == (1, 0)
    assert there(database)[f"discovery@{HOST}"].slots == 1
    assert "a second beat: beat-" in machine.log("beat")

    # A prefork worker killed alone, and started again under its name, has one row.
    os.killpg(started["generator"].pid, signal.SIGKILL)
    started["generator"].wait(10)
    successor = machine.start("generator")
    machine.until("it is back", lambda: there(database)[f"generator@{HOST}"].pid == successor.pid)

    for process in (successor, started["discovery"], started["beat"], other):
        process.send_signal(signal.SIGTERM)
    for process in (successor, started["discovery"], started["beat"], other):
        process.wait(30)
    assert there(database) == {}

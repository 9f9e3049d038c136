"""What a process writes of itself, and that no trouble of the database's is the work's."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from podcasting.database import Database
from podcasting.database.processes import Process
from tasks.presence import Presence, kind_of

NOW = datetime(2026, 11, 26, 6, tzinfo=UTC)


def this(name: str = "generator@a", kind: str = "generator", host: str = "a") -> Process:
    return Process(name, kind, host, os.getpid(), "0.1.0", started_at=NOW, seen_at=NOW)


def until(true: Callable[[], object], seconds: float = 10) -> None:
    last = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < last, "not in time"
        time.sleep(0.01)


def ended() -> int:
    """The id of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_it_writes_at_once_and_again_and_leaves_at_the_end(sqlite: Database, sqlite_url: str) -> None:
    busy = iter(range(100))
    presence = Presence(this(), sqlite_url, lambda: {"busy": next(busy)}, every=0.05)
    presence.begin()
    until(lambda: [each.busy > 2 for each in sqlite.processes.all()] == [True])

    presence.end()
    assert sqlite.processes.all() == []


def test_an_outage_is_one_line_and_then_it_is_seen_again(
    sqlite: Database, sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, away = tmp_path / "airdate.db", tmp_path / "away.db"
    sqlite.engine.dispose()
    file.rename(away)
    presence = Presence(this(), sqlite_url, every=0.05)
    with caplog.at_level(logging.WARNING):
        presence.begin()
        time.sleep(0.5)
        assert not file.exists(), "an empty database was made"
        away.rename(file)
        until(sqlite.processes.all)
    presence.end()

    assert [record.message for record in caplog.records] == [
        f"this process cannot be seen in `airdate status`, since the database takes no note: there is no file {file}"
    ]


def test_who_stops_waits_for_no_lock_that_another_holds(sqlite: Database, sqlite_url: str, tmp_path: Path) -> None:
    presence = Presence(this(), sqlite_url, every=60)
    presence.begin()
    until(sqlite.processes.all)
    writer = sqlite3.connect(tmp_path / "airdate.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    presence.end()
    took = time.monotonic() - began
    writer.execute("ROLLBACK")
    writer.close()

    assert took < 5


# What Python 3.12 warns of is what is tested.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_waits_for_a_write_but_not_for_ever(sqlite: Database, sqlite_url: str) -> None:  # noqa: ARG001 - its tables
    go, writing = threading.Event(), threading.Event()

    def state() -> dict[str, object]:
        writing.set()
        go.wait(10)
        return {}

    presence = Presence(this(), sqlite_url, state, every=60)
    presence.begin()
    writing.wait(10)
    began = time.monotonic()
    child = subprocess.Popen([sys.executable, "-c", ""], preexec_fn=lambda: None)  # noqa: PLW1509 - with it, it forks
    child.wait()
    took = time.monotonic() - began
    go.set()
    presence.end()

    assert 0.4 < took < 5


def test_a_beat_warns_of_another_that_lives(
    sqlite: Database, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    sqlite.processes.seen(replace(this("beat-1@elsewhere", "beat", "elsewhere"), seen_at=NOW - timedelta(seconds=12)))
    sqlite.processes.seen(replace(this("beat-1@long-gone", "beat", "long-gone"), seen_at=NOW - timedelta(hours=2)))
    presence = Presence(this("beat-2@a", "beat"), sqlite_url, now=lambda: NOW, every=60)
    with caplog.at_level(logging.WARNING):
        presence.begin()
        until(lambda: len(sqlite.processes.all()) == 3)
    presence.end()

    [record] = caplog.records
    assert record.message.startswith(
        "a second beat: beat-1@elsewhere was seen 12 s ago, and this is beat-2@a; harmless"
    )


def test_a_beat_takes_the_place_of_one_that_was_killed_on_its_host(
    sqlite: Database, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name, ago in (("beat-1@a", 5), ("beat-0@a", 3600)):
        sqlite.processes.seen(replace(this(name, "beat"), pid=ended(), seen_at=NOW - timedelta(seconds=ago)))
    presence = Presence(this("beat-2@a", "beat"), sqlite_url, now=lambda: NOW, every=60)
    with caplog.at_level(logging.WARNING):
        presence.begin()
        until(lambda: [each.name for each in sqlite.processes.all()] == ["beat-2@a"])
    presence.end()

    assert caplog.records == []


@pytest.mark.parametrize(
    ("queues", "kind"),
    [
        (("discovery",), "discovery"),
        (("podcast-generation",), "generator"),
        (("episode-processing", "a.reply.queue"), "processor"),
        (("podcast-generation", "episode-processing"), "worker"),
        ((), "worker"),
    ],
)
def test_a_worker_is_what_its_queue_is(queues: tuple[str, ...], kind: str) -> None:
    assert kind_of(queues) == kind

"""The supervisor of a chaos run counts each exit that was nobody's doing, and no other."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from chaos import fleet
from chaos.fleet import Fleet, plain_environment

POOL = "import os, time\nfor _ in range(2):\n    if os.fork() == 0: break\nwhile True:\n    time.sleep(0.05)\n"
PROCFILE = f"pool: {sys.executable} {{pool}}\nbrief: sleep 0.2\n"


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """A fleet of nobody yet, which may have a pool of two children, and one whose process ends by itself."""
    monkeypatch.setattr(fleet, "SETTLED", 1)
    monkeypatch.setattr(fleet, "START_SECONDS", 0)
    (tmp_path / "pool.py").write_text(POOL)
    (tmp_path / "Procfile").write_text(PROCFILE.format(pool=tmp_path / "pool.py"))
    built = Fleet(plain_environment(), tmp_path, procfile=tmp_path / "Procfile")
    yield built
    built.stop()


def until(true: Callable[[], bool]) -> None:
    last = time.monotonic() + 20
    while not true():
        assert time.monotonic() < last, "not within 20 s"
        time.sleep(0.02)


def pool_of(pid: int) -> list[int]:
    return sorted(child.pid for child in psutil.Process(pid).children())


def parent(built: Fleet) -> int:
    return built.pid("pool-1")


def started(built: Fleet) -> list[int]:
    built.add("pool-1")
    until(lambda: len(pool_of(parent(built))) == 2)
    built.supervise()
    return pool_of(parent(built))


def test_a_process_that_ends_by_itself_is_counted_and_started_again(two: Fleet) -> None:
    two.add("brief-1")
    first = two.pid("brief-1")

    until(lambda: two.supervise() or len(two.exits) == 1)

    assert two.exits[0].startswith("brief-1 exited by itself with 0")
    assert two.pid("brief-1") != first


def test_a_child_that_ends_by_itself_is_counted(two: Fleet) -> None:
    first, _ = started(two)

    os.kill(first, signal.SIGTERM)  # as the child would end for a reason of its own
    until(lambda: two.supervise() or len(two.exits) == 1)

    assert two.exits == [f"child {first} of pool-1 exited by itself"]


def test_what_the_driver_kills_is_not_counted(two: Fleet) -> None:
    started(two)
    before = parent(two)

    two.kill_child("pool-1", 1)
    until(lambda: psutil.STATUS_ZOMBIE in {child.status() for child in psutil.Process(before).children()})
    two.supervise()
    two.kill("pool-1")
    two.supervise()

    assert two.exits == []
    assert parent(two) != before


def test_nobody_is_taken_for_a_child_of_the_pool_while_its_worker_starts(
    two: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = started(two)
    assert two.pool("pool-1") == pool

    monkeypatch.setattr(fleet, "START_SECONDS", 1000)

    assert two.pool("pool-1") == []


def test_who_is_frozen_does_nothing_until_thawed_and_is_not_taken_for_gone(two: Fleet) -> None:
    started(two)
    process = psutil.Process(parent(two))

    two.freeze("pool-1")
    until(lambda: process.status() == psutil.STATUS_STOPPED)
    assert {child.status() for child in process.children()} == {psutil.STATUS_STOPPED}
    two.supervise()
    two.thaw("pool-1")
    until(lambda: process.status() != psutil.STATUS_STOPPED)

    assert two.exits == []


def test_a_parent_killed_alone_leaves_orphans_which_are_told_while_they_live(two: Fleet) -> None:
    pool = started(two)
    before = parent(two)

    two.kill_parent("pool-1")
    two.supervise()
    assert (two.exits, two.orphans()) == ([], [before])
    assert parent(two) != before

    for pid in pool:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not two.orphans())

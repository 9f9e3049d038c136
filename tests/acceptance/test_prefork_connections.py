"""A real prefork worker at a real PostgreSQL: two connections a process at most, and none of another process's."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from podcasting.database import Database
from podcasting.database.connection import KEPT_CONNECTIONS
from podcasting.models import EpisodeStatus, Podcast
from tests.acceptance.conftest import EXAMPLES, REPOSITORY, Machine
from tests.fakes.postgres import ForgetfulProxy

pytestmark = pytest.mark.slow

CHILDREN = 3
SHOWS = 6


class Watch:
    """Notes again and again which connections each process of a family has, by their ports."""

    def __init__(self, family: int, server_port: int) -> None:
        self.seen: dict[int, set[int]] = defaultdict(set)
        """The ports that each process ever had a connection from."""
        self.most: dict[int, int] = defaultdict(int)
        self._family = psutil.Process(family)
        self._server_port = server_port
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.02):
            try:
                for process in (self._family, *self._family.children()):
                    ports = {
                        each.laddr.port
                        for each in process.net_connections("tcp")
                        if each.raddr and each.raddr.port == self._server_port and each.status == "ESTABLISHED"
                    }
                    self.seen[process.pid] |= ports
                    self.most[process.pid] = max(self.most[process.pid], len(ports))
            except psutil.Error:
                continue  # it ended just now

    def end(self) -> None:
        self._ended.set()
        self._thread.join(10)


@pytest.fixture
def proxy(postgres: str) -> Iterator[ForgetfulProxy]:
    """It forgets nothing here: with it, connections have ports, and so a process."""
    with ForgetfulProxy(postgres) as started:
        yield started


@pytest.fixture
def machine(tmp_path: Path, proxy: ForgetfulProxy, postgres_url: str) -> Iterator[Machine]:
    built = Machine(tmp_path)
    built.environment |= {
        "AIRDATE_DATABASE_URL": proxy.url(postgres_url.partition("?")[0].rpartition("/")[2]),
        "AIRDATE_STUDIO": "chaos.studio:fast",
        "AIRDATE_GENERATORS": str(CHILDREN),
        "AIRDATE_LEASE_SECONDS": "3",  # renewed each second, from the thread beside the work
        "PYTHONPATH": str(REPOSITORY),
    }
    try:
        built.start_aws()
        yield built
    finally:
        built.stop()


def test_a_prefork_worker_keeps_two_connections_a_process_and_shares_none(
    machine: Machine, proxy: ForgetfulProxy, postgres_url: str
) -> None:
    database = Database.at(postgres_url)
    due = datetime.now(UTC) - timedelta(seconds=1)
    for number in range(SHOWS):
        show: dict[str, Any] = {
            "id": f"show-{number}",
            "title": f"Show {number}",
            "sources": (str(EXAMPLES),),
            "frequency_days": 30,
            "first_slot": due,
            "next_episode_at": due,
        }
        database.podcasts.add(Podcast(**show), due)
    machine.airdate("discover", "podcasts")

    worker = machine.start("generator")
    watch = Watch(worker.pid, proxy.port)
    machine.until(
        "all audio",
        lambda: [each.status for each in database.episodes.newest()] == [EpisodeStatus.COMPLETED] * SHOWS,
        120,
    )
    watch.end()
    database.engine.dispose()

    at_work = [pid for pid, ports in watch.seen.items() if ports and pid != worker.pid]
    assert len(at_work) >= 2, "one child did everything: nothing is shown"
    assert max(watch.most.values()) <= KEPT_CONNECTIONS == 2
    every = [port for ports in watch.seen.values() for port in ports]
    assert len(every) == len(set(every)), "a process used a connection that was another's"

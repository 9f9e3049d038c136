"""Processes that do the same to one database at the same moment.

Each reads orders from its standard input, a JSON object a line, and answers each with a line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from podcasting.database import Database
from podcasting.errors import LeaseHeld
from publishers.fanout import Discovery, Outgoing
from publishers.podcast_scheduler import schedule_podcasts

REPOSITORY = Path(__file__).parent.parent.parent
HEAD_START = 0.2
"""Seconds until all have their orders."""


class Claimants:
    """As many processes as asked for."""

    def __init__(self, processes: Sequence[subprocess.Popen[str]]) -> None:
        self._processes = processes

    def all_do(self, what: str, **order: Any) -> list[Any]:
        """What each answers; they begin together."""
        begin_at = time.time() + HEAD_START
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(json.dumps({"do": what, "begin_at": begin_at, **order}) + "\n")
            process.stdin.flush()
        answers = []
        for process in self._processes:
            assert process.stdout is not None
            answers.append(json.loads(process.stdout.readline()))
        return answers


@contextmanager
def claimants(count: int) -> Iterator[Claimants]:
    """Start them; they end with the block."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.claimants"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    try:
        yield Claimants(processes)
    finally:
        for process in processes:
            process.communicate(timeout=30)


class _Sent:
    def __init__(self) -> None:
        self.groups: list[str] = []

    def send(self, outgoing: Sequence[Outgoing]) -> dict[int, str]:
        self.groups += [each.group for each in outgoing]
        return {}


def _do(database: Database, order: dict[str, Any]) -> Any:
    now = datetime.fromisoformat(order["now"])
    match order["do"]:
        case "connect":
            return len(database.podcasts.all())
        case "claim":
            claim = getattr(database.claims, order["table"])
            pages = []
            while claims := claim(now, seconds=300, limit=order["page"]):
                pages.append([[each.subject.id, each.count] for each in claims])
            return pages
        case "schedule":
            sent = _Sent()
            schedule_podcasts(Discovery(database, sent, now, claim_seconds=300, page=order["page"]))
            return sent.groups
        case "open_slot":
            episode = database.podcasts.open_slot(order["podcast"], now, stuck_after=1800)
            return episode.id if episode else None
        case "take":
            try:
                taken = database.leases.take(order["episode"], holder="w", now=now, seconds=60, stuck_after=1800)
            except LeaseHeld:
                return None
            return taken[0].number if taken else None
    raise AssertionError(order)


def main() -> None:
    """Carry out orders until there are no more."""
    databases: dict[str, Database] = {}
    for line in sys.stdin:
        order = json.loads(line)
        database = databases.setdefault(order["url"], Database.at(order["url"]))
        time.sleep(max(0, order["begin_at"] - time.time()))
        sys.stdout.write(json.dumps(_do(database, order)) + "\n")
        sys.stdout.flush()
    for database in databases.values():
        database.engine.dispose()


if __name__ == "__main__":
    main()

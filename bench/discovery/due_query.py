"""The due query as the database sees it: the statement of a real claim, timed, and its plan."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from bench.discovery.checking import require
from bench.discovery.filling import Filled
from podcasting.database import Database

PAGE = 500
"""What ``AIRDATE_DISCOVERY_PAGE`` is unless set."""
CLAIM_SECONDS = 86_400
"""Longer than any measurement."""


FIGURES = {
    r" +\(cost=[^)]*\)": "",
    r"\(actual time=\S+ rows=(\d+)\S* loops=(\d+)\)": r"(rows \1 × \2)",
    r"'\d{4}-[^']*'::timestamp with time zone": "now",
}
"""What of a plan differs from run to run, and what is shown instead."""


@dataclass
class Statements:
    """What an engine sent: the last statement with its parameters, and how many seconds each took."""

    seconds: list[float] = field(default_factory=list)
    server_seconds: list[float] = field(default_factory=list)
    """Of the processor, by PostgreSQL's process: what others do on the machine is not in it."""
    last: tuple[str, Any] = ("", None)


@contextmanager
def watched(engine: Engine) -> Iterator[Statements]:
    """Note each statement within the block; BEGIN and COMMIT are not among them."""
    seen = Statements()
    began = used = 0.0

    def before(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        nonlocal began, used
        seen.last = (statement, parameters)
        used = _processor_seconds(connection)
        began = time.perf_counter()

    def after(connection: Any, *_: Any) -> None:
        seen.seconds.append(time.perf_counter() - began)
        seen.server_seconds.append(_processor_seconds(connection) - used)

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "after_cursor_execute", after)


def _processor_seconds(connection: Any) -> float:
    """How long the server's process of this connection has run, to the nanosecond; of Linux only."""
    process = connection.connection.dbapi_connection.info.backend_pid
    return int(Path(f"/proc/{process}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


def claim(database: Database, table: str, limit: int = PAGE) -> int:
    """Claim a page; how many there were."""
    claims = database.claims.podcasts if table == "podcasts" else database.claims.episodes
    return len(claims(datetime.now(UTC), seconds=CLAIM_SECONDS, limit=limit))


def due_query(filled: Filled, table: str) -> tuple[str, Any]:
    """The part of a claim that finds and locks what is due, as it was sent in a tick with nothing due."""
    with watched(filled.database.engine) as seen:
        claim(filled.database, table)
    statement, parameters = seen.last
    return statement[statement.index("(") + 1 : statement.index(")\n UPDATE")], parameters


def seconds_of_finding(filled: Filled, found: tuple[str, Any]) -> float:
    """The server's processor time for :func:`due_query`; the rows are let go again."""
    with watched(filled.database.engine) as seen, filled.database.engine.connect() as connection:
        rows = connection.exec_driver_sql(*found).all()
        connection.rollback()
    require(len(rows) == PAGE, f"only {len(rows)} were due")
    return seen.server_seconds[0]


def seconds_of_a_claim(filled: Filled, table: str) -> tuple[float, float]:
    """How long the statement that claims a full page took, its rows fetched; and its server's processor time.

    The rows stay claimed.
    """
    with watched(filled.database.engine) as seen:
        claimed = claim(filled.database, table)
    require(claimed == PAGE, f"only {claimed} were due")
    return seen.seconds[0], seen.server_seconds[0]


def seconds_of_pages(database: Database, table: str) -> list[float]:
    """Claim all that is due; how long each full page's statement took."""
    with watched(database.engine) as seen:
        while claim(database, table) == PAGE:
            pass
    return seen.seconds[:-1]


def plan(filled: Filled, table: str) -> str:
    """PostgreSQL's plan of a claim, with what it took: ``EXPLAIN (ANALYZE, BUFFERS, WAL)``. Two pages must be due."""
    with watched(filled.database.engine) as seen:
        claim(filled.database, table)
    statement, parameters = seen.last
    with filled.database.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, WAL) {statement}", parameters).all()
        connection.rollback()
    return "\n".join(row[0] for row in rows)


def shape(plan: Sequence[str]) -> str:
    """A plan's lines without its figures, but for how many rows there were: what it does, not what it took."""
    lines = [line for line in plan if line.startswith("Update") or re.search("->|Cond:|Group Key:|CTE ", line)]
    for figure, instead in FIGURES.items():
        lines = [re.sub(figure, instead, line) for line in lines]
    return "\n".join(lines)

"""Percentiles and steps of time, counted by the database, alike on SQLite and PostgreSQL.

PostgreSQL has ``percentile_disc``; SQLite has no percentile at all. Both number rows in order, so the
percentile here is the nearest rank (what ``percentile_disc`` gives): the smallest value that at least
so many per cent of the values do not exceed. Rows stay in the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, case, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement


@dataclass(frozen=True)
class Spread:
    """How values lie: of seconds, unless its place says otherwise."""

    count: int
    total: float
    median: float
    p90: float
    most: float

    @property
    def mean(self) -> float:
        """The arithmetic mean."""
        return self.total / self.count


class epoch(FunctionElement[int]):  # noqa: N801 - SQL's functions are lower case
    """A moment as whole seconds since 1970, UTC."""

    type = BigInteger()
    name = "epoch"
    inherit_cache = True


@compiles(epoch)
def _epoch(element: Any, compiler: Any, **how: Any) -> str:
    return f"CAST(floor(EXTRACT(epoch FROM {compiler.process(element.clauses, **how)})) AS BIGINT)"


@compiles(epoch, "sqlite")
def _epoch_sqlite(element: Any, compiler: Any, **how: Any) -> str:
    return f"CAST(strftime('%s', {compiler.process(element.clauses, **how)}) AS INTEGER)"


def spreads(rows: Select[Any], value: str, *, by: Sequence[str] = ()) -> Select[Any]:
    """For each group of ``rows``: its columns ``by``, then the fields of :class:`Spread` for the column ``value``.

    No row for a group that has none.
    """
    given = rows.subquery()
    groups = [given.c[name] for name in by]
    ranked = select(
        *groups,
        given.c[value].label("value"),
        func.row_number().over(partition_by=groups or None, order_by=given.c[value]).label("place"),
        func.count().over(partition_by=groups or None).label("of"),
    ).subquery()
    groups = [ranked.c[name] for name in by]
    return select(
        *groups,
        ranked.c.of.label("count"),
        func.sum(ranked.c.value).label("total"),
        _at(ranked, 50).label("median"),
        _at(ranked, 90).label("p90"),
        func.max(ranked.c.value).label("most"),
    ).group_by(*groups, ranked.c.of)


def _at(ranked: Any, percent: int) -> ColumnElement[Any]:
    rank = (ranked.c.of * percent + 99) // 100  # rounded up
    return func.max(case((ranked.c.place == rank, ranked.c.value)))

"""Expenses: what outside providers were asked for each episode, and what it cost; failed attempts included."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine, func, insert, select

from podcasting.database.connection import read
from podcasting.database.schema import expenses
from podcasting.observing import Expense


class Expenses:
    """What was spent; ``at`` is passed in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, episode_id: str, stage: str, spent: Sequence[Expense], at: datetime) -> None:
        """Remember what a stage of an episode spent, a row for each provider.

        Tried once, whatever the connection does: tried again it might count double.
        """
        totals: dict[str, Expense] = {}
        for each in spent:
            totals[each.provider] = totals[each.provider] + each if each.provider in totals else each
        if not totals:
            return
        rows = [{"episode_id": episode_id, "stage": stage, "at": at} | each._asdict() for each in totals.values()]
        with self._engine.begin() as connection:
            connection.execute(insert(expenses), rows)

    def of(self, episode_id: str) -> dict[str, list[Expense]]:
        """What an episode's stages spent, by stage, a line for each provider."""
        columns = expenses.c
        statement = (
            select(
                columns.stage,
                columns.provider,
                func.sum(columns.calls),
                func.sum(columns.input_tokens),
                func.sum(columns.output_tokens),
                func.sum(columns.characters),
                func.sum(columns.dollars),
            )
            .where(columns.episode_id == episode_id)
            .group_by(columns.stage, columns.provider)
            .order_by(func.min(columns.id))
        )
        found: dict[str, list[Expense]] = {}
        with read(self._engine) as connection:
            for stage, *expense in connection.execute(statement):
                found.setdefault(stage, []).append(Expense(*expense))
        return found

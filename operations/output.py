"""How results are shown: a table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

as_json = click.option("--json", "in_json", is_flag=True, help="Print JSON instead of a table.")


def moment(value: datetime | None) -> str:
    """A moment as people read it, in UTC; a dash for none."""
    return f"{value:%Y-%m-%d %H:%M} UTC" if value else "–"


def duration(seconds: float | None) -> str:
    """How long, as people say it: 45 s, 2 min, 3 h, 5 d; a dash for unknown."""
    if seconds is None:
        return "–"
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{int(seconds)} s"


def show_json(value: Any) -> None:
    """Print models, lists of them, or plain values as JSON."""
    click.echo(json.dumps(_plain(value), indent=2, ensure_ascii=False, default=str))


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print rows under their columns, or ``empty``, which says what to do, when there are none."""
    if not rows:
        click.echo(empty)
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = 10_000  # a line is a line for grep, however long
    console.print(table)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value

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
from rich.text import Text

from podcasting.visible import visible

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
    console().print(table(columns, rows))


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, narrow: bool = False, cut_last: bool = False
) -> Table:
    """Rows under their columns.

    ``narrow`` puts these close to each other, the figures to the right; ``cut_last`` keeps each row on one line, of
    whose last cell as much is shown as there is room for.
    """
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1) if not narrow else (0, 1, 0, 0))
    for number, column in enumerate(columns):
        whole = cut_last and number < len(columns) - 1
        made.add_column(column, justify="right" if narrow and number else "left", no_wrap=whole)
    for row in rows:
        # Text, since a string would be read as rich's markup: a title with [/b] in it would end the command.
        *first, last = (Text(visible(cell)) for cell in row)
        if cut_last:
            last.no_wrap, last.overflow = True, "ellipsis"
        made.add_row(*first, last)
    return made


def console() -> Console:
    """Where it is shown. A line is a line for grep, however long, unless a person looks."""
    shown = Console(highlight=False, soft_wrap=False)
    if not shown.is_terminal:
        shown.width = 10_000
    return shown


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value

"""What a section of the bench is: it measures, and what it measured becomes figures, a table and plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes

Figures = dict[str, Any]
"""What a section measured, as JSON keeps it."""


@dataclass(frozen=True)
class Section:
    """One part of ``python -m bench``; its module in :mod:`bench.sections` defines ``SECTION``."""

    name: str
    title: str
    """What is measured, in a few words, as ``--help`` and the progress lines say it."""
    measure: Callable[[bool, Callable[[str], None]], Figures]
    """Given whether to be quick, and where to say what is being done."""
    tables: Mapping[str, Callable[[Figures], str]]
    """By name, the Markdown tables that ``docs/performance.md`` shows between its markers of that name."""
    plots: Mapping[str, Callable[[Figures, Axes], None]] = field(default_factory=dict)
    """By name, what is drawn into ``docs/performance/<name>.png``."""
    headline: Callable[[Figures], Mapping[str, float]] = lambda _: {}
    """What it adds to the last line of ``make bench-quick``."""


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; the first column is words, the others are figures."""
    aligned = ["---"] + ["---:"] * (len(head) - 1)
    lines = [head, aligned, *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)

"""What the charts have in common: colours, axes of time and of seconds, bars with their numbers, legends."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, MultipleLocator, NullLocator

from operations.report.figures import Figures
from operations.report.wording import DAY, span
from podcasting.database.percentiles import Spread

TICKS = (0.01, 0.1, 1, 10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400)
"""Of a logarithmic axis of seconds: round numbers of the units in which people say them."""
STEPS = (
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    20,
    30,
    60,
    120,
    300,
    600,
    1200,
    1800,
    3600,
    7200,
    6 * 3600,
    12 * 3600,
)
"""Between two ticks of an even axis of seconds; beyond them whole days."""
WIDE_SCALE = 30
"""How many times the least the most is where an axis turns logarithmic."""
MOMENTS = (
    300,
    600,
    900,
    1800,
    3600,
    3 * 3600,
    6 * 3600,
    12 * 3600,
    *(days * 86_400 for days in (1, 2, 4, 7, 14, 30, 61, 122, 365)),
)
"""Seconds between two ticks of an axis of time."""
MOMENTS_BY_MONTH = 30 * 86_400
LABELLED_BARS = 16
"""More bars than this have no number at their ends."""


@dataclass(frozen=True)
class Look:
    """Colours, and whether it is for a phone."""

    ground: str
    ink: str
    quiet: str
    line: str
    good: str
    neutral: str
    bad: str
    second: str
    narrow: bool = False


LIGHT = Look("#ffffff", "#1d1f24", "#565b66", "#e4e2dc", "#2767c4", "#b3b7bf", "#c8372d", "#d98a1f")
DARK = Look("#1d2027", "#eceae6", "#a9aeb9", "#343943", "#77a9f7", "#6d7482", "#ff8177", "#f0b252")


def bars(
    axes: Axes,
    named: dict[str, float] | dict[str, int],
    look: Look,
    colours: Sequence[str],
    about: str,
    told: Callable[[float], str],
) -> None:
    """Horizontal bars, each with its number."""
    values = list(named.values())
    drawn = axes.barh(range(len(values)), values, 0.72, color=colours)
    if len(values) <= LABELLED_BARS:
        axes.bar_label(drawn, [told(value) for value in values], color=look.quiet, padding=3, fontsize=8)
    by_name(axes, list(named), look, about, counts=all(isinstance(value, int) for value in values))


def by_name(axes: Axes, names: Sequence[str], look: Look, about: str, *, counts: bool) -> None:
    """The axes of horizontal bars: a name for each, from the top; ``counts`` has whole numbers under them."""
    axes.set_yticks(range(len(names)), names, color=look.ink)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.invert_yaxis()
    axes.margins(x=0.14)
    axes.set_xlabel(about)
    axes.xaxis.set_major_locator(MaxNLocator(4 if look.narrow else 6, integer=counts))
    axes.grid(axis="x")


def band(axes: Axes, spreads: Mapping[datetime, Spread], step: int, look: Look) -> None:
    """By when a step begins: the median as a line, and from it to the 90th percentile as a band.

    Broken where steps have no value: a line across them would tell of what was not.
    """
    at: list[float] = []
    median: list[float] = []
    p90: list[float] = []
    before: datetime | None = None
    for begins, spread in spreads.items():
        if before is not None and (begins - before).total_seconds() > step:
            at, median, p90 = [*at, number(begins)], [*median, math.nan], [*p90, math.nan]
        at.append(number(begins) + step / DAY / 2)
        median.append(spread.median)
        p90.append(spread.p90)
        before = begins
    axes.fill_between(at, median, p90, color=look.good, alpha=0.22, linewidth=0, label="up to 90 %")
    axes.plot(at, median, ".-", color=look.good, linewidth=1.6, markersize=3.5, label="median")


def number(moment: datetime) -> float:
    """A moment on an axis of time: days."""
    return float(date2num(moment))  # type: ignore[no-untyped-call]  # matplotlib.dates has no types


def of_time(axes: Axes, figures: Figures, look: Look, *, most: int | None = None) -> None:
    """An axis of time that shows all of the window, with ticks at round moments, UTC."""
    begins = figures.window.steps()
    first, last = begins[0].timestamp(), begins[-1].timestamp() + figures.window.step
    room = most or (5 if look.narrow else 9)
    between = next((each for each in MOMENTS if (last - first) / each <= room), MOMENTS[-1])
    ticks = [tick * between for tick in range(math.ceil(first / between), math.floor(last / between) + 1)]
    moments = [datetime.fromtimestamp(tick, UTC) for tick in ticks]
    axes.set_xlim(number(begins[0]), number(datetime.fromtimestamp(last, UTC)))
    axes.set_xticks([number(moment) for moment in moments], [_said(moment, between) for moment in moments])


def _said(moment: datetime, between: int) -> str:
    if between >= MOMENTS_BY_MONTH:
        return f"{moment:%b %Y}"
    return f"{moment:%H:%M}" if between < DAY and (moment.hour or moment.minute) else f"{moment.day} {moment:%b}"


def scale(axes: Axes, values: Sequence[float]) -> None:
    """An axis of seconds: even, unless the most is many times the least."""
    positive = [value for value in values if value > 0]
    if positive and max(positive) > WIDE_SCALE * min(positive):
        axes.set_yscale("log")
        logarithmic(axes.yaxis, positive)
    else:
        axes.set_ylim(bottom=0)
        seconds_axis(axes.yaxis, axes.get_ylim()[1])


def seconds_axis(axis: Any, most: float, *, ticks: int = 5) -> None:
    """An even axis of seconds up to ``most``, with ticks at round times."""
    step = next((step for step in STEPS if most / step <= ticks), 86_400.0 * max(1, round(most / 86_400 / ticks)))
    axis.set_major_locator(MultipleLocator(step))
    axis.set_major_formatter(FuncFormatter(lambda value, _: span(value) if value >= 0 else ""))


def logarithmic(axis: Any, values: Sequence[float]) -> None:
    """A logarithmic axis of seconds."""
    inside = [tick for tick in TICKS if min(values) / 2 <= tick <= max(values) * 2]
    axis.set_major_locator(FixedLocator(inside))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: span(value)))


def legend(figure: Figure, axes: Axes, *, columns: int) -> None:
    """What is what, beside the title."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=columns, frameon=False, handlelength=1.2)

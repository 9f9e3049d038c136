"""The charts, drawn by matplotlib: as SVG for a page, wide or for a phone, light or dark, and as PNG.

Whatever is drawn is a number, a moment, or a name of ours (stages, states, ids): titles and reasons,
which anybody may have written, stand in the page's tables only.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from operations.report.axes import (
    LIGHT,
    TICKS,
    Look,
    band,
    bars,
    by_name,
    legend,
    logarithmic,
    number,
    of_time,
    scale,
    seconds_axis,
)
from operations.report.charts import Chart, ends_by_step, spreads_of_stages, troubled_stages
from operations.report.figures import Figures
from operations.report.wording import DAY, dollars, span
from podcasting.database.history import Happened

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "airdate",  # the same figures give the same bytes
    "font.size": 9,
    "text.parse_math": False,  # a dollar is a dollar
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}


def svg(chart: Chart, figures: Figures, look: Look) -> bytes:
    """The chart for a page; without a background."""
    return _file(chart, figures, look, format="svg", transparent=True, metadata={"Date": None})


def recoloured(drawn: bytes, look: Look, other: Look) -> bytes:
    """An SVG drawn in the colours of ``look``, in those of ``other``: to draw it anew would take as long again."""
    for field in fields(look):
        if field.type == "str":
            drawn = drawn.replace(getattr(look, field.name).encode(), getattr(other, field.name).encode())
    return drawn


def png(chart: Chart, figures: Figures, look: Look = LIGHT) -> bytes:
    """The chart with its title, for a letter or a wall."""
    return _file(chart, figures, look, title=chart.title, format="png", dpi=200, facecolor=look.ground)


def _file(chart: Chart, figures: Figures, look: Look, *, title: str | None = None, **how: Any) -> bytes:
    colours = {
        "text.color": look.ink,
        "axes.edgecolor": look.line,
        "axes.labelcolor": look.quiet,
        "xtick.color": look.line,
        "ytick.color": look.line,
        "xtick.labelcolor": look.quiet,
        "ytick.labelcolor": look.quiet,
        "grid.color": look.line,
        "grid.linewidth": 0.8,
        "axes.facecolor": "none",
    }
    with mpl.rc_context(STYLE | colours):
        width = 4.1 if look.narrow else 8.6
        height = _height(chart, narrow=look.narrow)
        figure = Figure(figsize=(width, height), layout="constrained")
        DRAWN[chart.name](figure, figures, look)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        out = io.BytesIO()
        figure.savefig(out, **how)
    return out.getvalue()


def _height(chart: Chart, *, narrow: bool) -> float:
    if chart.name == "failures":
        return 1.0 + 0.42 * len(chart.rows)
    if chart.name in HORIZONTAL:
        return 0.8 + 0.27 * len(chart.rows)
    if chart.name == "stages-over-time":
        stages = len({row[1] for row in chart.rows})
        columns = 2 if narrow else 3
        return 0.4 + (1.45 if narrow else 1.6) * -(-stages // columns)
    return 2.7 if narrow else 3.0


def _throughput(figure: Figure, figures: Figures, look: Look) -> None:
    axes = figure.subplots()
    ends, begins = ends_by_step(figures), figures.window.steps()
    width = figures.window.step / DAY
    middle = [number(each) + width / 2 for each in begins]
    bottom = [0] * len(begins)
    colours = {Happened.PUBLISHED: look.good, Happened.SKIPPED: look.neutral, Happened.FAILED: look.bad}
    for what, counts in ends.items():
        axes.bar(middle, counts, width * 0.86, bottom, color=colours[what], label=what.value)
        bottom = [low + count for low, count in zip(bottom, counts, strict=True)]
    axes.set_ylabel("episodes")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="y")
    of_time(axes, figures, look)
    legend(figure, axes, columns=3)


def _states(figure: Figure, figures: Figures, look: Look) -> None:
    counts = {status.value: count for status, count in figures.standing.episodes.items()}
    colours = {"published": look.good, "failed": look.bad, "skipped": look.neutral}
    bars(
        figure.subplots(),
        counts,
        look,
        [colours.get(name, look.second) for name in counts],
        "episodes",
        "{:,.0f}".format,
    )


def _lateness(figure: Figure, figures: Figures, look: Look) -> None:
    axes = figure.subplots()
    bounds = [bound for bound, _ in figures.lateness_within]
    counts = [count for _, count in figures.lateness_within]
    names = [f"≤ {span(bound)}" if bound else f"> {span(bounds[-2] or 0)}" for bound in bounds]
    drawn = axes.bar(names, counts, color=look.good, width=0.8)
    axes.bar_label(drawn, [f"{count:,}" if count else "" for count in counts], color=look.quiet, padding=2, fontsize=8)
    if look.narrow:
        axes.tick_params(axis="x", rotation=40)
    axes.set_ylabel("episodes")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="y")


def _lateness_over_time(figure: Figure, figures: Figures, look: Look) -> None:
    axes = figure.subplots()
    spreads = {each.step: each.spread for each in figures.lateness_by_step}
    at = [number(begins) + figures.window.step / DAY / 2 for begins in spreads]
    band(axes, spreads, figures.window.step, look)
    axes.plot(at, [each.most for each in spreads.values()], "x", color=look.second, markersize=4, label="longest")
    scale(axes, [value for each in spreads.values() for value in (each.median, each.most)])
    axes.set_ylabel("due until on the site")
    axes.grid(axis="y")
    of_time(axes, figures, look)
    legend(figure, axes, columns=3)


def _stages(figure: Figure, figures: Figures, look: Look) -> None:
    axes = figure.subplots()
    names = [each.stage for each in figures.stages]
    for place, each in enumerate(figures.stages):
        spread = each.spread
        floor = max(spread.median, TICKS[0])
        axes.plot([floor, max(spread.most, floor)], [place, place], color=look.line, linewidth=2, zorder=1)
        axes.plot(
            [floor, max(spread.p90, floor)],
            [place, place],
            color=look.good,
            linewidth=5,
            zorder=2,
            solid_capstyle="butt",
        )
        axes.plot(floor, place, "o", color=look.good, markersize=8, zorder=3, label="median" if place == 0 else None)
        axes.plot(
            max(spread.p90, floor),
            place,
            "|",
            color=look.ink,
            markersize=11,
            markeredgewidth=2,
            zorder=3,
            label="90 %" if place == 0 else None,
        )
        axes.plot(
            max(spread.most, floor),
            place,
            "x",
            color=look.quiet,
            markersize=5,
            zorder=3,
            label="longest" if place == 0 else None,
        )
    axes.set_yticks(range(len(names)), names, color=look.ink)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.invert_yaxis()
    axes.set_xscale("log")
    logarithmic(
        axes.xaxis,
        [max(value, TICKS[0]) for each in figures.stages for value in (each.spread.median, each.spread.most)],
    )
    axes.grid(axis="x")
    legend(figure, axes, columns=3)


def _stages_over_time(figure: Figure, figures: Figures, look: Look) -> None:
    by_stage = spreads_of_stages(figures)
    columns = 2 if look.narrow else 3
    rows = -(-len(by_stage) // columns)
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False)
    for panel in panels.flat[len(by_stage) :]:
        panel.set_axis_off()
    for panel, (stage, steps) in zip(panels.flat, by_stage.items(), strict=False):
        spreads = {begins: each.spread for begins, each in steps.items()}
        band(panel, spreads, figures.window.step, look)
        panel.set_title(stage, loc="left", fontsize=9, color=look.ink)
        panel.set_ylim(bottom=0, top=1.15 * max(each.p90 for each in spreads.values()) or 1)
        seconds_axis(panel.yaxis, panel.get_ylim()[1], ticks=3)
        panel.grid(axis="y")
        panel.tick_params(labelsize=8)
        of_time(panel, figures, look, most=3)


def _failures(figure: Figure, figures: Figures, look: Look) -> None:
    axes = figure.subplots()
    troubled = troubled_stages(figures)
    names = [name for name, _, _ in troubled]
    for offset, column, colour, label in ((-0.19, 1, look.second, "tries"), (0.19, 2, look.bad, "episodes")):
        counts = [each[column] for each in troubled]
        drawn = axes.barh([number + offset for number in range(len(names))], counts, 0.36, color=colour, label=label)
        shown = [f"{count:,}" if count else "" for count in counts]
        axes.bar_label(drawn, shown, color=look.quiet, padding=3, fontsize=8)
    by_name(axes, names, look, "failed", counts=True)
    legend(figure, axes, columns=2)


def _tries(figure: Figure, figures: Figures, look: Look) -> None:
    most = len(figures.failed_tries) - 1
    named = {
        (f"{number} or more" if number == most else str(number)): count
        for number, count in enumerate(figures.failed_tries)
    }
    bars(figure.subplots(), named, look, [look.good, *[look.second] * most], "episodes", "{:,.0f}".format)


def _cost(figure: Figure, figures: Figures, look: Look) -> None:
    parts = {part.part: part.dollars * 1000 for part in figures.spending}
    colours = [look.good if name.startswith("compute: ") else look.second for name in parts]
    bars(figure.subplots(), parts, look, colours, "US dollars for 1,000 episodes", dollars)


def _podcasts(figure: Figure, figures: Figures, look: Look) -> None:
    longest = 18 if look.narrow else 40
    named = {_cut(each.podcast_id, longest): each.seconds for each in figures.busiest}
    axes = figure.subplots()
    bars(axes, named, look, [look.good] * len(named), "time that stages took", span)
    seconds_axis(axes.xaxis, axes.get_xlim()[1], ticks=4)


def _cut(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 9]}…{name[-8:]}"


DRAWN: dict[str, Callable[[Figure, Figures, Look], None]] = {
    "throughput": _throughput,
    "states": _states,
    "lateness": _lateness,
    "lateness-over-time": _lateness_over_time,
    "stages": _stages,
    "stages-over-time": _stages_over_time,
    "failures": _failures,
    "tries": _tries,
    "cost": _cost,
    "podcasts": _podcasts,
}
"""By the chart's name, who draws it."""

HORIZONTAL = {"states", "stages", "tries", "cost", "podcasts"}
"""A row of the table is a line of the chart."""

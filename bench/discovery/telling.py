"""What the section ``discovery`` measured, as tables and plots."""

from __future__ import annotations

from matplotlib.axes import Axes

from bench.discovery.due_query import PAGE, shape
from bench.section import Figures, markdown_table

SMALL = 10_000
"""Episodes in the database beside which the large one is measured."""
MEMORY_TARGET_MB = 150
GROWTH_TARGET = 1.2


def _milliseconds(figures: Figures) -> str:
    return f"{1000 * figures['median']:.1f} ms ({1000 * figures['low']:.1f}–{1000 * figures['high']:.1f})"


def _seconds(figures: Figures) -> str:
    return f"{figures['median']:.2f} s"


def sizes_table(figures: Figures) -> str:
    """The same due beside ever more rows: what grows of a claim, a tick, and a scan for comparison."""
    rows = []
    for size, few in figures["sizes"].items():
        growth = figures["growth"].get(size)
        ratios = [
            f"{growth[table][part]['ratio']:.2f} ×" if growth else "1"
            for part in ("finding", "claiming")
            for table in ("episodes", "podcasts")
        ]
        rows.append([f"{int(size):,}", *ratios, _seconds(few["tick"]), _milliseconds(few["scan"])])
    head = ["episodes", "finding: episodes", "podcasts", "claiming: episodes", "podcasts"]
    return markdown_table([*head, f"tick with {figures['few']:,} due", "scan"], rows)


def due_table(figures: Figures) -> str:
    """Ever more due: what claiming and sending them takes."""
    measured = [(f"{int(due):,} episodes", int(due), sent) for due, sent in figures["due"].items()]
    most = measured[-1][1]
    measured.append((f"{most:,} podcasts", most, figures["podcasts_due"]))
    rows = [
        [
            what,
            _seconds(sent["seconds"]),
            f"{due / sent['seconds']['median']:,.0f}",
            f"{1e6 * sent['cpu_seconds']['median'] / due:,.0f} µs",
            f"{sent['peak_mb']:.0f} MB",
        ]
        for what, due, sent in measured
    ]
    return markdown_table(["due", "claimed and sent in", "a second", "its CPU time each", "peak memory"], rows)


def at_once_table(figures: Figures) -> str:
    """Several discoveries at one backlog, beside one."""
    at_once = figures["at_once"]
    rows = []
    for count in ("1", "2", "4"):
        row = [count]
        for kind in ("claimed", "sent"):
            alone, together = at_once[kind]["1"], at_once[kind][count]
            row += [
                f"{at_once['due'] / together['seconds']['median']:,.0f}",
                f"{alone['seconds']['median'] / together['seconds']['median']:.2f}",
                f"{together['cpu_seconds']['median'] / alone['cpu_seconds']['median']:.2f}",
            ]
        rows.append(row)
    head = ["discoveries", "claims/s", "speed-up", "CPU time, ×", "sent/s", "speed-up", "CPU time, ×"]
    return markdown_table(head, rows)


def costs_table(figures: Figures) -> str:
    """What else a tick may cost."""
    dead, naive = figures["dead_rows"], figures["naive"]
    return markdown_table(
        ["what", "median (lowest–highest)"],
        [
            ["`check_episodes` with nothing due", _milliseconds(figures["idle"]["episodes"])],
            ["`schedule_podcasts` with nothing due", _milliseconds(figures["idle"]["podcasts"])],
            ["claim of a page: first of many", _milliseconds(dead["usual"]["first_pages"])],
            ["claim of a page: last of many", _milliseconds(dead["usual"]["last_pages"])],
            ["… first, beside an old transaction", _milliseconds(dead["old_transaction"]["first_pages"])],
            ["… last, beside an old transaction", _milliseconds(dead["old_transaction"]["last_pages"])],
            ["claimed and sent by pages, each", _milliseconds(naive["pages"])],
            [f"… one by one, each ({naive['ratio']:.0f} ×)", _milliseconds(naive["rows"])],
        ],
    )


def plans(figures: Figures) -> str:
    """The plans of the claim of episodes, smallest and largest database."""
    size = max(figures["growth"], key=int)
    plans = figures["growth"][size]["episodes"]["plans"]
    told = [(SMALL, plans["small"]), (int(size), plans["large"])]
    return "\n\n".join(f"At {episodes:,} episodes:\n\n```\n{shape(lines)}\n```" for episodes, lines in told)


def growth_plot(figures: Figures, axes: Axes) -> None:
    """Claims and a scan, by what exists."""
    sizes = sorted(figures["sizes"], key=int)
    for table, marker in (("episodes", "o"), ("podcasts", "s")):
        ratios = [
            figures["growth"][size][table]["finding"]["ratio"] if size in figures["growth"] else 1 for size in sizes
        ]
        axes.plot([int(size) for size in sizes], ratios, f"{marker}-", label=f"finding {PAGE} {table}")
    smallest = figures["sizes"][str(SMALL)]["scan"]["median"]
    scans = [figures["sizes"][size]["scan"]["median"] / smallest for size in sizes]
    axes.plot([int(size) for size in sizes], scans, "--", color="grey", label="scan of all episodes")
    axes.axhline(GROWTH_TARGET, color="black", linewidth=0.8, linestyle=":", label=f"target: {GROWTH_TARGET} ×")
    axes.set(xscale="log", yscale="log", xlabel="episodes in the database", ylabel=f"time, × that at {SMALL:,}")
    axes.legend()


def due_plot(figures: Figures, axes: Axes) -> None:
    """Time and memory, by what is due."""
    due = sorted(figures["due"], key=int)
    counts = [int(each) for each in due]
    seconds = [figures["due"][each]["seconds"]["median"] for each in due]
    axes.plot(counts, seconds, "o-", label="claimed and sent")
    proportional = [seconds[-1] * count / counts[-1] for count in counts]
    axes.plot(counts, proportional, ":", color="black", label="in proportion")
    axes.set(xscale="log", yscale="log", xlabel="episodes due", ylabel="seconds")
    memory = axes.twinx()
    peaks = [figures["due"][each]["peak_mb"] for each in due]
    (line,) = memory.plot(counts, peaks, "s--", color="tab:red", label="peak memory")
    memory.axhline(MEMORY_TARGET_MB, color="tab:red", linewidth=0.8, linestyle=":")
    memory.set(ylabel=f"MB (target: {MEMORY_TARGET_MB})", ylim=(0, 2 * MEMORY_TARGET_MB))
    axes.legend(handles=[*axes.get_lines(), line], loc="lower right")


def headline(figures: Figures) -> dict[str, float]:
    """For the last line of ``make bench-quick``."""
    largest = figures["growth"][max(figures["growth"], key=int)]
    peaks = [sent["peak_mb"] for sent in (*figures["due"].values(), figures["podcasts_due"])]
    return {
        "due_query_growth": max(growth["finding"]["ratio"] for growth in largest.values()),
        "discovery_peak_mb": max(peaks),
    }

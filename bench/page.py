"""``docs/performance.md``: its tables and plots are written from figures, never by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

from bench.section import Section

PAGE = Path("docs/performance.md")
FOLDER = Path("docs/performance")
"""The plots, and the figures they were drawn from."""

MACHINES = "machines"
"""The marker of the list that says what each section was measured on."""

INCHES = (7.0, 3.6)


class NoMarkers(ValueError):
    """The page has no place for a table."""


def write(section: Section, kept: dict[str, Any]) -> None:
    """Put a section's tables into the page, its figures and plots beside it.

    Raises:
        NoMarkers: the page has no ``<!-- bench:NAME -->`` and ``<!-- /bench:NAME -->`` for a table.
    """
    text = PAGE.read_text(encoding="utf-8")
    for name, table in section.tables.items():
        text = filled(text, name, table(kept["figures"]))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{section.name}.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(filled(text, MACHINES, machines()), encoding="utf-8")
    for name in section.plots:
        draw(section, name, kept["figures"], FOLDER / f"{name}.png")


def filled(text: str, name: str, table: str) -> str:
    """``text`` with ``table`` between the markers of ``name``.

    Raises:
        NoMarkers: there are none.
    """
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise NoMarkers(f"{PAGE} has no place for {name!r}: add the lines {begin} and {end}")
    return f"{before}{begin}\n{table}\n{end}{after}"


def machines() -> str:
    """On what the sections were measured, and when: a list of all that is kept beside the page, like with like."""
    alike: dict[str, list[str]] = {}
    for file in sorted(FOLDER.glob("*.json")):
        kept = json.loads(file.read_text(encoding="utf-8"))
        machine = kept["machine"]
        libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
        described = (
            f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, "
            f"Python {machine['python']}, {libraries}"
        )
        alike.setdefault(f"on {kept['measured_at'][:10]}: {described}", []).append(kept["section"])
    return "\n".join(f"- {', '.join(sections)} {described}" for described, sections in alike.items())


def draw(section: Section, name: str, figures: dict[str, Any], file: Path) -> None:
    """Draw one of the section's plots as PNG."""
    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=INCHES, layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    section.plots[name](figures, axes)
    figure.savefig(file, dpi=130)
    plt.close(figure)

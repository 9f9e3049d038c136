"""The bench: ``make bench``, ``make bench-quick``, or ``python -m bench [section …]``."""

from __future__ import annotations

import importlib
import json
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from bench import page
from bench.measuring import machine
from bench.section import Section

SECTIONS = ("publish", "consume", "requests", "discovery", "latency", "recovery", "making", "fleet")
QUICK = ("publish", "consume", "requests", "discovery", "making")
"""Those that answer for the last line of ``--quick``."""

RESULTS = Path("var/bench")


def section_named(name: str) -> Section:
    """The section of that name; its module is imported only now, with what it needs."""
    section: Section = importlib.import_module(f"bench.sections.{name}").SECTION
    return section


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("sections", nargs=-1, type=click.Choice(SECTIONS))
@click.option("--quick", is_flag=True, help="Less work and fewer repeats: under four minutes for all that it has.")
@click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=RESULTS,
    show_default=True,
    help="Where the figures are written, one JSON file a section.",
)
@click.option("--write-page", is_flag=True, help="Put the figures into docs/performance.md, and draw its plots anew.")
def main(sections: tuple[str, ...], quick: bool, results: Path, write_page: bool) -> None:  # noqa: FBT001 - click's
    """Measure Airdate beside its peers, each section against a baseline in the same run.

    Progress goes to standard error. The last line of standard output is one JSON object: the headline
    figures of the sections that ran.

    \b
    Examples:
      python -m bench                          all sections, about half an hour
      python -m bench publish consume          two of them
      python -m bench --quick                  the headline figures, under four minutes
      python -m bench fleet --write-page       one, and into docs/performance.md with it
    """
    headline: dict[str, float] = {}
    for name in sections or (QUICK if quick else SECTIONS):
        section = section_named(name)
        began = time.monotonic()
        click.echo(f"{name}: {section.title}", err=True)
        figures = section.measure(quick, lambda line, name=name: click.echo(f"{name}: {line}", err=True))  # type: ignore[misc]  # the default binds it
        kept = {
            "section": name,
            "quick": quick,
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - began),
            "machine": machine(),
            "figures": figures,
        }
        results.mkdir(parents=True, exist_ok=True)
        (results / f"{name}.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
        for table in section.tables.values():
            click.echo(table(figures) + "\n")
        if write_page:
            page.write(section, kept)
        headline |= section.headline(figures)
    click.echo(json.dumps(headline))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()

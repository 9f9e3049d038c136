"""``python -m chaos``: prints progress and, as its last line, one JSON object; exits 1 when anything is wrong."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from chaos.plan import draw
from chaos.run import Run

MOST_COMPLAINTS = 60


@click.command(
    epilog="Examples:  python -m chaos --episodes 2000 --seed 7    python -m chaos --episodes 60 --plan-only"
)
@click.option("--episodes", type=click.IntRange(min=10), default=200, show_default=True, help="How many are due.")
@click.option("--seed", type=int, default=7, show_default=True, help="Decides every trouble; the same repeats a run.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where logs and the ledger go.  [default: a new one]")
@click.option("--plan-only", is_flag=True, help="Print the plan, trouble by trouble, and do nothing.")
def main(episodes: int, seed: int, folder: Path | None, *, plan_only: bool) -> None:
    """Make episodes while everything fails, and have an auditor say whether anything was lost or doubled."""
    plan = draw(episodes, seed)
    if plan_only:
        for line in plan.lines():
            click.echo(line)
        for trouble in plan.troubles:
            lasts = f" for {trouble.seconds:.0f} s" if trouble.seconds else ""
            click.echo(f"  after {trouble.after:5}  {trouble.kind} {trouble.target}{lasts}")
        return
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise click.BadParameter(f"{folder} holds something already; give a new or empty folder", param_hint="--folder")
    # Whoever ends a run has its processes ended too: they are in sessions of their own.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run = Run(plan, click.echo, folder=folder)
    verdict = run()
    for note in verdict.notes:
        click.echo(f"note: {note}")
    for complaint in verdict.complaints[:MOST_COMPLAINTS]:
        click.echo(f"WRONG: {complaint}")
    if len(verdict.complaints) > MOST_COMPLAINTS:
        click.echo(f"WRONG: and {len(verdict.complaints) - MOST_COMPLAINTS} more")
    click.echo(
        f"nothing lost, nothing twice; logs in {run.folder}" if verdict.good else f"see the logs in {run.folder}"
    )
    click.echo(verdict.as_json())
    sys.exit(0 if verdict.good else 1)


if __name__ == "__main__":
    main()

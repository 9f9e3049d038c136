"""``airdate status``: queues, processes, episodes, stages, breakers and alarms; ``airdate breakers close``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live

from operations.opened import database
from operations.output import as_json, console, show_json
from operations.status.reading import Reader, Standing
from operations.status.screen import MOST_TOLD, screen
from podcasting.breaker import Breaker, State
from podcasting.errors import Permanent

WATCH_SECONDS = 2


@click.command()
@click.option(
    "--watch",
    type=click.FloatRange(min=0.2),
    is_flag=False,
    flag_value=WATCH_SECONDS,
    metavar="[SECONDS]",
    help=f"Look again and again, every {WATCH_SECONDS} seconds unless told, until Ctrl-C.",
)
@click.option("--check", is_flag=True, help="Exit 1 when there is something to look at: for probes and scripts.")
@as_json
def status(*, watch: float | None, check: bool, in_json: bool) -> None:
    """Show what waits, who works, what became of the episodes, which providers are left alone, and alarms that stand.

    One screen. What is away (SQS, the database) is told in a line, and the rest is shown. A terminal is shown as much
    of each reason as there is room for; a pipe, and --json, all of it. With --json and --watch each look is one line.

    \b
    Examples:
      airdate status
      airdate status --watch             redrawn in place, until Ctrl-C
      airdate status --check --json      in a probe
    """
    reader = Reader()
    if watch is not None:
        _watch(reader, watch, in_json=in_json)
        return
    standing = reader.read()
    if in_json:
        show_json(plain(standing))
    else:
        out = console()
        out.print(*screen(standing, most=_most(out)), sep="\n")
    if check and any(standing.troubles()):
        sys.exit(1)


@click.group()
def breakers() -> None:
    """Outside providers: which are left alone since they failed or throttled."""


@breakers.command()
@click.argument("provider")
def close(provider: str) -> None:
    """Ask a provider again at once, because you know that it is well; `airdate status` shows the names."""
    if not database().breakers.close(provider):
        raise Permanent(f"no provider {provider!r} has failed lately; `airdate status` shows those that have")
    click.echo(f"{provider}: asked again from now on")


def plain(standing: Standing) -> dict[str, Any]:
    """It for programs. What is away is empty, and its ``…_away`` says why."""
    kept = standing.kept
    return {
        "at": standing.at.isoformat(),
        "troubles": list(standing.troubles()),
        "queues": {queue.name: queue.plain() for queue in standing.queues or ()},
        "queues_away": standing.away.get("queues"),
        "database_away": standing.away.get("database"),
        "cloudwatch_away": standing.away.get("cloudwatch"),
        "processes": [
            asdict(each)
            | {name: _moment(getattr(each, name)) for name in ("started_at", "seen_at", "ticked_at")}
            | {"alive": each.is_alive(standing.at)}
            for each in (kept.processes if kept else ())
        ],
        "last_tick": _moment(standing.last_tick),
        "episodes": {state.value: count for state, count in (kept.episodes.items() if kept else ())},
        "awaiting_approval": kept.awaiting_approval if kept else 0,
        "stages": {
            name: {"done": took.count, "median_seconds": took.median, "p90_seconds": took.p90}
            for name, took in (kept.stages.items() if kept else ())
        },
        "breakers": [_breaker(breaker, standing.at) for breaker in kept.breakers] if kept else [],
        "alarms": [
            asdict(alarm) | {"opened_at": alarm.opened_at.isoformat(), "last_at": alarm.last_at.isoformat()}
            for alarm in (kept.alarms if kept else ())
        ],
        "cloudwatch_alarms": [
            asdict(alarm) | {"since": alarm.since.isoformat()} for alarm in standing.cloud_alarms or ()
        ],
    }


def _watch(reader: Reader, seconds: float, *, in_json: bool) -> None:
    show = _each_line if in_json else _in_place if console().is_terminal else _each_below
    try:
        show(reader, lambda: time.sleep(seconds), seconds)
    except KeyboardInterrupt:
        return  # it is how this ends


def _each_line(reader: Reader, wait: Callable[[], None], _seconds: float) -> None:
    while True:
        click.echo(json.dumps(plain(reader.read()), ensure_ascii=False))
        wait()


def _each_below(reader: Reader, wait: Callable[[], None], _seconds: float) -> None:
    out = console()
    while True:
        out.print(*screen(reader.read()), "", sep="\n")
        wait()


def _in_place(reader: Reader, wait: Callable[[], None], seconds: float) -> None:
    told = f"  every {seconds:g} s; Ctrl-C ends it"
    out: Console = console()
    with Live(console=out, screen=True, auto_refresh=False) as live:
        while True:
            lines = list(screen(reader.read(), watched=told, most=_most(out)))
            if len(out.render_lines(Group(*lines))) > out.height:
                lines = [each for each in lines if each != ""]  # what does not fit cannot be scrolled to
            live.update(Group(*lines), refresh=True)
            wait()


def _most(out: Console) -> int | None:
    return MOST_TOLD if out.is_terminal else None


def _breaker(breaker: Breaker, now: datetime) -> dict[str, Any]:
    waiting = breaker.open_until is not None and breaker.state(now) is State.OPEN
    return {
        "provider": breaker.provider,
        "state": breaker.state(now).value,
        "failures": breaker.failures,
        "open_until": breaker.open_until.isoformat() if waiting and breaker.open_until else None,
        "opened_at": breaker.opened_at.isoformat() if breaker.opened_at else None,
        "reason": breaker.reason,
    }


def _moment(value: datetime | None) -> str | None:
    return value.isoformat() if value else None


COMMANDS = (status, breakers)

"""``airdate status``: queues, episodes, breakers and alarms on one screen; ``airdate breakers close``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from operations.opened import database
from operations.output import as_json, duration, moment, show_json, show_table
from operations.queue_depth import DepthReader, QueueDepth
from podcasting.breaker import Breaker, State
from podcasting.errors import Permanent, Retryable
from settings import SettingsError, settings
from tasks import wiring


@click.command()
@as_json
def status(*, in_json: bool) -> None:
    """Show what waits, what became of the episodes, which providers are left alone, and the alarms that stand.

    What is away (SQS, say) is told in a line, and the rest is shown.
    """
    now = wiring.utc_now()
    queues, why_not = _queues()
    episodes = database().episodes.by_status()
    breakers = database().breakers.all()
    alarms = database().alarms.standing(now, quiet_seconds=settings().alarm_quiet)
    if in_json:
        show_json(
            {
                "queues": {queue.name: queue.plain() for queue in queues},
                "queues_away": why_not or None,
                "episodes": {state.value: count for state, count in episodes.items()},
                "breakers": [_plain(breaker, now) for breaker in breakers],
                "alarms": [
                    asdict(alarm) | {"opened_at": alarm.opened_at.isoformat(), "last_at": alarm.last_at.isoformat()}
                    for alarm in alarms
                ],
            }
        )
        return
    if why_not:
        click.echo(f"queues: {why_not}")
    else:
        show_depths(queues)
    click.echo()
    show_table(
        ("EPISODES", "COUNT"),
        [(state.value, str(count)) for state, count in episodes.items()],
        empty="episodes: none yet",
    )
    click.echo()
    show_table(
        ("PROVIDER", "BREAKER", "FAILURES", "ASKED AGAIN IN", "SINCE", "WHY"),
        [_row(breaker, now) for breaker in breakers],
        empty="providers: none failed lately",
    )
    click.echo()
    show_table(
        ("TIMES", "SINCE", "LAST", "ALARM"),
        [(str(alarm.count), moment(alarm.opened_at), moment(alarm.last_at), alarm.about) for alarm in alarms],
        empty="alarms: none",
    )


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


def _queues() -> tuple[tuple[QueueDepth, ...], str]:
    try:
        return DepthReader.of_settings().read().queues, ""
    except (Retryable, SettingsError) as error:
        return (), str(error)


def show_depths(queues: Sequence[QueueDepth]) -> None:
    """A table of what is in the queues."""
    rows = [
        (
            queue.name,
            str(queue.waiting.ready),
            str(queue.waiting.in_flight),
            str(queue.waiting.delayed),
            duration(queue.waiting.oldest_seconds),
            str(queue.dead.messages),
        )
        for queue in queues
    ]
    show_table(("QUEUE", "VISIBLE", "IN FLIGHT", "DELAYED", "OLDEST", "DEAD LETTERS"), rows, empty="no queues")


def _row(breaker: Breaker, now: datetime) -> tuple[str, ...]:
    waits = (breaker.open_until - now).total_seconds() if breaker.open_until else None
    again = "–" if waits is None else duration(waits) if waits > 0 else "now, by one"
    return (
        breaker.provider,
        breaker.state(now).value,
        str(breaker.failures),
        again,
        moment(breaker.opened_at),
        breaker.reason or "",
    )


def _plain(breaker: Breaker, now: datetime) -> dict[str, Any]:
    waiting = breaker.open_until is not None and breaker.state(now) is State.OPEN
    return {
        "provider": breaker.provider,
        "state": breaker.state(now).value,
        "failures": breaker.failures,
        "open_until": breaker.open_until.isoformat() if waiting and breaker.open_until else None,
        "opened_at": breaker.opened_at.isoformat() if breaker.opened_at else None,
        "reason": breaker.reason,
    }


COMMANDS = (status, breakers)

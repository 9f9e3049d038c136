"""How all of it stands, in words: 80 columns and 24 lines while all is well, and not many more in trouble."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from operations.output import duration, table
from operations.queue_depth import QueueDepth
from operations.status.reading import Kept, Standing
from podcasting.breaker import Breaker, State
from podcasting.database.alarms import Alarm
from podcasting.database.percentiles import Spread
from podcasting.database.processes import Process

MOST_PROCESSES = 8
"""More are told by kind."""
SILENT_SHOWN = 3600
"""Seconds for which one that fell silent is shown."""
MOST_TOLD = 4
"""Of the providers that failed, and of the alarms, on a terminal."""


def screen(standing: Standing, *, watched: str = "", most: int | None = None) -> Iterator[RenderableType]:
    """The lines and tables, the most urgent above.

    ``watched`` says how to end it; ``most`` is how many providers and alarms are told, all of them if None.
    """
    troubles = list(standing.troubles())
    verdict = ("all is well", "bold green") if not troubles else (f"to look at: {len(troubles)}", "bold yellow")
    yield Text.assemble(f"{standing.at:%Y-%m-%d %H:%M:%S} UTC  ", verdict, watched)
    yield from (Text(trouble, style="yellow", overflow="fold") for trouble in troubles)
    if standing.queues is not None:
        yield ""
        yield depths(standing.queues)
    if standing.kept is not None:
        yield ""
        yield from _kept(standing.kept, standing, most)


def depths(queues: Sequence[QueueDepth]) -> RenderableType:
    """What is in the queues."""
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
    return table(("QUEUE", "VISIBLE", "IN FLIGHT", "DELAYED", "OLDEST", "DEAD LETTERS"), rows)


def _kept(kept: Kept, standing: Standing, most: int | None) -> Iterator[RenderableType]:
    shown = [each for each in kept.processes if (standing.at - each.seen_at).total_seconds() < SILENT_SHOWN]
    if shown:
        rows = _processes(shown, standing.at) if len(shown) <= MOST_PROCESSES else _kinds(shown, standing.at)
        yield table(("PROCESS", "RUNS FOR", "SEEN", "DOES", "RELEASE"), rows)
    else:
        yield Text("processes: none was seen in the last hour")
    yield ""
    if kept.episodes:
        counts = [str(count) for count in kept.episodes.values()]
        yield table(("EPISODES", *(state.value for state in kept.episodes)), [("count", *counts)])
    else:
        yield Text("episodes: none yet")
    if kept.awaiting_approval:
        yield Text(f"wait for approval: {kept.awaiting_approval}; `airdate episodes list --waiting` shows them")
    yield ""
    if kept.breakers:
        left_alone = sorted(kept.breakers, key=lambda each: each.state(standing.at) is State.CLOSED)
        breakers = [_breaker(each, standing.at) for each in left_alone]
        yield from _some(("PROVIDER", "BREAKER", "FAILURES", "AGAIN IN", "OPEN FOR", "WHY"), breakers, most)
    else:
        yield Text("providers: none failed lately")
    if kept.alarms:
        yield ""
        yield from _some(("TIMES", "SINCE", "LAST", "ALARM"), [_alarm(each, standing.at) for each in kept.alarms], most)
    else:
        yield Text("alarms: none")
    yield ""
    if kept.stages:
        yield table(("STAGES, 24 H", *kept.stages), list(_stages(kept.stages)), narrow=True)
    else:
        yield Text("stages: none was done in the last day")


def _some(columns: Sequence[str], rows: Sequence[Sequence[str]], most: int | None) -> Iterator[RenderableType]:
    yield table(columns, rows[:most], cut_last=True)
    if most is not None and len(rows) > most:
        yield Text(f"and {len(rows) - most} more: `airdate status | cat` shows all")


def _processes(shown: Sequence[Process], now: datetime) -> list[tuple[str, ...]]:
    return [
        (each.name, _ago(each.started_at, now), f"{_ago(each.seen_at, now)} ago", _does(each, now), each.release)
        for each in shown
    ]


def _kinds(shown: Sequence[Process], now: datetime) -> list[tuple[str, ...]]:
    kinds: dict[str, list[Process]] = defaultdict(list)
    for each in shown:
        kinds[each.kind].append(each)
    return [
        (
            f"{len(those)} × {kind}",
            _ago(min(each.started_at for each in those), now),
            f"{_ago(max(each.seen_at for each in those), now)} ago",
            _do(those, now),
            ", ".join(sorted({each.release for each in those})),
        )
        for kind, those in kinds.items()
    ]


def _does(process: Process, now: datetime) -> str:
    if not process.is_alive(now):
        return "SILENT"
    if process.kind == "beat":
        return f"ticked {_ago(process.ticked_at, now)} ago" if process.ticked_at else "no tick yet"
    return f"{process.busy} of {process.slots} busy"


def _do(those: Sequence[Process], now: datetime) -> str:
    alive = [each for each in those if each.is_alive(now)]
    silent = f", {len(those) - len(alive)} SILENT" if len(alive) < len(those) else ""
    if those[0].kind == "beat":
        return f"{len(alive)} tick{silent}"
    return f"{sum(each.busy for each in alive)} of {sum(each.slots for each in alive)} busy{silent}"


def _stages(stages: dict[str, Spread]) -> Iterator[tuple[str, ...]]:
    yield ("done", *(str(took.count) for took in stages.values()))
    yield ("median, s", *(_seconds(took.median) for took in stages.values()))
    yield ("90 %, s", *(_seconds(took.p90) for took in stages.values()))


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"  # noqa: PLR2004 - four figures at most


def _breaker(breaker: Breaker, now: datetime) -> tuple[str, ...]:
    waits = (breaker.open_until - now).total_seconds() if breaker.open_until else None
    return (
        breaker.provider,
        breaker.state(now).value,
        str(breaker.failures),
        "–" if waits is None else duration(waits) if waits > 0 else "now",
        _ago(breaker.opened_at, now) if breaker.opened_at else "–",
        breaker.reason or "",
    )


def _alarm(alarm: Alarm, now: datetime) -> tuple[str, ...]:
    return (str(alarm.count), f"{_ago(alarm.opened_at, now)} ago", f"{_ago(alarm.last_at, now)} ago", alarm.about)


def _ago(when: datetime, now: datetime) -> str:
    return duration(max(0, (now - when).total_seconds()))

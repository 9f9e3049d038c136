"""How all of it stands, in words: 80 columns and 24 lines while all is well."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from operations.output import duration, moment, table
from operations.queue_depth import QueueDepth
from operations.status.reading import Kept, Standing
from podcasting.breaker import Breaker
from podcasting.database.percentiles import Spread
from podcasting.database.processes import Process

MOST_PROCESSES = 8
"""More are told by kind."""
SILENT_SHOWN = 3600
"""Seconds for which one that fell silent is shown."""


def screen(standing: Standing, *, watched: str = "") -> Iterator[RenderableType]:
    """The lines and tables, from above; ``watched`` says how to end it."""
    troubles = list(standing.troubles())
    verdict = ("all is well", "bold green") if not troubles else (f"to look at: {len(troubles)}", "bold yellow")
    yield Text.assemble(f"{standing.at:%Y-%m-%d %H:%M:%S} UTC  ", verdict, watched)
    yield from (Text(trouble, style="yellow", overflow="fold") for trouble in troubles)
    if standing.queues is not None:
        yield ""
        yield depths(standing.queues)
    if standing.kept is not None:
        yield ""
        yield from _kept(standing.kept, standing)


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


def _kept(kept: Kept, standing: Standing) -> Iterator[RenderableType]:
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
    if kept.stages:
        yield table(("STAGES, 24 H", *kept.stages), list(_stages(kept.stages)), narrow=True)
    else:
        yield Text("stages: none was done in the last day")
    yield ""
    if kept.breakers:
        breakers = [_breaker(each, standing.at) for each in kept.breakers]
        yield table(("PROVIDER", "BREAKER", "FAILURES", "ASKED AGAIN IN", "SINCE", "WHY"), breakers)
    else:
        yield Text("providers: none failed lately")
    if kept.alarms:
        yield ""
        alarms = [(str(each.count), moment(each.opened_at), moment(each.last_at), each.about) for each in kept.alarms]
        yield table(("TIMES", "SINCE", "LAST", "ALARM"), alarms)
    else:
        yield Text("alarms: none")


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
    again = "–" if waits is None else duration(waits) if waits > 0 else "now, by one"
    return (
        breaker.provider,
        breaker.state(now).value,
        str(breaker.failures),
        again,
        moment(breaker.opened_at),
        breaker.reason or "",
    )


def _ago(when: datetime, now: datetime) -> str:
    return duration(max(0, (now - when).total_seconds()))

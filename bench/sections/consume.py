"""Consuming: tasks that do nothing, by two cores; tasks a second and processor time a task, beside peers."""

from __future__ import annotations

from collections.abc import Callable

import psutil
from matplotlib.axes import Axes

from bench.contestants import consuming
from bench.contestants.consuming import Emptied
from bench.measuring import Sample, best, ratio, rounded
from bench.section import Figures, Section, markdown_table
from tests.fakes.sqs_servers import server

OURS, SOLO = "Airdate", "Airdate, four solo workers"
SLOWER = ("dramatiq", "taskiq, four processes")
"""Than taskiq with two processes: left out when it should be quick."""
SLOW = ("Celery, as it comes", "Celery, prefetching 16")
"""Who would take minutes for what the others do: they get a tenth of it, and nothing when it should be quick."""


def measure(quick: bool, say: Callable[[str], None]) -> Figures:  # noqa: FBT001 - the frame's
    """Each consumer in turn, several rounds."""
    count, rounds = (3500, 3) if quick else (4000, 5)
    with server("ministack") as sqs:
        contestants = [
            consuming.airdate(sqs.endpoint, OURS),
            consuming.airdate(sqs.endpoint, SOLO, pool="solo", processes=1, workers=4),
            *consuming.peers(sqs.endpoint),
        ]
        if quick:
            contestants = [each for each in contestants if each.name not in (*SLOW, *SLOWER)]
        say(f"{len(contestants)} consumers, {rounds} rounds of {count:,} tasks")
        runs: dict[str, list[Emptied]] = {each.name: [] for each in contestants}
        for _ in range(rounds):
            for each in contestants:
                tasks = count // 10 if each.name in SLOW else count
                runs[each.name].append(each.empty(tasks, psutil.Process(sqs.pid)))
    rates = {name: Sample(tuple(run.rate for run in taken)) for name, taken in runs.items()}
    ours = best((rates[OURS], rates[SOLO]))
    peers = [rates[each.name] for each in contestants if each.name not in (OURS, SOLO)]
    return {
        "unit": "tasks a second",
        "consumers": {
            name: rates[name].figures()
            | {
                "airdate_is": ratio(ours, rates[name]),
                "worker_microseconds": rounded(Sample(tuple(run.worker_microseconds for run in taken)).median),
                "server_microseconds": rounded(Sample(tuple(run.server_microseconds for run in taken)).median),
            }
            for name, taken in runs.items()
        },
        "ratios": {"consume_vs_best_peer": ratio(ours, best(peers))},
    }


def table(figures: Figures) -> str:
    """Each consumer, and what a task costs."""
    rows = [
        (
            name,
            f"{taken['median']:,.0f}",
            f"{taken['low']:,.0f}–{taken['high']:,.0f}",
            f"{taken['worker_microseconds']:,.0f}",
            f"{taken['server_microseconds']:,.0f}",
            f"{taken['airdate_is']:.2f} ×",
        )
        for name, taken in figures["consumers"].items()
    ]
    head = ["consumer", "tasks/s", "lowest–highest", "µs of the worker's", "µs of SQS's", "Airdate's better is"]
    return markdown_table(head, rows)


def plot(figures: Figures, axes: Axes) -> None:
    """Processor time of a task, the worker's and the SQS server's: their sum over two cores is the limit."""
    taken = figures["consumers"]
    worker = [each["worker_microseconds"] for each in taken.values()]
    axes.barh(list(taken), worker, label="worker")
    axes.barh(list(taken), [each["server_microseconds"] for each in taken.values()], left=worker, label="SQS server")
    axes.invert_yaxis()
    axes.set_xlabel("µs of processor time a task")
    axes.legend()


SECTION = Section(
    name="consume",
    title="tasks that do nothing, by two cores, beside peers",
    measure=measure,
    tables={"consume": table},
    plots={"consume": plot},
    headline=lambda figures: figures["ratios"],
)

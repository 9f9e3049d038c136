"""Requests: what a task costs in calls to SQS, all in, and what it costs to wait; counted by a proxy.

Airdate's counts are held against the model behind ``airdate cost``.
"""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.contestants import consuming
from bench.contestants.consuming import Consumer
from bench.contestants.peer_environment import PEERS, peer_command
from bench.measuring import rounded
from bench.peers.workload import MESSAGE
from bench.section import Figures, Section, markdown_table
from operations.cost.requests import predicted_requests
from tests.fakes.celery_app import application
from tests.fakes.faulty_proxy import FaultyProxy
from tests.fakes.sqs_queues import SqsQueue
from tests.fakes.sqs_servers import server

OURS, WATCHED, STOCK = "Airdate", "Airdate, watched by Flower", "Celery, as it comes"
NAMES = [OURS, WATCHED, STOCK, "dramatiq", "taskiq"]
SLOW_TASKS = 60
"""For stock Celery, which does a few a second."""
LONGEST_SECONDS = 120
LONG_POLL_SECONDS = 20
SETTLED_SECONDS = 1.5


def measure(quick: bool, say: Callable[[str], None]) -> Figures:  # noqa: FBT001 - the frame's
    """Each contestant works through tasks, then all wait side by side."""
    tasks, idle_seconds = (1000, 0) if quick else (2000, 3 * LONG_POLL_SECONDS)
    names = [OURS] if quick else NAMES
    with server("ministack") as sqs:
        say(f"{tasks:,} tasks each, published, received, settled")
        worked = {name: _work(sqs.endpoint, name, tasks) for name in names}
        say(f"waiting for {idle_seconds} s, side by side")
        waited = _wait(sqs.endpoint, idle_seconds) if idle_seconds else {}
    predicted = predicted_requests(
        tasks=tasks,
        seconds=worked[OURS].seconds,
        service_seconds=0,
        slots=2,
        prefetch_multiplier=consuming.PREFETCH,
        arriving_together=tasks,
        wait_seconds=LONG_POLL_SECONDS,
        visibility_seconds=consuming.VISIBILITY,
    )
    return {
        "contestants": {
            name: {
                "tasks": work.tasks,
                "requests_per_task": rounded(sum(work.counts.values()) / work.tasks),
                "counts": work.counts,
            }
            for name, work in worked.items()
        },
        "idle": {
            name: {"per_hour": rounded(3600 / idle_seconds * sum(counts.values())), "counts": counts}
            for name, counts in waited.items()
        },
        "long_poll_minimum_per_hour": 3600 / LONG_POLL_SECONDS,
        "model": {"predicted_per_task": rounded(predicted.sqs / tasks)},
    }


@contextmanager
def _through_a_proxy(endpoint: str, name: str) -> Iterator[tuple[Consumer, FaultyProxy]]:
    with FaultyProxy(endpoint) as proxy:
        if name in {OURS, WATCHED}:
            yield consuming.airdate(endpoint, name, through=proxy.endpoint, events=name == WATCHED), proxy
        else:
            found = next(each for each in consuming.peers(endpoint, through=proxy.endpoint) if each.name == name)
            yield found, proxy


@dataclass(frozen=True)
class _Worked:
    """What a contestant asked for while it worked."""

    tasks: int
    counts: dict[str, int]
    seconds: float


def _work(endpoint: str, name: str, tasks: int) -> _Worked:
    tasks = min(tasks, SLOW_TASKS) if name == STOCK else tasks
    with _through_a_proxy(endpoint, name) as (contestant, proxy):
        consuming.fill(contestant.queue, "", 0)
        proxy.forget_counts()
        _publish(contestant, tasks)
        began = time.monotonic()
        with contestant.at_work():
            _until_empty(contestant.queue)
            time.sleep(SETTLED_SECONDS)
            counts = proxy.counts
    return _Worked(tasks, dict(counts.most_common()), time.monotonic() - began)


def _publish(contestant: Consumer, tasks: int) -> None:
    if contestant.name in {OURS, WATCHED}:
        app = application(contestant.environment)
        with app.producer_pool.acquire() as producer, producer.batch():
            for _ in range(tasks):
                app.send_task("celery_app.noop", args=[MESSAGE], producer=producer)
        app.close()
        return
    module = f"{contestant.name.partition(',')[0].lower()}_peer.py"
    subprocess.run(
        [peer_command("python"), module, "publish", str(tasks - 1)],  # and one to begin with
        cwd=PEERS,
        env=dict(contestant.environment),
        check=True,
        capture_output=True,
        timeout=LONGEST_SECONDS,
    )


def _until_empty(queue: SqsQueue) -> None:
    last = time.monotonic() + LONGEST_SECONDS
    while left := queue.depth().waiting:
        if time.monotonic() > last:
            raise RuntimeError(f"{left} tasks were left after {LONGEST_SECONDS} s")
        time.sleep(0.2)


def _wait(endpoint: str, seconds: float) -> dict[str, dict[str, int]]:
    with ExitStack() as open_until_then:
        proxies = {}
        for name in NAMES:
            contestant, proxies[name] = open_until_then.enter_context(_through_a_proxy(endpoint, name))
            consuming.fill(contestant.queue, "", 0)
            open_until_then.enter_context(contestant.at_work())
        last = time.monotonic() + LONGEST_SECONDS
        while not all(proxy.counts["ReceiveMessage"] for proxy in proxies.values()):
            if time.monotonic() > last:
                raise RuntimeError(f"not all poll after {LONGEST_SECONDS} s")
            time.sleep(0.2)
        time.sleep(LONG_POLL_SECONDS / 2)  # in the middle of a poll: what a start asks for is over
        for proxy in proxies.values():
            proxy.forget_counts()
        time.sleep(seconds)
        return {name: dict(Counter(proxy.counts).most_common()) for name, proxy in proxies.items()}


def table(figures: Figures) -> str:
    """Requests a task and an idle hour."""
    rows = [
        (name, f"{taken['requests_per_task']:.2f}", f"{figures['idle'].get(name, {}).get('per_hour', 0):,.0f}")
        for name, taken in figures["contestants"].items()
    ]
    rows += [
        ("the model of `airdate cost`, for Airdate", f"{figures['model']['predicted_per_task']:.2f}", ""),
        ("one long poll after the other", "", f"{figures['long_poll_minimum_per_hour']:.0f}"),
    ]
    return markdown_table(["contestant", "requests a task", "requests an idle hour"], rows)


SECTION = Section(
    name="requests",
    title="calls to SQS a task, all in, and while waiting",
    measure=measure,
    tables={"requests": table},
    headline=lambda figures: {"requests_per_task": figures["contestants"][OURS]["requests_per_task"]},
)

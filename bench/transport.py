"""What the stock transport does and what ours does, in the same run: ``python -m bench.transport [row …]``.

Each row is one ailment of Celery on SQS; its cells are measured with real workers against a local SQS
server over HTTP, through a proxy that counts requests and injects faults. Prints a Markdown table, and
as its last line one JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import psutil
from celery import group

from bench.measuring import seconds_until
from tests.fakes.celery_worker import CeleryWorker
from tests.fakes.faulty_proxy import FaultyProxy
from tests.fakes.sqs_queues import SqsQueue, create_queue
from tests.fakes.sqs_servers import server

FLAVOURS = ("stock", "ours")
NOOPS = 2000
VISIBILITY_SECONDS = 4

Measurement = Callable[["Scene"], str]


class Scene:
    """One server, one proxy before it, one queue, and workers of one flavour."""

    def __init__(self, flavour: str, endpoint: str, proxy: FaultyProxy, directory: Path) -> None:
        self.flavour = flavour
        self.proxy = proxy
        self._endpoint = endpoint
        self._directory = directory
        self._workers: list[CeleryWorker] = []
        self._visibility = VISIBILITY_SECONDS
        self.queue = self._queue(VISIBILITY_SECONDS)

    def _queue(self, visibility: int, *, dead_letters: bool = True) -> SqsQueue:
        name = f"bench-{uuid4().hex[:8]}"
        return create_queue(self._endpoint, name, visibility=visibility, dead_letters=dead_letters)

    def with_queue(self, *, visibility: int = VISIBILITY_SECONDS, dead_letters: bool = True) -> None:
        """Use another queue from here on."""
        self._visibility = visibility
        self.queue = self._queue(visibility, dead_letters=dead_letters)

    def worker(self, **changes: Any) -> CeleryWorker:
        """A worker, not yet started; it publishes past the proxy unless ``publish_at`` says otherwise."""
        chosen: dict[str, Any] = {
            "endpoint": self.proxy.endpoint,
            "publish_at": self._endpoint,
            "queue": self.queue.name,
            "queue_url": self.queue.url,
            "transport": self.flavour,
            "visibility": self._visibility,
            "polling_interval": 1 if self.flavour == "stock" else 0,  # kombu's default, and ours
            "wait_time": 2,
        }
        made = CeleryWorker(self._directory, **chosen | changes)
        self._workers.append(made)
        return made

    def ready(self, **changes: Any) -> CeleryWorker:
        """A worker that consumes."""
        made = self.worker(**changes)
        made.start()
        made.until_ready()
        return made

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.stop()


@contextmanager
def scene(flavour: str, endpoint: str = "") -> Iterator[Scene]:
    """A scene of its own for each cell; the server at ``endpoint``, if one is given, serves others too."""
    with ExitStack() as stack:
        served = endpoint or stack.enter_context(server("ministack")).endpoint
        proxy = stack.enter_context(FaultyProxy(served))
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        made = Scene(flavour, served, proxy, Path(directory))
        try:
            yield made
        finally:
            made.close()


def told(seconds: float | None, at_most: float, what: str) -> str:
    """A duration as a cell says it."""
    return f"not within {at_most:.0f} s" if seconds is None else f"{what} {seconds:.1f} s"


# The rows -----------------------------------------------------------------------------------------


def publishing(scene: Scene) -> str:
    """`group()` of 100 tasks."""
    worker = scene.worker(publish_at=scene.proxy.endpoint)
    signatures = [worker.producer.signature("celery_app.noop") for _ in range(100)]
    with worker.producer.producer_pool.acquire() as producer:
        if scene.flavour == "ours":
            with producer.batch():
                group(signatures, app=worker.producer).apply_async(producer=producer)
        else:
            group(signatures, app=worker.producer).apply_async(producer=producer)
    sends = sum(count for action, count in scene.proxy.counts.items() if action.startswith("SendMessage"))
    return f"{sends} requests"


def publish_all(scene: Scene, worker: CeleryWorker, task: str, calls: Sequence[tuple[Any, ...]]) -> None:
    """Send a task once for each tuple of arguments; in batches, with a transport that can."""
    with (
        worker.producer.producer_pool.acquire() as producer,
        producer.batch() if scene.flavour == "ours" else nullcontext(),
    ):
        for arguments in calls:
            worker.publish(task, *arguments, producer=producer)


def requests(scene: Scene) -> str:
    """SQS requests per task: 2,000 noop tasks published, received, deleted (prefetch multiplier 16, events off)."""
    worker = scene.worker(publish_at=scene.proxy.endpoint, multiplier=16, visibility=30, wait_time=20)
    publish_all(scene, worker, "noop", [()] * NOOPS)
    began = time.monotonic()
    worker.start()
    if seconds_until(lambda: scene.queue.depth().waiting == 0, 180) is None:
        return f"{scene.queue.depth().waiting} of {NOOPS} left after 180 s"
    took = time.monotonic() - began
    worker.terminate()
    worker.wait()
    return f"{sum(scene.proxy.counts.values()) / NOOPS:.2f} ({NOOPS / took:.0f} tasks/s, start included)"


def _outage(scene: Scene, fail: Callable[[], None], seconds: float, at_most: float = 30) -> str:
    worker = scene.ready()
    fail()
    time.sleep(seconds)
    if not worker.alive():
        return f"the worker exits ({worker.wait()})"
    worker.publish("record", "afterwards")
    scene.proxy.pass_on()
    back = seconds_until(worker.records, at_most)
    return f"stays, and does nothing for {at_most:.0f} s more" if back is None else f"stays; at work after {back:.1f} s"


def refused(scene: Scene) -> str:
    """SQS refuses connections for 60 s."""
    return _outage(scene, scene.proxy.refuse, 60)


def server_errors(scene: Scene) -> str:
    """SQS answers 500 for 10 s."""
    return _outage(scene, lambda: scene.proxy.answer(500), 10)


def denied(scene: Scene) -> str:
    """SQS answers 403 for 10 s (expired credentials)."""
    body = b'{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"expired"}'
    return _outage(scene, lambda: scene.proxy.answer(403, body), 10)


def black_hole(scene: Scene) -> str:
    """Packets vanish for 10 s, connections stay."""
    return _outage(scene, scene.proxy.black_hole, 10)


def long_task(scene: Scene) -> str:
    """A task five times longer than the visibility timeout (two workers)."""
    first, _ = scene.ready(), scene.ready()
    first.publish("sleep", 5 * VISIBILITY_SECONDS, "long")
    seconds_until(lambda: "end long" in first.texts(), 40)
    time.sleep(VISIBILITY_SECONDS)
    return f"runs {first.texts().count('start long')} ×"


def countdown(scene: Scene) -> str:
    """`countdown` of 15 s, visibility timeout 4 s (two workers)."""
    first, _ = scene.ready(), scene.ready()
    first.publish("record", "later", countdown=15)
    seconds_until(first.records, 30)
    time.sleep(2 * VISIBILITY_SECONDS)
    return f"runs {len(first.records())} ×"


def dead_letter(scene: Scene) -> str:
    """From a task's first failure to its dead letter, visibility timeout 30 s."""
    scene.with_queue(visibility=30)
    found = to_its_dead_letter(scene, 45)
    return told(found and found[0], 45, "within")


def no_redrive(scene: Scene) -> str:
    """A failing task in a queue without redrive policy."""
    scene.with_queue(dead_letters=False)
    worker = scene.worker()
    worker.publish("fail", "hopeless")
    worker.start()
    ended = seconds_until(lambda: not worker.alive() or len(worker.records()) > 0, 20)
    if ended is not None and not worker.alive():
        return f"start refused ({worker.wait()}); {scene.queue.depth().waiting} message kept"
    time.sleep(2)
    return f"{scene.queue.depth().waiting} messages left: deleted"


def poison(scene: Scene) -> str:
    """Ten poisonous bodies, each to a worker of its own: how many end it, how many it drops."""
    fates = [_fate(scene, body) for body in POISON.values()]
    return ", ".join(f"{fates.count(fate)} {fate}" for fate in ("end the worker", "dropped", "dead letters at once"))


def _fate(scene: Scene, body: str) -> str:
    scene.with_queue()
    worker = scene.ready()
    scene.queue.send(body)
    seconds_until(lambda: not worker.alive() or not scene.queue.depth().waiting, 2)
    if not worker.alive():
        return "end the worker"
    worker.stop()
    depth = scene.queue.depth()
    return "still there" if depth.waiting else "dead letters at once" if depth.dead_letters else "dropped"


def killed(scene: Scene) -> str:
    """kill -9 of a worker: its message at work again (visibility timeout 4 s)."""
    return told(at_work_again(scene, 20), 20, "after")


def at_work_again(scene: Scene, at_most: float) -> float | None:
    """Seconds from the kill -9 of a worker that has just begun a task to its start by another; None beyond."""
    workers = scene.ready(), scene.ready()
    workers[0].publish("sleep", at_most + 30, "killed")
    seconds_until(workers[0].records, 10)
    child = int(workers[0].records()[0].split()[-2])
    next(each for each in workers if psutil.Process(child).ppid() == each.pid).kill()
    return seconds_until(lambda: workers[0].texts().count("start killed") == 2, at_most)  # noqa: PLR2004


def child_at_work_again(scene: Scene, at_most: float) -> float | None:
    """The same when the process that runs the task dies alone, as of too much memory."""
    worker = scene.ready()
    worker.publish("kill", "killed")
    if seconds_until(lambda: len(worker.records()) > 1, at_most) is None:
        return None
    first, second, *_ = (float(line.split()[-1]) for line in worker.records())
    return second - first


def to_its_dead_letter(scene: Scene, at_most: float) -> tuple[float, float] | None:
    """Seconds from a task's first failure, and from its last, to its dead letter; None beyond ``at_most``."""
    worker = scene.ready()
    worker.publish("fail", "hopeless")
    seconds_until(worker.records, 10)
    if seconds_until(lambda: scene.queue.depth().dead_letters, at_most) is None:
        return None
    failures = [float(line.split()[-1]) for line in worker.records()]
    return time.time() - failures[0], time.time() - failures[-1]


def warm_shutdown(scene: Scene) -> str:
    """SIGTERM with 2 tasks running and 4 prefetched, visibility timeout 60 s: the 4 are visible to others."""
    scene.with_queue(visibility=60)
    worker = scene.worker(multiplier=3, wait_time=20)
    for number in range(6):
        worker.publish("sleep", 4, str(number))
    worker.start()
    seconds_until(lambda: len(worker.records()) == 2, 20)  # noqa: PLR2004
    worker.terminate()
    worker.wait()
    return told(seconds_until(lambda: scene.queue.depth().visible == 4, 30), 30, "after")  # noqa: PLR2004


def remote_control(scene: Scene) -> str:
    """`celery inspect ping`."""
    worker = scene.worker(events=True) if scene.flavour == "ours" else scene.worker()
    if scene.flavour == "stock":
        worker.environment["WORKER_REMOTE_CONTROL"] = "1"
    worker.start()
    worker.until_ready()
    asked = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "tests.fakes.celery_app", "inspect", "ping", "--timeout", "5"],
        env=os.environ | worker.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "pong" if "pong" in asked.stdout else "no answer"


POISON = {
    "properties is null": '{"body": "", "headers": {}, "properties": null}',
    "delivery_info is text": '{"body": "", "headers": {}, "properties": {"delivery_info": "x"}}',
    "headers is text": '{"body": "", "headers": "x", "properties": {"delivery_info": {}}}',
    "no id": '{"body": "[[],{},{}]", "content-type": "application/json", "content-encoding": "utf-8", '
    '"headers": {"task": "celery_app.noop"}, "properties": {"delivery_info": {}}}',
    "timelimit is a number": '{"body": "[[],{},{}]", "content-type": "application/json", "content-encoding": "utf-8", '
    '"headers": {"task": "celery_app.noop", "id": "1", "timelimit": 5}, "properties": {"delivery_info": {}}}',
    "bad base64": '{"body": "a", "content-type": "application/json", "content-encoding": "utf-8", '
    '"headers": {"task": "celery_app.noop", "id": "1"}, '
    '"properties": {"delivery_info": {}, "body_encoding": "base64"}}',
    "unknown body encoding": '{"body": "a", "content-type": "application/json", "content-encoding": "utf-8", '
    '"headers": {"task": "celery_app.noop", "id": "1"}, '
    '"properties": {"delivery_info": {}, "body_encoding": "rot13"}}',
    "a bad date": '{"__type__": "datetime", "__value__": "yesterday"}',
    "body is no JSON": '{"body": "{", "content-type": "application/json", "content-encoding": "utf-8", '
    '"headers": {"task": "celery_app.noop", "id": "1"}, "properties": {"delivery_info": {}}}',
    "corrupt compression": '{"body": "a", "content-type": "application/json", "content-encoding": "utf-8", "headers": '
    '{"task": "celery_app.noop", "id": "1", "compression": "application/x-gzip"}, "properties": {"delivery_info": {}}}',
}
"""Of each kind of harm one: what ends a worker, and what is dropped by it."""

ROWS: dict[str, Measurement] = {
    "publishing": publishing,
    "requests": requests,
    "refused": refused,
    "server-errors": server_errors,
    "denied": denied,
    "black-hole": black_hole,
    "long-task": long_task,
    "countdown": countdown,
    "dead-letter": dead_letter,
    "no-redrive": no_redrive,
    "poison": poison,
    "killed": killed,
    "warm-shutdown": warm_shutdown,
    "remote-control": remote_control,
}


@click.command()
@click.argument("rows", nargs=-1, type=click.Choice(list(ROWS)))
def main(rows: tuple[str, ...]) -> None:
    """Measure the rows (all, if none is named), stock beside ours, and print them as a table.

    \b
    Examples:
      python -m bench.transport
      python -m bench.transport requests dead-letter
    """
    click.echo("| row | what happens | stock | ours |\n|---|---|---|---|")
    results: dict[str, dict[str, str]] = {}
    for name in rows or ROWS:
        measure = ROWS[name]
        results[name] = {}
        for flavour in FLAVOURS:
            with scene(flavour) as made:
                results[name][flavour] = measure(made)
        what = (measure.__doc__ or "").strip().rstrip(".")
        click.echo(f"| `{name}` | {what} | {results[name]['stock']} | {results[name]['ours']} |")
    click.echo(json.dumps(results))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()

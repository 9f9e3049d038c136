"""Who consumes: workers over a full queue of tasks that do nothing, and how fast it empties."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil

from bench.contestants.peer_environment import PEERS, peer_command, peer_variables
from bench.contestants.publishing import ROOT, new_queue
from bench.peers.workload import MESSAGE
from tests.fakes.aws import client
from tests.fakes.celery_worker import CeleryWorker
from tests.fakes.sqs_queues import SqsQueue

PREFETCH = 16
"""Messages held for each process: Airdate's own setting, 1, suits tasks of minutes."""
HEARTBEATS = ("--heartbeat-interval", "20")
"""As the Procfile has it."""
LOOK_SECONDS = 0.4
"""Between two looks at how much is left: each costs the SQS server a little, and all alike."""
LONGEST_SECONDS = 8
"""Of measuring, for who is slow."""
START_SECONDS = 60
END_SECONDS = 2
VISIBILITY = 600


@dataclass(frozen=True)
class Emptied:
    """What one run showed."""

    rate: float
    """Tasks a second, between a tenth and nine tenths of the work."""
    worker_microseconds: float
    """Of processor time a task, of all the worker's processes."""
    server_microseconds: float
    """The same of the SQS server."""


@dataclass(frozen=True)
class Consumer:
    """One that consumes: the commands of its workers, and what a message of its kind looks like."""

    name: str
    commands: Sequence[Sequence[str]]
    environment: Mapping[str, str]
    queue: SqsQueue
    body: str
    folder: Path = ROOT

    def empty(self, count: int, server_process: psutil.Process) -> Emptied:
        """Fill the queue with ``count`` tasks, start the workers, and see them work.

        Raises:
            RuntimeError: they do not.
        """
        fill(self.queue, self.body, count)
        with self.at_work() as workers:
            return self._watched(count, workers, server_process)

    @contextmanager
    def at_work(self) -> Iterator[list[psutil.Process]]:
        """Run the workers; they are asked to end, and killed if they take long.

        Raises:
            RuntimeError: whatever went wrong meanwhile, with the workers' log.
        """
        with tempfile.TemporaryFile() as log:
            workers = [
                subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env=dict(self.environment),
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
                for command in self.commands
            ]
            try:
                yield [psutil.Process(worker.pid) for worker in workers]
            except (RuntimeError, psutil.NoSuchProcess) as error:
                log.seek(0)
                raise RuntimeError(f"{self.name}: {error}: {log.read().decode()[-2000:]}") from error
            finally:
                for worker in workers:
                    _end(worker)

    def _watched(self, count: int, workers: list[psutil.Process], server_process: psutil.Process) -> Emptied:
        began, looks = time.monotonic(), list[tuple[float, int, float, float]]()
        while True:
            left, now = self.queue.depth().waiting, time.monotonic()
            if left <= 0.9 * count:
                looks.append((now, left, sum(map(_processor_seconds, workers)), _processor_seconds(server_process)))
                if left <= 0.1 * count or now - looks[0][0] > LONGEST_SECONDS:
                    break
            elif now - began > START_SECONDS:
                raise RuntimeError(f"{left} of {count} tasks were left after {START_SECONDS} s")
            time.sleep(LOOK_SECONDS)
        first, last = looks[0], looks[-1]
        done = first[1] - last[1]
        return Emptied(
            rate=done / (last[0] - first[0]),
            worker_microseconds=1e6 * (last[2] - first[2]) / done,
            server_microseconds=1e6 * (last[3] - first[3]) / done,
        )


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    with suppress(subprocess.TimeoutExpired):
        worker.wait(END_SECONDS)
    with suppress(ProcessLookupError):  # what is left of its family
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def fill(queue: SqsQueue, body: str, count: int) -> None:
    """Put ``count`` messages like ``body`` into the queue, ten a call, after removing what is in it."""
    with client("sqs", queue.endpoint) as sqs:
        sqs.purge_queue(QueueUrl=queue.url)
        for _ in range(count // 10):
            entries = [{"Id": str(number), "MessageBody": body} for number in range(10)]
            sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)


def first_body(queue: SqsQueue) -> str:
    """The body of the first message in a queue."""
    with client("sqs", queue.endpoint) as sqs:
        return str(sqs.receive_message(QueueUrl=queue.url)["Messages"][0]["Body"])


def airdate(
    endpoint: str,
    name: str,
    *,
    processes: int = 2,
    workers: int = 1,
    pool: str = "prefork",
    through: str = "",
    events: bool = False,
) -> Consumer:
    """Celery workers over Airdate's transport, with ``celeryconfig``'s settings but a larger prefetch.

    ``through`` is where they find the SQS server, if not at ``endpoint``.
    """
    queue = new_queue(endpoint, f"airdate-{pool}-{uuid4().hex[:6]}")
    made = [
        CeleryWorker(
            Path(tempfile.gettempdir()),
            endpoint=through or endpoint,
            publish_at=endpoint,
            queue=queue.name,
            queue_url=queue.url,
            pool=pool,
            concurrency=processes,
            multiplier=PREFETCH,
            visibility=VISIBILITY,
            events=events,
            arguments=HEARTBEATS if events else (),
        )
        for _ in range(workers)
    ]
    made[0].publish("noop", MESSAGE)
    made[0].stop()
    return Consumer(
        name,
        commands=[worker.command("WARNING") for worker in made],
        environment=dict(os.environ) | made[0].environment,
        queue=queue,
        body=first_body(queue),
    )


def peers(endpoint: str, *, through: str = "") -> list[Consumer]:
    """The peers, with as many processes as there are cores."""
    at = through or endpoint
    celery = (peer_command("celery"), "-A", "celery_peer", "worker", "-c", "2", "-l", "WARNING")
    dramatiq = (peer_command("dramatiq"), "dramatiq_peer", "-p", "2", "-t", "8")
    taskiq = (peer_command("taskiq"), "worker", "taskiq_peer:broker", "--log-level", "WARNING", "-w")
    return [
        _peer(endpoint, at, "Celery, as it comes", "celery_peer", celery),
        _peer(endpoint, at, "Celery, prefetching 16", "celery_peer", (*celery, "--prefetch-multiplier", "16")),
        _peer(endpoint, at, "dramatiq", "dramatiq_peer", dramatiq),
        _peer(endpoint, at, "taskiq", "taskiq_peer", (*taskiq, "2")),
        _peer(endpoint, at, "taskiq, four processes", "taskiq_peer", (*taskiq, "4")),
    ]


def _peer(endpoint: str, at: str, name: str, module: str, command: Sequence[str]) -> Consumer:
    queue = new_queue(endpoint, f"consumed-{uuid4().hex[:6]}")
    environment = peer_variables(at, queue.name, queue.url)
    subprocess.run(
        [peer_command("python"), f"{module}.py", "publish", "0"],
        cwd=PEERS,
        env=environment,
        check=True,
        capture_output=True,
        timeout=60,
    )
    return Consumer(name, [command], environment, queue, first_body(queue), PEERS)


def _processor_seconds(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    return sum(each.cpu_times().user + each.cpu_times().system for each in family)

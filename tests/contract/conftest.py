"""What the transport's contract is held against: two servers, each behind a proxy, and real workers.

Most of what a broker promises takes time to show, and little of a processor's. So a module has one ``scenario``,
which plays on several rigs at once (:func:`at_once`) and besides that of the next module (:func:`scenarios`), and
each of its tests asserts one fact on one rig.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from tests.fakes.aws import client
from tests.fakes.celery_worker import CeleryWorker
from tests.fakes.faulty_proxy import FaultyProxy
from tests.fakes.sqs_queues import Depth, SqsQueue, _counts, create_queue
from tests.fakes.sqs_servers import SERVERS, server

Endpoints = Mapping[str, str]
"""Of the servers, by name."""

EVERY_RIG = [f"{server}-{pool}" for server in SERVERS for pool in ("prefork", "threads")]
"""For what server and pool both decide."""
WITH_SOLO = [*EVERY_RIG, *(f"{server}-solo" for server in SERVERS)]
"""For what depends on whether the event loop turns while a task runs."""
PAIR = ["moto-prefork", "ministack-threads"]
"""Each server and each pool once: for what neither is likely to decide."""

Outcome = TypeVar("Outcome")
Outcomes = dict[str, Future[Outcome]]
"""By rig."""


class Rig:
    """A server behind a proxy, a queue on it, and the workers of one pool; both by its name, ``moto-prefork-…``."""

    def __init__(
        self, name: str, endpoint: str, directory: Path, *, visibility: int, max_receive: int, **defaults: Any
    ) -> None:
        self.name = name
        self.pool = name.split("-")[1]
        self.endpoint = endpoint
        self.directory = directory
        self.visibility = visibility
        self.proxy = FaultyProxy(endpoint)
        self.queue = create_queue(endpoint, unique(self.pool), visibility=visibility, max_receive=max_receive)
        self._defaults = {"wait_time": 5} | defaults
        self._workers: list[CeleryWorker] = []
        self._open = ExitStack()
        self._sqs = self._open.enter_context(client("sqs", endpoint))

    def worker(self, queue: SqsQueue | None = None, *, start: bool = True, **changes: Any) -> CeleryWorker:
        """Start one, behind the proxy; what the test publishes goes past it."""
        queue = queue or self.queue
        worker = CeleryWorker(
            self.directory,
            queue=queue.name,
            queue_url=queue.url,
            **({"endpoint": self.proxy.endpoint, "publish_at": self.endpoint, "pool": self.pool} | self._defaults)
            | {"visibility": self.visibility}
            | changes,
        )
        self._workers.append(worker)
        if start:
            worker.start()
        return worker

    def depth(self) -> Depth:
        """As ``self.queue.depth()``; quicker, for who asks again and again."""
        visible, in_flight, delayed = _counts(self._sqs, self.queue.url)
        dead = self.queue.dead_letters_url
        return Depth(visible, in_flight, delayed, sum(_counts(self._sqs, dead)) if dead else 0)

    def __enter__(self) -> Rig:
        self.proxy.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.stop()
        self.proxy.stop()
        self._open.close()


Rigs = dict[str, Rig]


def unique(name: str) -> str:
    """A name that no other test's queue has."""
    return f"{name}-{uuid4().hex[:8]}"


@contextmanager
def rigs(
    endpoints: Endpoints,
    directory: Path,
    names: Sequence[str],
    *,
    visibility: int,
    max_receive: int = 3,
    **workers: Any,
) -> Iterator[Rigs]:
    """Rigs by name, each with a directory of its own; ``workers`` are defaults for all of theirs."""
    with ExitStack() as stack:
        made = {}
        for name in names:
            place = directory / name
            place.mkdir()
            endpoint = endpoints[name.partition("-")[0]]
            rig = Rig(name, endpoint, place, visibility=visibility, max_receive=max_receive, **workers)
            made[name] = stack.enter_context(rig)
        yield made


def at_once(play: Callable[[Rig], Outcome], on: Rigs) -> Outcomes[Outcome]:
    """Play on all rigs at the same time; a rig's failure is raised where its outcome is asked for."""
    with ThreadPoolExecutor(len(on)) as threads:
        return {name: threads.submit(play, rig) for name, rig in on.items()}


def messages(endpoint: str, url: str, **how: Any) -> list[dict[str, Any]]:
    """All that a queue hands out, with all its attributes; they stay invisible."""
    found: list[dict[str, Any]] = []
    with client("sqs", endpoint) as sqs:
        while received := sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
            **how,
        ).get("Messages"):
            found += received
    return found


@pytest.fixture(scope="session")
def endpoints() -> Iterator[Endpoints]:
    """Both servers, for all the tests of a run: each test has queues of its own."""
    with ExitStack() as stack:
        started = {name: server(name) for name in SERVERS}
        with ThreadPoolExecutor() as threads:
            for name, each in zip(started, threads.map(stack.enter_context, started.values()), strict=True):
                assert each is started[name]
        yield {name: each.endpoint for name, each in started.items()}


@pytest.fixture(scope="session")
def scenarios(
    request: pytest.FixtureRequest, endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Outcomes[Any]]]]:
    """What came of the modules' scenarios, or will: two are played at a time, in the order of the tests."""
    modules = {item.module.__name__: item.module for item in request.session.items if isinstance(item, pytest.Function)}
    stage = ThreadPoolExecutor(2)
    try:
        yield {
            name: stage.submit(module.scenario, endpoints, tmp_path_factory.mktemp(name.rpartition(".")[2]))
            for name, module in modules.items()
            if hasattr(module, "scenario")
        }
    finally:
        stage.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def seen(request: pytest.FixtureRequest, scenarios: Mapping[str, Future[Outcomes[Any]]]) -> Outcomes[Any]:
    """What came of this module's scenario, by rig."""
    return scenarios[request.module.__name__].result()

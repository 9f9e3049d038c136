"""A month of Airdate on AWS: what it asks for, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from operations.cost.prices import HOURS_A_MONTH, SECONDS_A_MONTH, Prices
from operations.cost.requests import Requests, housekeeping_requests, predicted_requests, watching_requests
from publishers.queues import Queue

DAYS_A_MONTH = SECONDS_A_MONTH / 86_400
FULL = 0.8
"""Of its slots a fleet should have no more than so many busy on average, or what comes together waits long."""
SMALL_VCPU, SMALL_GB = 0.25, 0.5
"""What discovery, beat and Flower are given each: Fargate's smallest task."""

# Counted on one episode of the example feed, 137 s long, with the embedded writer and voice, by
# bench/fleet/counting.py; `python -m bench fleet` counts anew.
CLIPS_PER_MINUTE = 8.3
WRITES, WRITES_PER_CLIP = 15, 1
READS, READS_PER_CLIP = 8, 2
"""Of storage, by an episode."""
SITE_MB_PER_MINUTE, CLIPS_MB_PER_MINUTE = 1.6, 2.9
"""What stays (the published files, and the mastered audio), and the clips it was made of."""
GENERATION_SECONDS_PER_MINUTE = 1.6
PROCESSING_SECONDS_PER_MINUTE = 0.25
"""Of a core's time."""


@dataclass(frozen=True)
class Workers:
    """The workers of one queue: processes, and how many tasks each runs at once."""

    processes: int
    slots: int


@dataclass(frozen=True)
class Load:
    """What is made, and by how many."""

    episodes_per_day: float
    generators: Workers
    processors: Workers
    minutes: float = 10
    """Of audio, per episode."""
    generation_seconds: float = 16
    """How long one slot is busy with one episode's generation."""
    processing_seconds: float = 2.5
    retries_per_task: float = 0.02
    tick_seconds: float = 60
    """Between two ticks of each of the two discoveries."""
    wait_seconds: float = 20
    visibility_seconds: float = 60
    prefetch_multiplier: int = 1
    worker_heartbeat_seconds: float | None = 20
    """As the Procfile says; it is sent with the events off, too."""
    events: bool = True
    watchers: int = 1
    """How many watch the events: Flower."""
    vcpu_per_slot: float = 1
    gb_per_vcpu: float = 2
    months_kept: float = 12
    """How long what is published stays in S3; the bill is that of a month when so much has gathered."""
    clip_months_kept: float = 12
    """How long the clips do: Airdate deletes none, and needs none once its episode is mastered."""

    @property
    def workers(self) -> Mapping[Queue, Workers]:
        """By queue."""
        return {
            Queue.DISCOVERY: Workers(1, 1),
            Queue.GENERATION: self.generators,
            Queue.PROCESSING: self.processors,
        }

    def enough(self) -> Load:
        """The same with as many workers as have slots free for what comes, if these have not."""
        return replace(
            self,
            generators=_enough(self.generators, self.episodes_per_day, self.generation_seconds),
            processors=_enough(self.processors, self.episodes_per_day, self.processing_seconds),
        )


@dataclass(frozen=True)
class Line:
    """One part of the bill."""

    part: str
    requests: float | None
    dollars: float
    about: str


@dataclass(frozen=True)
class Bill:
    """Of a month."""

    load: Load
    prices: Prices
    by_queue: Mapping[Queue, Requests] = field(default_factory=dict)
    overhead: Requests = field(default_factory=Requests)
    """Of no queue of work: remote control's upkeep, and watching."""

    @property
    def requests(self) -> Requests:
        """All of them."""
        return sum(self.by_queue.values(), start=self.overhead)

    @property
    def messaging(self) -> float:
        """Dollars for SQS and SNS."""
        return self._sqs(self.requests.sqs) + self.prices.sns(self.requests.sns_billed)

    @property
    def total(self) -> float:
        """Dollars."""
        return sum(line.dollars for line in self.lines())

    def lines(self) -> Iterator[Line]:
        """Part by part. SQS's free requests and surcharge are spread over its parts by their size."""
        asked, load = self.requests, self.load
        per_request = self._sqs(asked.sqs) / asked.sqs if asked.sqs else 0.0
        for queue, of_queue in self.by_queue.items():
            about = f"{load.workers[queue].processes} × {load.workers[queue].slots} slots"
            yield Line(
                f"SQS {queue}: work", of_queue.work, of_queue.work * per_request, "send, receive, delete, extend"
            )
            yield Line(
                f"SQS {queue}: idle polls", of_queue.empty_receives, of_queue.empty_receives * per_request, about
            )
        control = sum(of_queue.control_polls for of_queue in self.by_queue.values())
        yield Line("SQS remote control", control, control * per_request, "each worker polls a queue of its own")
        upkeep = asked.housekeeping
        yield Line("SQS upkeep of those queues", upkeep, upkeep * per_request, "renewed and swept every five minutes")
        if asked.watching:
            yield Line("SQS watching events", asked.watching, asked.watching * per_request, "Flower: a poll a second")
        yield Line("SNS events and heartbeats", asked.sns_billed, self.prices.sns(asked.sns_billed), "64 KB each")
        yield from self._storage()
        slots = sum(workers.processes * workers.slots for workers in (load.generators, load.processors))
        vcpus = slots * load.vcpu_per_slot
        if load.vcpu_per_slot:
            small = 2 + load.watchers
            dollars = self.prices.fargate(
                vcpu_hours=HOURS_A_MONTH * (vcpus + small * SMALL_VCPU),
                gb_hours=HOURS_A_MONTH * (vcpus * load.gb_per_vcpu + small * SMALL_GB),
            )
            yield Line("Fargate", None, dollars, f"{vcpus + small * SMALL_VCPU:g} vCPU, all month")

    def _storage(self) -> Iterator[Line]:
        load = self.load
        episodes = load.episodes_per_day * DAYS_A_MONTH
        writes = episodes * (WRITES + load.minutes * CLIPS_PER_MINUTE * WRITES_PER_CLIP)
        reads = episodes * (READS + load.minutes * CLIPS_PER_MINUTE * READS_PER_CLIP)
        yield Line("S3 requests", writes + reads, self.prices.s3(writes=writes, reads=reads), "PUT, GET")
        for what, megabytes, months in (
            ("what is published", SITE_MB_PER_MINUTE, load.months_kept),
            ("clips", CLIPS_MB_PER_MINUTE, load.clip_months_kept),
        ):
            stored = episodes * load.minutes * megabytes / 1000 * months
            dollars = self.prices.s3(gb_stored=stored)
            yield Line(f"S3 storage: {what}", None, dollars, f"{stored:,.0f} GB after {months:g} months")

    def _sqs(self, requests: float) -> float:
        # Each message of an episode carries the group of its podcast; a tick's carries none.
        fair = sum(of_queue.work for queue, of_queue in self.by_queue.items() if queue is not Queue.DISCOVERY)
        return self.prices.sqs(requests, min(fair, requests))


def bill(load: Load, prices: Prices) -> Bill:
    """The bill of a month with this load.

    Raises:
        ValueError: the work does not fit on the workers; says which.
    """
    episodes = load.episodes_per_day * DAYS_A_MONTH
    ticks = 2 * SECONDS_A_MONTH / load.tick_seconds
    due_together = max(1.0, load.episodes_per_day / 86_400 * load.tick_seconds)
    asked: dict[Queue, dict[str, float]] = {
        Queue.DISCOVERY: {"tasks": ticks, "service_seconds": 0.02, "published_together": 1},
        Queue.GENERATION: {
            "tasks": episodes,
            "service_seconds": load.generation_seconds,
            "published_together": due_together,
            "arriving_together": due_together,
            "retries_per_task": load.retries_per_task,
        },
        Queue.PROCESSING: {
            "tasks": episodes,
            "service_seconds": load.processing_seconds,
            "published_together": 1,  # generation sends it on when it ends
            "retries_per_task": load.retries_per_task,
        },
    }
    by_queue = {}
    for queue, work in asked.items():
        workers = load.workers[queue]
        try:
            by_queue[queue] = predicted_requests(
                **work,
                seconds=SECONDS_A_MONTH,
                workers=workers.processes,
                slots=workers.slots,
                prefetch_multiplier=load.prefetch_multiplier,
                wait_seconds=load.wait_seconds,
                visibility_seconds=load.visibility_seconds,
                remote_control=True,
                events=load.events,
                worker_heartbeat_seconds=load.worker_heartbeat_seconds,
            )
        except ValueError as error:
            raise ValueError(f"{queue}: {error}") from None
    publishes = sum(of_queue.event_publishes for of_queue in by_queue.values())
    owners = sum(workers.processes for workers in load.workers.values()) + load.watchers
    overhead = housekeeping_requests(control_queues=owners, seconds=SECONDS_A_MONTH)
    for _ in range(load.watchers):
        overhead += watching_requests(event_publishes=publishes, seconds=SECONDS_A_MONTH)
    return Bill(load, prices, by_queue, overhead)


def needed(episodes_per_day: float, service_seconds: float, slots: int) -> int:
    """How many worker processes of so many slots have room for so much."""
    return max(1, math.ceil(episodes_per_day / 86_400 * service_seconds / slots / FULL))


def _enough(workers: Workers, episodes_per_day: float, service_seconds: float) -> Workers:
    processes = max(workers.processes, needed(episodes_per_day, service_seconds, workers.slots))
    return replace(workers, processes=processes)

"""The cost model against counted requests: real workers, and a proxy that counts what they ask for."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from operations.cost.requests import Requests, predicted_requests
from tests.contract.conftest import Endpoints, Outcomes, Rig, at_once, rigs
from tests.fakes.aws import client
from tests.fakes.celery_worker import CeleryWorker
from tests.fakes.sqs_servers import server

pytestmark = pytest.mark.slow

TOLERANCE = 0.15
"""Of all requests of a period."""
EACH_TOLERANCE = 0.25
"""Of those of one action."""
WHOLE = 4
"""A period begins and ends amid polls and batches: so many of an action may belong beyond its ends."""
BEAT = 4
"""Requests, over all that a worker may hold here. A period of seconds has one more or less, or finds less held."""
WATCHED, PLAIN = "ministack-prefork-watched", "ministack-prefork-plain"
RIGS = ["ministack-prefork", WATCHED, PLAIN]
SEEN = [
    *((rig, period) for rig in RIGS[:2] for period in ("burst", "idle", "trickle")),
    (PLAIN, "backlog"),
]
SLOTS = 2
MULTIPLIER = 16
WAIT_SECONDS = 1
SETTLED_SECONDS = 1
"""Until what was done is deleted and told."""
VISIBILITY = 6
BURST = 400
TRICKLE = 12
NAP_SECONDS = 1.0
GAP_SECONDS = 0.8
BACKLOG = 40
OWN_POLLS = 8


@dataclass(frozen=True)
class Period:
    """Some time of a worker's life."""

    counted: Counter[str]
    predicted: Requests


def scenario(_: Endpoints, directory: Path) -> Outcomes[dict[str, Period]]:
    # A server of its own: remote control reaches every worker of an account, so another module's would be counted here.
    with (
        server("ministack") as own,
        rigs({own.name: own.endpoint}, directory, RIGS, visibility=VISIBILITY, wait_time=WAIT_SECONDS) as made,
    ):
        return at_once(play, made)


def play(rig: Rig) -> dict[str, Period]:
    watched, multiplier = rig.name == WATCHED, 1 if rig.name == PLAIN else MULTIPLIER
    worker = rig.worker(publish_at=rig.proxy.endpoint, events=watched, multiplier=multiplier)
    worker.until_ready(60)
    worker.publish("noop")  # what is made at its first use is made now
    worker.until("the first is done", lambda: not rig.depth().waiting)
    told = {
        "slots": SLOTS,
        "prefetch_multiplier": multiplier,
        "wait_seconds": WAIT_SECONDS,
        "visibility_seconds": VISIBILITY,
        "events": watched,
        "remote_control": watched,
        "worker_heartbeat_seconds": 2 if watched else None,  # Celery's own interval
    }
    if rig.name == PLAIN:
        return {"backlog": backlog(rig, worker, told)}
    return {
        "idle": idle(rig, told),
        "burst": burst(rig, worker, told),
        "trickle": trickle(rig, worker, told),
    }


def burst(rig: Rig, worker: CeleryWorker, told: dict[str, Any]) -> Period:
    """Many short tasks at once. How fast this machine is, is measured, and the model told."""
    rig.proxy.forget_counts()
    began = time.monotonic()
    with worker.producer.producer_pool.acquire() as producer, producer.batch():
        for _ in range(BURST):
            worker.publish("noop", producer=producer)
    worker.until("all are done", lambda: not rig.depth().waiting)
    took = time.monotonic() - began
    time.sleep(SETTLED_SECONDS)
    predicted = predicted_requests(
        tasks=BURST,
        seconds=time.monotonic() - began,
        service_seconds=SLOTS * took / BURST,
        arriving_together=BURST,
        **told,
    )
    return Period(rig.proxy.counts, predicted)


def backlog(rig: Rig, worker: CeleryWorker, told: dict[str, Any]) -> Period:
    """Longer tasks at once, of different lengths, to a worker that takes no more than it works on: as Airdate's do."""
    naps = [0.1 + 0.4 * number / BACKLOG for number in range(BACKLOG)]
    random.Random(1).shuffle(naps)
    rig.proxy.forget_counts()
    began = time.monotonic()
    with worker.producer.producer_pool.acquire() as producer, producer.batch():
        for nap in naps:
            worker.publish("sleep", nap, "nap", producer=producer)
    worker.until("all are done", lambda: not rig.depth().waiting)
    took = time.monotonic() - began
    time.sleep(SETTLED_SECONDS)
    predicted = predicted_requests(
        tasks=BACKLOG,
        seconds=time.monotonic() - began,
        service_seconds=SLOTS * took / BACKLOG,
        arriving_together=BACKLOG,
        **told,
    )
    return Period(rig.proxy.counts, predicted)


def idle(rig: Rig, told: dict[str, Any]) -> Period:
    """Nothing to do, for some polls of our own beside the worker's: they say how long one takes on this machine."""
    rig.proxy.forget_counts()
    began = time.monotonic()
    with client("sqs", rig.endpoint) as sqs:
        for _ in range(OWN_POLLS):
            assert rig.queue.dead_letters_url is not None
            sqs.receive_message(QueueUrl=rig.queue.dead_letters_url, WaitTimeSeconds=WAIT_SECONDS)
    took, counted = time.monotonic() - began, rig.proxy.counts
    told["wait_seconds"] = took / OWN_POLLS
    return Period(counted, predicted_requests(tasks=0, seconds=took, service_seconds=0, **told))


def trickle(rig: Rig, worker: CeleryWorker, told: dict[str, Any]) -> Period:
    """Longer tasks, one by one, at random."""
    # The quantiles of an exponential distribution, shuffled: so few gaps drawn at random would be anything.
    gaps = [-GAP_SECONDS * math.log(1 - (number + 0.5) / TRICKLE) for number in range(TRICKLE)]
    random.Random(1).shuffle(gaps)
    rig.proxy.forget_counts()
    began = time.monotonic()
    for gap in gaps:
        time.sleep(gap)
        with worker.producer.producer_pool.acquire() as producer, producer.batch():
            worker.publish("sleep", NAP_SECONDS, "nap", producer=producer)
    worker.until("all are done", lambda: not rig.depth().waiting)
    time.sleep(SETTLED_SECONDS)
    predicted = predicted_requests(
        tasks=TRICKLE,
        seconds=time.monotonic() - began,
        service_seconds=NAP_SECONDS,
        published_together=1,
        **told,
    )
    return Period(rig.proxy.counts, predicted)


@pytest.mark.parametrize(("rig", "period"), SEEN)
def test_the_model_predicts_what_is_counted(seen: Outcomes[dict[str, Period]], rig: str, period: str) -> None:
    found = seen[rig].result()[period]
    predicted, counted = found.predicted.by_action(), found.counted
    print(f"\n{rig}, {period}: counted {dict(counted)}, predicted {dict(predicted)}")  # noqa: T201 - figures to quote

    if period == "burst":
        # What comes while a call is under way goes with the next: how many a burst takes, SNS's answers decide.
        del predicted["PublishBatch"]
    assert sum(predicted.values()) == pytest.approx(sum(counted[action] for action in predicted), rel=TOLERANCE)
    for action, number in predicted.items():
        whole = 2 * BEAT if action == "ChangeMessageVisibilityBatch" and period == "burst" else WHOLE
        assert number == pytest.approx(counted[action], rel=EACH_TOLERANCE, abs=whole), action

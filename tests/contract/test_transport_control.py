"""Events and remote control over SNS: they work, cost little, leave nothing behind, and never are in work's way."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from broker.ephemeral import TTL_SECONDS, EphemeralQueues
from broker.options import Options
from tests.contract.conftest import PAIR, Endpoints, Outcomes, Rig, at_once, rigs
from tests.fakes.aws import client
from tests.fakes.celery_watcher import ping_from_a_shell, receiver, watcher
from tests.fakes.celery_worker import CeleryWorker
from tests.fakes.sqs_queues import Depth

pytestmark = pytest.mark.slow

PREFIX = Options.ephemeral_prefix
TASKS = 1000


@dataclass(frozen=True)
class Watch:
    """What was seen of a worker, and of the next, that was killed."""

    pong: Any
    queues: Mapping[str, Mapping[str, str]]
    """The tags of the ephemeral queues, by URL, while a worker runs."""
    left_by_the_shell: list[str]
    returned_after: float
    """Seconds from the loss of those queues to the next answer."""
    events: list[tuple[str, str]]
    """Types and task ids."""
    ran: str
    """The id of the task that was to be seen."""
    revoked: bool
    """The log says so, and it did not run."""
    outage: list[str]
    """What the log says while SNS fails."""
    ran_in_outage: int
    code: int
    after_shutdown: list[str]
    after_kill: list[str]
    swept_early: int
    swept: int
    after_sweep: list[str]


def scenario(endpoints: Endpoints, directory: Path) -> Outcomes[Watch]:
    # One rig a server: a topic is for all the workers of an account.
    with rigs(endpoints, directory, PAIR, visibility=30, events=True, multiplier=4) as made:
        return at_once(play, made)


def ephemeral(rig: Rig) -> list[str]:
    with client("sqs", rig.endpoint) as sqs:
        return sqs.list_queues(QueueNamePrefix=PREFIX).get("QueueUrls", [])  # type: ignore[no-any-return]


def lose_queues(rig: Rig) -> None:
    """Delete the ephemeral queues behind their owners' backs."""
    with client("sqs", rig.endpoint) as sqs, client("sns", rig.endpoint) as sns:
        for url in ephemeral(rig):
            sqs.delete_queue(QueueUrl=url)
        # moto takes no message for a topic of whose queues one is gone; AWS drops what is for that one.
        for subscription in sns.list_subscriptions()["Subscriptions"]:
            if subscription["Endpoint"].rpartition(":")[2].startswith(PREFIX):
                sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])


def tags(rig: Rig) -> dict[str, dict[str, str]]:
    with client("sqs", rig.endpoint) as sqs:
        return {url: sqs.list_queue_tags(QueueUrl=url).get("Tags", {}) for url in ephemeral(rig)}


def sweep(rig: Rig, after: float) -> int:
    with client("sqs", rig.endpoint) as sqs:
        return EphemeralQueues(sqs, PREFIX, clock=lambda: time.time() + after).sweep()


def others(rig: Rig) -> list[str]:
    """The ephemeral queues that are not of this process: what asks here keeps its queue for more."""
    ours = f"{socket.gethostname()}:{os.getpid()}"
    return [url for url, named in tags(rig).items() if named["owner"] != ours]


def ping(worker: CeleryWorker, endpoint: str) -> Any:
    with watcher(worker, endpoint) as app:
        return app.control.inspect([worker.full_name], timeout=2).ping()


def play(rig: Rig) -> Watch:
    worker = rig.worker()
    worker.until_ready(60)
    queues = tags(rig)
    pong = ping_from_a_shell(worker)
    left_by_the_shell = sorted(set(others(rig)) - set(queues))

    with watcher(worker, rig.endpoint) as app, receiver(app) as received:
        ran = worker.publish("record", "seen")
        revoked = worker.publish("record", "revoked", countdown=3)
        app.control.revoke(revoked)
        worker.until(
            "its success is seen", lambda: ("task-succeeded", ran) in [_key(event) for event in list(received)], 20
        )
        worker.until(
            "it discards", lambda: f"Discarding revoked task: celery_app.record[{revoked}]" in worker.log(), 20
        )
        worker.until("it is acknowledged", lambda: rig.depth() == Depth(0, 0, 0, 0), 10)
        events = [_key(event) for event in received]

    lose_queues(rig)
    lost = time.monotonic()
    worker.until("it answers again", lambda: ping(worker, rig.endpoint), 30)
    returned_after = time.monotonic() - lost

    said = len(worker.log())
    rig.proxy.answer(500, only={"Publish", "PublishBatch"})
    for number in range(10):
        worker.publish("record", f"in an outage {number}")
    worker.until("all ran", lambda: len(worker.texts()) == 11 and rig.depth() == Depth(0, 0, 0, 0), 20)
    worker.until("it says so", lambda: "events are not published" in worker.log()[said:], 20)
    rig.proxy.pass_on()
    worker.publish("noop")
    worker.until("it is over", lambda: "events are published again" in worker.log()[said:], 20)
    outage = worker.log()[said:].splitlines()
    ran_in_outage = len([text for text in worker.texts() if text.startswith("in an outage")])

    worker.terminate()
    code = worker.wait()
    after_shutdown = others(rig)

    killed = rig.worker()
    killed.until_ready(60)
    killed.kill()
    return Watch(
        pong=pong,
        queues=queues,
        left_by_the_shell=left_by_the_shell,
        returned_after=returned_after,
        events=events,
        ran=ran,
        revoked="revoked" not in worker.texts(),
        outage=outage,
        ran_in_outage=ran_in_outage,
        code=code,
        after_shutdown=after_shutdown,
        after_kill=ephemeral(rig),
        swept_early=sweep(rig, after=0),
        swept=sweep(rig, after=TTL_SECONDS + 1),
        after_sweep=ephemeral(rig),
    )


def _key(event: Mapping[str, Any]) -> tuple[str, str]:
    return event["type"], event.get("uuid", "")


@pytest.mark.parametrize("rig", PAIR)
def test_a_worker_answers_and_obeys(seen: Outcomes[Watch], rig: str) -> None:
    watch = seen[rig].result()

    assert list(watch.pong.values()) == [{"ok": "pong"}]
    assert watch.revoked


@pytest.mark.parametrize("rig", PAIR)
def test_events_of_a_task_arrive_in_their_order(seen: Outcomes[Watch], rig: str) -> None:
    watch = seen[rig].result()

    of_task = [kind for kind, task_id in watch.events if task_id == watch.ran]
    assert of_task == ["task-received", "task-started", "task-succeeded"]


@pytest.mark.parametrize("rig", PAIR)
def test_queues_of_a_process_s_life_say_whose_they_are_and_go_with_it(seen: Outcomes[Watch], rig: str) -> None:
    watch = seen[rig].result()

    assert watch.queues
    for named in watch.queues.values():
        assert named["owner"]
        assert time.time() < int(named["alive-until"]) <= time.time() + TTL_SECONDS
    assert watch.code == 0
    assert watch.after_shutdown == []
    assert watch.left_by_the_shell == []


@pytest.mark.parametrize("rig", PAIR)
def test_queues_of_a_killed_process_are_swept_once_nobody_can_believe_it_alive(seen: Outcomes[Watch], rig: str) -> None:
    watch = seen[rig].result()

    assert watch.after_kill
    assert watch.swept_early == 0
    assert watch.swept == len(watch.after_kill)
    assert watch.after_sweep == []


@pytest.mark.parametrize("rig", PAIR)
def test_a_worker_whose_control_queue_is_deleted_makes_another(seen: Outcomes[Watch], rig: str) -> None:
    print(f"\n{rig}: answers {seen[rig].result().returned_after:.1f} s after")  # noqa: T201 - a figure to quote

    assert seen[rig].result().returned_after <= 10


@pytest.mark.parametrize("rig", PAIR)
def test_an_outage_of_sns_is_told_of_once_and_stops_no_work(seen: Outcomes[Watch], rig: str) -> None:
    watch = seen[rig].result()

    assert watch.ran_in_outage == 10
    assert len([line for line in watch.outage if "events are not published" in line]) == 1, watch.outage
    assert not [line for line in watch.outage if "Traceback" in line], watch.outage


def test_to_be_watched_costs_less_than_a_third_of_a_request_a_task(endpoints: Endpoints, tmp_path: Path) -> None:
    # ministack alone: moto takes a second for what it does in a tenth, once a queue is deep.
    with rigs(endpoints, tmp_path, ["ministack-prefork", "ministack-prefork-b"], visibility=120, multiplier=16) as made:

        def play(rig: Rig) -> int:
            watched = rig.name == "ministack-prefork"
            worker = rig.worker(events=watched)
            worker.until_ready(60)
            with watcher(worker, rig.proxy.endpoint) as app:
                if not watched:
                    return work(rig, worker)
                with receiver(app) as received:
                    requests = work(rig, worker)

                    def all_seen() -> bool:
                        return len([1 for event in list(received) if event["type"] == "task-succeeded"]) == TASKS

                    worker.until("all successes are seen", all_seen, 60)
                    requests = sum(rig.proxy.counts.values())
                    print(f"\nwatched: {dict(rig.proxy.counts)}")  # noqa: T201 - figures to quote
                    return requests

        requests = {name: played.result() for name, played in at_once(play, made).items()}
    per_task = (requests["ministack-prefork"] - requests["ministack-prefork-b"]) / TASKS
    print(f"\n{per_task:.3f} requests per task, to be watched: {requests}")  # noqa: T201 - a figure to quote
    assert per_task <= 0.3


def work(rig: Rig, worker: CeleryWorker) -> int:
    """Have the tasks done; how many requests went through the proxy."""
    rig.proxy.forget_counts()
    with worker.producer.producer_pool.acquire() as producer, producer.batch():
        for _ in range(TASKS):
            worker.publish("noop", producer=producer)
    worker.until("all are done", lambda: not rig.depth().waiting, 90)
    return sum(rig.proxy.counts.values())

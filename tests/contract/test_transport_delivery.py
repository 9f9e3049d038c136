"""What is published arrives and is settled, in few requests; what fails becomes a dead letter; a worker that is
told to leave leaves nothing behind."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery import group

from broker.receiving import GATHERING_SECONDS
from tests.contract.conftest import EVERY_RIG, PAIR, Endpoints, Outcomes, Rig, at_once, messages, rigs, unique
from tests.fakes.aws import client
from tests.fakes.celery_worker import CeleryWorker
from tests.fakes.sqs_queues import Depth, SqsQueue, create_queue

pytestmark = pytest.mark.slow

VISIBILITY = 60
"""Far longer than a test: what comes back, comes back because somebody gave it back."""
FANNED_OUT = [f"text {number}" for number in range(200)]
PREFETCHED = [f"prefetched {number}" for number in range(30)]
ROOM = 2 * 16
"""What a worker may hold: slots and multiplier."""
STILL_AT_WORK_SECONDS = 2
"""After the signal: time in which what still runs could be given back, and must not."""
MAX_RECEIVE = 3


@dataclass(frozen=True)
class Shift:
    """A worker's life, from its first task to its end."""

    published: Mapping[str, int]
    """Requests, by action."""
    worked: Mapping[str, int]
    """The same, until all was done."""
    fanned_out: list[str]
    failures: list[str]
    buried_after: float
    """Seconds from the last failure to the dead-letter queue."""
    deaths: list[str]
    dead: Depth
    code: int
    seen_at_shutdown: int
    """How many were visible at most while the worker ended."""
    left: Depth
    """Right after its end."""
    last: list[str]
    """What ran from the order to leave on, a successor's work included."""
    idle_code: int
    idle_seconds: float
    """How long an idle worker takes to leave."""


def scenario(endpoints: Endpoints, directory: Path) -> Outcomes[Shift]:
    with rigs(
        endpoints,
        directory,
        EVERY_RIG,
        visibility=VISIBILITY,
        max_receive=MAX_RECEIVE,
        multiplier=16,
    ) as made:
        return at_once(play, made)


def play(rig: Rig) -> Shift:
    # The worker publishes through the proxy, which counts.
    worker = rig.worker(publish_at=rig.proxy.endpoint)
    worker.until_ready(60)
    rig.proxy.forget_counts()
    with worker.producer.producer_pool.acquire() as producer, producer.batch():
        tasks = [worker.producer.signature("celery_app.record", args=[text]) for text in FANNED_OUT]
        group(tasks, app=worker.producer).apply_async(producer=producer)
    published = rig.proxy.counts
    worker.until("all are done", lambda: not rig.depth().waiting, 60)
    worked, fanned_out = rig.proxy.counts, worker.texts()

    failures, buried_after = until_dead(rig, worker, "fail", 1)
    # In threads it would be the worker itself that dies.
    deaths = until_dead(rig, worker, "kill", 2)[0] if rig.pool == "prefork" else []
    dead = rig.depth()

    before = len(worker.records())
    end = rig.directory / "the long ones end"
    for text in ("long 0", "long 1"):
        worker.publish("hold", str(end), text)
    worker.until("both slots are taken", lambda: len(worker.records()) == before + 2)
    with worker.producer.producer_pool.acquire() as producer, producer.batch():
        for text in PREFETCHED:
            worker.publish("record", text, producer=producer)
    worker.until("it has no room, and polls no more", lambda: rig.depth().in_flight == ROOM, 3)
    worker.terminate()
    seen, began = 0, time.monotonic()
    while worker.alive():
        seen = max(seen, rig.depth().visible)
        if time.monotonic() > began + STILL_AT_WORK_SECONDS:
            end.touch()
    left = rig.depth()
    successor = rig.worker(wait_time=20)
    successor.until("the rest is done", lambda: not rig.depth().waiting, 40)
    last = successor.texts()[before:]
    asked = time.monotonic()
    successor.terminate()
    idle_code = successor.wait()
    return Shift(
        published=published,
        worked=worked,
        fanned_out=fanned_out,
        failures=failures,
        buried_after=buried_after,
        deaths=deaths,
        dead=dead,
        code=worker.wait(),
        seen_at_shutdown=seen,
        left=left,
        last=last,
        idle_code=idle_code,
        idle_seconds=time.monotonic() - asked,
    )


def until_dead(rig: Rig, worker: CeleryWorker, task: str, dead_letters: int) -> tuple[list[str], float]:
    """Publish what cannot succeed; what it left, and how long after its last trial it was a dead letter."""
    before = len(worker.records())
    worker.publish(task, "doomed")
    worker.until("a dead letter", lambda: rig.depth().dead_letters == dead_letters, 30)
    tried = worker.records()[before:]
    return [line.split()[0] for line in tried], time.time() - float(tried[-1].split()[-1])


@pytest.mark.parametrize("rig", EVERY_RIG)
def test_a_group_in_a_batch_is_published_ten_messages_a_request(seen: Outcomes[Shift], rig: str) -> None:
    assert seen[rig].result().published["SendMessageBatch"] == len(FANNED_OUT) / 10
    assert seen[rig].result().published["SendMessage"] == 0


@pytest.mark.parametrize("rig", EVERY_RIG)
def test_each_message_runs_once_in_a_third_of_a_request(seen: Outcomes[Shift], rig: str) -> None:
    shift = seen[rig].result()
    per_task = sum(shift.worked.values()) / len(FANNED_OUT)
    print(f"\n{rig}: {per_task:.3f} requests per task: {dict(shift.worked)}")  # noqa: T201 - a figure to quote

    assert sorted(shift.fanned_out) == sorted(FANNED_OUT)
    assert per_task <= 0.35


@pytest.mark.parametrize("rig", EVERY_RIG)
def test_a_failure_reaches_the_dead_letters_without_waiting_for_visibility_timeouts(
    seen: Outcomes[Shift], rig: str
) -> None:
    shift = seen[rig].result()
    print(f"\n{rig}: a dead letter {shift.buried_after:.1f} s after the last failure")  # noqa: T201 - as above

    assert shift.failures == ["doomed"] * MAX_RECEIVE
    assert shift.buried_after <= 10


@pytest.mark.parametrize("rig", [name for name in EVERY_RIG if "prefork" in name])
def test_a_task_that_kills_its_process_is_a_dead_letter_in_the_end(seen: Outcomes[Shift], rig: str) -> None:
    assert seen[rig].result().deaths == ["doomed"] * MAX_RECEIVE
    assert seen[rig].result().dead == Depth(0, 0, 0, dead_letters=2)


@pytest.mark.parametrize("rig", EVERY_RIG)
def test_a_warm_shutdown_ends_what_runs_and_gives_back_the_rest_at_once(seen: Outcomes[Shift], rig: str) -> None:
    shift = seen[rig].result()

    assert shift.code == 0
    assert shift.left.in_flight == 0
    assert shift.seen_at_shutdown <= len(PREFETCHED), "what still ran was given back"
    assert sorted(shift.last) == sorted(
        [*PREFETCHED, *(f"{moment} long {number}" for moment in ("start", "end") for number in (0, 1))]
    )


@pytest.mark.parametrize("rig", EVERY_RIG)
def test_an_idle_worker_leaves_within_seconds_though_its_poll_may_take_twenty(seen: Outcomes[Shift], rig: str) -> None:
    print(f"\n{rig}: left {seen[rig].result().idle_seconds:.1f} s after SIGTERM")  # noqa: T201 - as above

    assert seen[rig].result().idle_code == 0
    assert seen[rig].result().idle_seconds < 6


def test_a_warm_shutdown_gives_back_to_others_and_not_to_its_own_last_poll(
    endpoints: Endpoints, tmp_path: Path
) -> None:
    # On one rig: whether the poll or the work ends first is a matter of time, and here the poll ends last. SQS goes
    # on with it although its worker is gone, so what is given back is visible once it has ended.
    with rigs(endpoints, tmp_path, ["ministack-threads"], visibility=VISIBILITY, multiplier=16, wait_time=5) as made:
        (rig,) = made.values()
        worker = rig.worker()
        end = tmp_path / "the long ones end"
        for text in ("long 0", "long 1"):
            worker.publish("hold", str(end), text)
        worker.until("both slots are taken", lambda: len(worker.records()) == 2)
        for text in PREFETCHED[:5]:
            worker.publish("record", text)
        worker.until("it holds them", lambda: rig.depth().in_flight == 7, 2)
        time.sleep(5 * GATHERING_SECONDS)  # then it polls for more
        worker.terminate()
        time.sleep(STILL_AT_WORK_SECONDS)
        end.touch()
        worker.wait()

        rest = Depth(visible=5, in_flight=0, delayed=0, dead_letters=0)
        worker.until("all is visible when the poll has ended", lambda: rig.depth() == rest, 10)


@pytest.mark.parametrize("name", PAIR)
def test_groups_and_attributes_arrive_as_sqs_knows_them(endpoints: Endpoints, tmp_path: Path, name: str) -> None:
    with rigs(endpoints, tmp_path, [name], visibility=VISIBILITY) as made:
        (rig,) = made.values()
        publisher = CeleryWorker(tmp_path, endpoint=rig.endpoint, queue=rig.queue.name, queue_url=rig.queue.url)
        attributes = {"tenant": {"DataType": "String", "StringValue": "my show"}}
        how: dict[str, Any] = {"MessageGroupId": "my-show", "message_attributes": attributes}
        with publisher.producer.producer_pool.acquire() as producer, producer.batch():
            batched = publisher.publish("record", "in a batch", producer=producer, **how)
        single = publisher.publish("record", "alone", **how)
        publisher.stop()
        found = messages(rig.endpoint, rig.queue.url)

    assert {json.loads(message["Body"])["headers"]["id"] for message in found} == {batched, single}
    for message in found:
        assert message["Attributes"]["MessageGroupId"] == "my-show"
        assert message["MessageAttributes"]["tenant"]["StringValue"] == "my show"
        assert json.loads(json.loads(message["Body"])["body"])[0] in (["in a batch"], ["alone"]), "a body is readable"


@pytest.mark.parametrize("name", PAIR)
def test_a_fifo_queue_keeps_its_order_within_a_group(endpoints: Endpoints, tmp_path: Path, name: str) -> None:
    texts = [f"step {number}" for number in range(25)]
    with rigs(endpoints, tmp_path, [name], visibility=VISIBILITY, concurrency=1, multiplier=16) as made:
        (rig,) = made.values()
        queue = create_fifo_queue(rig.endpoint)
        worker = rig.worker(queue)
        with worker.producer.producer_pool.acquire() as producer, producer.batch():
            for text in texts:
                worker.publish("record", text, producer=producer, MessageGroupId="my-show")
        worker.until("all are done", lambda: len(worker.texts()) >= len(texts) and not queue.depth().waiting)

        assert worker.texts() == texts


def test_a_worker_refuses_a_queue_without_a_redrive_policy(endpoints: Endpoints, tmp_path: Path) -> None:
    # Of one server and pool: what SQS says of a queue's attributes is alike on both, and no pool has started yet.
    with rigs(endpoints, tmp_path, ["moto-threads"], visibility=2) as made:
        (rig,) = made.values()
        queue = create_queue(rig.endpoint, unique("bare"), visibility=2, dead_letters=False)
        refusing = rig.worker(queue)
        allowing = rig.worker(queue, options={"allow_queues_without_redrive": True})
        code = refusing.wait()
        allowing.publish("fail", "again and again")
        allowing.until("it comes again", lambda: len(allowing.texts()) >= 2)

        assert code != 0
        (line,) = [line for line in refusing.log().splitlines() if "redrive" in line]
        assert queue.name in line
        assert "allow_queues_without_redrive" in line
        assert "Traceback" not in refusing.log()
        assert queue.depth().waiting == 1


def create_fifo_queue(endpoint: str) -> SqsQueue:
    with client("sqs", endpoint) as sqs:
        name = unique("orders")
        dead = sqs.create_queue(QueueName=f"{name}-dead.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        attributes = {
            "FifoQueue": "true",
            "VisibilityTimeout": str(VISIBILITY),
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVE}),
        }
        url = sqs.create_queue(QueueName=f"{name}.fifo", Attributes=attributes)["QueueUrl"]
    return SqsQueue(endpoint, f"{name}.fifo", url, dead)

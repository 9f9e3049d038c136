"""Workers that die, and one that only loses its messages: nothing is lost, and what ran twice is told."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.conftest import PAIR, Endpoints, Outcomes, Rig, at_once, rigs
from tests.fakes.aws import client
from tests.fakes.celery_worker import CeleryWorker
from tests.fakes.sqs_queues import Depth

pytestmark = pytest.mark.slow

VISIBILITY = 4
WAITING = [f"waiting {number}" for number in range(3)]


@dataclass(frozen=True)
class Disaster:
    """What became of the messages."""

    after_kill: float
    """Seconds from kill -9 until another worker was at work on the dead one's task."""
    texts: list[str]
    told: list[str]
    """The lines of the log of the worker that lost its message, from there on."""
    lost: str
    """Its task's id."""
    left: Depth


def scenario(endpoints: Endpoints, directory: Path) -> Outcomes[Disaster]:
    # Each server and pool once: it is SQS that gives the messages of the dead away.
    with rigs(
        endpoints,
        directory,
        PAIR,
        visibility=VISIBILITY,
        max_receive=6,
        multiplier=8,
        options={"ack_interval": 1, "publish_timeout": 3},
    ) as made:
        return at_once(play, made)


def play(rig: Rig) -> Disaster:
    first = rig.worker(concurrency=1)
    first.publish("sleep", 5, "killed")
    first.until("it works", lambda: "start killed" in first.texts())
    for text in WAITING:
        first.publish("record", text)
    first.until("it holds the rest, too", lambda: rig.depth().in_flight == 1 + len(WAITING), 4)
    # With no room beyond what it does, it does not receive again itself what it will lose.
    second = rig.worker(concurrency=1, multiplier=1)
    first.until("another is ready", lambda: " ready." in second.log())
    killed = time.time()
    first.kill()
    second.until("another is at work", lambda: second.texts().count("start killed") == 2, 4 * VISIBILITY)
    after_kill = last(second, "start killed") - killed
    second.until("all is done", lambda: not rig.depth().waiting, 30)

    lost = second.publish("sleep", 8, "lost")
    second.until("it works", lambda: "start lost" in second.texts())
    before = len(second.log())
    rig.proxy.black_hole(only={"ChangeMessageVisibilityBatch"})
    with client("sqs", rig.endpoint) as sqs:
        # Another worker, that is done with it at once: of an old receipt, moto takes anything until then.
        message, *_ = second.until(
            "another has it", lambda: sqs.receive_message(QueueUrl=rig.queue.url).get("Messages"), 4 * VISIBILITY
        )
        sqs.delete_message(QueueUrl=rig.queue.url, ReceiptHandle=message["ReceiptHandle"])
    rig.proxy.pass_on()
    second.until("it is told", lambda: "is lost to this worker" in second.log()[before:], 10)

    rig.proxy.black_hole(only={"DeleteMessageBatch"})  # however busy the machine, the kill comes before the ack
    second.publish("record", "done")
    second.until("it is done", lambda: "done" in second.texts(), 15)
    second.kill()
    rig.proxy.pass_on()
    told = second.log()[before:].splitlines()
    third = rig.worker()
    third.until("all is done", lambda: third.texts().count("done") > 1 and not rig.depth().waiting)
    return Disaster(after_kill, third.texts(), told, lost, rig.depth())


def last(worker: CeleryWorker, text: str) -> float:
    """When a text was left for the last time."""
    return max(float(line.rsplit(" ", 1)[1]) for line in worker.records() if line.startswith(f"{text} "))


@pytest.mark.parametrize("rig", PAIR)
def test_what_a_killed_worker_held_is_at_work_again_within_two_visibility_timeouts(
    seen: Outcomes[Disaster], rig: str
) -> None:
    disaster = seen[rig].result()
    print(f"\n{rig}: at work again {disaster.after_kill:.1f} s after kill -9")  # noqa: T201 - a figure to quote

    assert disaster.after_kill <= 2 * VISIBILITY
    assert disaster.texts.count("end killed") == 1
    assert sorted(text for text in disaster.texts if text.startswith("waiting")) == WAITING


@pytest.mark.parametrize("rig", PAIR)
def test_a_worker_whose_heartbeat_does_not_get_through_tells_what_it_lost(seen: Outcomes[Disaster], rig: str) -> None:
    disaster = seen[rig].result()
    told = [line for line in disaster.told if "is lost to this worker" in line]

    assert len(told) == 1, told
    assert disaster.lost in told[0]
    assert len([line for line in disaster.told if "not extended" in line]) == 1, "an outage is told of once"


@pytest.mark.parametrize("rig", PAIR)
def test_what_is_done_and_not_yet_acknowledged_when_its_worker_dies_runs_again(
    seen: Outcomes[Disaster], rig: str
) -> None:
    disaster = seen[rig].result()

    assert disaster.texts.count("done") == 2
    assert disaster.left == Depth(0, 0, 0, 0)

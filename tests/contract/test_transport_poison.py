"""Whatever is in a body: the worker stays, what can run runs once, and the rest is among the dead letters."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import PAIR, Endpoints, Outcomes, Rig, at_once, messages, rigs
from tests.fakes.aws import client
from tests.fakes.poison import HARMLESS, POISON, REJECTED_BY_CELERY, UNSENDABLE
from tests.fakes.sqs_queues import Depth

pytestmark = pytest.mark.slow

POISONOUS = {name: body for name, body in POISON.items() if name not in UNSENDABLE}
# One that is well and whose task does not take its arguments fails like any task: no matter of the transport.
WELL = {name: body for name, body in HARMLESS.items() if name != "weird arguments"}
LARGEST = {"moto": 1024 * 1024, "ministack": 256 * 1024}
"""In bytes: ministack's limit is SQS's of before August 2025."""
GOOD_EVERY = 4
FOREIGN = json.dumps({"do": "record", "text": "from afar"})


@dataclass(frozen=True)
class Feast:
    """What became of it all."""

    bad: Mapping[str, str]
    """What was sent of ``POISON`` and ``REJECTED_BY_CELERY``."""
    sent: Mapping[str, str]
    """MessageId by the name of the body."""
    good: list[str]
    texts: list[str]
    foreign_id: str
    log: str
    alive: bool
    seconds: float
    dead: list[dict[str, Any]]
    left: Depth


def scenario(endpoints: Endpoints, directory: Path) -> Outcomes[Feast]:
    # Each server and pool once; all bodies against Celery without a server are tests/unit's.
    adapters = {"adapters": ["tests.fakes.celery_app:adapt"]}
    with rigs(endpoints, directory, PAIR, visibility=30, multiplier=16, options=adapters) as made:
        return at_once(play, made)


def play(rig: Rig) -> Feast:
    worker = rig.worker()
    worker.until_ready(60)
    began = time.monotonic()
    largest = LARGEST[rig.name.split("-")[0]]
    bad = {name: body for name, body in (POISONOUS | REJECTED_BY_CELERY).items() if len(body.encode()) < largest}
    sent, good = {}, []
    with client("sqs", rig.endpoint) as sqs:
        for number, (name, body) in enumerate((bad | WELL).items()):
            sent[name] = sqs.send_message(QueueUrl=rig.queue.url, MessageBody=body)["MessageId"]
            if number % GOOD_EVERY == 0:
                good.append(f"good {number}")
                worker.publish("record", good[-1])
        foreign_id = sqs.send_message(QueueUrl=rig.queue.url, MessageBody=FOREIGN)["MessageId"]
    worker.until("all is settled", lambda: not rig.depth().waiting, 60)
    seconds = time.monotonic() - began
    return Feast(
        bad=bad,
        sent=sent,
        good=good,
        texts=worker.texts(),
        foreign_id=foreign_id,
        log=worker.log(),
        alive=worker.alive(),
        seconds=seconds,
        dead=messages(rig.endpoint, rig.queue.dead_letters_url or "", VisibilityTimeout=120),
        left=rig.depth(),
    )


@pytest.mark.parametrize("rig", PAIR)
def test_a_worker_outlives_every_body_and_runs_the_good_ones_once(seen: Outcomes[Feast], rig: str) -> None:
    feast = seen[rig].result()
    print(f"\n{rig}: {len(feast.sent)} bodies settled in {feast.seconds:.1f} s")  # noqa: T201 - a figure to quote

    assert feast.alive
    assert "Unrecoverable error" not in feast.log
    assert feast.log.count(" ready.") == 1, "it connected anew"
    assert sorted(feast.texts) == sorted([*feast.good, "from afar"])
    assert feast.log.count("celery_app.noop[5f1c] succeeded") == len(WELL)
    assert feast.seconds < 40


@pytest.mark.parametrize("rig", PAIR)
def test_each_bad_body_is_a_dead_letter_once_as_it_was_and_no_good_one_is(seen: Outcomes[Feast], rig: str) -> None:
    feast = seen[rig].result()

    assert Counter(letter["Body"] for letter in feast.dead) == Counter(feast.bad.values())


@pytest.mark.parametrize("rig", PAIR)
def test_a_dead_letter_that_the_broker_refused_says_why_and_which_it_was(seen: Outcomes[Feast], rig: str) -> None:
    feast = seen[rig].result()
    told = {
        attributes["DeadLetterSourceMessageId"]["StringValue"]: attributes["DeadLetterReason"]["StringValue"]
        for letter in feast.dead
        if "DeadLetterReason" in (attributes := letter.get("MessageAttributes", {}))
    }

    assert set(told) == {feast.sent[name] for name in feast.bad if name in POISONOUS}
    assert told[feast.sent["id a number"]] == "headers.id is 5; it should be a text"


@pytest.mark.parametrize("rig", PAIR)
def test_a_foreign_body_becomes_a_task_with_its_message_s_id(seen: Outcomes[Feast], rig: str) -> None:
    feast = seen[rig].result()

    assert f"celery_app.record[{feast.foreign_id}] succeeded" in feast.log

"""Holding and sending again, on two SQS servers by different authors."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from operations.dead_letters.audit import Audit
from operations.dead_letters.decoding import DeadLetter, decode
from operations.dead_letters.judging import Verdict
from operations.dead_letters.move_task import MoveTask, NoMoveTask
from operations.dead_letters.reading import DeadLetterQueue, Hold, Holds, dead_letter_queue_of, holding
from operations.dead_letters.redriving import TAKEN, Outcome, Redriver
from podcasting.database import Database
from podcasting.models import Podcast
from tests.contract.conftest import Endpoints, messages, unique
from tests.fakes.aws import client
from tests.fakes.clock import Clock
from tests.fakes.dead_letters import enveloped, generation
from tests.fakes.sqs_queues import SqsQueue, create_queue
from tests.fakes.sqs_servers import SERVERS

Made = tuple[Any, SqsQueue, DeadLetterQueue]


@pytest.fixture(params=SERVERS)
def made(request: pytest.FixtureRequest, endpoints: Endpoints) -> Iterator[Made]:
    """A client, a queue, and its dead-letter queue as the tool finds it."""
    endpoint = endpoints[request.param]
    queue = create_queue(endpoint, unique("letters"), visibility=30)
    with client("sqs", endpoint) as sqs:
        found = dead_letter_queue_of(sqs, "podcast-generation", queue.url)
        assert found is not None
        yield sqs, queue, found


@pytest.fixture
def redriver(made: Made, sqlite: Database, clock: Clock, tmp_path: Path) -> Redriver:
    sqlite.podcasts.add(
        Podcast(
            id="my-show",
            title="My show",
            sources=("https://example.org/feed.xml",),
            frequency_days=1,
            first_slot=clock.now,
            next_episode_at=clock.now,
        ),
        clock.now,
    )
    return Redriver(made[0], sqlite, Audit(tmp_path / "audit.jsonl", "ada@desk", clock), clock, claim_seconds=300)


def put(made: Made, *bodies: str, **entry: Any) -> list[str]:
    sqs, _, dead = made
    return [str(sqs.send_message(QueueUrl=dead.url, MessageBody=body, **entry)["MessageId"]) for body in bodies]


def counts(made: Made, url: str) -> tuple[int, int]:
    found = made[0].get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])


def read(hold: Hold) -> list[DeadLetter]:
    return [decode(message, hold.queue.name) for message in hold.read()]


def test_the_dead_letter_queue_is_found_by_the_redrive_policy(made: Made) -> None:
    _, queue, dead = made

    assert dead.url == queue.dead_letters_url


def test_all_is_read_held_and_given_back(made: Made) -> None:
    ids = put(made, *(f"body {number}" for number in range(25)))

    with Hold(made[0], made[2], poll_seconds=0) as hold:
        assert {letter.message_id for letter in read(hold)} == set(ids)
        assert counts(made, made[2].url) == (0, 25)
        assert hold.held_by_others() == 0
    assert counts(made, made[2].url) == (25, 0)


def test_two_people_share_what_there_is(made: Made) -> None:
    put(made, *(f"body {number}" for number in range(5)))

    with Hold(made[0], made[2], poll_seconds=0) as first, Hold(made[0], made[2], poll_seconds=0) as second:
        assert len(read(first)) == 5
        assert read(second) == []
        assert second.held_by_others() == 5
    assert counts(made, made[2].url) == (5, 0)


def test_a_hold_is_renewed_while_it_lasts_and_ends_by_itself_when_nobody_renews(made: Made) -> None:
    put(made, "body")
    visible = threading.Event()

    with Hold(made[0], made[2], seconds=2, poll_seconds=0) as hold:
        assert len(read(hold)) == 1
        visible.wait(3)
        assert counts(made, made[2].url) == (0, 1)
    killed = Hold(made[0], made[2], seconds=1, poll_seconds=0)  # never entered, so nobody renews it
    assert len(read(killed)) == 1
    last = time.monotonic() + 20
    while counts(made, made[2].url) != (1, 0):
        assert time.monotonic() < last
        time.sleep(0.05)


def test_what_ran_out_or_was_taken_is_not_ours_any_more(made: Made) -> None:
    put(made, "one", "two")
    now = [0.0]
    hold = Hold(made[0], made[2], seconds=60, poll_seconds=0, clock=lambda: now[0])
    one, two = (letter.message_id for letter in read(hold))
    assert hold.confirm([one, two]) == [one, two]

    with client("sqs", made[0].meta.endpoint_url) as another:
        another.delete_message(QueueUrl=made[2].url, ReceiptHandle=hold._receipts[one])
    assert hold.confirm([one, two]) == [two]
    now[0] = 61
    assert hold.confirm([two]) == []


def test_a_letter_is_sent_with_all_that_it_had_and_then_deleted(made: Made, redriver: Redriver) -> None:
    body = enveloped(generation(), retries=3)
    attributes = {
        "trace": {"DataType": "String", "StringValue": "t-1"},
        "count": {"DataType": "Number", "StringValue": "7"},
        "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        "DeadLetterReason": {"DataType": "String", "StringValue": "x"},
    }
    put(made, body, MessageAttributes=attributes)
    outcome = Outcome()

    with holding(made[0], [made[2]], poll_seconds=0) as holds:
        redriver.redrive(holds, read(holds.of("podcast-generation")), outcome)

    (sent,) = messages(made[0].meta.endpoint_url, made[1].url)
    assert json.loads(sent["Body"])["headers"]["retries"] == 0
    assert {name: value["DataType"] for name, value in sent["MessageAttributes"].items()} == {
        "trace": "String",
        "count": "Number",
        "blob": "Binary",
    }
    assert sent["MessageAttributes"]["blob"]["BinaryValue"] == b"\x00\xff"
    assert sent["Attributes"]["MessageGroupId"] == "my-show"
    assert counts(made, made[2].url) == (0, 0)
    assert len(outcome.sent) == 1


def test_what_somebody_else_dealt_with_is_not_sent(made: Made, redriver: Redriver) -> None:
    put(made, enveloped(generation()))
    outcome = Outcome()

    with holding(made[0], [made[2]], poll_seconds=0) as holds:
        hold = holds.of("podcast-generation")
        (letter,) = read(hold)
        made[0].delete_message(QueueUrl=made[2].url, ReceiptHandle=hold._receipts[letter.message_id])
        redriver.send(hold, [(letter, letter.body, Verdict())], "redrive", outcome)

    assert outcome.kept == [(letter, TAKEN)]
    assert counts(made, made[1].url) == (0, 0)


def test_batches_keep_to_the_rate(made: Made, redriver: Redriver) -> None:
    put(made, *(enveloped(generation(title=f"title {number}")) for number in range(7)))
    slept: list[float] = []
    slow = Redriver(
        **(vars(redriver) | {"rate": 2.5, "sleep": slept.append, "clock": lambda: 0.0})  # requests take no time
    )

    with holding(made[0], [made[2]], poll_seconds=0) as holds:
        slow.redrive(holds, read(holds.of("podcast-generation")), Outcome())

    assert slept == pytest.approx([0.8, 0.8, 0.8, 0.4])
    assert counts(made, made[1].url) == (7, 0)


def test_neither_server_has_move_tasks_and_both_say_so(made: Made) -> None:
    with pytest.raises(NoMoveTask):
        MoveTask(made[0], made[2]).prove()


def test_holds_are_found_by_their_queue(made: Made) -> None:
    hold = Hold(made[0], made[2])

    assert Holds([hold]).of("podcast-generation") is hold

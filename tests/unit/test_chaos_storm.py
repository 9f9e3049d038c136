"""The storm: every message twice, dead letters once, and nobody there when it refuses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from chaos import queues, storm
from chaos.storm import Storm
from tests.fakes.aws import empty, served_aws


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with served_aws() as endpoint:
        empty(endpoint)  # moto is one for the whole process
        queues.create(queues.client(endpoint), visibility_seconds=6)
        yield endpoint


@pytest.fixture
def gale(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storm]:
    """One that delays nothing and loses no answer, so that what it does can be counted at once."""
    monkeypatch.setattr(storm, "ANSWERS_LOST", 0)
    monkeypatch.setattr(storm, "DELAYED", 0)
    built = Storm(aws, seed=7, longest_delay=5)
    built.pass_on()
    yield built
    built.refuse()


def url(sqs: Any, name: str) -> str:
    return str(sqs.get_queue_url(QueueName=name)["QueueUrl"])


def taken(sqs: Any, queue_url: str) -> Counter[str]:
    """What is in a queue, taken out of it."""
    bodies: Counter[str] = Counter()
    while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get(
        "Messages"
    ):
        for message in messages:
            bodies[message["Body"]] += 1
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def test_a_message_arrives_twice(gale: Storm) -> None:
    sqs = queues.client(gale.endpoint)
    queue = url(sqs, "airdate-discovery")

    answer = sqs.send_message(QueueUrl=queue, MessageBody="hello")

    assert answer["MessageId"]
    assert taken(sqs, queue) == {"hello": 2}
    assert gale.counts["doubled"] == 1


def test_each_message_of_a_batch_arrives_twice_and_is_answered_by_its_id(gale: Storm) -> None:
    sqs = queues.client(gale.endpoint)
    queue = url(sqs, "airdate-podcast-generation")
    entries = [{"Id": f"id-{number}", "MessageBody": f"body {number}"} for number in range(10)]

    answer = sqs.send_message_batch(QueueUrl=queue, Entries=entries)

    assert {entry["Id"] for entry in answer["Successful"]} == {entry["Id"] for entry in entries}
    assert taken(sqs, queue) == {f"body {number}": 2 for number in range(10)}


def test_a_dead_letter_is_not_doubled(gale: Storm) -> None:
    sqs = queues.client(gale.endpoint)
    queue = url(sqs, "airdate-discovery-dead-letters")

    sqs.send_message(QueueUrl=queue, MessageBody="poison")

    assert taken(sqs, queue) == {"poison": 1}


def test_one_of_the_two_may_be_late_and_never_by_more_than_it_may(aws: str) -> None:
    built = Storm(aws, seed=7, longest_delay=5)
    late = 0
    for _ in range(200):
        first, second = built.doubled("SendMessage", {"MessageBody": "x", "DelaySeconds": 3})
        delays = [first["DelaySeconds"], second["DelaySeconds"]]
        assert min(delays) == 3
        assert max(delays) <= 8
        late += max(delays) > 3
    assert 20 < late < 80


def test_the_same_seed_blows_the_same(aws: str) -> None:
    def blown(seed: int) -> str:
        built = Storm(aws, seed=seed, longest_delay=5)
        entries = [{"Id": str(number), "MessageBody": "x"} for number in range(10)]
        return json.dumps([built.doubled("SendMessageBatch", {"Entries": entries}) for _ in range(5)])

    assert blown(7) == blown(7) != blown(8)


def test_while_it_refuses_nobody_listens_and_then_it_is_back_at_the_same_address(gale: Storm) -> None:
    impatient = Config(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 1})
    sqs = queues.client(gale.endpoint, impatient)
    sqs.list_queues()

    gale.refuse()
    with pytest.raises(BotoCoreError):
        sqs.list_queues()

    gale.pass_on()
    assert sqs.list_queues()["QueueUrls"]

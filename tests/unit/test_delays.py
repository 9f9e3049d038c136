"""A countdown or an eta is SQS's delay, as far as SQS delays; a FIFO queue takes none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from kombu import Connection, Producer

from broker.channel import Channel
from broker.sending import LONGEST_DELAY_SECONDS, delay_until
from broker.transport import Transport

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
WORK = "http://127.0.0.1:9/1/work"
FIFO = "http://127.0.0.1:9/1/work.fifo"


class FakeSqs:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send_message(self, **arguments: Any) -> None:
        self.sent.append(arguments)


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


@pytest.fixture
def channel(sqs: FakeSqs) -> Iterator[Channel]:
    options = {"queue_urls": {"work": WORK, "work.fifo": FIFO}, "region": "us-east-1", "sqs_base64_encoding": False}
    with Connection("sqs://key:secret@127.0.0.1:9", transport=Transport, transport_options=options) as connection:
        channel = connection.channel()
        channel._sqs = sqs
        yield channel


def sent(channel: Channel, queue: str = "work", *, eta: datetime | str | None = None, **properties: Any) -> Any:
    """How SQS is asked to send a message to the queue."""
    moment = eta.isoformat() if isinstance(eta, datetime) else eta
    Producer(channel).publish({}, routing_key=queue, headers={"id": "5f1c", "eta": moment}, **properties)
    return channel._sqs.sent[-1]


# From now until then ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "delay"),
    [
        (-3600, 0),
        (-0.001, 0),
        (0, 0),
        (0.001, 1),  # never too early
        (1, 1),
        (59.2, 60),
        (900, 900),
        (900.5, 900),
        (86_400, 900),
    ],
)
def test_the_delay_until_a_moment(seconds: float, delay: int) -> None:
    assert delay_until(NOW + timedelta(seconds=seconds), NOW) == delay


def test_a_moment_without_a_zone_is_utc() -> None:
    assert delay_until(datetime(2026, 11, 24, 6, 1), NOW) == 60  # noqa: DTZ001 - as meant


def test_a_moment_may_be_in_any_zone() -> None:
    kathmandu = timezone(timedelta(hours=5, minutes=45))

    assert delay_until(datetime(2026, 11, 24, 11, 46, tzinfo=kathmandu), NOW) == 60


# On its way ---------------------------------------------------------------------------------------


def test_a_message_for_now_has_no_delay(channel: Channel) -> None:
    assert "DelaySeconds" not in sent(channel)


def test_a_message_for_the_past_has_no_delay(channel: Channel) -> None:
    assert "DelaySeconds" not in sent(channel, eta=datetime.now(UTC) - timedelta(hours=1))


def test_a_message_for_later_is_delayed_by_sqs(channel: Channel) -> None:
    assert 298 <= sent(channel, eta=datetime.now(UTC) + timedelta(seconds=300))["DelaySeconds"] <= 300


@pytest.mark.parametrize("suffix", ["Z", "+00:00"])
def test_an_eta_is_read_in_each_form_that_celery_writes(channel: Channel, suffix: str) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=300)

    assert sent(channel, eta=f"{moment:%Y-%m-%dT%H:%M:%S}{suffix}")["DelaySeconds"] > 290


def test_a_message_for_much_later_is_delayed_as_long_as_sqs_does(channel: Channel) -> None:
    entry = sent(channel, eta=datetime.now(UTC) + timedelta(days=1))

    assert entry["DelaySeconds"] == LONGEST_DELAY_SECONDS == 900


def test_the_eta_stays_in_the_message_for_the_worker_to_hold_it_until_then(channel: Channel) -> None:
    eta = datetime.now(UTC) + timedelta(days=1)

    assert json.loads(sent(channel, eta=eta)["MessageBody"])["headers"]["eta"] == eta.isoformat()


def test_a_delay_that_is_told_is_preferred(channel: Channel) -> None:
    assert sent(channel, eta=datetime.now(UTC) + timedelta(hours=1), DelaySeconds=5)["DelaySeconds"] == 5


def test_no_delay_may_be_told(channel: Channel) -> None:
    assert "DelaySeconds" not in sent(channel, eta=datetime.now(UTC) + timedelta(hours=1), DelaySeconds=0)


def test_a_fifo_queue_takes_no_delay_of_a_message(channel: Channel) -> None:
    # SQS refuses one; the worker holds the message until its eta.
    entry = sent(channel, "work.fifo", eta=datetime.now(UTC) + timedelta(seconds=300))

    assert "DelaySeconds" not in entry
    assert entry["QueueUrl"] == FIFO


def test_a_fifo_queue_knows_a_task_by_its_id(channel: Channel) -> None:
    # Published twice, by a retry of a request whose answer was lost, it is one message.
    assert sent(channel, "work.fifo")["MessageDeduplicationId"] == "5f1c"
    assert sent(channel, "work.fifo")["MessageGroupId"] == "default"


def test_a_fifo_queue_takes_the_group_and_the_id_that_it_is_told(channel: Channel) -> None:
    entry = sent(channel, "work.fifo", MessageGroupId="my-show", MessageDeduplicationId="7")

    assert (entry["MessageGroupId"], entry["MessageDeduplicationId"]) == ("my-show", "7")


def test_a_message_of_a_batch_is_delayed_too(channel: Channel) -> None:
    calls = []
    channel._sqs.send_message_batch = lambda **arguments: calls.append(arguments) or {}
    eta = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    producer = Producer(channel)
    with producer.batch():
        producer.publish({}, routing_key="work", headers={"id": "one", "eta": eta})
        producer.publish({}, routing_key="work", headers={"id": "two"})

    assert [entry.get("DelaySeconds") for entry in calls[0]["Entries"]] == [900, None]

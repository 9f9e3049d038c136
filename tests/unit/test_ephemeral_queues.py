"""Queues of a process's life: known by their tags, renewed, removed, and swept when their owner died."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from kombu import Connection, Exchange, Queue

from broker.ephemeral import ALIVE_UNTIL, LONGEST_NAME, SWEPT_AT_ONCE, TTL_SECONDS, EphemeralQueues
from broker.transport import Transport
from tests.fakes.aws import client, empty, served_aws

PREFIX = "celery-ephemeral-"
NOW = 1_800_000_000


class Clock:
    """Seconds since 1970."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now + 0.5


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with served_aws() as endpoint:
        yield endpoint


@pytest.fixture
def sqs(endpoint: str) -> Iterator[Any]:
    empty(endpoint)
    with client("sqs", endpoint) as sqs:
        yield sqs


@pytest.fixture
def seconds() -> Clock:
    return Clock()


@pytest.fixture
def queues(sqs: Any, seconds: Clock) -> EphemeralQueues:
    return EphemeralQueues(sqs, PREFIX, seconds)


@pytest.fixture
def others(sqs: Any, seconds: Clock) -> EphemeralQueues:
    """Of another process."""
    return EphemeralQueues(sqs, PREFIX, seconds)


def made(queues: EphemeralQueues, queue: str = "worker.celery.pidbox", *, found_by_name: bool = False) -> str:
    return queues.make(queue, queue.replace(".", "-"), found_by_name=found_by_name)


def name_of(url: str) -> str:
    return url.rsplit("/", 1)[1]


def tags(sqs: Any, url: str) -> dict[str, str]:
    found: dict[str, str] = sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
    return found


def existing(sqs: Any) -> set[str]:
    return set(sqs.list_queues().get("QueueUrls", []))


# Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue", ["worker.celery.pidbox", "w" * 200, "celery@a-host-" + "x" * 60 + ".celery.pidbox"])
@pytest.mark.parametrize("found_by_name", [True, False])
def test_a_name_is_one_that_sqs_takes(queues: EphemeralQueues, queue: str, *, found_by_name: bool) -> None:
    name = name_of(queues.make(queue, queue.replace(".", "-").replace("@", "_"), found_by_name=found_by_name))

    assert name.startswith(PREFIX)
    assert len(name) <= LONGEST_NAME


def test_each_queue_gets_a_name_of_its_own(queues: EphemeralQueues, others: EphemeralQueues) -> None:
    # A worker that starts again must not wait for its former name, nor read what was meant for its former life.
    assert len({made(queues), made(queues), made(others)}) == 3


def test_long_names_that_begin_alike_are_not_one(queues: EphemeralQueues) -> None:
    first, second = (made(queues, "w" * 200 + end, found_by_name=True) for end in "ab")

    assert first != second


@pytest.mark.parametrize("canonical", ["5f1c-reply-celery-pidbox", "5f1c" * 30 + "-reply-celery-pidbox"])
def test_a_queue_of_replies_is_found_by_its_name(queues: EphemeralQueues, canonical: str) -> None:
    url = queues.make("replies", canonical, found_by_name=True)

    assert name_of(url) == queues.name_for_replies(canonical)


# A life -------------------------------------------------------------------------------------------


def test_a_queue_says_whose_it_is_and_until_when_it_is_alive(sqs: Any, queues: EphemeralQueues) -> None:
    found = tags(sqs, made(queues))

    assert found[ALIVE_UNTIL] == str(NOW + TTL_SECONDS)
    assert ":" in found["owner"]


def test_what_nobody_reads_is_soon_forgotten(sqs: Any, queues: EphemeralQueues) -> None:
    attributes = sqs.get_queue_attributes(QueueUrl=made(queues), AttributeNames=["All"])["Attributes"]

    assert attributes["MessageRetentionPeriod"] == "300"


def test_a_channel_knows_its_queues(queues: EphemeralQueues) -> None:
    made(queues, "a")
    made(queues, "b")
    queues.forget("a")
    queues.forget("a")

    assert queues.names() == ["b"]
    assert "b" in queues
    assert "a" not in queues


def test_a_renewal_prolongs_its_life(sqs: Any, queues: EphemeralQueues, seconds: Clock) -> None:
    url = made(queues)
    seconds.now += 300
    queues.renew()

    assert tags(sqs, url)[ALIVE_UNTIL] == str(NOW + 300 + TTL_SECONDS)


def test_a_renewal_of_a_queue_that_is_gone_harms_no_other(sqs: Any, queues: EphemeralQueues, seconds: Clock) -> None:
    gone, kept = made(queues, "a"), made(queues, "b")
    sqs.delete_queue(QueueUrl=gone)
    seconds.now += 300
    queues.renew()

    assert tags(sqs, kept)[ALIVE_UNTIL] == str(NOW + 300 + TTL_SECONDS)


# Sweeping -----------------------------------------------------------------------------------------


def test_a_queue_whose_owner_died_is_swept(
    sqs: Any, queues: EphemeralQueues, others: EphemeralQueues, seconds: Clock
) -> None:
    made(others)
    seconds.now += TTL_SECONDS

    assert queues.sweep() == 1
    assert existing(sqs) == set()


def test_a_queue_whose_owner_lives_is_kept(
    sqs: Any, queues: EphemeralQueues, others: EphemeralQueues, seconds: Clock
) -> None:
    url = made(others)
    seconds.now += TTL_SECONDS - 1

    assert queues.sweep() == 0
    seconds.now += 300
    others.renew()
    assert queues.sweep() == 0
    assert existing(sqs) == {url}


def test_ones_own_queue_is_never_swept(sqs: Any, queues: EphemeralQueues, seconds: Clock) -> None:
    # A laptop slept for longer than its queues are believed alive.
    url = made(queues)
    seconds.now += TTL_SECONDS * 10

    assert queues.sweep() == 0
    assert existing(sqs) == {url}


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("work", {}),
        (f"{PREFIX}of-somebody-else", {}),
        (f"{PREFIX}of-somebody-else", {"owner": "me"}),
        (f"{PREFIX}of-somebody-else", {ALIVE_UNTIL: ""}),
        (f"{PREFIX}of-somebody-else", {ALIVE_UNTIL: "yesterday"}),
        (f"{PREFIX}of-somebody-else", {ALIVE_UNTIL: "-5"}),
        (f"{PREFIX}of-somebody-else", {ALIVE_UNTIL: "²"}),  # a digit to str.isdigit, and no number
        ("tagged-as-ours", {ALIVE_UNTIL: "0"}),
    ],
)
def test_a_foreign_queue_is_never_swept(
    sqs: Any, queues: EphemeralQueues, seconds: Clock, name: str, tags: dict[str, str]
) -> None:
    url = sqs.create_queue(QueueName=name, tags=tags)["QueueUrl"]
    seconds.now += TTL_SECONDS * 10

    assert queues.sweep() == 0
    assert existing(sqs) == {url}


def test_more_queues_than_one_answer_lists_are_all_swept(
    sqs: Any, queues: EphemeralQueues, others: EphemeralQueues, seconds: Clock
) -> None:
    listed = sqs.get_paginator("list_queues").paginate

    class InPages:
        def __getattr__(self, name: str) -> Any:
            return getattr(sqs, name)

        def get_paginator(self, _: str) -> Any:
            class Pages:
                @staticmethod
                def paginate(**arguments: Any) -> Any:
                    return listed(**arguments, PaginationConfig={"PageSize": 2})

            return Pages

    for number in range(5):
        made(others, str(number))
    seconds.now += TTL_SECONDS

    assert EphemeralQueues(InPages(), PREFIX, seconds).sweep() == 5
    assert queues.sweep() == 0


def test_a_sweep_looks_at_some_of_a_large_fleet_and_not_at_all_of_it(sqs: Any, seconds: Clock) -> None:
    # Each of a thousand workers that looked at a thousand queues would be a million requests, every five minutes.
    for number in range(2 * SWEPT_AT_ONCE):
        sqs.create_queue(QueueName=f"{PREFIX}left-{number}", tags={ALIVE_UNTIL: "0"})
    sweeper = EphemeralQueues(sqs, PREFIX, seconds)

    assert [sweeper.sweep() for _ in range(3)] == [SWEPT_AT_ONCE, SWEPT_AT_ONCE, 0]


# Trouble ------------------------------------------------------------------------------------------


class Refusing:
    """An SQS that refuses some operations, and does the others."""

    def __init__(self, sqs: Any, error: Exception, *operations: str) -> None:
        self._sqs = sqs
        self._error = error
        self._operations = operations

    def __getattr__(self, name: str) -> Any:
        if name not in self._operations:
            return getattr(self._sqs, name)

        def refuse(*_: Any, **__: Any) -> Any:
            raise self._error

        return refuse


DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "not allowed"}}, "TagQueue")
UNREACHABLE = EndpointConnectionError(endpoint_url="http://127.0.0.1:9")


@pytest.mark.parametrize("error", [DENIED, UNREACHABLE])
@pytest.mark.parametrize("operation", ["get_paginator", "list_queue_tags", "delete_queue", "tag_queue"])
def test_who_may_not_sweep_does_not(
    sqs: Any, others: EphemeralQueues, seconds: Clock, operation: str, error: Exception
) -> None:
    url = made(others)
    queues = EphemeralQueues(Refusing(sqs, error, operation), PREFIX, seconds)
    seconds.now += TTL_SECONDS * (operation != "tag_queue")
    made(queues, "mine")
    queues.renew()

    assert queues.sweep() == 0
    assert url in existing(sqs)


class Signal:
    """Says when it was called, and fails."""

    def __init__(self) -> None:
        self.called = threading.Event()

    def __call__(self) -> int:
        self.called.set()
        raise LookupError("a surprise")


def at_once(queues: EphemeralQueues) -> Callable[[], None]:
    """Have its thread wait for nothing; gives how to end it."""
    ended = threading.Event()

    class Impatient(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            return ended.wait(0.001 if timeout else None)

        def is_set(self) -> bool:
            return ended.is_set()

    queues._ended = Impatient()
    return ended.set


def test_a_kept_channel_renews_and_sweeps_in_a_thread_whatever_happens(queues: EphemeralQueues) -> None:
    renewed, swept = Signal(), Signal()
    queues.renew = renewed  # type: ignore[method-assign, assignment]
    end = at_once(queues)
    queues.keep()
    queues.keep()
    try:
        assert renewed.called.wait(10)
        queues.renew = lambda: None  # type: ignore[method-assign]
        queues.sweep = swept  # type: ignore[method-assign]
        assert swept.called.wait(10)
    finally:
        end()
    assert queues._thread is not None
    assert queues._thread.daemon
    queues._thread.join(10)

    assert not queues._thread.is_alive()


def test_a_closed_channel_keeps_nothing(queues: EphemeralQueues) -> None:
    swept = Signal()
    queues.sweep = swept  # type: ignore[method-assign]
    queues.close()
    queues.keep()
    assert queues._thread is not None
    queues._thread.join(10)

    assert not swept.called.is_set()


def test_what_is_swept_is_unsubscribed_too(endpoint: str, sqs: Any) -> None:
    # moto fails a publish to a topic of which one subscriber is gone, so one dead worker would silence all.
    options = {"region": "us-east-1", "is_secure": False, "supports_fanout": True, "queue_urls": {"work": "none"}}
    where = endpoint.removeprefix("http://")
    with (
        Connection(f"sqs://key:secret@{where}", transport=Transport, transport_options=options) as connection,
        connection.channel() as channel,
        client("sns", endpoint) as sns,
    ):
        for name in ("alive.celery.pidbox", "dead.celery.pidbox"):
            Queue(name, Exchange("celery.pidbox", type="fanout"), auto_delete=True)(channel).declare()
            channel._subscribe_queue_to_fanout_exchange_if_required(name)
        dead = channel._new_queue("dead.celery.pidbox")
        channel.ephemeral.forget("dead.celery.pidbox")
        sqs.tag_queue(QueueUrl=dead, Tags={ALIVE_UNTIL: "1"})

        assert channel.ephemeral.sweep() == 1

        (left,) = sns.list_subscriptions()["Subscriptions"]
        assert "alive" in left["Endpoint"]

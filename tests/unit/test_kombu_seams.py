"""The seams of kombu 5.7 that ``broker/`` overrides or uses: an upgrade that moves one fails here, not at midnight."""

from __future__ import annotations

import ast
import inspect
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kombu import Connection, Exchange, Producer, Queue
from kombu.asynchronous import Hub
from kombu.asynchronous.aws.connection import AsyncAWSQueryConnection
from kombu.asynchronous.aws.sqs.connection import AsyncSQSConnection
from kombu.exceptions import KombuError
from kombu.pidbox import Mailbox
from kombu.transport import SQS, base, virtual
from kombu.transport.SQS.exceptions import DoesNotExistQueueException

from broker.batch import PublishBatch
from broker.channel import Channel, Receiver
from broker.transport import Transport
from tests.fakes.environment import ROOT

OVERRIDDEN = {
    "__init__": "(self, *args, **kwargs)",
    "_update_queue_cache": "(self, queue_name_prefix)",
    "_resolve_queue_url": "(self, queue)",
    "_delete": "(self, queue, exchange: 'str | None' = None, *args, **kwargs)",
    "asynsqs": "(self, queue=None)",
    "encode_body": "(self, body, encoding=None)",
    "_put": "(self, queue, message, **kwargs)",
    "basic_consume": "(self, queue, no_ack, callback, consumer_tag, *args, **kwargs)",
    "close": "(self)",
    "_on_messages_ready": "(self, queue, qname, messages)",
    "_loop1": "(self, queue, messages_fetched=None)",
    "basic_reject": "(self, delivery_tag, requeue=False)",
    "exchange_declare": (
        "(self, exchange=None, type='direct', durable=False, auto_delete=False, arguments=None, nowait=False, "
        "passive=False)"
    ),
    "_lookup": "(self, exchange, routing_key, default=None)",
    "_delete_message": "(self, queue_name, message)",
}
USED = {
    "_new_queue": "(self, queue, **kwargs)",
    "_resolve_delay_seconds": "(self, properties)",
    "_schedule_queue": "(self, queue)",
    "basic_publish": "(self, message, exchange, routing_key, **kwargs)",
    "canonical_queue_name": "(self, queue_name)",
    "sqs": "(self, queue=None)",
}
OURS = {"create_publish_batch", "_known_urls", "_entry", "_note", "_unsettled", "_asynsqs"}
"""Names of our channel that kombu's does not call, or looks up without having (``create_publish_batch``)."""


@pytest.fixture
def channel() -> Iterator[Channel]:
    """One of ours, made as kombu makes it; asks nobody anything."""
    options = {
        "queue_urls": {"known": "http://127.0.0.1:9/1/known"},
        "visibility_timeout": 90,
        "region": "us-east-1",
        "is_secure": False,
    }
    with Connection("sqs://key:secret@127.0.0.1:9", transport=Transport, transport_options=options) as connection:
        channel = connection.channel()
        channel.qos.restore_at_shutdown = False
        yield channel


def methods_of(kind: type) -> set[str]:
    return {name for name, value in vars(kind).items() if inspect.isfunction(value) or isinstance(value, property)}


@pytest.mark.parametrize(("name", "signature"), (OVERRIDDEN | USED).items())
def test_kombus_channel_has_the_method_with_this_signature(name: str, signature: str) -> None:
    assert str(inspect.signature(getattr(SQS.Channel, name))) == signature


def test_every_override_of_the_channel_is_pinned() -> None:
    assert methods_of(Channel) - OURS == set(OVERRIDDEN)


def test_our_own_names_are_not_kombus() -> None:
    # A later kombu may come to call one of them, and mean something else.
    assert [name for name in OURS - {"_asynsqs"} if hasattr(SQS.Channel, name)] == []


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_an_override_takes_what_kombu_passes(name: str) -> None:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    theirs = inspect.signature(getattr(SQS.Channel, name)).parameters.values()
    arguments = [parameter.name for parameter in theirs if parameter.kind in positional]
    ours = inspect.signature(getattr(Channel, name))

    if name == "exchange_declare":  # kombu's entities name each argument
        ours.bind("self", **dict.fromkeys(arguments[1:]))
    else:
        ours.bind(*arguments)


def test_receiving_ends_in_the_method_that_we_override() -> None:
    assert "_on_list_ready" in inspect.getsource(AsyncAWSQueryConnection.get_list)
    assert str(inspect.signature(AsyncSQSConnection._on_list_ready)) == "(self, parent, markers, operation, response)"
    assert methods_of(Receiver) == {"_on_list_ready"}


def test_a_receiver_is_made_with_these_arguments() -> None:
    assert list(inspect.signature(AsyncSQSConnection.__init__).parameters) == [
        "self",
        "sqs_connection",
        "debug",
        "region",
        "message_system_attribute_names",
        "message_attribute_names",
        "kwargs",
    ]


def test_the_poll_loop_goes_through_our_receiver_and_back_through_our_answers() -> None:
    assert "self.asynsqs(queue=" in inspect.getsource(SQS.Channel._get_async)
    assert "self._on_messages_ready" in inspect.getsource(SQS.Channel._get_async)
    assert "self._loop1, (queue,)" in inspect.getsource(SQS.Channel._schedule_queue)


def test_an_answer_comes_with_the_queues_url_and_its_own_name() -> None:
    # Not the name SQS knows it by: troubles are kept, and looked up again, by this one.
    assert "self._on_messages_ready, callback, q_url, queue\n" in inspect.getsource(SQS.Channel._get_async)


def test_a_channel_knows_what_it_received_by_receipt(channel: Channel) -> None:
    # The heartbeat and basic_reject read it.
    assert isinstance(channel.qos._delivered, OrderedDict)
    channel.qos.append(message := SimpleNamespace(), "receipt")

    assert channel.qos._delivered["receipt"] is message


def test_a_channel_knows_what_was_settled_since(channel: Channel) -> None:
    # What is acked stays among the delivered until the next message comes.
    channel.qos.append(SimpleNamespace(), "one")
    channel.qos.append(SimpleNamespace(), "two")
    channel.qos.ack("one")

    assert channel.qos._dirty == {"one"}
    assert set(channel._unsettled()) == {"two"}


def test_a_message_is_settled_before_it_is_made_visible(channel: Channel) -> None:
    # basic_reject reads it, then rejects: from then on the heartbeat leaves it to redrive.
    channel.qos.append(SimpleNamespace(delivery_info={}), "one")
    virtual.Channel.basic_reject(channel, "one", requeue=False)

    assert channel._unsettled() == {}


def test_a_received_message_says_from_which_queue_it_is(channel: Channel) -> None:
    payload = channel._envelope_payload(
        {"properties": {}}, "{}", {"ReceiptHandle": "receipt"}, "https://sqs.example.org/1/queue"
    )

    assert payload["properties"]["delivery_tag"] == "receipt"
    assert payload["properties"]["delivery_info"]["sqs_queue"] == "https://sqs.example.org/1/queue"


def test_a_channel_has_the_attributes_that_ours_reads(channel: Channel) -> None:
    assert channel._queue_cache == {"known": "http://127.0.0.1:9/1/known"}
    assert channel.transport_options["queue_urls"] == channel._queue_cache
    assert channel._active_queues == []
    assert channel._noack_queues == set()
    assert channel.visibility_timeout == 90
    assert channel.region == "us-east-1"
    assert channel.get_message_attributes["MessageSystemAttributeNames"] == ["ApproximateReceiveCount"]
    assert channel.closed is False
    assert len(channel._active_queues) == len(channel._noack_queues) == 0
    assert {"call_soon", "call_later"} <= set(dir(Hub))


def test_a_missing_queue_is_told_by_the_exception_that_makes_kombu_create_it() -> None:
    assert SQS.exceptions.DoesNotExistQueueException is DoesNotExistQueueException
    assert "except DoesNotExistQueueException" in inspect.getsource(SQS.Channel._new_queue)


# Batches ------------------------------------------------------------------------------------------


class Session:
    """A publish batch as kombu's producer drives it: it writes down how."""

    def __init__(self, channel: Any, max_size: int, calls: list[str]) -> None:
        self.channel = channel
        self.calls = calls
        self.calls.append(f"created for {max_size}")

    def publish(self, message: dict[str, Any], **kwargs: Any) -> None:
        self.calls.append(f"publish {message['headers']['id']} to {kwargs['routing_key']}")

    def flush(self) -> None:
        self.calls.append("flush")

    def discard(self) -> None:
        self.calls.append("discard")

    def close(self) -> None:
        self.calls.append("close")


class BatchChannel(virtual.Channel):
    """A channel that offers a session."""

    calls: list[str]

    def create_publish_batch(self, max_size: int) -> Session:
        return Session(self, max_size, self.calls)

    def _put(self, *_: Any, **__: Any) -> None:
        raise AssertionError("published beside the batch")

    def _new_queue(self, *_: Any, **__: Any) -> None:
        """There is nothing to make."""

    def _size(self, *_: Any, **__: Any) -> int:
        return 0


class BatchTransport(virtual.Transport):
    """A transport whose channels offer sessions."""

    Channel = BatchChannel
    implements = virtual.Transport.implements.extend(batch_publish=True)


@pytest.fixture
def producer() -> Iterator[Producer]:
    with Connection(transport=BatchTransport) as connection:
        channel = connection.channel()
        channel.calls = []
        yield Producer(channel)


def test_a_batch_is_created_by_the_channel_and_flushed_and_closed_at_its_end(producer: Producer) -> None:
    with producer.batch(max_size=5):
        producer.publish({}, routing_key="queue", headers={"id": "one"})
        producer.publish({}, routing_key="queue", headers={"id": "two"})

    assert producer.channel.calls == [
        "created for 5",
        "publish one to queue",
        "publish two to queue",
        "flush",
        "close",
    ]


def test_a_batch_left_by_an_exception_is_discarded(producer: Producer) -> None:
    with suppress(KombuError), producer.batch():
        producer.publish({}, routing_key="queue", headers={"id": "one"})
        raise KombuError

    assert producer.channel.calls[-2:] == ["discard", "close"]


def test_a_session_must_name_its_channel() -> None:
    # kombu refuses a batch whose channel changed.
    channel = object()

    assert PublishBatch(channel, 10).channel is channel


def test_our_session_has_all_that_kombu_calls() -> None:
    assert {"publish", "flush", "discard", "close"} <= methods_of(PublishBatch)


def test_the_size_of_a_batch_is_kombus_to_say() -> None:
    assert str(inspect.signature(Producer.batch)) == "(self, max_size=1000)"


def test_what_is_published_in_a_batch_reaches_our_channel_with_its_batch() -> None:
    # basic_publish hands its keywords on to _put, by way of the exchange too.
    assert "self._put(routing_key, message, **kwargs)" in inspect.getsource(virtual.Channel.basic_publish)
    assert "**kwargs" in inspect.getsource(virtual.exchange.DirectExchange.deliver)


# Transport ----------------------------------------------------------------------------------------


def test_the_transport_says_that_it_batches() -> None:
    assert base.Transport.implements.batch_publish is False
    assert Transport.implements.batch_publish is True
    assert Transport.implements.asynchronous is True


def test_celery_may_declare_a_topic() -> None:
    assert SQS.Transport.implements.exchange_type == {"direct"}
    assert Transport.implements.exchange_type == {"direct", "topic", "fanout"}


def test_a_fanout_exchange_goes_by_sns() -> None:
    assert hasattr(SQS.Channel, "_put_fanout")
    assert 'exchange_type == "fanout"' in inspect.getsource(SQS.Channel._exchange_is_fanout)


def test_a_reply_queue_is_called_as_we_route_to_it() -> None:
    mailbox = Mailbox("celery")
    queue: Queue = mailbox.get_reply_queue()
    exchange: Exchange = mailbox.reply_exchange

    assert exchange.name == "reply.celery.pidbox"
    assert queue.name == f"{queue.routing_key}.{exchange.name}"


def test_every_private_name_of_kombu_that_the_broker_touches_is_pinned() -> None:
    touched = set()
    for path in (ROOT / "broker").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                touched.add(node.attr)
    of_the_broker = {name for path in (ROOT / "broker").glob("*.py") for name in _assigned(path)}

    assert touched - of_the_broker - OURS <= {
        *OVERRIDDEN,
        *USED,
        "_active_queues",
        "_delivered",
        "_dirty",
        "_noack_queues",
        "_queue_cache",
        "_on_list_ready",
    }


def _assigned(path: Path) -> set[str]:
    """What the module's own classes call their attributes and methods."""
    tree = ast.parse(path.read_text())
    names = {
        target.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for outer in (node.targets if isinstance(node, ast.Assign) else [node.target])
        for target in ast.walk(outer)
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
    }
    if path.name in {"batch.py", "heartbeat.py"}:  # classes without a parent of kombu's
        names |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return names

"""The seams of kombu 5.7 that ``broker/`` overrides or uses: an upgrade that moves one fails here, not at midnight."""

from __future__ import annotations

import ast
import inspect
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery.events import event, receiver
from kombu import Connection, Exchange, Producer, Queue
from kombu.asynchronous import Hub
from kombu.asynchronous.aws.connection import AsyncAWSQueryConnection, AsyncConnection, AsyncHTTPSConnection
from kombu.asynchronous.aws.sqs.connection import AsyncSQSConnection
from kombu.asynchronous.http import curl as curl_client
from kombu.exceptions import InconsistencyError, KombuError
from kombu.pidbox import Mailbox
from kombu.serialization import TRUSTED_CONTENT
from kombu.transport import SQS, base, virtual
from kombu.transport.SQS.exceptions import DoesNotExistQueueException
from kombu.transport.SQS.SNS import SNS

from broker.batch import PublishBatch
from broker.channel import Channel
from broker.control import EVENT_EXCHANGE
from broker.intake import ReceivedMessage
from broker.receiver import Receiver, _LimitedConnection
from broker.transport import Transport
from tests.fakes.environment import ROOT

OVERRIDDEN = {
    "__init__": "(self, *args, **kwargs)",
    "_delete": "(self, queue, exchange: 'str | None' = None, *args, **kwargs)",
    "_delete_message": "(self, queue_name, message)",
    "_get": "(self, queue)",
    "_lookup": "(self, exchange, routing_key, default=None)",
    "_message_to_python": "(self, message, queue_name, q_url)",
    "_messages_to_python": "(self, messages, queue)",
    "_new_boto_client": (
        "(self, service: '_SUPPORTED_BOTO_SERVICES', region, access_key_id, secret_access_key, session_token=None, "
        "config=None)"
    ),
    "_new_queue": "(self, queue, **kwargs)",
    "_on_messages_ready": "(self, queue, qname, messages)",
    "_put": "(self, queue, message, **kwargs)",
    "_put_fanout": "(self, exchange: 'str', message: 'dict', routing_key, **kwargs)",
    "_queue_bind": "(self, exchange, routing_key, pattern, queue)",
    "_receive_message": (
        "(self, queue: 'str', max_number_of_messages: 'int' = 1, wait_time_seconds: 'int | None' = None)"
    ),
    "_next_delivery_tag": "(self)",
    "_resolve_queue_url": "(self, queue)",
    "_schedule_queue": "(self, queue)",
    "_size": "(self, queue)",
    "_subscribe_queue_to_fanout_exchange_if_required": "(self, queue_name: 'str') -> 'None'",
    "_update_queue_cache": "(self, queue_name_prefix)",
    "canonical_queue_name": "(self, queue_name)",
    "after_reply_message_received": "(self, queue)",
    "asynsqs": "(self, queue=None)",
    "basic_ack": "(self, delivery_tag, multiple=False)",
    "basic_consume": "(self, queue, no_ack, callback, consumer_tag, *args, **kwargs)",
    "basic_qos": "(self, prefetch_size=0, prefetch_count=0, apply_global=False)",
    "basic_reject": "(self, delivery_tag, requeue=False)",
    "close": "(self)",
    "drain_events": "(self, timeout=None, callback=None, **kwargs)",
    "encode_body": "(self, body, encoding=None)",
    "exchange_declare": (
        "(self, exchange=None, type='direct', durable=False, auto_delete=False, arguments=None, nowait=False, "
        "passive=False)"
    ),
    "queue_declare": "(self, queue=None, passive=False, **kwargs)",
}
USED = {
    "_decode_python_message_body": "(self, raw_body)",
    "_envelope_payload": "(self, payload, raw_text, message, q_url)",
    "_get_bulk_async": "(self, queue, callback=None)",
    "_get_exchange_for_queue": "(self, queue_name: 'str') -> 'str'",
    "_resolve_delay_seconds": "(self, properties)",
    "basic_publish": "(self, message, exchange, routing_key, **kwargs)",
    "queue_delete": "(self, queue, if_unused=False, if_empty=False, **kwargs)",
    "remove_stale_sns_subscriptions": "(self, exchange_name: 'str') -> 'None'",
    "sqs": "(self, queue=None)",
}
OURS = {
    "create_publish_batch",
    "ephemeral",
    "settler",
    "client_with",
    "steady_sqs",
    "_answered",
    "_swept",
    "_backoff",
    "_bury",
    "_comes_to_an_end",
    "_delay",
    "_entry",
    "_full_call",
    "_gathered",
    "_give_back",
    "_hand_over",
    "_held",
    "_left_of_poll",
    "_leave",
    "_look_for_room",
    "_note",
    "_patient",
    "_polled_enough",
    "_polls_of",
    "_begin_poll",
    "_prove_redrive",
    "_publish_events",
    "_remake",
    "_room",
    "_settled",
    "_text",
    "_use_room",
    "_watch",
}
"""Names of our channels that kombu's does not call, or looks up without having (``create_publish_batch``)."""

PROPERTIES = {"fanout"}
"""That ours override."""

LAYERS = ("addressing.py", "sending.py", "control.py", "intake.py", "receiving.py", "channel.py")
KNOWN = {"known": {"url": "http://127.0.0.1:9/1/known"}}

ATTRIBUTES = {
    "_active_queues",
    "_asynsqs",
    "_callbacks",
    "_delivered",
    "_dirty",
    "_fanout",
    "_httpclient",
    "_noack_queues",
    "_queue_cache",
    "_get_or_create_topic",
    "_topic_arn_cache",
    "_on_list_ready",
}
"""Private names of kombu that the broker touches beside those methods; each has its test below."""


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
        yield connection.channel()


def methods_of(kind: type) -> set[str]:
    """What a class of the broker, and those of the broker that it is made of, define."""
    ours = [each for each in kind.__mro__ if each.__module__.startswith("broker.")]
    return {
        name
        for each in ours
        for name, value in vars(each).items()
        if inspect.isfunction(value) or isinstance(value, property)
    }


def source(of: Any) -> str:
    """Without its layout."""
    return " ".join(inspect.getsource(of).split())


# The channel --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "signature"), (OVERRIDDEN | USED).items())
def test_kombus_channel_has_the_method_with_this_signature(name: str, signature: str) -> None:
    assert str(inspect.signature(getattr(SQS.Channel, name))) == signature


def test_every_override_of_the_channel_is_pinned() -> None:
    assert methods_of(Channel) - OURS == set(OVERRIDDEN) | PROPERTIES


def test_our_own_names_are_not_kombus() -> None:
    # A later kombu may come to call one of them, and mean something else.
    assert [name for name in OURS if hasattr(SQS.Channel, name)] == []


def test_our_own_attributes_are_not_kombus() -> None:
    with Connection("sqs://", transport=SQS.Transport, transport_options={"predefined_queues": KNOWN}) as connection:
        kombus = set(vars(connection.channel())) | set(dir(SQS.Channel))
    ours = {name for path in LAYERS for name in _assigned(ROOT / "broker" / path)}

    assert ours & kombus == {"_asynsqs", "_fanout", "_queue_cache"}  # which we mean to set


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_an_override_takes_what_kombu_passes(name: str) -> None:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    theirs = inspect.signature(getattr(SQS.Channel, name)).parameters.values()
    arguments = [parameter.name for parameter in theirs if parameter.kind in positional]
    ours = inspect.signature(getattr(Channel, name))

    if name in {"exchange_declare", "_new_boto_client"}:  # their callers name each argument
        ours.bind("self", **dict.fromkeys(arguments[1:]))
    else:
        ours.bind(*arguments)


def test_a_channel_has_the_attributes_that_ours_reads(channel: Channel) -> None:
    assert channel._queue_cache == {"known": "http://127.0.0.1:9/1/known"}
    assert channel.transport_options["queue_urls"] == channel._queue_cache
    assert channel._active_queues == []
    assert channel._noack_queues == set()
    assert channel.connection._callbacks == {}
    assert channel.visibility_timeout == 90
    assert channel.wait_time_seconds == 10
    assert channel.region == "us-east-1"
    assert channel.get_message_attributes == {
        "MessageAttributeNames": [],
        "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
    }
    assert channel.conninfo.userid == "key"
    assert channel.closed is False
    assert channel.connection.polling_interval == 1
    assert {"call_soon", "call_later", "call_repeatedly"} <= set(dir(Hub))
    assert SQS.Channel._asynsqs is SQS.Channel._fanout is None


def test_a_channel_is_made_knowing_its_client() -> None:
    # Our options are read from there, before kombu's own __init__, which already needs them.
    assert "self.Channel(connection)" in inspect.getsource(virtual.Transport.create_channel)
    assert "self.client = client" in inspect.getsource(base.Transport.__init__)


def test_every_client_is_made_in_the_method_that_we_override() -> None:
    assert "self._new_boto_client(" in inspect.getsource(SQS.Channel.new_sqs_client)
    assert "self.channel._new_boto_client(" in inspect.getsource(SNS)


def test_a_missing_queue_is_told_by_the_exception_that_makes_kombu_create_it() -> None:
    assert SQS.exceptions.DoesNotExistQueueException is DoesNotExistQueueException
    assert "except DoesNotExistQueueException" in inspect.getsource(SQS.Channel._new_queue)


def test_a_declared_queue_is_asked_for_its_size() -> None:
    # Which may not end a worker.
    assert "self._size(queue)" in inspect.getsource(virtual.Channel.queue_declare)


def test_nothing_is_given_back_by_kombu_at_the_end(channel: Channel) -> None:
    assert "not self.channel.do_restore" in inspect.getsource(virtual.QoS.restore_unacked_once)
    assert channel.do_restore is False


# Receiving ----------------------------------------------------------------------------------------


def test_receiving_ends_in_the_method_that_we_override() -> None:
    assert "_on_list_ready" in inspect.getsource(AsyncAWSQueryConnection.get_list)
    assert str(inspect.signature(AsyncSQSConnection._on_list_ready)) == "(self, parent, markers, operation, response)"
    assert methods_of(Receiver) == {"__init__", "get_http_connection", "_on_list_ready"}


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


def test_each_request_goes_by_a_connection_that_we_make() -> None:
    assert "conn = self.get_http_connection()" in inspect.getsource(AsyncConnection._mexe)
    assert "self._httpclient = http_client" in inspect.getsource(AsyncConnection.__init__)
    assert str(inspect.signature(AsyncHTTPSConnection.__init__)) == (
        "(self, strict=None, timeout=20.0, http_client=None)"
    )


def test_each_request_is_made_where_we_set_its_limits() -> None:
    assert "request = self.getrequest()" in inspect.getsource(AsyncHTTPSConnection.getresponse)
    assert methods_of(_LimitedConnection) == {"__init__", "getrequest", "_limit"}


def test_a_request_is_prepared_last_with_its_curl_handle() -> None:
    # After kombu's own options, so ours hold.
    assert source(curl_client.CurlClient._setup_request).endswith(
        "if request.on_prepare is not None: request.on_prepare(curl)"
    )
    assert "on_prepare" in AsyncHTTPSConnection.Request.__slots__


def test_a_request_without_an_answer_has_this_status() -> None:
    assert "code = 599" in inspect.getsource(curl_client.CurlClient._process)


def test_the_poll_loop_goes_through_our_receiver_and_back_through_our_answers() -> None:
    assert "self._get_async(queue, maxcount, callback=callback)" in inspect.getsource(SQS.Channel._get_bulk_async)
    assert "self.asynsqs(queue=" in inspect.getsource(SQS.Channel._get_async)
    assert "self._on_messages_ready" in inspect.getsource(SQS.Channel._get_async)


def test_the_poll_loop_is_begun_by_consuming_and_nothing_else_runs_it() -> None:
    assert "self.hub.call_soon(self._schedule_queue, queue)" in inspect.getsource(SQS.Channel.basic_consume)
    assert "_loop1" not in inspect.getsource(SQS.Channel._get_async)


def test_an_answer_comes_with_the_queues_url_and_its_own_name() -> None:
    # Not the name SQS knows it by: troubles are kept, and looked up again, by this one.
    assert "self._on_messages_ready, callback, q_url, queue\n" in inspect.getsource(SQS.Channel._get_async)


def test_the_room_for_more_is_told_by_kombu(channel: Channel) -> None:
    channel.basic_qos(0, 4, apply_global=False)
    channel.qos.append(SimpleNamespace(), "one")

    assert channel.qos.prefetch_count == 4
    assert channel.qos.can_consume_max_estimate() == 3


def test_without_an_event_loop_messages_come_through_our_methods() -> None:
    assert "self._receive_message(" in inspect.getsource(SQS.Channel._get_bulk)
    assert "self._messages_to_python(messages, queue)" in inspect.getsource(SQS.Channel._get_bulk)
    assert "self.connection._deliver(msg, queue)" in inspect.getsource(SQS.Channel._get_bulk)


def test_a_body_that_is_base64_is_decoded(channel: Channel) -> None:
    assert channel._decode_python_message_body("e30=") == b"{}"
    assert channel._decode_python_message_body("{}") == b"{}"
    assert channel._decode_python_message_body("/w==") == b"/w=="  # not of text, so as it is


def test_a_received_message_says_from_which_queue_it_is(channel: Channel) -> None:
    message = {"ReceiptHandle": "receipt"}
    payload = channel._envelope_payload({"properties": {}}, "{}", message, "https://sqs.example.org/1/queue")

    assert payload["properties"]["delivery_tag"] == "receipt"
    assert payload["properties"]["delivery_info"]["sqs_queue"] == "https://sqs.example.org/1/queue"
    assert payload["properties"]["delivery_info"]["sqs_message"] is message


def test_an_envelope_may_have_the_encodings_that_we_let_through(channel: Channel) -> None:
    assert channel.decode_body("text", "UTF-8") == "text"
    assert channel.decode_body("dGV4dA==", "base64") == b"text"
    assert set(channel.codecs) == {"base64"}


def test_bodies_that_nobody_refuses_are_of_these_types() -> None:
    # Whatever `accept_content` says: no task can be made of them.
    assert {"application/data", "application/text"} == TRUSTED_CONTENT


# Settling -----------------------------------------------------------------------------------------


def test_a_channel_knows_what_it_received_by_receipt(channel: Channel) -> None:
    # The heartbeat, basic_ack and basic_reject read it.
    assert isinstance(channel.qos._delivered, OrderedDict)
    channel.qos.append(message := SimpleNamespace(), "receipt")

    assert channel.qos._delivered["receipt"] is message


def test_a_channel_knows_what_was_settled_since(channel: Channel) -> None:
    # What is acked stays among the delivered until the next message comes.
    for handle in ("one", "two"):
        message = SimpleNamespace(delivery_info={"sqs_queue": "url"}, headers={"id": f"task {handle}"})
        channel.qos.append(message, handle)
    channel.qos.ack("one")

    assert channel.qos._dirty == {"one"}
    assert channel._held() == {("url", "two"): "task two"}


def test_a_message_settles_itself_through_the_channel() -> None:
    assert "self.channel.basic_ack(self.delivery_tag, multiple=multiple)" in inspect.getsource(base.Message.ack)
    assert "self.channel.basic_reject(self.delivery_tag, requeue=requeue)" in inspect.getsource(base.Message.reject)


def test_a_message_is_made_of_our_class() -> None:
    assert "self.Message(raw_message, channel=self)" in inspect.getsource(virtual.Channel.basic_consume)
    assert Channel.Message is ReceivedMessage
    assert methods_of(ReceivedMessage) == {"decode", "ack"}
    assert str(inspect.signature(virtual.Message.decode)) == "(self)"
    assert str(inspect.signature(virtual.Message.ack)) == "(self, multiple=False)"


def test_a_message_that_cannot_be_unpacked_keeps_its_errors(channel: Channel) -> None:
    properties = {"delivery_tag": "receipt"}
    message = ReceivedMessage({"body": "x", "properties": properties, "headers": {"compression": "none"}}, channel)

    assert len(message.errors) == 1


def test_a_message_decodes_itself_once_by_the_method_that_we_override() -> None:
    assert "self.decode()" in inspect.getsource(virtual.Message.payload.fget)


# Events and remote control ------------------------------------------------------------------------


def test_events_go_by_the_exchange_that_we_batch() -> None:
    exchange = event.get_exchange(Connection("memory://"))

    assert exchange.name == EVENT_EXCHANGE
    assert exchange.type == "topic"


def test_a_topic_that_is_known_is_neither_made_nor_looked_for(channel: Channel) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:airdate-events"
    channel.options = replace(channel.options, topics={EVENT_EXCHANGE: topic})

    assert isinstance(SQS.Channel.fanout, property)
    assert channel.fanout._get_or_create_topic(EVENT_EXCHANGE) == topic  # nobody listens who could be asked
    channel._fanout = None  # as after a refusal
    assert channel.fanout._get_or_create_topic(EVENT_EXCHANGE) == topic


def test_a_fanout_exchange_goes_by_sns() -> None:
    assert 'exchange_type == "fanout"' in inspect.getsource(SQS.Channel._exchange_is_fanout)
    assert "self.channel._put_fanout( exchange, message, routing_key" in source(virtual.exchange.FanoutExchange.deliver)


def test_sns_has_what_a_batch_of_events_needs() -> None:
    assert str(inspect.signature(SNS._get_or_create_topic)) == "(self, exchange_name: 'str') -> 'str'"
    assert str(inspect.signature(SNS.get_client)) == "(self, exchange_name: 'str | None' = None)"
    assert "if not self._fanout" in inspect.getsource(SQS.Channel.fanout.fget)


def test_a_consumer_subscribes_its_queue_where_we_catch_its_refusal() -> None:
    assert "self._subscribe_queue_to_fanout_exchange_if_required(queue)" in inspect.getsource(SQS.Channel.basic_consume)
    assert "self._queue_bind(exchange, *meta)" in inspect.getsource(virtual.Channel.queue_bind)


def test_a_deleted_queue_leaves_its_topic() -> None:
    assert "unsubscribe_queue" in inspect.getsource(SQS.Channel._delete)
    assert "self._delete(queue, exchange, *meta, **kwargs)" in inspect.getsource(virtual.Channel.queue_delete)


def test_the_queues_of_remote_control_say_that_they_pass() -> None:
    # By this we know them; Celery's own queues of events say so too.
    mailbox = Mailbox("celery", type="fanout")

    assert mailbox.get_queue("worker").auto_delete
    assert mailbox.get_reply_queue().auto_delete
    assert "auto_delete=not queue_durable" in inspect.getsource(receiver.EventReceiver)


def test_a_declared_queue_tells_the_channel_that_it_passes() -> None:
    assert "auto_delete=self.auto_delete" in inspect.getsource(Queue.queue_declare)
    assert "self._new_queue(queue, **kwargs)" in inspect.getsource(virtual.Channel.queue_declare)


def test_a_reply_that_nobody_waits_for_is_dropped() -> None:
    assert "except InconsistencyError" in inspect.getsource(Mailbox._publish_reply)
    # But publishing would have taken it for a lost connection first, so we drop it before.
    assert issubclass(InconsistencyError, Transport.connection_errors)


def test_a_reply_queue_is_kept_after_its_replies() -> None:
    assert "chan.after_reply_message_received(queue.name)" in inspect.getsource(Mailbox._collect)


def test_a_reply_queue_is_called_as_we_route_to_it() -> None:
    mailbox = Mailbox("celery")
    queue: Queue = mailbox.get_reply_queue()
    exchange: Exchange = mailbox.reply_exchange

    assert exchange.name == "reply.celery.pidbox"
    assert queue.name == f"{queue.routing_key}.{exchange.name}"


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

    assert PublishBatch(channel, 10, 1).channel is channel


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


def test_every_private_name_of_kombu_that_the_broker_touches_is_pinned() -> None:
    touched = set()
    for path in (ROOT / "broker").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                touched.add(node.attr)
    of_the_broker = {name for path in (ROOT / "broker").glob("*.py") for name in _assigned(path)}

    assert touched - of_the_broker - OURS - {"_limit"} <= {*OVERRIDDEN, *USED, *ATTRIBUTES}
    assert touched >= ATTRIBUTES


def _assigned(path: Path) -> set[str]:
    """What the module's classes call their attributes, and those without a parent of kombu's their methods."""
    tree = ast.parse(path.read_text())
    names = {
        target.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for outer in (node.targets if isinstance(node, ast.Assign) else [node.target])
        for target in ast.walk(outer)
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
    }
    if path.name not in {*LAYERS, "receiver.py"}:
        names |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return names

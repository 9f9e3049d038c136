"""The channel: kombu's, with what a worker needs to live through a bad day and to be watched on a good one.

The private methods overridden here are kombu 5.7's; ``tests/unit/test_kombu_seams.py`` pins their
signatures.
"""

from __future__ import annotations

import logging
import random
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from kombu.asynchronous.aws.sqs.connection import AsyncSQSConnection
from kombu.transport import SQS
from kombu.utils.json import dumps

from broker.batch import PublishBatch
from broker.heartbeat import VisibilityHeartbeat

log = logging.getLogger(__name__)

LONGEST_BACKOFF_SECONDS = 10
REPLY_EXCHANGE = "reply.celery.pidbox"

Message = dict[str, Any]


class Receiver(AsyncSQSConnection):
    """kombu's asynchronous receive, with a refusal as an answer instead of an exception on the event loop."""

    def _on_list_ready(self, parent: Any, markers: Any, operation: str, response: Any) -> Message:
        try:
            answer = super()._on_list_ready(parent, markers, operation, response)
        except Exception as error:  # noqa: BLE001 - kombu raises a bare Exception for a 4xx
            return {"Trouble": str(error)}
        return answer if isinstance(answer, dict) else {"Trouble": f"HTTP {response.status}"}


class Channel(SQS.Channel):
    """A channel on SQS."""

    _asynsqs: Receiver | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._troubles: dict[str, int] = {}
        self._heartbeat: VisibilityHeartbeat | None = None
        super().__init__(*args, **kwargs)

    # Queues ---------------------------------------------------------------------------------------

    @property
    def _known_urls(self) -> dict[str, str]:
        urls: dict[str, str] = self.transport_options.get("queue_urls", {})
        return urls

    def _update_queue_cache(self, queue_name_prefix: str) -> None:  # noqa: ARG002 - kombu's signature
        # kombu lists every queue of the account here, which a worker's role need not allow.
        self._queue_cache.update(self._known_urls)

    def _resolve_queue_url(self, queue: str) -> str:
        name = self.canonical_queue_name(queue)
        if name not in self._queue_cache:
            try:
                self._queue_cache[name] = self.sqs().get_queue_url(QueueName=name)["QueueUrl"]
            except ClientError as error:
                raise SQS.exceptions.DoesNotExistQueueException(f"there is no queue {name!r}: {error}") from error
        return str(self._queue_cache[name])

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        if queue not in self._known_urls:
            super()._delete(queue, *args, **kwargs)

    def asynsqs(self, queue: str | None = None) -> Receiver:
        """The connection that receives for this channel."""
        if self._asynsqs is None:
            attributes = self.get_message_attributes
            self._asynsqs = Receiver(
                sqs_connection=self.sqs(queue=queue),
                region=self.region,
                message_system_attribute_names=attributes.get("MessageSystemAttributeNames"),
                message_attribute_names=attributes.get("MessageAttributeNames"),
            )
        return self._asynsqs

    # Sending --------------------------------------------------------------------------------------

    def encode_body(self, body: Any, encoding: str | None = None) -> tuple[Any, str | None]:
        """Leave text as it is: kombu's base64 would cost a third more, and a dead letter is read by people."""
        if isinstance(body, str):
            return body, None
        encoded: tuple[Any, str | None] = super().encode_body(body, encoding)
        return encoded

    def create_publish_batch(self, max_size: int) -> PublishBatch:
        """kombu's seam for ``Producer.batch()``."""
        return PublishBatch(self, max_size)

    def _put(self, queue: str, message: Message, **kwargs: Any) -> None:
        batch: PublishBatch | None = kwargs.get("_publish_batch")
        if batch is None or message.get("redelivered"):
            super()._put(queue, message)
        else:
            batch.add(self._new_queue(queue), message["headers"].get("id", ""), self._entry(queue, message))

    def _entry(self, queue: str, message: Message) -> Message:
        properties = message["properties"]
        entry: Message = {}
        if attributes := properties.pop("message_attributes", None):
            entry["MessageAttributes"] = attributes
        if group := properties.get("MessageGroupId"):
            entry["MessageGroupId"] = group
        delay = self._resolve_delay_seconds(properties)
        if queue.endswith(".fifo"):
            entry.setdefault("MessageGroupId", "default")
            entry["MessageDeduplicationId"] = (
                properties.get("MessageDeduplicationId") or message["headers"].get("id") or properties["delivery_tag"]
            )
        elif delay is not None:
            entry["DelaySeconds"] = delay
        entry["MessageBody"] = dumps(message)
        return entry

    # Receiving ------------------------------------------------------------------------------------

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:  # noqa: FBT001 - kombu's signature
        """Consume, and from now on keep what is received and not yet settled invisible to others."""
        if not no_ack and self._heartbeat is None:
            self._heartbeat = VisibilityHeartbeat(self.sqs(), self.visibility_timeout, self._unsettled)
            self._heartbeat.start()
        return super().basic_consume(queue, no_ack, *args, **kwargs)

    def _unsettled(self) -> dict[str, Any]:
        # What is acked or rejected stays in kombu's table of deliveries until the next message comes; extending
        # it would hide a rejected message from redrive.
        settled = self.qos._dirty  # noqa: SLF001 - kombu has no public view of either
        delivered = list(self.qos._delivered.items())  # noqa: SLF001
        return {receipt: message for receipt, message in delivered if receipt not in settled}

    def close(self) -> None:
        """End the heartbeat, then the channel."""
        if self._heartbeat is not None:
            self._heartbeat.stop()
            self._heartbeat = None
        super().close()

    def _on_messages_ready(self, queue: str, qname: str, messages: Message) -> int:
        trouble = messages.get("Trouble")
        if trouble is not None:
            self._note(trouble, queue, qname)
            return 0
        if self._troubles.pop(qname, None) and qname not in self._noack_queues:
            log.warning("receiving from %s again", queue)
        return int(super()._on_messages_ready(queue, qname, messages))

    def _note(self, trouble: str, queue: str, qname: str) -> None:
        if self.closed or qname not in self._active_queues:  # the poll that a shutdown cut off
            return
        if qname not in self._troubles and qname not in self._noack_queues:  # of an outage, the work's queue tells
            log.warning("cannot receive from %s: %s; trying again until it answers", queue, trouble)
        self._troubles[qname] = self._troubles.get(qname, 0) + 1

    def _loop1(self, queue: str, messages_fetched: int | None = None) -> None:
        if self.closed:  # an answer that came after the worker's shutdown
            return
        failures = self._troubles.get(queue, 0)
        if not failures:
            super()._loop1(queue, messages_fetched)
            return
        # Full jitter, so that a fleet does not come back as one.
        longest = min(LONGEST_BACKOFF_SECONDS, 0.5 * 2 ** min(failures, 10))
        self.hub.call_later(random.uniform(0.1, longest), self._schedule_queue, queue)  # noqa: S311 - jitter, no secret

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        """Reject; without requeue the message is visible again at once, so that redrive counts it now."""
        rejected = self.qos._delivered.get(delivery_tag)  # noqa: SLF001 - as above
        super().basic_reject(delivery_tag, requeue=requeue)
        if requeue or rejected is None:
            return
        try:
            self.sqs().change_message_visibility(
                QueueUrl=rejected.delivery_info["sqs_queue"], ReceiptHandle=delivery_tag, VisibilityTimeout=0
            )
        except (ClientError, BotoCoreError) as error:
            log.warning("a rejected message becomes visible only after its timeout: %s", error)

    # Remote control and events --------------------------------------------------------------------

    def exchange_declare(self, exchange: str | None = None, type: str = "direct", **kwargs: Any) -> Any:  # noqa: A002 - kombu's signature
        """Declare an exchange. SQS routes no topics, so a topic goes to every queue bound, and receivers choose."""
        return super().exchange_declare(exchange, type="fanout" if type == "topic" else type, **kwargs)

    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> list[str]:
        # Bindings live in the process that made them: the one that waits for the reply. What it bound is
        # always called so.
        if exchange == REPLY_EXCHANGE:
            return [f"{routing_key}.{exchange}"]
        found: list[str] = super()._lookup(exchange, routing_key, default)
        return found

    def _delete_message(self, queue_name: str, message: Message) -> None:
        # kombu deletes through the event loop, which a client without one (Flower, `celery inspect`) never runs.
        self.sqs().delete_message(QueueUrl=self._new_queue(queue_name), ReceiptHandle=message["ReceiptHandle"])

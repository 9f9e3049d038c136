"""Sending: one message, or many at once; delays, groups and attributes as SQS's own."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError
from kombu.utils.json import JSONEncoder

from broker.addressing import AddressingChannel
from broker.batch import PublishBatch
from broker.errors import PublishFailed

LONGEST_DELAY_SECONDS = 900
"""SQS delays no message longer (Amazon SQS message quotas)."""

Message = dict[str, Any]

ENVELOPE = JSONEncoder()
"""kombu's format; kombu's own function makes an encoder for each message."""


class SendingChannel(AddressingChannel):
    """A channel that sends."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        prefix = uuid4()
        self._tags = (f"{prefix}-{number}" for number in count())
        self._threads: ThreadPoolExecutor | None = None
        super().__init__(*args, **kwargs)

    def _next_delivery_tag(self) -> str:
        # kombu makes a random one for each message, which takes as long as to write its envelope.
        return next(self._tags)

    def encode_body(self, body: Any, encoding: str | None = None) -> tuple[Any, str | None]:
        """Leave text as it is: kombu's base64 would cost a third more, and a dead letter is read by people."""
        if isinstance(body, str):
            return body, None
        encoded: tuple[Any, str | None] = super().encode_body(body, encoding)
        return encoded

    def create_publish_batch(self, max_size: int) -> PublishBatch:
        """kombu's seam for ``Producer.batch()``."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.options.publish_threads, "sqs-publish")
        return PublishBatch(self, max_size, self._threads)

    def close(self) -> None:
        """Let the threads that publish go."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None
        super().close()

    def _put(self, queue: str, message: Message, **kwargs: Any) -> None:
        queue_url, entry = self._new_queue(queue), self._entry(queue, message)
        batch: PublishBatch | None = kwargs.get("_publish_batch")
        if batch is not None:
            batch.add(queue_url, message["headers"].get("id") or message["properties"]["delivery_tag"], entry)
            return
        try:
            self.sqs().send_message(QueueUrl=queue_url, **entry)
        except (ClientError, BotoCoreError) as error:
            raise PublishFailed(f"a message was not sent to queue {queue!r}: {error}") from error

    def _entry(self, queue: str, message: Message) -> Message:
        properties = message["properties"]
        entry: Message = {}
        if attributes := properties.pop("message_attributes", None):
            entry["MessageAttributes"] = attributes
        if group := properties.get("MessageGroupId"):
            entry["MessageGroupId"] = group
        if queue.endswith(".fifo"):
            entry.setdefault("MessageGroupId", "default")
            entry["MessageDeduplicationId"] = (
                properties.get("MessageDeduplicationId") or message["headers"].get("id") or properties["delivery_tag"]
            )
        elif delay := self._delay(message):
            entry["DelaySeconds"] = delay
        entry["MessageBody"] = self._text(message)
        return entry

    def _text(self, message: Message) -> str:
        text = ENVELOPE.encode(message)
        if self.sqs_base64_encoding:
            return str(self.codecs["base64"].encode(text))
        return str(text)

    def _delay(self, message: Message) -> int:
        told = self._resolve_delay_seconds(message["properties"])
        if told is not None:
            return int(told)
        eta = message["headers"].get("eta")
        return delay_until(datetime.fromisoformat(eta), datetime.now(UTC)) if eta else 0


def delay_until(eta: datetime, now: datetime) -> int:
    """The DelaySeconds of a message for ``eta``: SQS keeps it, not a worker's memory; at most 900.

    A later one is received after that and held, invisible to others, by the worker that received it.
    """
    aware = eta if eta.tzinfo else eta.replace(tzinfo=UTC)
    return min(LONGEST_DELAY_SECONDS, max(0, math.ceil((aware - now).total_seconds())))

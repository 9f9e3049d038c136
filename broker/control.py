"""Events, remote control and replies: by SNS to queues that live as long as their process."""

from __future__ import annotations

import atexit
import logging
import os
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from kombu.exceptions import InconsistencyError
from kombu.transport.SQS import exceptions
from kombu.transport.virtual.base import queue_declare_ok_t
from kombu.utils.json import dumps

from broker.addressing import REPLY_EXCHANGE
from broker.errors import PublishFailed
from broker.events import EventBatch
from broker.sending import Message, SendingChannel

log = logging.getLogger(__name__)

EVENT_EXCHANGE = "celeryev"
REFUSALS = (ClientError, BotoCoreError, exceptions.UndefinedExchangeException)


class ControlChannel(SendingChannel):
    """A channel that can be watched and told what to do; a worker runs without it where AWS forbids it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._events: EventBatch | None = None
        self._pid = os.getpid()
        super().__init__(*args, **kwargs)

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

    @property
    def fanout(self) -> Any:
        """kombu's SNS, which takes the topics that exist already for ones that it has made."""
        fresh = self._fanout is None
        found = super().fanout
        if fresh:
            found._topic_arn_cache.update(self.options.topics)  # noqa: SLF001 - its own setting for this ends its sweeping
        return found

    # Publishing -----------------------------------------------------------------------------------

    def _put(self, queue: str, message: Message, **kwargs: Any) -> None:
        try:
            super()._put(queue, message, **kwargs)
        except (InconsistencyError, PublishFailed) as error:
            if not queue.endswith(REPLY_EXCHANGE):
                raise
            # Whoever asked is gone, or asks again. kombu would drop it too, but connect anew first, and so
            # would Celery's remote control.
            self._queue_cache.pop(self.canonical_queue_name(queue), None)
            log.info("a reply was not sent: %s", error)

    def _put_fanout(self, exchange: str, message: Message, routing_key: str, **kwargs: Any) -> None:
        if exchange != EVENT_EXCHANGE:
            super()._put_fanout(exchange, message, routing_key, **kwargs)
            return
        if self._events is None:
            self._events = EventBatch(self._publish_events, self.options.event_interval)
            atexit.register(self._leave)
        self._events.add(dumps(message))

    def _publish_events(self, entries: list[Message]) -> None:
        fanout = self.fanout
        try:
            topic = fanout._get_or_create_topic(EVENT_EXCHANGE)  # noqa: SLF001 - kombu shows none
            fanout.get_client(EVENT_EXCHANGE).publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
        except ClientError:
            self._fanout = None  # the topic may be gone: look for it anew
            raise

    # Queues of a process's life -------------------------------------------------------------------

    def queue_declare(self, queue: str | None = None, passive: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - kombu's signature
        """Declare a queue; one of remote control that AWS refuses is tried again while it is polled."""
        try:
            return super().queue_declare(queue, passive, **kwargs)
        except REFUSALS as error:
            if queue not in self._passing:
                raise
            log.warning("no remote control or events by %s: %s", queue, error)
            return queue_declare_ok_t(queue, 0, 0)

    def _queue_bind(self, exchange: str, *args: Any) -> None:
        try:
            super()._queue_bind(exchange, *args)
        except REFUSALS as error:
            log.warning("no remote control or events by the topic of %s: %s", exchange, error)

    def _subscribe_queue_to_fanout_exchange_if_required(self, queue_name: str) -> None:
        try:
            super()._subscribe_queue_to_fanout_exchange_if_required(queue_name)
        except (*REFUSALS, exceptions.DoesNotExistQueueException) as error:
            log.warning("no remote control or events by %s: %s", queue_name, error)

    def _remake(self, queue: str) -> None:
        """An ephemeral queue is gone, be it swept or its server restarted: make it again at its next poll."""
        self._queue_cache.pop(self.canonical_queue_name(queue), None)
        self.ephemeral.forget(queue)
        self._fanout = None  # its subscription went with it

    def _new_queue(self, queue: str, **kwargs: Any) -> str:
        known = self.canonical_queue_name(queue) in self._queue_cache
        url = super()._new_queue(queue, **kwargs)
        if known or queue not in self._passing:
            return url
        atexit.register(self._leave)
        if queue in self._active_queues:
            self._queue_bind(self._get_exchange_for_queue(queue), "", "", queue)
            self._subscribe_queue_to_fanout_exchange_if_required(queue)
        return url

    def _swept(self) -> None:
        # Their subscriptions are left. SNS drops what it cannot deliver; moto fails the whole publish.
        for exchange in list(self.state.exchanges):
            self.remove_stale_sns_subscriptions(exchange)

    def after_reply_message_received(self, queue: str) -> None:
        """Keep the queue for the next reply: SQS would not make one of the same name again for a minute."""

    def _leave(self) -> None:
        """Send the last events, and remove what was made for the time of this channel's life."""
        atexit.unregister(self._leave)
        if os.getpid() != self._pid:  # a forked child's copy owns nothing
            return
        if self._events is not None:
            self._events.close()
        if self._ephemeral is None:
            return
        self._ephemeral.close()
        for queue in self._ephemeral.names():
            try:
                self.queue_delete(queue)
            except REFUSALS as error:
                log.info("%s is left to be swept: %s", queue, error)

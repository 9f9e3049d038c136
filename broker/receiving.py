"""The poll loop: receives while there is room, and survives what the network does."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from time import monotonic
from typing import Any

from vine import promise

from broker.intake import IntakeChannel, Raw
from broker.receiver import TOTAL_SECONDS, Outages, Receiver
from broker.settling import Receipt

log = logging.getLogger(__name__)

MESSAGES_PER_CALL = 10
GATHERING_SECONDS = 0.1
"""How long a little room waits to become room for a full call, which costs the same."""
MOST_POLLS = 2
"""Of one queue at a time, while its answers are full: SQS hands out ten messages a call, however long a call takes."""
WATCH_SECONDS = 5
STALLED_SECONDS = 60
"""Beyond the long poll and its limits: then a poll is given up, and another begun."""


class ReceivingChannel(IntakeChannel):
    """A channel that receives."""

    _asynsqs: Receiver | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._outages = Outages()
        self._polls: dict[str, float] = {}
        """When each queue's last poll was begun, or put off."""
        self._under_way: set[tuple[str, float]] = set()
        """Each poll that SQS has not answered: its queue, and when it was begun."""
        self._deep: set[str] = set()
        """Queues whose last answer was full."""
        self._without_room: set[str] = set()
        """Queues whose next poll waits until something is settled."""
        self._gathering = False
        self._arriving: dict[Receipt, None] = {}
        self._watchdog: Any = None
        self._listener: Any = None
        self._patience: float | None = None
        super().__init__(*args, **kwargs)

    def asynsqs(self, queue: str | None = None) -> Receiver:
        """The connection that receives for this channel."""
        if self._asynsqs is None:
            attributes = self.get_message_attributes
            self._asynsqs = Receiver(
                self.wait_time_seconds,
                sqs_connection=self.sqs(queue=queue),
                region=self.region,
                message_system_attribute_names=attributes["MessageSystemAttributeNames"],
                message_attribute_names=attributes["MessageAttributeNames"] or ["All"],
                on_request=self.options.on_request,
            )
        return self._asynsqs

    # The loop -------------------------------------------------------------------------------------

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:  # noqa: FBT001 - kombu's signature
        """Consume, once it is proven that what is rejected will end among the dead letters.

        Raises:
            Refused: the queue has no redrive policy, and the options do not allow that.
        """
        if queue in self._passing:
            self.ephemeral.keep()
        elif not no_ack:
            self._prove_redrive(queue)
        if self.hub and self._watchdog is None:
            self._watchdog = self.hub.call_repeatedly(WATCH_SECONDS, self._watch)
        return super().basic_consume(queue, no_ack, *args, **kwargs)

    def _schedule_queue(self, queue: str) -> None:
        if self.closed or queue not in self._active_queues:
            return
        self._polls[queue] = monotonic()
        if self._polled_enough(queue):
            return
        if self._room(queue) >= self._full_call():
            self._begin_poll(queue)
        else:
            self._without_room.add(queue)
            self._look_for_room()

    def _begin_poll(self, queue: str) -> None:
        if self.closed or queue not in self._active_queues or self._polled_enough(queue):
            return
        if not self._room(queue):
            self._without_room.add(queue)
            return
        began = self._polls[queue] = monotonic()
        self._under_way.add((queue, began))
        try:
            self._get_bulk_async(queue, callback=promise(self._answered, (queue, began)))
        except Exception as error:  # noqa: BLE001 - whatever it is, to be tried again: a poll must not just end
            self._note(queue, str(error))
            self._answered(queue, began)
            return
        if queue in self._deep:
            self.hub.call_soon(self._schedule_queue, queue)

    def _polled_enough(self, queue: str) -> bool:
        return self._polls_of(queue) >= (MOST_POLLS if queue in self._deep else 1)

    def _polls_of(self, queue: str) -> int:
        return sum(polled == queue for polled, _ in self._under_way)

    def _room(self, queue: str) -> int:
        """How many messages may be received from a queue now, beside those that a poll under way may bring."""
        free = self.qos.can_consume_max_estimate() if self.qos.prefetch_count else MOST_POLLS * MESSAGES_PER_CALL
        return max(0, int(free) - MESSAGES_PER_CALL * self._polls_of(queue))

    def _full_call(self) -> int:
        return min(MESSAGES_PER_CALL, self.qos.prefetch_count or MESSAGES_PER_CALL)

    def basic_qos(self, *args: Any, **kwargs: Any) -> None:
        """Change how much may be held at once."""
        super().basic_qos(*args, **kwargs)
        self._look_for_room()

    def _look_for_room(self) -> None:
        """Something may have been settled: poll at once for a full call, for less if no more room comes in a moment."""
        for queue in tuple(self._without_room):
            room = self._room(queue)
            if room >= self._full_call():
                self._use_room(queue)
            elif room and not self._gathering:
                self._gathering = True
                self.hub.call_later(GATHERING_SECONDS, self._gathered)

    def _gathered(self) -> None:
        self._gathering = False
        for queue in tuple(self._without_room):
            if self._room(queue) and not self._polls_of(queue):  # a second poll is for a full call, or not worth it
                self._use_room(queue)

    def _use_room(self, queue: str) -> None:
        self._without_room.discard(queue)
        self.hub.call_soon(self._begin_poll, queue)

    def _answered(self, queue: str, began: float, fetched: int | None = None) -> None:
        if self.closed or (queue, began) not in self._under_way:  # given up by the watchdog, which began another
            return
        self._under_way.discard((queue, began))
        if fetched == MESSAGES_PER_CALL:
            self._deep.add(queue)
        else:
            self._deep.discard(queue)
        pause = self._outages.pause(queue) or (0 if fetched else self.connection.polling_interval)
        if pause:
            self.hub.call_later(pause, self._schedule_queue, queue)
        else:
            self.hub.call_soon(self._schedule_queue, queue)

    def _left_of_poll(self, queue_url: str) -> int:
        """Seconds for which a poll of ours may still receive from a queue, though nobody waits for its answer."""
        left = max(
            (
                began + int(self.wait_time_seconds) - monotonic()
                for queue, began in self._under_way
                if self._queue_cache.get(self.canonical_queue_name(queue)) == queue_url
            ),
            default=0.0,
        )
        return math.ceil(left) + 1 if left > 0 else 0  # SQS began a moment after us

    def _watch(self) -> None:
        """Begin a stalled poll anew; say that this loop lives."""
        if self.closed:
            return
        stalled = monotonic() - (self.wait_time_seconds + TOTAL_SECONDS + STALLED_SECONDS)
        self._look_for_room()
        given_up = {(queue, began) for queue, began in self._under_way if began < stalled}
        self._under_way -= given_up
        for queue in self._active_queues:
            silent = self._polls.get(queue, stalled) < stalled and queue not in self._without_room
            if silent or any(polled == queue for polled, _ in given_up):
                log.warning("the poll of %s stalled; beginning another", queue)
                self._schedule_queue(queue)
        if self.options.liveness_file is not None:
            try:
                Path(self.options.liveness_file).touch()
            except OSError as error:
                log.warning("the liveness file cannot be touched: %s", error)

    def _note(self, queue: str, trouble: str) -> None:
        if queue not in self._active_queues:  # the poll that a shutdown cut off
            return
        self._outages.began(queue, trouble, quiet=queue in self._passing)
        if queue in self._passing and ("DoesNotExist" in trouble or "NonExistentQueue" in trouble):
            self._remake(queue)

    # What was received ----------------------------------------------------------------------------

    def _on_messages_ready(self, queue_url: str, queue: str, messages: Raw) -> int:
        if self.closed:  # an answer that came after the worker's shutdown: visible again after its timeout
            return 0
        if trouble := messages.get("Trouble"):
            self._note(queue, trouble)
            return 0
        self._outages.ended(queue, quiet=queue in self._passing)
        received = messages.get("Messages") or []
        callback = self.connection._callbacks.get(queue)  # noqa: SLF001 - kombu's own way to it
        receipts = [Receipt(queue_url, message["ReceiptHandle"]) for message in received]
        if callback is not None and queue not in self._noack_queues:
            # The solo pool runs a message's task before it looks at the next.
            self._arriving = dict.fromkeys(receipts)
        for receipt, message in zip(receipts, received, strict=True):
            if callback is None:  # cancelled meanwhile
                self.settler.release(receipt)
            else:
                self._arriving.pop(receipt, None)
                self._hand_over(queue_url, queue, message, callback)
        return len(received)

    # Without an event loop ------------------------------------------------------------------------

    def drain_events(self, timeout: float | None = None, callback: Any = None, **kwargs: Any) -> None:
        """Receive; kombu would poll for its whole wait time, whatever the caller's timeout."""
        self._patience = timeout
        super().drain_events(timeout, callback, **kwargs)

    def _receive_message(
        self, queue: str, max_number_of_messages: int = 1, wait_time_seconds: int | None = None
    ) -> Raw:
        wait = self.wait_time_seconds if wait_time_seconds is None else wait_time_seconds
        if self._patience is not None:
            wait = min(wait, max(1, int(self._patience)))
        attributes = self.get_message_attributes
        answer: Raw = self._patient().receive_message(
            QueueUrl=self._new_queue(queue),
            MaxNumberOfMessages=max_number_of_messages,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=attributes["MessageSystemAttributeNames"],
            MessageAttributeNames=attributes["MessageAttributeNames"] or ["All"],
        )
        return answer

    def _patient(self) -> Any:
        # A client that waits for an answer as long as the long poll does.
        if self._listener is None:
            self._listener = self.client_with(read_seconds=self.wait_time_seconds + TOTAL_SECONDS, attempts=1)
        return self._listener

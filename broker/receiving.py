"""The poll loop: receives while there is room, survives what the network does, and lets no poison through."""

from __future__ import annotations

import logging
from pathlib import Path
from time import monotonic
from typing import Any

from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError
from kombu.transport import virtual
from kombu.transport.SQS import exceptions
from kombu.utils.encoding import bytes_to_str
from vine import promise

from broker import envelope
from broker.control import ControlChannel
from broker.dead_letters import Redrive, copy_with_reason, redrive_of
from broker.errors import Refused
from broker.receiver import TOTAL_SECONDS, Outages, Receiver
from broker.settling import Receipt, Settler

log = logging.getLogger(__name__)

Raw = dict[str, Any]
"""A message or an answer as SQS gives it, or an envelope as kombu takes it."""

MESSAGES_PER_CALL = 10
FULL_PAUSE_SECONDS = 0.02
"""Before looking again whether there is room for more."""
REFUSALS = (ClientError, BotoCoreError, exceptions.DoesNotExistQueueException)
WATCH_SECONDS = 5
STALLED_SECONDS = 60
"""Beyond the long poll and its limits: then a poll is given up, and another begun."""


class ReceivedMessage(virtual.Message):
    """A message that cannot be acknowledged away once its body proved undecodable, as Celery would."""

    undecodable = False

    def decode(self) -> Any:
        """The body; remembers that it was not to be decoded."""
        try:
            return super().decode()
        except Exception:
            self.undecodable = True
            raise

    def ack(self, multiple: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        """Acknowledge, or reject what was never understood."""
        if self.errors or self.undecodable:
            self.reject()
        else:
            super().ack(multiple)


class ReceivingChannel(ControlChannel):
    """A channel that receives."""

    Message = ReceivedMessage
    _asynsqs: Receiver | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._outages = Outages()
        self._redrives: dict[str, Redrive | None] = {}
        self._polls: dict[str, float] = {}
        self._arriving: dict[Receipt, None] = {}
        self._watchdog: Any = None
        self._lazy_settler: Settler | None = None
        self._listener: Any = None
        self._patience: float | None = None
        super().__init__(*args, **kwargs)

    @property
    def settler(self) -> Settler:
        """Settles what this channel received."""
        if self._lazy_settler is None:
            self._lazy_settler = Settler(self.sqs(), self.options.ack_interval)
        return self._lazy_settler

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
        began = self._polls[queue] = monotonic()
        if not self._room():
            self.hub.call_later(FULL_PAUSE_SECONDS, self._schedule_queue, queue)
            return
        try:
            self._get_bulk_async(queue, callback=promise(self._answered, (queue, began)))
        except REFUSALS as error:  # of credentials that are not to be had, or of an ephemeral queue to be made
            self._note(queue, str(error))
            self._answered(queue, began)

    def _room(self) -> bool:
        """Whether to receive: not one by one while much is in hand, for each request costs the same."""
        limit = self.qos.prefetch_count
        if not limit:
            return True
        free = self.qos.can_consume_max_estimate()
        return bool(free >= min(MESSAGES_PER_CALL, max(1, limit // 2)))

    def _answered(self, queue: str, began: float, fetched: int | None = None) -> None:
        if self.closed or self._polls.get(queue) != began:  # given up by the watchdog, which began another
            return
        pause = self._outages.pause(queue) or (0 if fetched else self.connection.polling_interval)
        if pause:
            self.hub.call_later(pause, self._schedule_queue, queue)
        else:
            self.hub.call_soon(self._schedule_queue, queue)

    def _watch(self) -> None:
        """Begin a stalled poll anew; say that this loop lives."""
        if self.closed:
            return
        stalled = monotonic() - (self.wait_time_seconds + TOTAL_SECONDS + STALLED_SECONDS)
        for queue in self._active_queues:
            if self._polls.get(queue, stalled) < stalled:
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

    def _hand_over(self, queue_url: str, queue: str, message: Raw, callback: Any) -> None:
        try:
            payload = self._message_to_python(message, queue, queue_url)
        except envelope.Poison as poison:
            self._bury(queue_url, queue, message, str(poison))
            return
        try:
            callback(payload)
        except Exception:
            log.exception("message %s of %s could not be taken, and is rejected", message.get("MessageId"), queue)
            handle = message["ReceiptHandle"]
            if handle in self.qos._delivered:  # noqa: SLF001 - as above
                self.basic_reject(handle)
            elif queue not in self._noack_queues:
                self.settler.release(Receipt(queue_url, handle))

    def _message_to_python(self, message: Raw, queue_name: str, q_url: str) -> Raw:
        text = bytes_to_str(self._decode_python_message_body(message["Body"]))
        no_ack = queue_name in self._noack_queues
        payload = envelope.read(text, message.get("MessageId", ""), () if no_ack else self.options.adapters)
        if no_ack:
            self._delete_message(queue_name, message)
            return payload
        enveloped: Raw = self._envelope_payload(payload, text, message, q_url)
        return enveloped

    def _messages_to_python(self, messages: list[Raw], queue: str) -> list[Raw]:
        # Where no event loop runs: Flower, `celery inspect`, a plain kombu consumer.
        queue_url, payloads = self._new_queue(queue), []
        for message in messages:
            try:
                payloads.append(self._message_to_python(message, queue, queue_url))
            except envelope.Poison as poison:
                self._bury(queue_url, queue, message, str(poison))
        return payloads

    def _bury(self, queue_url: str, queue: str, message: Raw, reason: str) -> None:
        log.error("poison: message %s of %s is a dead letter: %s", message.get("MessageId"), queue, reason)
        receipt = Receipt(queue_url, message["ReceiptHandle"])
        redrive = self._redrives.get(queue_url)
        if queue in self._noack_queues:
            self.settler.delete(receipt)
        elif redrive is not None and not queue_url.endswith(".fifo"):
            target = redrive.dead_letter_url
            self.settler.bury(receipt, lambda: copy_with_reason(self.sqs(), target, message, reason))
        elif self._comes_to_an_end(queue_url):
            self.settler.release(receipt)

    def _delete_message(self, queue_name: str, message: Raw) -> None:
        # kombu deletes one by one through the event loop, which a client without one never runs.
        self.settler.delete(Receipt(self._new_queue(queue_name), message["ReceiptHandle"]))

    # Redrive --------------------------------------------------------------------------------------

    def _prove_redrive(self, queue: str) -> None:
        queue_url = self._new_queue(queue)
        try:
            self._redrives[queue_url] = redrive = redrive_of(self.sqs(), queue_url)
        except (ClientError, BotoCoreError) as error:
            log.warning("whether %s has a redrive policy is not known: %s", queue, error)
            return
        if redrive is None and not self.options.allow_queues_without_redrive:
            log.critical(
                "not started: queue %r (%s) has no redrive policy, so what fails in it would come back for ever. "
                "Give it a dead-letter queue, or set broker_transport_options['allow_queues_without_redrive'] = True",
                queue,
                queue_url,
            )
            raise Refused

    def _comes_to_an_end(self, queue_url: str) -> bool:
        """Whether a message that is visible at once, again and again, ends among the dead letters."""
        return self._redrives.get(queue_url, True) is not None

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
            self._listener = self._new_boto_client(
                service="sqs",
                region=self.region,
                access_key_id=self.conninfo.userid,
                secret_access_key=self.conninfo.password,
                config=Config(
                    read_timeout=self.wait_time_seconds + TOTAL_SECONDS,
                    retries={"total_max_attempts": 1, "mode": "standard"},
                ),
            )
        return self._listener

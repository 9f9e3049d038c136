"""What becomes of a received message: an envelope that kombu and Celery can take, or a dead letter."""

from __future__ import annotations

import logging
from queue import Empty
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from kombu.transport import virtual
from kombu.utils.encoding import bytes_to_str

from broker import envelope
from broker.control import ControlChannel
from broker.dead_letters import Redrive, copy_with_reason, redrive_of
from broker.errors import Refused
from broker.settling import Receipt, Settler

log = logging.getLogger(__name__)

Raw = dict[str, Any]
"""A message or an answer as SQS gives it, or an envelope as kombu takes it."""


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


class IntakeChannel(ControlChannel):
    """A channel that lets no poison through, and loses none."""

    Message = ReceivedMessage

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._redrives: dict[str, Redrive | None] = {}
        self._lazy_settler: Settler | None = None
        super().__init__(*args, **kwargs)

    @property
    def settler(self) -> Settler:
        """Settles what this channel received."""
        if self._lazy_settler is None:
            self._lazy_settler = Settler(self.steady_sqs, self.options.ack_interval)
        return self._lazy_settler

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
            if handle in self.qos._delivered:  # noqa: SLF001 - kombu shows none
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
        if self.options.on_poison is not None:
            self.options.on_poison(queue, str(message.get("MessageId")), reason)
        receipt = Receipt(queue_url, message["ReceiptHandle"])
        redrive = self._redrives.get(queue_url)
        if queue in self._noack_queues:
            self.settler.delete(receipt)
        elif redrive is not None and not queue_url.endswith(".fifo"):
            target = redrive.dead_letter_url
            self.settler.bury(receipt, lambda: copy_with_reason(self.steady_sqs, target, message, reason))
        elif self._comes_to_an_end(queue_url):
            self.settler.release(receipt)

    def _delete_message(self, queue_name: str, message: Raw) -> None:
        # kombu deletes one by one through the event loop, which a client without one never runs.
        self.settler.delete(Receipt(self._new_queue(queue_name), message["ReceiptHandle"]))

    def _get(self, queue: str) -> Raw:
        try:
            payload: Raw = super()._get(queue)
        except IndexError:  # what it received was poison, and is none of the caller's business
            raise Empty from None
        return payload

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

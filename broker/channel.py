"""The channel: kombu's, with what a worker needs to live through a bad day and to be watched on a good one.

In layers, one matter each: :mod:`broker.addressing` (queues and clients), :mod:`broker.sending`,
:mod:`broker.control` (events and remote control), :mod:`broker.intake` (what a body is made into),
:mod:`broker.receiving` (the poll loop), and here what is held until it is settled. The private methods of
kombu 5.7 that they override are pinned by ``tests/unit/test_kombu_seams.py``.
"""

from __future__ import annotations

from typing import Any

from broker.heartbeat import VisibilityHeartbeat
from broker.lost import lost_messages
from broker.receiving import ReceivingChannel
from broker.settling import Receipt


class Channel(ReceivingChannel):
    """A channel on SQS: holds what it received until it is settled, and gives back the rest."""

    do_restore = False  # kombu would hide what is left at the end for another wait time, one by one

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._heartbeat: VisibilityHeartbeat | None = None
        super().__init__(*args, **kwargs)

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:  # noqa: FBT001 - kombu's signature
        """Consume, and from now on keep what is received and not yet settled invisible to others."""
        consumed = super().basic_consume(queue, no_ack, *args, **kwargs)
        if not no_ack and self._heartbeat is None:
            self._heartbeat = VisibilityHeartbeat(
                self.steady_sqs,
                self.visibility_timeout,
                self._held,
                longest_hold=self.options.longest_hold,
                lost=lost_messages.mark,
            )
            self._heartbeat.start()
        return consumed

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - kombu's signature
        """Acknowledge: the message is deleted soon, with others."""
        if receipt := self._settled(delivery_tag):
            self.settler.delete(receipt)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - kombu's signature
        """Reject: the message is visible again at once or after its backoff, so that redrive counts it now.

        It is never deleted. To requeue is no different: SQS has one way back.
        """
        message = self.qos._delivered.get(delivery_tag)  # noqa: SLF001 - kombu shows none
        receipt = self._settled(delivery_tag)
        if receipt and self._comes_to_an_end(receipt.queue_url):
            self.settler.release(receipt, self._backoff(message))

    def _settled(self, delivery_tag: str) -> Receipt | None:
        message = self.qos._delivered.get(delivery_tag)  # noqa: SLF001 - as above
        if message is None:
            return None
        self.qos.ack(delivery_tag)
        self._look_for_room()
        return Receipt(message.delivery_info["sqs_queue"], delivery_tag)

    def _backoff(self, message: Any) -> int:
        base = self.options.redelivery_backoff
        if not base:
            return 0
        received = int(message.delivery_info["sqs_message"].get("Attributes", {}).get("ApproximateReceiveCount", 1))
        return int(min(self.options.longest_hold, base * 2 ** min(received - 1, 20)))

    def _held(self) -> dict[Receipt, str]:
        """What is to be kept invisible, with the ids of its tasks; what is done and not yet deleted has none."""
        settled = self.qos._dirty  # noqa: SLF001 - as above
        delivered = list(self.qos._delivered.items())  # noqa: SLF001 - as above
        held = {
            Receipt(message.delivery_info["sqs_queue"], handle): str(message.headers.get("id") or "")
            for handle, message in delivered
            if handle not in settled
        }
        return dict.fromkeys([*self._arriving, *self.settler.pending_deletes()], "") | held

    def close(self) -> None:
        """Settle what is done, give back the rest at once, and leave no queue behind."""
        if not self.closed:
            if self._heartbeat is not None:
                self._heartbeat.stop()
                self._give_back()
            if self._watchdog is not None:
                self._watchdog.cancel()
            if self._lazy_settler is not None:
                self._lazy_settler.close()
            self._leave()
        super().close()

    def _give_back(self) -> None:
        done = set(self.settler.pending_deletes())
        for receipt in self._held():
            if receipt not in done:
                # Not to a last poll of our own, which SQS goes on with although we are gone.
                self.settler.release(receipt, self._left_of_poll(receipt.queue_url))

"""Settling what was received, off the worker's event loop and ten messages a request.

Three ends: *deleted* (the work is done), *released* (visible to others, now or after a backoff) and
*buried* (poison: a copy with the reason goes to the dead-letter queue, then the original is deleted).
Until SQS has answered, nothing counts as settled: a worker that dies before runs the message again.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger(__name__)

ENTRIES_PER_CALL = 10
LONGEST_PAUSE_SECONDS = 5.0
"""Between attempts while SQS does not answer."""


class Receipt(NamedTuple):
    """Where a message was received, and what SQS gave to settle it with."""

    queue_url: str
    handle: str


class Settler:
    """Gathers what is to be settled; a thread sends it when ten are gathered or ``interval`` seconds are over.

    ``bury`` is called on that thread for each poisonous message; it raises what boto3 raises.
    """

    def __init__(self, sqs: Any, interval: float) -> None:
        self._sqs = sqs
        self._interval = interval
        self._deletes: dict[Receipt, float] = {}
        """And when each came, the earliest first."""
        self._releases: dict[Receipt, int] = {}
        self._burials: list[tuple[Receipt, Callable[[], None]]] = []
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._closed = False
        self._in_trouble = False
        self._thread: threading.Thread | None = None

    def delete(self, receipt: Receipt) -> None:
        """The work is done."""
        with self._changed:
            self._deletes.setdefault(receipt, monotonic())
            self._wake(urgent=len(self._deletes) >= ENTRIES_PER_CALL)

    def release(self, receipt: Receipt, after: int = 0) -> None:
        """Others may receive it, ``after`` seconds from now."""
        with self._changed:
            self._releases[receipt] = after
            self._wake(urgent=True)

    def bury(self, receipt: Receipt, copy: Callable[[], None]) -> None:
        """It is poison: ``copy`` puts it into the dead-letter queue, then it is deleted; released if that fails."""
        with self._changed:
            self._burials.append((receipt, copy))
            self._wake(urgent=True)

    def pending_deletes(self) -> list[Receipt]:
        """What is done and not yet deleted: still ours to keep invisible."""
        with self._changed:
            return list(self._deletes)

    def close(self) -> None:
        """Send what is left, once; what SQS does not take is handed out again."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self.flush()
        if left := len(self._deletes):
            log.error("%d finished messages could not be deleted: SQS will hand them out again", left)

    def _wake(self, *, urgent: bool) -> None:
        # Called under the lock.
        if self._closed:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sqs-settler", daemon=True)
            self._thread.start()
        if urgent or len(self._deletes) == 1:
            self._changed.notify()

    def _run(self) -> None:
        pause = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(self._anything)
                self._changed.wait_for(lambda: self._closed or self._urgent(), self._time_left())
                if self._closed:
                    return
                overdue = self._time_left() <= 0
            try:
                # A call that is not full waits for others, as long as it may.
                answered = self.flush(full_calls_only=not overdue)
            except Exception:
                log.exception("settling failed; trying again")
                answered = False
            if answered:
                pause = 0.0
                continue
            pause = min(LONGEST_PAUSE_SECONDS, pause + self._interval)
            with self._changed:
                self._changed.wait_for(lambda: self._closed, pause)

    def _anything(self) -> bool:
        return bool(self._closed or self._deletes or self._releases or self._burials)

    def _urgent(self) -> bool:
        if self._releases or self._burials:
            return True
        queues = Counter(receipt.queue_url for receipt in self._deletes)
        return max(queues.values(), default=0) >= ENTRIES_PER_CALL

    def _time_left(self) -> float:
        """Until the earliest delete must be sent, in however small a call."""
        earliest = next(iter(self._deletes.values()), monotonic())
        return max(0.0, earliest + self._interval - monotonic())

    def flush(self, *, full_calls_only: bool = False) -> bool:
        """Send what waits now, of deletes all or the full calls alone; returns whether SQS answered."""
        with self._sending:
            with self._changed:
                burials, self._burials = self._burials, []
                releases, self._releases = self._releases, {}
            self._bury(burials)
            self._release(releases)
            return self._delete(self.pending_deletes(), at_least=ENTRIES_PER_CALL if full_calls_only else 1)

    def _bury(self, burials: list[tuple[Receipt, Callable[[], None]]]) -> None:
        for receipt, copy in burials:
            try:
                copy()
            except Exception as error:  # noqa: BLE001 - whatever is wrong with poison, it harms no other message
                log.warning("a poisonous message becomes a dead letter by redrive, without its reason: %s", error)
                self._release({receipt: 0})
            else:
                with self._changed:
                    self._deletes.setdefault(receipt, monotonic())

    def _release(self, releases: dict[Receipt, int]) -> None:
        for queue_url, receipts in _calls(list(releases)):
            entries = [
                {"Id": str(position), "ReceiptHandle": receipt.handle, "VisibilityTimeout": releases[receipt]}
                for position, receipt in enumerate(receipts)
            ]
            try:
                answer = self._sqs.change_message_visibility_batch(QueueUrl=queue_url, Entries=entries)
            except (ClientError, BotoCoreError) as error:
                log.warning("%d messages become visible only after their timeout: %s", len(receipts), error)
                continue
            for failed in answer.get("Failed", []):
                log.info("a message of %s was not released: %s", queue_url, failed.get("Message", failed["Code"]))

    def _delete(self, deletes: list[Receipt], at_least: int) -> bool:
        answered = True
        for queue_url, receipts in _calls(deletes):
            if len(receipts) < at_least:
                continue
            entries = [
                {"Id": str(position), "ReceiptHandle": receipt.handle} for position, receipt in enumerate(receipts)
            ]
            try:
                answer = self._sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)
            except (ClientError, BotoCoreError) as error:
                self._note(queue_url, error)
                answered = False
                continue
            kept = {
                receipts[int(failed["Id"])]
                for failed in answer.get("Failed", [])
                if self._worth_another_try(queue_url, failed)
            }
            with self._changed:
                for receipt in receipts:
                    if receipt not in kept:
                        self._deletes.pop(receipt, None)
            answered = answered and not kept
        if answered and deletes and self._in_trouble:
            self._in_trouble = False
            log.warning("finished messages are deleted again")
        return answered

    def _worth_another_try(self, queue_url: str, failed: dict[str, Any]) -> bool:
        if failed.get("SenderFault"):
            log.warning(
                "a finished message of %s was not deleted, and SQS will hand it out again: %s",
                queue_url,
                failed.get("Message", failed["Code"]),
            )
            return False
        return True

    def _note(self, queue_url: str, error: Exception) -> None:
        if not self._in_trouble:
            self._in_trouble = True
            log.warning("finished messages of %s are not deleted: %s; trying again", queue_url, error)


def _calls(receipts: list[Receipt]) -> list[tuple[str, list[Receipt]]]:
    queues: dict[str, list[Receipt]] = {}
    for receipt in receipts:
        queues.setdefault(receipt.queue_url, []).append(receipt)
    return [
        (queue_url, together[start : start + ENTRIES_PER_CALL])
        for queue_url, together in queues.items()
        for start in range(0, len(together), ENTRIES_PER_CALL)
    ]

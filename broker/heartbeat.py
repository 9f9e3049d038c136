"""The visibility heartbeat: what is received and not yet settled stays invisible to other workers.

A task may then run longer than the visibility timeout, and a worker that dies gives its messages
back within one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from broker.settling import ENTRIES_PER_CALL, Receipt

log = logging.getLogger(__name__)


class VisibilityHeartbeat:
    """Extends, at a third of the visibility timeout, each message of ``held()``, from a thread of its own.

    ``held`` maps each receipt to the id of its task, or to nothing once that is done. ``lost`` is told the
    receipt handle of a message that SQS will not keep for us any longer: the handle is no good any more, or
    ``longest_hold`` seconds are over.
    """

    def __init__(
        self,
        sqs: Any,
        visibility_timeout: int,
        held: Callable[[], Mapping[Receipt, str]],
        *,
        longest_hold: float,
        lost: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sqs = sqs
        self._visibility_timeout = visibility_timeout
        self._held = held
        self._longest_hold = longest_hold
        self._tell = lost
        self._clock = clock
        self._lost: set[Receipt] = set()
        self._since: dict[Receipt, float] = {}
        self._in_trouble = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqs-visibility-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to extend."""
        self._thread.start()

    def stop(self) -> None:
        """Extend no more; what is unsettled becomes visible when its timeout ends, or when it is released.

        Returns once nothing more is under way: an extension that came after a release would undo it.
        """
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        every = pause = self._visibility_timeout / 3
        while not self._ended.wait(pause):
            began = self._clock()
            try:
                self.beat()
            except Exception:
                log.exception("visibility heartbeat failed; trying again in %.0f s", every)
            # What a beat takes, of a slow SQS or on a busy machine, does not put off the next; nor are they one stream.
            pause = max(every / 4, every - (self._clock() - began))

    def beat(self) -> None:
        """Extend everything once, but for what is known to be lost."""
        held, now = self._held(), self._clock()
        self._lost.intersection_update(held)
        # A message is first seen here up to a beat after its receipt; the cap allows for that.
        self._since = {receipt: self._since.get(receipt, now - self._visibility_timeout / 3) for receipt in held}
        queues: dict[str, list[Receipt]] = {}
        for receipt, task_id in held.items():
            if receipt in self._lost:
                continue
            if now - self._since[receipt] + self._visibility_timeout > self._longest_hold:
                self._lose(receipt, task_id, f"it was held for {self._longest_hold:.0f} s, the longest allowed")
                continue
            queues.setdefault(receipt.queue_url, []).append(receipt)
        for queue_url, receipts in queues.items():
            for start in range(0, len(receipts), ENTRIES_PER_CALL):
                if self._ended.is_set():
                    return
                self._extend(queue_url, receipts[start : start + ENTRIES_PER_CALL])

    def _extend(self, queue_url: str, receipts: list[Receipt]) -> None:
        entries = [
            {"Id": str(position), "ReceiptHandle": receipt.handle, "VisibilityTimeout": self._visibility_timeout}
            for position, receipt in enumerate(receipts)
        ]
        try:
            answer = self._sqs.change_message_visibility_batch(QueueUrl=queue_url, Entries=entries)
        except (ClientError, BotoCoreError) as error:
            # Nobody else can receive them either, as long as SQS does not answer: that is no loss yet.
            if not self._in_trouble:
                log.warning("visibility of %d messages of %s not extended: %s", len(receipts), queue_url, error)
            self._in_trouble = True
            return
        self._in_trouble = False
        for failed in answer.get("Failed", []):
            self._note(receipts[int(failed["Id"])], failed)

    def _note(self, receipt: Receipt, failed: dict[str, Any]) -> None:
        task_id = self._held().get(receipt)
        if task_id is None:
            return  # settled meanwhile
        reason = failed.get("Message", failed["Code"])
        if failed.get("SenderFault"):
            self._lose(receipt, task_id, reason)
        else:
            log.warning("visibility of a message of %s not extended: %s", receipt.queue_url, reason)

    def _lose(self, receipt: Receipt, task_id: str, reason: str) -> None:
        self._lost.add(receipt)
        log.warning("the message of task %s is lost to this worker: %s", task_id or "(done)", reason)
        self._tell(receipt.handle)

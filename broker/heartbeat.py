"""The visibility heartbeat: what is received and not yet settled stays invisible to other workers.

A task may then run longer than the visibility timeout, and a worker that dies gives its messages
back within one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger(__name__)

ENTRIES_PER_CALL = 10


class VisibilityHeartbeat:
    """Extends, at a third of the visibility timeout, each message of ``unsettled()``, from a thread of its own."""

    def __init__(self, sqs: Any, visibility_timeout: int, unsettled: Callable[[], Mapping[str, Any]]) -> None:
        self._sqs = sqs
        self._visibility_timeout = visibility_timeout
        self._unsettled = unsettled
        self._lost: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqs-visibility-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to extend."""
        self._thread.start()

    def stop(self) -> None:
        """Extend no more; what is unsettled becomes visible when its timeout ends."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(self._visibility_timeout / 3):
            try:
                self.beat()
            except Exception:
                log.exception("visibility heartbeat failed; trying again in %.0f s", self._visibility_timeout / 3)

    def beat(self) -> None:
        """Extend everything once, but for what is known to be lost."""
        unsettled = self._unsettled()
        self._lost.intersection_update(unsettled)
        queues: dict[str, list[str]] = {}
        for receipt, message in unsettled.items():
            queue_url = message.delivery_info.get("sqs_queue")
            if queue_url and receipt not in self._lost:
                queues.setdefault(queue_url, []).append(receipt)
        for queue_url, receipts in queues.items():
            for start in range(0, len(receipts), ENTRIES_PER_CALL):
                self._extend(queue_url, receipts[start : start + ENTRIES_PER_CALL])

    def _extend(self, queue_url: str, receipts: list[str]) -> None:
        entries = [
            {"Id": str(position), "ReceiptHandle": receipt, "VisibilityTimeout": self._visibility_timeout}
            for position, receipt in enumerate(receipts)
        ]
        try:
            answer = self._sqs.change_message_visibility_batch(QueueUrl=queue_url, Entries=entries)
        except (ClientError, BotoCoreError) as error:
            log.warning("visibility of %d messages of %s not extended: %s", len(receipts), queue_url, error)
            return
        for failed in answer.get("Failed", []):
            self._note(queue_url, receipts[int(failed["Id"])], failed)

    def _note(self, queue_url: str, receipt: str, failed: dict[str, Any]) -> None:
        if receipt not in self._unsettled():
            return  # settled meanwhile
        reason = failed.get("Message", failed["Code"])
        if failed.get("SenderFault"):
            self._lost.add(receipt)
            log.warning("a message of %s is lost to this worker: %s", queue_url, reason)
        else:
            log.warning("visibility of a message of %s not extended: %s", queue_url, reason)

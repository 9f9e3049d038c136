"""Publishing in batches: ten entries a call, each failure told apart."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from kombu.exceptions import KombuError
from kombu.transport import SQS

ENTRIES_PER_CALL = 10
BYTES_PER_CALL = 1024 * 1024
"""The limits of SendMessageBatch (Amazon SQS message quotas)."""


class BatchPublishFailed(KombuError):
    """Some messages of a batch were not sent; the others were.

    ``reasons`` maps the task id of each message that was not sent to what SQS or the network said.
    """

    def __init__(self, reasons: dict[str, str]) -> None:
        first = next(iter(reasons.values()))
        super().__init__(f"{len(reasons)} messages were not sent: {first}")
        self.reasons = reasons


class PublishBatch:
    """Collects what one producer publishes and sends it ten at a time; kombu drives it (``Producer.batch``)."""

    def __init__(self, channel: SQS.Channel, max_size: int) -> None:
        self.channel = channel
        self._max_size = max_size
        self._waiting: list[tuple[str, str, dict[str, Any]]] = []

    def publish(self, message: dict[str, Any], **kwargs: Any) -> Any:
        """Take one prepared message; sent with others at the next flush."""
        result = self.channel.basic_publish(message, _publish_batch=self, **kwargs)
        if len(self._waiting) >= self._max_size:
            self.flush()
        return result

    def add(self, queue_url: str, task_id: str, entry: dict[str, Any]) -> None:
        """The channel's answer to :meth:`publish`: where the message goes, and as what."""
        self._waiting.append((queue_url, task_id, entry))

    def flush(self) -> None:
        """Send what waits.

        Raises:
            BatchPublishFailed: some were not sent, after one more try each; names them.
        """
        waiting, self._waiting = self._waiting, []
        reasons: dict[str, str] = {}
        for queue_url, group in groupby(sorted(waiting, key=lambda item: item[0]), key=lambda item: item[0]):
            for call in _calls([(task_id, entry) for _, task_id, entry in group]):
                reasons |= self._send(queue_url, call)
        if reasons:
            raise BatchPublishFailed(reasons)

    def discard(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def close(self) -> None:
        """Nothing is held open."""

    def _send(self, queue_url: str, call: list[tuple[str, dict[str, Any]]]) -> dict[str, str]:
        entries = [{"Id": str(position), **entry} for position, (_, entry) in enumerate(call)]
        try:
            answer = self.channel.sqs().send_message_batch(QueueUrl=queue_url, Entries=entries)
        except (ClientError, BotoCoreError) as error:
            return dict.fromkeys((task_id for task_id, _ in call), str(error))
        reasons = {}
        for failed in answer.get("Failed", []):
            task_id, entry = call[int(failed["Id"])]
            reason = f"{failed['Code']}: {failed.get('Message', '')}"
            if failed.get("SenderFault") or not self._sent_alone(queue_url, entry):
                reasons[task_id] = reason
        return reasons

    def _sent_alone(self, queue_url: str, entry: dict[str, Any]) -> bool:
        try:
            self.channel.sqs().send_message(QueueUrl=queue_url, **entry)
        except (ClientError, BotoCoreError):
            return False
        return True


def _calls(entries: list[tuple[str, dict[str, Any]]]) -> list[list[tuple[str, dict[str, Any]]]]:
    calls: list[list[tuple[str, dict[str, Any]]]] = []
    size = 0
    for task_id, entry in entries:
        length = len(entry["MessageBody"].encode())
        if not calls or len(calls[-1]) == ENTRIES_PER_CALL or size + length > BYTES_PER_CALL:
            calls.append([])
            size = 0
        calls[-1].append((task_id, entry))
        size += length
    return calls

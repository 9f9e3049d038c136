"""Publishing in batches: ten entries a call, several calls at once, each failure told apart."""

from __future__ import annotations

from concurrent.futures import Executor
from itertools import groupby
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from broker.errors import BatchPublishFailed

ENTRIES_PER_CALL = 10
BYTES_PER_CALL = 1024 * 1024
"""The limits of SendMessageBatch (Amazon SQS message quotas)."""

TOO_LONG = ("AWS.SimpleQueueService.BatchRequestTooLong", "BatchRequestTooLong")
"""What SQS answers a call beyond the limit, in its query and its JSON protocol."""


class Outgoing(NamedTuple):
    """One message on its way: the task id is how a failure names it."""

    task_id: str
    entry: dict[str, Any]


Calls = list[tuple[str, list[Outgoing]]]
"""The queue's URL and the messages of each call."""


class PublishBatch:
    """Collects what one producer publishes and sends it ten at a time; kombu drives it (``Producer.batch``)."""

    def __init__(self, channel: Any, max_size: int, threads: Executor) -> None:
        self.channel = channel
        self._max_size = max_size
        self._threads = threads
        self._waiting: list[tuple[str, Outgoing]] = []
        self._unreachable = ""

    def publish(self, message: dict[str, Any], **kwargs: Any) -> Any:
        """Take one prepared message; sent with others at the next flush."""
        result = self.channel.basic_publish(message, _publish_batch=self, **kwargs)
        if len(self._waiting) >= self._max_size:
            self.flush()
        return result

    def add(self, queue_url: str, task_id: str, entry: dict[str, Any]) -> None:
        """The channel's answer to :meth:`publish`: where the message goes, and as what."""
        self._waiting.append((queue_url, Outgoing(task_id, entry)))

    def flush(self) -> None:
        """Send what waits.

        Raises:
            BatchPublishFailed: some were not sent; names them.
        """
        waiting, self._waiting = self._waiting, []
        self._unreachable = ""
        in_order: Calls = []
        at_once: Calls = []
        for queue_url, group in groupby(sorted(waiting, key=lambda item: item[0]), key=lambda item: item[0]):
            # A FIFO queue keeps the order in which calls arrive, so its calls wait for each other.
            calls = in_order if queue_url.endswith(".fifo") else at_once
            calls += [(queue_url, call) for call in _calls([message for _, message in group])]
        reasons: dict[str, str] = {}
        for failed in (*map(self._send, in_order), *self._at_once(at_once)):
            reasons |= failed
        if reasons:
            raise BatchPublishFailed(reasons)

    def discard(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def close(self) -> None:
        """Nothing is held open."""

    def _at_once(self, calls: Calls) -> list[dict[str, str]]:
        if not calls:
            return []
        if len(calls) == 1:  # no thread for what a publisher sends most
            return [self._send(calls[0])]
        self.channel.sqs()  # kombu makes a client at its first use, and four threads at once would make four
        return list(self._threads.map(self._send, calls))

    def _send(self, addressed: tuple[str, list[Outgoing]]) -> dict[str, str]:
        queue_url, call = addressed
        if self._unreachable:  # each further call would wait as long as the first did
            return _all(call, self._unreachable)
        entries = [{"Id": str(position), **message.entry} for position, message in enumerate(call)]
        try:
            answer = self.channel.sqs().send_message_batch(QueueUrl=queue_url, Entries=entries)
        except ClientError as error:
            if len(call) > 1 and error.response["Error"].get("Code") in TOO_LONG:
                half = len(call) // 2
                return self._send((queue_url, call[:half])) | self._send((queue_url, call[half:]))
            return _all(call, str(error))
        except BotoCoreError as error:
            self._unreachable = str(error)
            return _all(call, str(error))
        return self._again(queue_url, [(call[int(failed["Id"])], failed) for failed in answer.get("Failed", [])])

    def _again(self, queue_url: str, failures: list[tuple[Outgoing, dict[str, Any]]]) -> dict[str, str]:
        reasons = {}
        for message, failed in failures:
            if failed.get("SenderFault"):
                reasons[message.task_id] = f"{failed['Code']}: {failed.get('Message', '')}"
                continue
            try:
                self.channel.sqs().send_message(QueueUrl=queue_url, **message.entry)
            except (ClientError, BotoCoreError) as error:
                reasons[message.task_id] = str(error)
        return reasons


def _all(call: list[Outgoing], reason: str) -> dict[str, str]:
    return dict.fromkeys((message.task_id for message in call), reason)


def _calls(messages: list[Outgoing]) -> list[list[Outgoing]]:
    calls: list[list[Outgoing]] = []
    filled = 0
    for message in messages:
        length = entry_bytes(message.entry)
        if not calls or len(calls[-1]) == ENTRIES_PER_CALL or filled + length > BYTES_PER_CALL:
            calls.append([])
            filled = 0
        calls[-1].append(message)
        filled += length
    return calls


def entry_bytes(entry: dict[str, Any]) -> int:
    """What SQS counts of an entry: its body, and its attributes with their names and types."""
    counted = len(entry["MessageBody"].encode())
    for name, attribute in entry.get("MessageAttributes", {}).items():
        value = attribute.get("StringValue") or attribute.get("BinaryValue") or ""
        counted += len(name) + len(attribute["DataType"]) + len(value.encode() if isinstance(value, str) else value)
    return counted

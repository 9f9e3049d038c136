"""Publishing in batches: ten entries a call, several calls at once, each failure told apart."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
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


@dataclass
class _Call:
    """One SendMessageBatch, as it is filled."""

    queue_url: str
    messages: list[Outgoing] = field(default_factory=list)
    bytes: int = 0

    def has_room(self, length: int) -> bool:
        return len(self.messages) < ENTRIES_PER_CALL and self.bytes + length <= BYTES_PER_CALL


Reasons = dict[str, str]
"""Why messages were not sent, by their task ids."""


class PublishBatch:
    """Collects what one producer publishes and sends it ten at a time; kombu drives it (``Producer.batch``).

    A call that is full leaves at once, on a thread, while the next is being filled: what SQS takes to answer
    and what it takes to make a message go on side by side.
    """

    def __init__(self, channel: Any, max_size: int, threads: int) -> None:
        self.channel = channel
        self._max_size = max_size
        self._open: dict[str, _Call] = {}
        """The call that is being filled, by its queue's URL."""
        self._closed: list[_Call] = []
        """What waits for the flush: the calls of a FIFO queue, in their order."""
        self._under_way: list[Future[Reasons]] = []
        self._size = 0
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._unreachable = ""

    def publish(self, message: dict[str, Any], **kwargs: Any) -> Any:
        """Take one prepared message; sent with others, at the latest by the next flush."""
        result = self.channel.basic_publish(message, _publish_batch=self, **kwargs)
        if self._size >= self._max_size:
            self.flush()
        return result

    def add(self, queue_url: str, task_id: str, entry: dict[str, Any]) -> None:
        """The channel's answer to :meth:`publish`: where the message goes, and as what."""
        self._size += 1
        length = entry_bytes(entry)
        call = self._open.get(queue_url)
        if call is not None and not call.has_room(length):
            self._close(call)
            call = None
        if call is None:
            call = self._open[queue_url] = _Call(queue_url)
        call.messages.append(Outgoing(task_id, entry))
        call.bytes += length

    def flush(self) -> None:
        """Send what waits, and wait for what is under way.

        Raises:
            BatchPublishFailed: some were not sent; names them.
        """
        if len(self._open) == 1 and not self._under_way:  # no thread for what a publisher sends most
            self._closed.append(self._open.popitem()[1])
        for call in list(self._open.values()):
            self._close(call)
        reasons: Reasons = {}
        try:
            for call in self._closed:
                reasons |= self._send(call)
            for sent in self._under_way:
                reasons |= sent.result()
        finally:
            self._forget()
        if reasons:
            raise BatchPublishFailed(reasons)

    def discard(self) -> None:
        """Forget what waits; what is under way arrives."""
        for sent in self._under_way:
            sent.cancel()
        self._forget()

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _close(self, call: _Call) -> None:
        del self._open[call.queue_url]
        if call.queue_url.endswith(".fifo"):  # it keeps the order in which calls arrive, so they wait for each other
            self._closed.append(call)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, "sqs-publish")
        self._under_way.append(self._pool.submit(self._send, call))

    def _forget(self) -> None:
        self._open.clear()
        self._closed.clear()
        self._under_way.clear()
        self._size = 0
        self._unreachable = ""

    def _send(self, call: _Call) -> Reasons:
        return self._send_messages(call.queue_url, call.messages)

    def _send_messages(self, queue_url: str, messages: list[Outgoing]) -> Reasons:
        if self._unreachable:  # each further call would wait as long as the first did
            return _all(messages, self._unreachable)
        entries = [{"Id": str(position), **message.entry} for position, message in enumerate(messages)]
        try:
            answer = self.channel.sqs().send_message_batch(QueueUrl=queue_url, Entries=entries)
        except ClientError as error:
            if len(messages) > 1 and error.response["Error"].get("Code") in TOO_LONG:
                half = len(messages) // 2
                return self._send_messages(queue_url, messages[:half]) | self._send_messages(queue_url, messages[half:])
            return _all(messages, str(error))
        except BotoCoreError as error:
            self._unreachable = str(error)
            return _all(messages, str(error))
        return self._again(queue_url, [(messages[int(failed["Id"])], failed) for failed in answer.get("Failed", [])])

    def _again(self, queue_url: str, failures: list[tuple[Outgoing, dict[str, Any]]]) -> Reasons:
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


def _all(messages: list[Outgoing], reason: str) -> Reasons:
    return dict.fromkeys((message.task_id for message in messages), reason)


def entry_bytes(entry: dict[str, Any]) -> int:
    """What SQS counts of an entry: its body, and its attributes with their names and types."""
    counted = len(entry["MessageBody"].encode())
    for name, attribute in entry.get("MessageAttributes", {}).items():
        value = attribute.get("StringValue") or attribute.get("BinaryValue") or ""
        counted += len(name) + len(attribute["DataType"]) + len(value.encode() if isinstance(value, str) else value)
    return counted

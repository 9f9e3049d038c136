"""Receiving dead letters and holding them: nobody else has them meanwhile, and all come back.

SQS shows a message only to who receives it, which hides it from others for a while. So a look takes all, keeps
them hidden while it lasts (a thread renews the hold) and gives them back at its end. Whoever is killed gives back
nothing, and SQS does it: :data:`HOLD_SECONDS` later.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import click

from broker.dead_letters import redrive_of
from operations.dead_letters.asking import asking
from podcasting.errors import AirdateError, Permanent, Retryable

log = logging.getLogger(__name__)

HOLD_SECONDS = 120
"""How long a message stays hidden from its receipt or renewal on."""
MARGIN_SECONDS = 15
"""A hold that cannot be renewed and ends sooner counts as lost: a request may take so long."""
ENTRIES_PER_CALL = 10
LONGEST_POLL_SECONDS = 1
"""A long poll, however short, asks all of SQS's servers, where a short poll asks some (Amazon SQS, "Short and long
polling")."""
LONGEST_HOLD = "Total VisibilityTimeout"
"""SQS's refusal to hide a message for longer than twelve hours; moto counts them from when it was sent."""
OVER_LIMIT = "OverLimit"
"""SQS's refusal to have more than 120,000 messages of a queue in flight (Amazon SQS message quotas)."""

Message = dict[str, Any]


@dataclass(frozen=True)
class DeadLetterQueue:
    """Where the dead letters of a queue are."""

    name: str
    """The queue's, as Celery knows it."""
    source_url: str
    url: str

    @property
    def sqs_name(self) -> str:
        """The dead-letter queue's own name."""
        return self.url.rpartition("/")[2]


def dead_letter_queue_of(sqs: Any, name: str, source_url: str) -> DeadLetterQueue | None:
    """A queue's dead-letter queue, or None when it has no redrive policy.

    Raises:
        Permanent, Retryable: as :func:`operations.dead_letters.asking.asking`; and when the dead-letter queue
            itself redrives elsewhere, for then looking at its messages would move them.
    """
    with asking("GetQueueAttributes", source_url.rpartition("/")[2]):
        redrive = redrive_of(sqs, source_url)
    if redrive is None:
        return None
    found = DeadLetterQueue(name, source_url, redrive.dead_letter_url)
    with asking("GetQueueAttributes", found.sqs_name):
        further = redrive_of(sqs, found.url)
    if further is not None:
        raise Permanent(
            f"{found.sqs_name} redrives to {further.dead_letter_url} after {further.max_receive_count} receives, so "
            "looking at its messages would move them; take that redrive policy away first"
        )
    return found


class Hold:
    """The messages of one dead-letter queue, while the block lasts. Safe to be used by one thread."""

    def __init__(
        self,
        sqs: Any,
        queue: DeadLetterQueue,
        *,
        seconds: int | None = None,
        poll_seconds: int = LONGEST_POLL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.queue = queue
        self.seconds = HOLD_SECONDS if seconds is None else seconds
        self._sqs = sqs
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._lock = threading.Lock()
        # A renewal under way while a message is given back would hide it again, for nobody.
        self._changing = threading.Lock()
        self._receipts: dict[str, str] = {}
        self._until: dict[str, float] = {}
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"hold-{queue.name}", daemon=True)

    def __enter__(self) -> Hold:
        self._keeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._keeper.join()
        self.release(list(self._receipts))

    def read(self) -> Iterator[Message]:
        """Receive and hold every message that nobody else has.

        Raises:
            Permanent, Retryable: as :func:`operations.dead_letters.asking.asking`.
        """
        while True:
            began = self._clock()
            try:
                answer = self._receive()
            except Retryable as error:
                if OVER_LIMIT not in str(error):
                    raise
                click.echo(f"{self.queue.name} has more than SQS hands out at once, so this is not all", err=True)
                return
            fresh = []
            for message in answer.get("Messages", []):
                with self._lock:
                    if message["MessageId"] not in self._receipts:
                        fresh.append(message)
                    # SQS may hand out one twice; its newest receipt is the one that counts.
                    self._receipts[message["MessageId"]] = message["ReceiptHandle"]
                    self._until[message["MessageId"]] = began + self.seconds
            yield from fresh
            if not fresh:
                return

    def _receive(self) -> Message:
        with asking("ReceiveMessage", self.queue.sqs_name):
            answer: Message = self._sqs.receive_message(
                QueueUrl=self.queue.url,
                MaxNumberOfMessages=ENTRIES_PER_CALL,
                VisibilityTimeout=self.seconds,
                WaitTimeSeconds=self._poll_seconds,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
        return answer

    def held_by_others(self) -> int:
        """How many more messages there are, that somebody else has received.

        Raises:
            Permanent, Retryable: as :func:`operations.dead_letters.asking.asking`.
        """
        with asking("GetQueueAttributes", self.queue.sqs_name):
            answer = self._sqs.get_queue_attributes(
                QueueUrl=self.queue.url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
            )
        with self._lock:
            return max(0, int(answer["Attributes"]["ApproximateNumberOfMessagesNotVisible"]) - len(self._receipts))

    def confirm(self, ids: Sequence[str]) -> list[str]:
        """Which of these are still ours, for another :attr:`seconds` from now.

        What another person, the console or a purge took away meanwhile is not, nor what a sleeping laptop let go.

        Raises:
            Permanent, Retryable: as :func:`operations.dead_letters.asking.asking`.
        """
        return self._renew(self._ours(ids))

    def delete(self, ids: Sequence[str]) -> dict[str, str]:
        """Delete these; gives the reason for each that was not deleted. They are held no longer.

        Raises:
            Permanent, Retryable: as :func:`operations.dead_letters.asking.asking`; what was not deleted stays held.
        """
        with self._lock:
            receipts = {each: self._receipts[each] for each in ids if each in self._receipts}
        reasons = {each: "somebody else has it in hand" for each in ids if each not in receipts}
        for batch in _batches(list(receipts)):
            entries = [{"Id": str(position), "ReceiptHandle": receipts[each]} for position, each in enumerate(batch)]
            with asking("DeleteMessage", self.queue.sqs_name):
                answer = self._sqs.delete_message_batch(QueueUrl=self.queue.url, Entries=entries)
            reasons |= {
                batch[int(failed["Id"])]: f"{failed['Code']}: {failed.get('Message', '')}"
                for failed in answer.get("Failed", [])
            }
            self._forget(each for each in batch if each not in reasons)
        return reasons

    def release(self, ids: Sequence[str]) -> None:
        """Let others have these at once. What cannot be given back comes back by itself, and that is said."""
        with self._changing:
            ours = self._ours(ids)
            self._forget(each for each in ids if each not in ours)
            for batch in _batches(ours):
                entries = self._entries(batch, 0)
                self._forget(batch)
                try:
                    failures = self._change(entries)
                except AirdateError as error:
                    click.echo(f"not all were given back; they come back within {self.seconds} s: {error}", err=True)
                    self._forget(ours)
                    return
                for failed in failures:
                    log.info("not given back: %s: %s", batch[int(failed["Id"])], failed.get("Code"))

    def _ours(self, ids: Sequence[str]) -> list[str]:
        now = self._clock()
        with self._lock:
            # Another may have received it since; to change its visibility would change theirs.
            return [each for each in ids if self._until.get(each, 0) > now]

    def _renew(self, ids: Sequence[str]) -> list[str]:
        with self._changing:
            return [each for batch in _batches(ids) for each in self._renewed(batch)]

    def _renewed(self, ids: list[str]) -> Iterator[str]:
        with self._lock:
            batch = [each for each in ids if each in self._receipts]
        if not batch:
            return
        began, entries = self._clock(), self._entries(batch, self.seconds)
        failures = {batch[int(failed["Id"])]: failed for failed in self._change(entries)}
        for each in batch:
            if each not in failures:
                with self._lock:
                    if each in self._until:
                        self._until[each] = began + self.seconds
                yield each
            elif LONGEST_HOLD in str(failures[each].get("Message")):
                if self._until.get(each, 0) > began + MARGIN_SECONDS:  # ours, for as long as it is
                    yield each
            else:
                log.info("no longer ours: %s: %s", each, failures[each].get("Code"))
                self._forget([each])

    def _change(self, entries: list[Message]) -> list[Message]:
        """Change the visibility of these; gives the failures."""
        try:
            with asking("ChangeMessageVisibility", self.queue.sqs_name):
                answer = self._sqs.change_message_visibility_batch(QueueUrl=self.queue.url, Entries=entries)
        except Retryable as error:
            if LONGEST_HOLD not in str(error):
                raise
            # moto fails the whole call for one of them.
            if len(entries) == 1:
                return [{"Id": entries[0]["Id"], "Code": "InvalidParameterValue", "Message": str(error)}]
            return [failure for entry in entries for failure in self._change([entry])]
        failures: list[Message] = answer.get("Failed", [])
        return failures

    def _entries(self, batch: Sequence[str], seconds: int) -> list[Message]:
        with self._lock:
            return [
                {"Id": str(position), "ReceiptHandle": self._receipts[each], "VisibilityTimeout": seconds}
                for position, each in enumerate(batch)
            ]

    def _forget(self, ids: Iterable[str]) -> None:
        with self._lock:
            for each in list(ids):
                self._receipts.pop(each, None)
                self._until.pop(each, None)

    def _keep(self) -> None:
        while not self._ended.wait(self.seconds / 3):
            for batch in _batches(self._ours(list(self._receipts))):
                if self._ended.is_set():
                    return
                # What cannot be renewed now may be at the next turn; what ran out is not ours, and is told then.
                with suppress(AirdateError, KeyError):
                    self._renew(batch)


class Holds:
    """The holds of several queues, by the queue's name."""

    def __init__(self, holds: Sequence[Hold]) -> None:
        self._holds = {hold.queue.name: hold for hold in holds}

    def of(self, queue: str) -> Hold:
        """The hold of this queue."""
        return self._holds[queue]

    def __iter__(self) -> Iterator[Hold]:
        return iter(self._holds.values())


@contextmanager
def holding(sqs: Any, queues: Sequence[DeadLetterQueue], *, poll_seconds: int) -> Iterator[Holds]:
    """Hold what is read from these queues within; all comes back at the end, however that comes."""
    with ExitStack() as stack:
        yield Holds([stack.enter_context(Hold(sqs, queue, poll_seconds=poll_seconds)) for queue in queues])


def _batches(ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), ENTRIES_PER_CALL):
        yield list(ids[start : start + ENTRIES_PER_CALL])

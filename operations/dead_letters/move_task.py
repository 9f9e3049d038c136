"""SQS's own way to move dead letters back: a task of the server, where it has one and nothing needs a look.

It moves whatever the dead-letter queue holds, as it is, so it serves only when all of that is to go back
unchanged. An emulator has no such task, and one's permissions may not reach so far: then ours is the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from operations.dead_letters.asking import asking
from operations.dead_letters.reading import DeadLetterQueue
from podcasting.errors import Retryable

POLL_SECONDS = 1.0
HIGHEST_RATE = 500
"""Messages a second, and a whole number of them (Amazon SQS API reference, StartMessageMoveTask)."""
ENDED = ("COMPLETED", "CANCELLED", "FAILED")


class NoMoveTask(Exception):
    """The server has no move tasks, or does not let us start one; says why."""


@dataclass(frozen=True)
class Moved:
    """How a move task ended."""

    status: str
    moved: int
    failure: str = ""


def takes_rate(rate: float | None) -> bool:
    """Whether a move task can keep to this rate."""
    return rate is None or (rate == int(rate) and 1 <= rate <= HIGHEST_RATE)


class MoveTask:
    """The move of one dead-letter queue's messages to their source."""

    def __init__(self, sqs: Any, queue: DeadLetterQueue, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sqs = sqs
        self._queue = queue
        self._sleep = sleep
        self._before: Any = None
        self._source = self._arn(queue.url)
        self._destination = self._arn(queue.source_url)

    def prove(self) -> None:
        """Ask, without changing anything, whether the server has move tasks.

        Raises:
            NoMoveTask: it has none, or we may not ask.
            Retryable: one is running for this queue, or SQS does not answer.
        """
        newest = self._newest()
        # Until SQS lists the task that we start, the newest is this one.
        self._before = newest.get("StartedTimestamp")
        if newest.get("Status") in {"RUNNING", "CANCELLING"}:
            raise Retryable(f"a move task is running for {self._queue.sqs_name} already; wait until it is done")

    def run(self, rate: float | None, progress: Callable[[int], None]) -> Moved:
        """Start, and wait until it ends; ``progress`` is told how many were moved. Ctrl-C cancels it.

        Raises:
            NoMoveTask: it cannot be started; nothing was moved.
            Retryable: SQS does not answer; the task goes on by itself.
        """
        arguments: dict[str, Any] = {"SourceArn": self._source, "DestinationArn": self._destination}
        if rate is not None:
            arguments["MaxNumberOfMessagesPerSecond"] = int(rate)
        try:
            handle = self._sqs.start_message_move_task(**arguments)["TaskHandle"]
        except ClientError as error:
            raise NoMoveTask(str(error)) from error
        except BotoCoreError as error:
            raise Retryable(f"SQS does not answer (StartMessageMoveTask): {error}; look again with `list`") from error
        try:
            return self._watch(progress)
        except KeyboardInterrupt:
            with asking("CancelMessageMoveTask", self._queue.sqs_name):
                answer = self._sqs.cancel_message_move_task(TaskHandle=handle)
            moved = answer["ApproximateNumberOfMessagesMoved"]
            click.echo(f"SQS's move task for {self._queue.sqs_name} is cancelled; it had moved about {moved}", err=True)
            raise

    def _watch(self, progress: Callable[[int], None]) -> Moved:
        while True:
            try:
                task = self._newest()
            except NoMoveTask as error:
                raise Retryable(f"SQS no longer tells of its move task, which goes on by itself: {error}") from error
            if task.get("StartedTimestamp") == self._before:
                task = {}
            moved = int(task.get("ApproximateNumberOfMessagesMoved", 0))
            progress(moved)
            if task.get("Status") in ENDED:
                return Moved(str(task["Status"]), moved, str(task.get("FailureReason", "")))
            self._sleep(POLL_SECONDS)

    def _newest(self) -> dict[str, Any]:
        try:
            answer = self._sqs.list_message_move_tasks(SourceArn=self._source, MaxResults=1)
        except ClientError as error:
            raise NoMoveTask(str(error)) from error
        except BotoCoreError as error:
            raise Retryable(f"SQS does not answer (ListMessageMoveTasks): {error}; nothing is lost") from error
        results = answer.get("Results") or [{}]
        newest: dict[str, Any] = results[0]
        return newest

    def _arn(self, url: str) -> str:
        with asking("GetQueueAttributes", url.rpartition("/")[2]):
            answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])

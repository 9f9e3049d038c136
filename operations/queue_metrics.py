"""How deep the queues are and how old their oldest messages, as values of metrics, read once for all who are told."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Protocol

from operations.queue_depth import Depths, QueueDepth
from podcasting.errors import Retryable
from tasks.telemetry.measures import Labels
from tasks.telemetry.names import OLDEST_MESSAGE_SECONDS, QUEUE_DEPTH, QUEUES_READ, Metric

log = logging.getLogger(__name__)

Value = tuple[Metric, Labels, float]


class Reader(Protocol):
    """Reads the depths of queues."""

    def read(self) -> Depths:
        """All of them.

        Raises:
            Retryable: SQS does not answer.
        """
        ...


def queue_values(reader: Reader) -> list[Value]:
    """The values as of now; while SQS does not answer, that alone, rather than a wrong depth."""
    try:
        queues = reader.read().queues
    except Retryable as error:
        log.warning("%s", error)
        return [(QUEUES_READ, {}, 0)]
    return [*(value for queue in queues for value in _of(queue)), (QUEUES_READ, {}, 1)]


def _of(queue: QueueDepth) -> Iterator[Value]:
    waiting = queue.waiting
    states = {
        "visible": waiting.ready,
        "in_flight": waiting.in_flight,
        "delayed": waiting.delayed,
        "dead": queue.dead.messages,
    }
    for state, messages in states.items():
        yield QUEUE_DEPTH, {"Queue": queue.name, "State": state}, messages
    if waiting.oldest_seconds is not None:
        yield OLDEST_MESSAGE_SECONDS, {"Queue": queue.name}, waiting.oldest_seconds

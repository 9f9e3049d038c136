"""Events leave in batches, from a thread: a worker never waits for those who only watch.

An event that SNS does not take is dropped, and so is the oldest when too many wait.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

ENTRIES_PER_CALL = 10
BYTES_PER_CALL = 256 * 1024
"""The limits of SNS's PublishBatch (Amazon SNS quotas)."""
BYTES_PER_GROUP = 60 * 1024
"""SNS and SQS each bill 64 KB as a request."""
LONGEST_QUEUE = 1_000


class EventBatch:
    """Gathers messages for one topic and publishes them every ``interval`` seconds."""

    def __init__(self, publish: Callable[[list[dict[str, Any]]], Any], interval: float) -> None:
        self._publish = publish
        self._interval = interval
        self._waiting: deque[str] = deque(maxlen=LONGEST_QUEUE)
        self._in_trouble = False
        self._filled = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, message: str) -> None:
        """Take one message."""
        self._waiting.append(message)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sns-events", daemon=True)
            self._thread.start()
        self._filled.set()

    def close(self) -> None:
        """Send what is left, once."""
        self._closed.set()
        self._filled.set()
        if self._thread is not None:
            self._thread.join()
        self._flush()

    def _run(self) -> None:
        while True:
            self._filled.wait()
            self._closed.wait(self._interval)
            if self._closed.is_set():
                return
            self._filled.clear()
            self._flush()

    def _flush(self) -> None:
        while self._waiting and self._send(self._call()):
            pass

    def _call(self) -> list[str]:
        call: list[str] = []
        filled = 0
        while self._waiting and len(call) < ENTRIES_PER_CALL:
            if call and filled + max(BYTES_PER_GROUP, len(self._waiting[0].encode())) > BYTES_PER_CALL:
                break
            call.append(self._next())
            filled += len(call[-1].encode())
        return call

    def _next(self) -> str:
        """The first that waits; if it is a group of events, those after it join it."""
        first = self._waiting.popleft()
        group = _group(first)
        if group is None:
            return first
        envelope, events = group
        filled = len(first.encode())
        while self._waiting:
            filled += len(self._waiting[0].encode())
            following = _group(self._waiting[0])
            if following is None or filled > BYTES_PER_GROUP:
                break
            events += following[1]
            self._waiting.popleft()
        return json.dumps({**envelope, "body": json.dumps(events)})

    def _send(self, call: list[str]) -> bool:
        entries = [{"Id": str(position), "Message": message} for position, message in enumerate(call)]
        try:
            self._publish(entries)
        except Exception as error:  # noqa: BLE001 - events are for those who watch: no trouble of theirs ends this
            if not self._in_trouble:
                log.warning("events are not published, and dropped: %s", error)
            self._in_trouble = True
            self._waiting.clear()
            return False
        if self._in_trouble:
            log.warning("events are published again")
        self._in_trouble = False
        return True


def _group(message: str) -> tuple[dict[str, Any], list[Any]] | None:
    """The envelope and the events of what Celery calls ``task-multi``: a list, which is as good when it is longer."""
    try:
        envelope = json.loads(message)
        events = json.loads(envelope["body"])
    except (ValueError, TypeError, KeyError):
        return None
    return (envelope, events) if isinstance(events, list) else None

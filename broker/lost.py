"""Tells a running task that its message is lost: that SQS may hand it to another worker.

The worker's main process learns it (from the heartbeat), the task runs in another. Both see one page of
memory, mapped when this module is first imported, which is before a pool forks.
"""

from __future__ import annotations

import hashlib
import mmap

DIGEST_BYTES = 16
SLOTS = 256
"""How many lost messages are remembered; a worker has far fewer tasks at once."""


class LostMessages:
    """A ring of receipt handles, shared with the processes forked after it was made; one process writes.

    A handle, not a task id: a retry has the id of its task again, and a message of its own. Celery hands a
    task its message's handle as ``request.properties["delivery_tag"]``.
    """

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, SLOTS * DIGEST_BYTES)
        self._next = 0

    def mark(self, receipt_handle: str) -> None:
        """Say that the message is lost."""
        start = self._next % SLOTS * DIGEST_BYTES
        self._page[start : start + DIGEST_BYTES] = _digest(receipt_handle)
        self._next += 1

    def __contains__(self, receipt_handle: str) -> bool:
        """Whether the message is lost; its task had better give up what it holds."""
        wanted = _digest(receipt_handle)
        page = self._page[:]
        return any(page[start : start + DIGEST_BYTES] == wanted for start in range(0, len(page), DIGEST_BYTES))


def _digest(receipt_handle: str) -> bytes:
    return hashlib.blake2b(receipt_handle.encode(), digest_size=DIGEST_BYTES).digest()


lost_messages = LostMessages()
"""Of this process and those it forks."""

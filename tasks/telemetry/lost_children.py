"""Tasks whose child was killed: by the kernel for its memory, or by Celery at the hard time limit.

Such a child measures nothing any more, so the main process does.
"""

from __future__ import annotations

from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request

from tasks.telemetry.measures import measure
from tasks.telemetry.names import TASK_FAILED


class WatchedRequest(Request):
    """A request (what a worker's main process knows of a task) that counts the end of the child that did it."""

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """Count a child that was lost; other failures were counted where they happened."""
        # billiard wraps an error, so that it keeps its stack.
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, WorkerLostError):
            self._count(error)
        return super().on_failure(exc_info, *args, **kwargs)

    def on_timeout(self, soft: Any, timeout: Any) -> Any:
        """Count a child that is killed at the hard time limit; at the soft one it ends its task itself."""
        if not soft:
            self._count(TimeLimitExceeded(timeout))
        return super().on_timeout(soft, timeout)

    def _count(self, error: Exception) -> None:
        measure(TASK_FAILED, Task=str(self.name).rpartition(".")[2], Class=type(error).__name__)

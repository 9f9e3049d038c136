"""A task at work: how long it took, how it ended, how often its message had been received."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from celery.exceptions import Ignore, Reject, Retry

from tasks.outcomes import HandedOn, PutOff
from tasks.telemetry import names, tracing
from tasks.telemetry.measures import measure, measuring

ALREADY_FAILED = "AlreadyFailed"
"""The class of a failure that has no error: the message of an episode that had failed before."""


def at_work(task: str, receives: int | None) -> AbstractContextManager[None]:
    """A task, by its short name, at work within; ``receives`` is its message's receive count, None where unknown."""
    return _at_work(task, receives) if measuring() or tracing.tracing() else tracing.NOTHING


@contextmanager
def _at_work(task: str, receives: int | None) -> Iterator[None]:
    if receives is not None:
        measure(names.MESSAGE_RECEIVES, receives)
    began = time.monotonic()
    try:
        yield
    except HandedOn as error:
        tracing.failed(error)
        raise
    except PutOff:
        measure(names.TASK_PUT_OFF, Task=task)
        tracing.annotate(outcome="put off")
        raise
    except Retry:
        measure(names.TASK_RETRIED, Task=task)
        tracing.annotate(outcome="retried")
        raise
    except BaseException as error:
        cause = error.__cause__ if isinstance(error, Reject | Ignore) else error
        measure(names.TASK_FAILED, Task=task, Class=type(cause).__name__ if cause else ALREADY_FAILED)
        tracing.failed(cause or error)
        raise
    else:
        measure(names.TASK_SUCCEEDED, Task=task)
    finally:
        measure(names.TASK_SECONDS, time.monotonic() - began, Task=task)

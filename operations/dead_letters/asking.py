"""Asking SQS: what it refuses or does not answer becomes one line that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from podcasting.errors import Permanent, Retryable

DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation")
MISSING = ("QueueDoesNotExist", "NonExistentQueue")
"""The ends of the codes by which SQS says so; its protocols put different words before them."""


@contextmanager
def asking(action: str, queue: str) -> Iterator[None]:
    """Ask within; ``action`` and ``queue`` are what an error names.

    Raises:
        Permanent: it is not allowed, or there is no such queue.
        Retryable: SQS does not answer, or answers with an error of its own.
    """
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code.endswith(DENIED):
            raise Permanent(
                f"not allowed: sqs:{action} on {queue} ({code}); let these credentials do it, "
                "or name another queue with --queue"
            ) from error
        if code.endswith(MISSING):
            raise Permanent(f"SQS knows no queue {queue} ({action}); look at the queue URLs in the settings") from error
        raise Retryable(f"SQS refuses {action} on {queue}: {error}; nothing is lost, try again") from error
    except BotoCoreError as error:
        raise Retryable(f"SQS does not answer ({action} on {queue}): {error}; nothing is lost, try again") from error

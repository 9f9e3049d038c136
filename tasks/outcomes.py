"""What may become of a message beside Celery's own: told apart so that each is counted as what it is."""

from __future__ import annotations

from celery.exceptions import Reject, Retry


class HandedOn(Reject):
    """The message is rejected, for SQS gave it to another worker. No failure."""


class PutOff(Retry):
    """The message is sent again for later, though nothing failed: another is at it, or a provider is paused."""

"""What can go wrong, as kombu's users expect to catch it."""

from __future__ import annotations

from kombu.exceptions import KombuError, OperationalError


class Misconfigured(KombuError):
    """An option, or a queue as it is, that no waiting will mend."""


class Refused(SystemExit):
    """A worker must not start like this. Its reason is in the log, where a stack trace would bury it."""

    def __init__(self) -> None:
        super().__init__(1)


class PublishFailed(OperationalError):
    """A message was not sent, as far as we know: an answer that got lost looks the same."""


class BatchPublishFailed(PublishFailed):
    """Some messages of a batch were not sent; the others were.

    ``reasons`` maps the task id of each message that was not sent to what SQS or the network said.
    """

    def __init__(self, reasons: dict[str, str]) -> None:
        first = next(iter(reasons.values()))
        super().__init__(f"{len(reasons)} messages were not sent: {first}")
        self.reasons = reasons

"""Whether the queues can be reached: an outage is what several looks in a row agree on."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from podcasting.errors import Permanent
from settings import SettingsError, settings
from tasks import aws

TIMEOUT_SECONDS = 3
LOOKS_TO_BEGIN = 3
"""So many failures in a row are an outage, not a hiccup."""
LOOKS_TO_END = 2
SERVER_ERROR = 500


class Outage:
    """Looks at SQS, and tells when it counts as away, and when as back."""

    def __init__(self) -> None:
        self.away = False
        self.why = ""
        """What the last failed look said."""
        self._contrary = 0

    @property
    def pending(self) -> bool:
        """Whether the last looks said otherwise than what counts."""
        return self._contrary > 0

    def look(self) -> bool:
        """Look once; whether SQS counts as away afterwards.

        Raises:
            Permanent: it answers, and refuses us: that is no outage, and falling back would hide it.
        """
        try:
            why = _unreachable()
        except ClientError as error:
            raise Permanent(f"SQS answers, but refuses: {error}; `airdate doctor` says what to do") from error
        self._contrary = self._contrary + 1 if bool(why) is not self.away else 0
        self.why = why or self.why
        if self._contrary >= (LOOKS_TO_END if self.away else LOOKS_TO_BEGIN):
            self.away, self._contrary = not self.away, 0
        return self.away


def _unreachable() -> str:
    """Why the queues can't be reached, or nothing when they can."""
    try:
        urls = settings().queue_urls()
        sqs: Any = aws.client("sqs", timeout_seconds=TIMEOUT_SECONDS)
    except SettingsError as error:  # embedded, and nothing runs
        return str(error)
    try:
        for url in urls.values():
            sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] < SERVER_ERROR:
            raise
        return f"SQS fails: {error}"
    except BotoCoreError as error:
        return f"SQS does not answer: {error}"
    finally:
        sqs.close()
    return ""

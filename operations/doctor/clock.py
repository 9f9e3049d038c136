"""This machine's clock against SQS's and the database's: signatures expire, and leases are moments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from botocore.exceptions import ClientError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from operations.doctor.answers import ERRORS, Answer, server_date
from operations.doctor.examination import aws_runs
from podcasting.errors import AirdateError
from settings import settings
from tasks import aws
from tasks.readiness.findings import Finding, fail, ok, warn
from tasks.readiness.tables import Missing, opened

AREA = "clock"
TIMEOUT_SECONDS = 2
WARN_SECONDS = 5
FAIL_SECONDS = 300
"""AWS refuses a signature that is fifteen minutes off (Signature Version 4, AWS IAM user guide)."""


def findings() -> Iterator[Finding]:
    """About the clocks that can be read; a word about those that cannot."""
    if aws_runs():
        yield from _against("SQS", sqs_skew())
    if settings().database.startswith("sqlite"):
        return  # the same clock
    yield from _against("the database", database_skew())


def judged(whose: str, skew: float) -> Finding:
    """What a difference means; ``skew`` is how many seconds the other clock is ahead of ours."""
    off = f"{abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} {whose}'s"
    fix = "set this machine's clock by NTP: sudo systemctl enable --now chrony   (and see `chronyc tracking`)"
    if abs(skew) > FAIL_SECONDS:
        return fail(AREA, f"this machine's clock is {off}; AWS refuses signatures that are 15 minutes off", fix)
    if abs(skew) > WARN_SECONDS:
        return warn(AREA, f"this machine's clock is {off}: leases and due times are off by as much", fix)
    return ok(AREA, f"this machine's clock and {whose}'s agree within {WARN_SECONDS} s")


def sqs_skew() -> float | str:
    """How far SQS's clock is ahead of ours, in seconds, by its Date header; or why it is not known."""
    sqs = aws.client("sqs", timeout_seconds=TIMEOUT_SECONDS)
    url = next(iter(settings().queue_urls().values()))
    before = datetime.now(UTC)
    try:
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    except ClientError as error:
        answer = error.response  # a refusal has a date too
    except ERRORS as error:
        return f"SQS does not answer: {Answer.of(error).said}"
    date = server_date(answer)
    if date is None:
        return "SQS tells no date"
    middle = before + (datetime.now(UTC) - before) / 2
    # The header's seconds are cut off: half of one is the likeliest rest.
    return (parsedate_to_datetime(date) - middle).total_seconds() + 0.5


def database_skew() -> float | str:
    """How far PostgreSQL's clock is ahead of ours, in seconds; or why it is not known."""
    try:
        with opened(settings().database) as engine, engine.connect() as connection:
            before = datetime.now(UTC)
            theirs: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
            middle = before + (datetime.now(UTC) - before) / 2
            return (theirs - middle).total_seconds()
    except (SQLAlchemyError, AirdateError, Missing) as error:
        return f"the database does not answer: {' '.join(str(getattr(error, 'orig', error)).split())}"


def _against(whose: str, skew: float | str) -> Iterator[Finding]:
    if isinstance(skew, str):
        yield warn(AREA, f"not compared with {whose}'s: {skew}", "mend that, and look again")
    else:
        yield judged(whose, skew)

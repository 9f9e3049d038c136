"""Whose AWS it is: clients for it, and what its refusals mean, in a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3

from operations.doctor.answers import ERRORS, Answer, Meaning
from operations.doctor.queues import REGION, VARIABLES
from podcasting.errors import Permanent
from settings import settings

ACTION = re.compile(r"not authorized to perform: (\S+)")
"""In AWS's words for a missing permission."""


@dataclass(frozen=True)
class Account:
    """An account in a region, and who we are there."""

    number: str
    region: str
    who: str
    """ARN of the user or role that deploys."""

    endpoint: str
    """Another than AWS's own (``AIRDATE_AWS_ENDPOINT``), or empty."""

    def __str__(self) -> str:
        """For people, before anything is done to it."""
        where = f" at {self.endpoint}" if self.endpoint else ""
        return f"account {self.number}, region {self.region}{where}, as {self.who}"


def aws(service: str) -> Any:
    """A boto3 client of AWS itself, or of ``AIRDATE_AWS_ENDPOINT``; never of the embedded one, which deploys itself."""
    chosen = settings()
    secret = chosen.aws_secret_access_key.get_secret_value()
    temporary = chosen.aws_session_token.get_secret_value()  # then all three are boto3's to find
    return boto3.client(  # type: ignore[call-overload]  # the service is chosen at run time
        service,
        region_name=chosen.aws_region,
        endpoint_url=chosen.aws_endpoint or None,
        aws_access_key_id=chosen.aws_access_key_id if secret and not temporary else None,
        aws_secret_access_key=secret if secret and not temporary else None,
    )


def account() -> Account:
    """Whose AWS it is; the first question, since everybody may ask it.

    Raises:
        Permanent: the region or the credentials are wrong, or nobody answers; says what to set.
    """
    chosen = settings()
    _same_region(chosen.aws_region)
    with refusals_told():
        found = aws("sts").get_caller_identity()
    return Account(found["Account"], chosen.aws_region, found["Arn"], chosen.aws_endpoint)


def _same_region(region: str) -> None:
    known = boto3.session.Session().get_available_regions("sqs") + [
        name for part in ("aws-cn", "aws-us-gov") for name in boto3.session.Session().get_available_regions("sqs", part)
    ]
    if region not in known and not settings().aws_endpoint:
        raise Permanent(f"AWS_REGION is {region!r}, which is no region that boto3 knows; set it to one, like eu-west-1")
    elsewhere = boto3.session.Session().region_name  # of the profile, or AWS_DEFAULT_REGION
    if "aws_region" not in settings().model_fields_set and elsewhere not in (None, region):
        raise Permanent(
            f"AWS_REGION is unset, which means {region}, and the AWS profile says {elsewhere}: "
            "set AWS_REGION to the one you mean"
        )
    for queue, url in ({} if settings().embedded else settings().queue_urls()).items():
        found = REGION.search(urlsplit(url).hostname or "")
        there = (found.group(1) or found.group(2)) if found else region
        if there != region:
            raise Permanent(
                f"AWS_REGION is {region}, and {VARIABLES[queue]} is in {there}: set AWS_REGION={there}, "
                "or unset the queues' URLs to deploy anew"
            )


@contextmanager
def refusals_told() -> Iterator[None]:
    """Within it, what AWS refuses becomes one line that says what to do.

    Raises:
        Permanent: AWS refused, or did not answer.
    """
    try:
        yield
    except ERRORS as error:
        raise Permanent(_told(Answer.of(error))) from error


def _told(answer: Answer) -> str:
    match answer.meaning:
        case Meaning.DENIED:
            action = ACTION.search(answer.said)
            what = action.group(1) if action else "this"
            return f"AWS does not allow {what}: {answer.said}; allow it to whoever deploys (docs/deploy.md says what)"
        case Meaning.BAD_CREDENTIALS:
            return (
                f"AWS does not take the credentials: {answer.said}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
                "to a pair that is active, or AWS_PROFILE, or run `aws sso login`"
            )
        case Meaning.CLOCK:
            return f"by AWS this machine's clock is wrong: {answer.said}; set the clock (chrony or ntpd)"
        case Meaning.AWAY:
            endpoint = settings().aws_endpoint
            cure = f"AIRDATE_AWS_ENDPOINT ({endpoint})" if endpoint else f"AWS_REGION ({settings().aws_region})"
            return f"AWS does not answer: {answer.said}; see to the network, and that {cure} is right"
        case _:
            return f"AWS refuses: {answer.said}"

"""Clients of AWS, embedded or real."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from settings import settings


def client(service: str, *, timeout_seconds: float | None = None) -> Any:
    """A boto3 client of an AWS service (``sqs``, ``s3``, ``cloudformation``), embedded or real.

    With a timeout it gives up after waiting so long, twice; else as boto3 does, after minutes.

    Raises:
        SettingsError: embedded, and no embedded AWS runs.
    """
    credentials = settings().aws_credentials() or (None, None)
    return boto3.client(  # type: ignore[call-overload]  # the service is chosen at run time
        service,
        region_name=settings().aws_region,
        endpoint_url=settings().endpoint(),
        aws_access_key_id=credentials[0],
        aws_secret_access_key=credentials[1],
        config=None if timeout_seconds is None else _impatient(timeout_seconds),
    )


def _impatient(seconds: float) -> Config:
    return Config(connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 2})

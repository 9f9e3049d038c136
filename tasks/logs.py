"""Logs: one line an event, with the task, podcast and episode bound; JSON when asked."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from settings import settings

QUIET = (
    "botocore",
    "boto3",
    "urllib3",
    "httpx",
    "httpcore",
    "trafilatura",
    "htmldate",
    "alembic",
    "PIL",
    "kombu.pidbox",
    "kombu.transport.SQS.SNS",
)
"""Libraries that tell more than an operator asked for; their warnings still show."""


def configure(**_signal: Any) -> None:
    """Send all logs to stderr, as text or as JSON (``AIRDATE_LOG_FORMAT``). Called by Celery in place of its own."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    colours = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    if settings().log_format == "json":
        renderer: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        renderer = [
            structlog.dev.ConsoleRenderer(
                colors=colours, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
            )
        ]
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings().log_level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


@contextmanager
def bound(**context: object) -> Iterator[None]:
    """Each log line within carries ``context``; afterwards none does."""
    structlog.contextvars.bind_contextvars(**context)
    try:
        yield
    finally:
        structlog.contextvars.unbind_contextvars(*context)

"""Logs: one line an event, with the task, podcast, episode and message bound; JSON in production; never a secret."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from podcasting.announcing import KEY_PREFIX
from podcasting.redaction import HIDDEN, is_secret, keep_secret, redact
from podcasting.visible import visible
from settings import Settings, settings
from tasks.telemetry import identity, tracing

QUIET = (
    "botocore",
    "boto3",
    "urllib3",
    "httpx",
    "httpcore",
    "httpx2",
    "httpcore2",
    "openai",
    "anthropic",
    "google_genai",
    "trafilatura",
    "htmldate",
    "alembic",
    "PIL",
    "kombu.pidbox",
    "kombu.transport.SQS.SNS",
)
"""Libraries that tell more than an operator asked for; their warnings still show."""

QUIET_SECONDS = 600
"""Between two lines of a library that says the same again and again as long as something is away."""

WHOSE = ("podcast", "episode")
"""What a line may say by itself, where what is bound can't: a task that is about several episodes."""

OTLP_HEADERS = tuple(f"OTEL_EXPORTER_OTLP_{of}HEADERS" for of in ("", "TRACES_", "METRICS_"))
"""OpenTelemetry's own variables, ``name=value,…``: a provider's key is among them."""

Event = MutableMapping[str, Any]


def configure(**_signal: Any) -> None:
    """Send all logs to stderr, as ``AIRDATE_LOG_FORMAT`` says. Called by Celery in place of its own."""
    chosen = settings()
    keep_secret(_secrets(chosen))
    as_json = chosen.log_format == "json" or (
        chosen.log_format == "auto" and not chosen.embedded and not sys.stderr.isatty()
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.ExtraAdder(allow=WHOSE),
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _traced,
    ]
    renderer: list[Any]
    if as_json:
        shared += [structlog.stdlib.add_logger_name, _whose]
        renderer = [structlog.processors.format_exc_info, _redacted, structlog.processors.JSONRenderer()]
    else:
        colours = sys.stderr.isatty() and "NO_COLOR" not in os.environ
        console = structlog.dev.ConsoleRenderer(
            colors=colours, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        )
        renderer = [structlog.processors.format_exc_info, _brief, _redacted, _one_line, console]
    handler = logging.StreamHandler()
    handler.addFilter(NowAndThen("opentelemetry"))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(chosen.log_level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class NowAndThen(logging.Filter):
    """Of a library's loggers, passes an error each ten minutes, without its stack, and nothing less than an error."""

    def __init__(self, library: str) -> None:
        super().__init__(library)
        self._told = -math.inf

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if not super().filter(record):
            return True
        if record.levelno < logging.ERROR or record.created - self._told < QUIET_SECONDS:
            return False
        self._told = record.created
        record.exc_info = record.exc_text = None
        return True


@contextmanager
def bound(**context: object) -> Iterator[None]:
    """Each log line within carries ``context``, and what :func:`bind` adds; afterwards none does."""
    before = structlog.contextvars.get_contextvars()
    structlog.contextvars.bind_contextvars(**context)
    try:
        yield
    finally:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(**before)


def bind(**context: object) -> None:
    """Each further line of the surrounding :func:`bound` carries ``context`` too."""
    structlog.contextvars.bind_contextvars(**context)


def _secrets(chosen: Settings) -> Iterator[str]:
    for _, value in chosen:
        if isinstance(value, SecretStr):  # keys of all providers among them; some hold several, with spaces between
            yield from value.get_secret_value().split()
    for key in chosen.webhook_secret.get_secret_value().split():
        yield key.removeprefix(KEY_PREFIX)
    for name in OTLP_HEADERS:
        for header in os.environ.get(name, "").split(","):
            yield header.partition("=")[2].strip()
    try:
        yield make_url(chosen.database).password or ""
    except ArgumentError:  # whoever connects says so
        yield chosen.database_url


def _traced(_logger: Any, _method: str, event: Event) -> Event:
    trace = tracing.current_trace_id()
    if trace is not None:
        event.setdefault("trace", trace)
    return event


def _whose(_logger: Any, _method: str, event: Event) -> Event:
    event["process"] = identity.name()
    event["pid"] = os.getpid()
    return event


def _brief(_logger: Any, _method: str, event: Event) -> Event:
    """Ids that a person looks up when something is wrong make a line hard to read when nothing is."""
    if event.get("level") in ("debug", "info"):
        for name in ("message", "trace"):
            event.pop(name, None)
        if event.get("receives") == 1:
            del event["receives"]
    return event


def _redacted(_logger: Any, _method: str, event: Event) -> Event:
    for name, value in event.items():
        event[name] = HIDDEN if is_secret(name) else _hidden(value)
    return event


def _hidden(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {redact(str(name)): HIDDEN if is_secret(str(name)) else _hidden(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_hidden(each) for each in value]
    return redact(value if isinstance(value, str) else str(value))


def _one_line(_logger: Any, _method: str, event: Event) -> Event:
    for name, value in event.items():
        if name == "exception":
            # Its lines are indented, so that none of them is taken for a line of the log.
            event[name] = "\n".join(f"    {visible(line)}" for line in str(value).splitlines())
        elif not isinstance(value, bool | int | float | None):
            event[name] = visible(str(value))
    return event

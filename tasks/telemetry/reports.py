"""Sentry: what a developer should look at, told once: failed episodes, dead letters, faults of our own, alarms.

Retries that were foreseen are not. Nothing is sent but the error, its stack without values, and the ids by which it
is found: no message bodies, no personal data, no secrets.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from structlog.contextvars import get_contextvars

from podcasting.redaction import HIDDEN, is_secret, redact
from tasks.telemetry import identity, tracing

FLUSH_SECONDS = 3
"""For a Sentry that does not answer, at the end of a process."""

TAGS = ("task", "task_id", "podcast", "episode", "message", "receives")
"""Of what the logs have bound, what a report is found by."""

REPORTED = "_airdate_reported"
"""An error that was reported carries this, so that whoever catches it next does not report it again."""

_sentry: Any = None


def begin(dsn: str, deployment: str) -> None:
    """Report from this process, and from those it forks."""
    global _sentry  # noqa: PLW0603 - a process reports to one place
    import sentry_sdk

    sentry_sdk.init(
        dsn=dsn,
        environment=deployment,
        release=f"airdate@{version('airdate')}",
        server_name=identity.name(),
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        # Ours alone: theirs would report each retry and each line of the log.
        default_integrations=False,
        auto_enabling_integrations=False,
        auto_session_tracking=False,
        send_client_reports=False,
        max_breadcrumbs=0,
        before_send=_without_secrets,
        shutdown_timeout=FLUSH_SECONDS,
    )
    _sentry = sentry_sdk


def close() -> None:
    """Send what is left."""
    if _sentry is not None:
        _sentry.flush(FLUSH_SECONDS)


def error(what: BaseException, **tags: object) -> None:
    """Report an error, with what the logs have bound; one that was reported already is not."""
    if _sentry is None or getattr(what, REPORTED, False):
        return
    setattr(what, REPORTED, True)
    with _sentry.new_scope() as scope:
        _tag(scope, tags)
        scope.capture_exception(what)


def words(line: str, *, level: str = "error", **tags: object) -> None:
    """Report a line, with what the logs have bound. ``level`` is one of Sentry's."""
    if _sentry is not None:
        with _sentry.new_scope() as scope:
            _tag(scope, tags)
            scope.capture_message(line, level=level)


def _tag(scope: Any, tags: dict[str, object]) -> None:
    context = get_contextvars()
    found = {name: context[name] for name in TAGS if name in context} | tags
    trace = tracing.current_trace_id()
    for name, value in (found | ({"trace": trace} if trace else {})).items():
        scope.set_tag(name, str(value))
    scope.set_tag("process", identity.name())


def _without_secrets(event: Any, _hint: Any) -> Any:
    return _hidden(event)


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: HIDDEN if is_secret(str(name)) else _hidden(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(each) for each in value]
    return redact(value) if isinstance(value, str) else value

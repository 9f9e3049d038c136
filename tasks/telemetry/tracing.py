"""Traces: one from beat's tick to the publisher, the task, its retries and what it sends on, with stages and calls.

OpenTelemetry's instrumentation of Celery carries the context in the headers of the messages; what is here adds a
span for each stage and call, says on each what it was about, and takes up the trace of a foreign producer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from podcasting.redaction import redact

TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""https://www.w3.org/TR/trace-context/#traceparent-header."""

NOTHING: AbstractContextManager[None] = nullcontext()

_tracer: Any = None
_provider: Any = None


def begin(deployment: str) -> None:
    """Trace this process, and no other that it forks."""
    global _tracer, _provider  # noqa: PLW0603 - a process is traced in one way
    from celery.signals import task_prerun
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.metrics import NoOpMeterProvider

    from tasks.telemetry import otlp

    _provider = otlp.tracer_provider(deployment)
    _tracer = _provider.get_tracer("airdate")
    task_prerun.connect(_take_up, weak=False)  # before the instrumentation looks for the context
    instrumentation: Any = CeleryInstrumentor  # has no types
    instrumentation().instrument(tracer_provider=_provider, meter_provider=NoOpMeterProvider())


def close() -> None:
    """Send the spans that are left, if the collector answers."""
    global _tracer, _provider
    provider, _tracer, _provider = _provider, None, None
    if provider is not None:
        provider.shutdown()


def tracing() -> bool:
    """Whether this process is traced."""
    return _tracer is not None


def current_trace_id() -> str | None:
    """The id of the trace at hand, 32 hex digits; None when there is none."""
    if _tracer is None:
        return None
    from opentelemetry.trace import format_trace_id, get_current_span

    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None


def span(name: str, *, outgoing: bool = False, **attributes: str) -> AbstractContextManager[None]:
    """A span of what happens within; ``outgoing`` for a call of another service. Costs nothing when not traced."""
    return NOTHING if _tracer is None else _span(name, outgoing, attributes)


@contextmanager
def _span(name: str, outgoing: bool, attributes: dict[str, str]) -> Iterator[None]:  # noqa: FBT001 - behind span()
    from opentelemetry.trace import SpanKind

    with _tracer.start_as_current_span(
        name,
        kind=SpanKind.CLIENT if outgoing else SpanKind.INTERNAL,
        attributes=_named(attributes),
        record_exception=False,
        set_status_on_exception=False,
    ):
        try:
            yield
        except BaseException as error:
            failed(error)
            raise


def annotate(**attributes: object) -> None:
    """Say of the span at hand what it is about."""
    if _tracer is not None:
        from opentelemetry.trace import get_current_span

        get_current_span().set_attributes(_named({name: str(value) for name, value in attributes.items()}))


def failed(error: BaseException) -> None:
    """Mark the span at hand as failed."""
    if _tracer is not None:
        from opentelemetry.trace import StatusCode, get_current_span

        kind, said = type(error).__name__, redact(str(error))
        at_hand = get_current_span()
        at_hand.add_event("exception", {"exception.type": kind, "exception.message": said})
        at_hand.set_attribute("error.type", kind)
        at_hand.set_status(StatusCode.ERROR, said)


def _named(attributes: dict[str, str]) -> dict[str, str]:
    return {f"airdate.{name}": redact(value) for name, value in attributes.items()}


def _take_up(task: Any = None, **_: Any) -> None:
    """A foreign producer's message has its trace in an attribute of SQS, if it has one."""
    request = getattr(task, "request", None)
    if request is None or getattr(request, "traceparent", None) is not None:
        return
    delivery = (request.properties or {}).get("delivery_info") or {}
    attributes = (delivery.get("sqs_message") or {}).get("MessageAttributes") or {}
    told = (attributes.get("traceparent") or {}).get("StringValue")
    if isinstance(told, str) and TRACEPARENT.fullmatch(told):
        request.traceparent = told

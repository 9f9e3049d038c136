"""What the domain tells its observer becomes metrics, spans and reports."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from podcasting.errors import ProviderPaused, Retryable
from podcasting.observing import NOTHING, Expense, on_account
from tasks.telemetry import reports, tracing
from tasks.telemetry.measures import measure, measuring
from tasks.telemetry.names import PROVIDER_CALLS, PROVIDER_FAILURES, PROVIDER_SPEND, STAGE_SECONDS

WEB = "web"
"""The provider that all web hosts are: a series for each host of each feed would cost more than it tells."""


class Telemetry:
    """An observer (:class:`podcasting.observing.Observer`) that tells whoever is on."""

    def stage(self, stage: str) -> AbstractContextManager[object]:
        """Time it, and make a span of it."""
        return self._stage(stage) if measuring() or tracing.tracing() else NOTHING

    def call(self, provider: str) -> AbstractContextManager[object]:
        """Count it and what it cost, and make a span of it."""
        return self._call(provider) if measuring() or tracing.tracing() else NOTHING

    def episode_failed(self, stage: str, error: BaseException) -> None:
        """Report it."""
        reports.error(error, stage=stage)

    def fault(self, error: BaseException) -> None:
        """Report it."""
        reports.error(error)

    def alarm(self, line: str) -> None:
        """Report it."""
        reports.words(f"ALARM {line}", level="fatal")

    @contextmanager
    def _stage(self, stage: str) -> Iterator[None]:
        with tracing.span(f"stage {stage}", stage=stage):
            began = time.monotonic()
            yield
            measure(STAGE_SECONDS, time.monotonic() - began, Stage=stage)

    @contextmanager
    def _call(self, provider: str) -> Iterator[None]:
        series = _series(provider)

        def pay(expense: Expense) -> None:
            if expense.dollars is not None:
                measure(PROVIDER_SPEND, expense.dollars, Provider=series)
                tracing.annotate(dollars=expense.dollars)

        measure(PROVIDER_CALLS, Provider=series)
        with tracing.span(f"call {series}", outgoing=True, provider=provider), on_account(pay):
            try:
                yield
            except Retryable as error:
                if not isinstance(error, ProviderPaused):  # it was spared, which is nobody's failure
                    measure(PROVIDER_FAILURES, Provider=series)
                raise


def _series(provider: str) -> str:
    return provider if provider.startswith(("writer ", "voice ", "S3 bucket ")) else WEB

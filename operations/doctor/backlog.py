"""How long messages wait, against how long a claim of their work lasts."""

from __future__ import annotations

from collections.abc import Iterator

from operations.doctor.answers import ERRORS
from operations.queue_depth import DepthReader
from podcasting.errors import Retryable
from settings import settings
from tasks.readiness.findings import Finding, warn
from tasks.readiness.queue_attributes import AREA


def findings(reader: DepthReader | None = None) -> Iterator[Finding]:
    """A warning for each queue whose messages wait longer than their claims last.

    Raises:
        SettingsError: embedded, and no embedded AWS runs.
    """
    claim = settings().claim_seconds
    try:
        depths = (reader or DepthReader.of_settings()).read()
    except (Retryable, KeyError, ValueError, *ERRORS):
        return  # what is wrong is told of each queue
    for queue in depths.queues:
        oldest = queue.waiting.oldest_seconds
        if oldest is not None and oldest > claim:
            yield warn(
                AREA,
                f"{queue.name}: its oldest message waits for {oldest} s, longer than a claim lasts "
                f"(AIRDATE_CLAIM_SECONDS, {claim:g} s): its work was sent again, harmless but paid for",
                "start more workers of this queue; if it is always so, "
                f"set AIRDATE_CLAIM_SECONDS={int(oldest * 1.5 // 60 + 1) * 60}",
            )

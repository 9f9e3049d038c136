"""Numbers as people read them in a report."""

from __future__ import annotations

from datetime import datetime

MINUTE, HOUR, DAY = 60, 3600, 86_400
PRECISE_BELOW = 10
"""Of its unit: below it a decimal says something."""
WHOLE_DOLLARS = 1000
"""From here on nobody asks for cents."""


def span(seconds: float) -> str:
    """How long: ``0.04 s``, ``9.5 s``, ``45 s``, ``2.5 min``, ``3 h``, ``12 d``."""
    for length, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= length:
            return f"{_short(seconds / length)} {unit}"
    return f"{seconds:.2f} s" if 0 < seconds < 0.1 else f"{_short(seconds)} s"  # noqa: PLR2004 - one decimal would say 0


def step(seconds: int) -> str:
    """The length of a step: ``5 min``, ``6 h``, ``day``, ``week``."""
    return {DAY: "day", 7 * DAY: "week", 30 * DAY: "30 days", HOUR: "hour"}.get(seconds) or span(seconds)


def dollars(value: float) -> str:
    """US dollars, whole from a thousand on, to the cent, or to two digits: ``$1,964``, ``$12.40``, ``$0.0031``."""
    if value >= WHOLE_DOLLARS:
        return f"${value:,.0f}"
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.2g}"


def share(part: float, whole: float) -> str:
    """``part`` of ``whole`` in per cent; a dash for part of nothing."""
    return f"{part / whole:.1%}" if whole else "–"


def counted(number: int, one: str, several: str) -> str:
    """``1 episode``, ``2,000 episodes``."""
    return f"{number:,} {one if number == 1 else several}"


def moment(value: datetime) -> str:
    """In UTC, to the minute."""
    return f"{value:%Y-%m-%d %H:%M}"


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") if value < PRECISE_BELOW else f"{value:,.0f}"

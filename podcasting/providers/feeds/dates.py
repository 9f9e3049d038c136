"""Dates as sources write them, to aware UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from email.utils import parsedate_to_datetime

_LONGEST = 64
_MONTH = re.compile(r"(\d{4})(?:-(\d{2}))?")


def iso_moment(text: str) -> datetime | None:
    """An ISO 8601 date or time (W3C's profile of it: also a year, or a year and month); without a zone it is UTC."""
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    try:
        if month := _MONTH.fullmatch(text):
            return datetime(int(month[1]), int(month[2] or 1), 1, tzinfo=UTC)
        return _utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def http_moment(text: str | None) -> datetime | None:
    """An HTTP date (RFC 9110, section 5.6.7)."""
    if text is None or len(text) > _LONGEST:
        return None
    try:
        return _utc(parsedate_to_datetime(text))
    except (ValueError, OverflowError):
        return None


def written_moment(value: object) -> datetime | None:
    """A date as a reader of YAML or TOML gives it: a date, a time, or text."""
    try:
        if isinstance(value, datetime):
            return _utc(value)
        if isinstance(value, date):
            return datetime.combine(value, time(), UTC)
    except (ValueError, OverflowError):
        return None
    return iso_moment(value) if isinstance(value, str) else None


def newest_first(moment: datetime | None) -> float:
    """Sorts by date, newest first; what has none comes last, in the order it had (sorting is stable)."""
    return -moment.timestamp() if moment else float("inf")


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

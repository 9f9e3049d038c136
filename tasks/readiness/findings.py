"""A finding: what was looked at, what it is like, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """Works, but not as it should; or could not be proven."""
    FAIL = "fail"
    """Work is lost, done twice, or not done."""


@dataclass(frozen=True)
class Finding:
    """One line of ``airdate doctor``, or of a worker's log when it starts."""

    level: Level
    area: str
    found: str
    fix: str = ""
    """What to do, exactly: a variable with its value, or a command. Empty only when all is well."""

    def __str__(self) -> str:
        """Without its level, for a log, which has levels of its own."""
        return f"{self.area}: {self.found}" + (f"; {self.fix}" if self.fix else "")


def ok(area: str, found: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, area, found)


def warn(area: str, found: str, fix: str) -> Finding:
    """It works, but."""
    return Finding(Level.WARN, area, found, fix)


def fail(area: str, found: str, fix: str) -> Finding:
    """It must be put right."""
    return Finding(Level.FAIL, area, found, fix)

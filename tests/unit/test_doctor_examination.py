"""An area that breaks, hangs or cannot begin is one line, and the others are looked at."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from operations.doctor.examination import Area, examined
from podcasting.errors import Permanent
from settings import SettingsError
from tasks.readiness.findings import Finding, Level, ok


def broken(error: Exception) -> Area:
    def examine() -> Iterator[Finding]:
        yield ok("disk", "there")
        raise error

    return Area("disk", "", examine)


@pytest.mark.parametrize(
    ("error", "found", "fix"),
    [
        (ZeroDivisionError("division\nby zero"),
         "could not be looked at to the end: ZeroDivisionError: division by zero", "please report this"),
        (Permanent("it is full; empty it"), "it is full", "empty it"),
        (SettingsError("AIRDATE_HOME is wrong"), "AIRDATE_HOME is wrong",
         "correct it in the environment or in .env (see .env.example)"),
    ],
)  # fmt: skip
def test_an_error_is_one_line_after_what_was_found_before(error: Exception, found: str, fix: str) -> None:
    assert list(examined(broken(error))) == [ok("disk", "there"), Finding(Level.FAIL, "disk", found, fix)]


def test_what_hangs_is_given_up() -> None:
    for_ever = threading.Event()

    def examine() -> Iterator[Finding]:
        yield ok("disk", "there")
        for_ever.wait()

    first, second = examined(Area("disk", "", examine), seconds=0.1)
    for_ever.set()

    assert (first.level, second.level) == (Level.OK, Level.FAIL)
    assert "no answer within 0.1 s" in second.found

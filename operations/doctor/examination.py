"""Examining area after area: each on its own, within a bound, its findings handed on as they are made."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click

from podcasting.errors import AirdateError
from settings import SettingsError, settings
from tasks.readiness.findings import Finding, fail

AREA_SECONDS = 30
"""For all of an area: its requests have limits of their own, of two or three seconds."""


@dataclass(frozen=True)
class Area:
    """Something to be looked at, and what looks at it."""

    name: str
    about: str
    """For ``--help``, in a few words."""
    examine: Callable[[], Iterator[Finding]]
    """May raise: a ``ClickException`` or an ``AirdateError`` says what to do, any other error is a fault."""
    needs_aws: bool = False
    """Whether there is nothing to look at while no embedded AWS runs."""


def examined(area: Area, *, seconds: float = AREA_SECONDS) -> Iterator[Finding]:
    """The findings of an area, one by one; never raises, and ends within ``seconds``."""
    found: queue.Queue[Finding | None] = queue.Queue()
    # A daemon: what hangs in a driver must not keep the command from ending.
    threading.Thread(target=_examine, args=(area, found), name=f"doctor-{area.name}", daemon=True).start()
    last = time.monotonic() + seconds
    while True:
        try:
            finding = found.get(timeout=max(0, last - time.monotonic()))
        except queue.Empty:
            yield fail(area.name, f"no answer within {seconds:g} s; given up", "try again; see that its host is up")
            return
        if finding is None:
            return
        yield finding


def _examine(area: Area, found: queue.Queue[Finding | None]) -> None:
    try:
        for finding in area.examine():
            found.put(finding)
    except click.ClickException as error:
        told, _, fix = _in_a_line(error.message).partition("; ")
        found.put(fail(area.name, told, fix or "correct it in the environment or in .env (see .env.example)"))
    except AirdateError as error:
        told, _, fix = _in_a_line(str(error)).partition("; ")
        found.put(fail(area.name, told, fix or "see .env.example"))
    except Exception as error:  # noqa: BLE001 - one thing broken lets the others be looked at
        said = f"{type(error).__name__}: {_in_a_line(str(error))}"
        found.put(fail(area.name, f"could not be looked at to the end: {said}", "please report this"))
    finally:
        found.put(None)


def aws_runs() -> bool:
    """Whether there is an AWS to talk to: the real one, or the embedded one that `airdate run` started."""
    try:
        settings().endpoint()
    except SettingsError:
        return False
    return True


def _in_a_line(text: str) -> str:
    return " ".join(text.split())

"""The moments of messages: lines that observed workers append to one file, and what they say of each message.

A line is JSON: ``what`` (``received``, ``begun`` or ``done``), ``at`` (seconds since 1970), the task's ``id``; a
``received`` one has SQS's ``sent`` time and ``group`` too, a ``begun`` one the ``task`` and its ``subject``.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "BENCH_MOMENTS"
"""The variable that names the file."""


@dataclass(frozen=True)
class Taken:
    """One message's way through a worker; times are seconds since 1970."""

    task: str
    subject: str | None
    """The podcast or episode that it is about."""
    group: str | None
    sent: float
    begun: float
    done: float | None


def leave(**line: object) -> None:
    """Append a line of this moment."""
    # One write of a file opened to append is whole, whoever else writes.
    file = os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, (json.dumps({"at": time.time()} | line) + "\n").encode())
    finally:
        os.close(file)


def taken(file: Path) -> list[Taken]:
    """The messages that were begun, in that order; of one that was handed out again, the first time."""
    by_id: dict[str, dict[str, dict[str, Any]]] = {}
    for line in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
        by_id.setdefault(line["id"], {}).setdefault(line["what"], line)
    found = [
        Taken(
            task=told["begun"]["task"],
            subject=told["begun"]["subject"],
            group=told["received"]["group"],
            sent=told["received"]["sent"],
            begun=told["begun"]["at"],
            done=told["done"]["at"] if "done" in told else None,
        )
        for told in by_id.values()
        if "begun" in told and "received" in told
    ]
    return sorted(found, key=lambda each: each.begun)

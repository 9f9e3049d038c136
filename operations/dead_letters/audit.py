"""The audit: a line for each dead letter that somebody sent again, edited or dropped, kept for good."""

from __future__ import annotations

import getpass
import json
import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from operations.dead_letters.decoding import DeadLetter
from podcasting.errors import Retryable

log = logging.getLogger(__name__)


def who() -> str:
    """Who does this: ``user@host``."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user need not have a name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


@dataclass(frozen=True)
class Audit:
    """An append-only file of JSON lines, each on disk before what it tells goes on; and the log."""

    path: Path
    by: str
    now: Callable[[], datetime]

    def prove(self) -> None:
        """See that lines can be added, before something is done that they are to tell of.

        Raises:
            Retryable: the file cannot be written.
        """
        _append(self.path, b"")

    def note(self, action: str, outcomes: Sequence[tuple[DeadLetter, Mapping[str, str]]]) -> None:
        """Add a line for each letter, with what came of it.

        Raises:
            Retryable: the file cannot be written.
        """
        lines = [
            {
                "at": self.now().isoformat(),
                "by": self.by,
                "action": action,
                "queue": letter.queue,
                "message_id": letter.message_id,
                "task": letter.task,
                "podcast": letter.podcast_id,
                "episode": letter.episode_id,
                **outcome,
            }
            for letter, outcome in outcomes
        ]
        append_lines(self.path, [json.dumps(line) for line in lines])
        for line in lines:
            log.info("dead letter: %s", " ".join(f"{name}={value}" for name, value in line.items() if value))


def append_lines(path: Path, lines: Sequence[str]) -> None:
    """Append lines to a file, and return when they are on disk.

    Raises:
        Retryable: they cannot be written.
    """
    if lines:
        _append(path, "".join(f"{line}\n" for line in lines).encode())


def _append(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            keep_name(path.parent)
    except OSError as error:
        raise Retryable(f"{path} cannot be written: {error.strerror}; make room or make it writable") from error


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of the data; one call may write a part of it."""
    while data:
        data = data[os.write(descriptor, data) :]


def keep_name(folder: Path) -> None:
    """Have a new file's name on disk too: it is its folder's to keep."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

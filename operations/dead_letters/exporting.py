"""Dead letters in a file: a JSON object a line, with the exact body, from which each could be sent again."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from operations.dead_letters.audit import keep_name, write_all
from operations.dead_letters.decoding import DeadLetter
from operations.dead_letters.judging import Reason
from podcasting.errors import Permanent, Retryable


def record_of(letter: DeadLetter, reason: Reason) -> dict[str, Any]:
    """All there is of a message, for a program."""
    return {
        "queue": letter.queue,
        "message_id": letter.message_id,
        "task": letter.task,
        "podcast": letter.podcast_id,
        "episode": letter.episode_id,
        "reason": reason.text,
        "form": letter.form.value,
        "received": letter.received,
        "sent_at": letter.sent_at.isoformat() if letter.sent_at else None,
        "first_received_at": letter.first_received_at.isoformat() if letter.first_received_at else None,
        "attributes": {name: _attribute(value) for name, value in letter.attributes.items()},
        "system_attributes": dict(letter.system),
        "body": letter.body,
    }


def line_of(letter: DeadLetter, reason: Reason) -> str:
    """The same as a line of ASCII, whatever characters are in it."""
    return json.dumps(record_of(letter, reason))


def write_new(path: Path, lines: Sequence[str]) -> None:
    """Write lines to a file that does not exist yet, and return when they are on disk.

    Raises:
        Permanent: there is such a file.
        Retryable: it cannot be written.
    """
    if path.exists():
        raise Permanent(f"there is a file {path} already; name another")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            write_all(descriptor, "".join(f"{line}\n" for line in lines).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        keep_name(path.parent)
    except OSError as error:
        raise Retryable(
            f"{path} cannot be written: {error.strerror}; make room, or name another file; nothing was deleted"
        ) from error


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    # boto3 hands out the bytes that SQS's JSON has in base64.
    return {
        key: base64.b64encode(part).decode() if isinstance(part, bytes) else part
        for key, part in value.items()
        if key in {"DataType", "StringValue", "BinaryValue"}
    }

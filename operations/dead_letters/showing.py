"""Showing dead letters to people: in a table, or one whole; whatever is in them does nothing to a terminal."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from operations.dead_letters.decoding import DeadLetter, Form
from operations.dead_letters.exporting import record_of
from operations.dead_letters.judging import Reason, times
from operations.dead_letters.looking import Look
from operations.output import moment
from podcasting.errors import Retryable

BODY_CHARACTERS = 2000
REASON_CHARACTERS = 100
FEW = 3
"""So many podcasts or episodes are named."""
HARMFUL = ("C", "Zl", "Zp")
"""Unicode's categories of what is no character to see: controls, surrogates, directions, ends of lines."""


def safe(text: str) -> str:
    """Text with each character that could do something to a terminal written out, as ``\\x1b``."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character).startswith(HARMFUL)
        else character
        for character in text
    )


def cell(text: str, longest: int = REASON_CHARACTERS) -> str:
    """Text for a table, on one line, no longer than this."""
    shown = safe(text)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


@dataclass(frozen=True)
class Group:
    """The dead letters of one queue, task and kind of reason."""

    queue: str
    task: str
    reason: str
    letters: tuple[DeadLetter, ...]

    @property
    def first(self) -> datetime | None:
        """When the first of them was sent."""
        return min((letter.sent_at for letter in self.letters if letter.sent_at), default=None)

    @property
    def last(self) -> datetime | None:
        """When the last of them was sent."""
        return max((letter.sent_at for letter in self.letters if letter.sent_at), default=None)

    @property
    def about(self) -> str:
        """Which podcasts or episodes, when they are few; else how many."""
        for what, ids in (
            ("episodes", _ids(self.letters, "episode_id")),
            ("podcasts", _ids(self.letters, "podcast_id")),
        ):
            if ids:
                return ", ".join(ids) if len(ids) <= FEW else f"{len(ids)} {what}"
        return "–"

    def plain(self) -> dict[str, Any]:
        """It for programs."""
        return {
            "queue": self.queue,
            "task": self.letters[0].task,
            "reason": self.reason,
            "count": len(self.letters),
            "first": self.first.isoformat() if self.first else None,
            "last": self.last.isoformat() if self.last else None,
            "podcasts": _ids(self.letters, "podcast_id"),
            "episodes": _ids(self.letters, "episode_id"),
            "message_ids": [letter.message_id for letter in self.letters],
        }


def groups_of(look: Look) -> list[Group]:
    """The letters by queue, task and kind of reason, the largest group first."""
    gathered: dict[tuple[str, str, str], list[DeadLetter]] = {}
    for letter in look.letters:
        gathered.setdefault((letter.queue, letter.short_task, look.reason(letter).kind), []).append(letter)
    groups = [Group(*key, tuple(letters)) for key, letters in gathered.items()]
    return sorted(groups, key=lambda group: (-len(group.letters), group.queue, group.task, group.reason))


def group_rows(groups: Iterable[Group]) -> list[tuple[str, ...]]:
    """Groups as a table's rows."""
    return [
        (
            str(len(group.letters)),
            group.queue,
            cell(group.task, 40),
            cell(group.reason),
            moment(group.first),
            moment(group.last),
            cell(group.about, 120),
        )
        for group in groups
    ]


def letter_rows(look: Look) -> list[tuple[str, ...]]:
    """Letters as a table's rows."""
    return [
        (
            letter.message_id,
            letter.queue,
            cell(letter.short_task, 40),
            cell(letter.episode_id or letter.podcast_id or "–", 60),
            str(letter.received),
            moment(letter.sent_at),
            cell(look.reason(letter).text),
        )
        for letter in look.letters
    ]


def plain(letter: DeadLetter, reason: Reason) -> dict[str, Any]:
    """A letter for programs: what an export has, and the message decoded (null where that cannot be)."""
    return record_of(letter, reason) | {"problem": letter.problem or None, "message": _finite(letter.payload)}


def whole(letter: DeadLetter, look: Look) -> list[str]:
    """All there is of a letter, line by line."""
    facts = {
        "id": letter.message_id,
        "queue": letter.queue,
        "task": letter.task or "–",
        "form": {
            Form.CELERY: "a Celery message",
            Form.FOREIGN: "bare JSON of a foreign producer",
            Form.BROKEN: "neither a Celery message nor JSON that a task takes",
        }[letter.form],
        "reason": look.reason(letter).text,
        "podcast": _podcast(letter, look),
        "episode": _episode(letter, look),
        "received": f"{times(letter.received)}, looks at it included",
        "sent": moment(letter.sent_at),
        "received first": moment(letter.first_received_at),
        "retries": str(letter.retries),
        "group": letter.group or "–",
        **{f"attribute {name}": _value(value) for name, value in letter.attributes.items()},
    }
    width = max(map(len, facts)) + 2
    lines = [f"{safe(name):<{width}}{safe(str(fact))}" for name, fact in facts.items()]
    if letter.payload is not None and (text := pretty(letter.payload)):
        return [*lines, "message:", *_indented(text)]
    return [*lines, "body:", *_indented(letter.body, letter.size)]


def pretty(payload: Any) -> str:
    """A message as JSON that people read; empty where it cannot be."""
    try:
        return json.dumps(payload, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


def _indented(text: str, size: int | None = None) -> list[str]:
    shown = text[:BODY_CHARACTERS]
    lines = [f"  {safe(line)}" for line in shown.split("\n")]
    if len(text) > BODY_CHARACTERS:
        size = len(text.encode(errors="surrogatepass")) if size is None else size
        lines.append(f"  … ({BODY_CHARACTERS} characters of {size} bytes; --raw writes the body as it is)")
    return lines


def _podcast(letter: DeadLetter, look: Look) -> str:
    if letter.podcast_id is None or look.known is None:
        return letter.podcast_id or "–"
    try:
        found = look.known.podcast(letter.podcast_id)
    except Retryable:
        return letter.podcast_id
    return f"{letter.podcast_id} ({found.state.value})" if found else f"{letter.podcast_id} (the database has none)"


def _episode(letter: DeadLetter, look: Look) -> str:
    try:
        if look.known is None:
            return letter.episode_id or "–"
        if letter.episode_id is not None:
            found = look.known.episode(letter.episode_id)
            return f"{letter.episode_id} ({found.status.value if found else 'the database has none'})"
        newest = look.known.current(letter.podcast_id) if letter.podcast_id is not None else None
    except Retryable:
        return letter.episode_id or "–"
    return f"{newest.id} ({newest.status.value}), the podcast's current one" if newest else "–"


def _value(attribute: dict[str, Any]) -> str:
    if "BinaryValue" in attribute:
        return f"{len(attribute['BinaryValue'])} bytes"
    return str(attribute.get("StringValue", ""))


def _ids(letters: Sequence[DeadLetter], name: str) -> list[str]:
    return list(dict.fromkeys(found for letter in letters if (found := getattr(letter, name)) is not None))


def _finite(payload: Any) -> Any:
    """The payload, or None where JSON has no way to say it."""
    try:
        json.dumps(payload, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return payload

"""Editing a dead letter's message: in an editor or from a file, validated, and never lost when that ends early."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from operations.dead_letters.decoding import DeadLetter, fields_of, in_words, validated
from operations.dead_letters.known import Known
from operations.dead_letters.showing import pretty
from podcasting.errors import Permanent, Retryable
from publishers.foreign import TASKS
from publishers.queues import ROUTES, Task

SCHEMAS = "docs/schemas/"


class Invalid(Exception):
    """The text is no message that can be sent; says where, and what it should be."""


def original(letter: DeadLetter) -> str:
    """What there is to edit: the message as JSON, or the body as it is when there is none in it."""
    shown = pretty(letter.payload) if letter.payload is not None else ""
    return f"{shown or letter.body}\n"


def keep(path: Path, text: str) -> None:
    """Write a text where an editor finds it, and where it stays if that ends early.

    Raises:
        Retryable: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, errors="backslashreplace")
    except OSError as error:
        raise Retryable(f"{path} cannot be written: {error.strerror}; make it writable; nothing was sent") from error


def read(path: Path) -> str:
    """A text that somebody wrote.

    Raises:
        Permanent: there is no such file, or no text in it.
    """
    try:
        return path.read_text()
    except OSError as error:
        raise Permanent(f"{path} cannot be read: {error.strerror}; nothing was sent") from error
    except UnicodeDecodeError:
        raise Permanent(f"{path} is not UTF-8; nothing was sent") from None


def message_of(text: str, letter: DeadLetter, known: Known) -> dict[str, Any]:
    """The message in a text, which the letter's queue has a task for, about what the database knows.

    Raises:
        Invalid: there is none.
        Retryable: the database does not answer.
    """
    try:
        payload = json.loads(text)
    except ValueError as error:
        raise Invalid(f"it is not JSON: {error}") from None
    except RecursionError:
        raise Invalid("it is nested too deeply") from None
    task = task_of(payload, letter)
    try:
        message = validated(task, payload)
    except ValidationError as error:
        raise Invalid(f"{in_words(fields_of(error))}; the schemas are in {SCHEMAS}") from None
    podcast_id = message.data.podcast_id
    if known.podcast(podcast_id) is None:
        raise Invalid(
            f"data.podcastId is {podcast_id!r}: no podcast has it; `airdate podcasts list` shows those there are"
        )
    episode_id = getattr(message.data, "episode_id", None)
    if episode_id is not None and known.episode(episode_id) is None:
        raise Invalid(
            f"data.episodeId is {episode_id!r}: no episode has it; `airdate episodes list` shows those there are"
        )
    found: dict[str, Any] = payload
    return found


def task_of(payload: Any, letter: DeadLetter) -> Task:
    """The task that a message of the letter's queue is for.

    Raises:
        Invalid: the queue has none for it.
        Permanent: the queue takes no messages that have something in them.
    """
    kinds = sorted(kind for kind, task in TASKS.items() if ROUTES[task] == letter.queue)
    if not kinds:
        raise Permanent(
            f"queue {letter.queue} takes ticks of beat's, in which there is nothing to edit; `drop` it, the next come"
        )
    kind = payload.get("type") if isinstance(payload, dict) else None
    if kind not in kinds:
        shown = repr(kind)[:80] if isinstance(payload, dict) else "missing: the message is no object"
        raise Invalid(f"type is {shown}: queue {letter.queue} takes {' or '.join(kinds)}")
    return TASKS[str(kind)]

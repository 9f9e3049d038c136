"""Choosing dead letters: all are received and held, those that were not asked for are given back at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import click

from operations import opened
from operations.dead_letters import reading
from operations.dead_letters.decoding import DeadLetter, decode
from operations.dead_letters.judging import Reason, reason_of
from operations.dead_letters.known import Known
from operations.dead_letters.reading import DeadLetterQueue, Holds, dead_letter_queue_of, holding
from podcasting.errors import AirdateError, Permanent, Retryable
from settings import settings
from tasks import aws, wiring

TIMEOUT_SECONDS = 10
SHORTEST_PREFIX = 8
"""Characters of an id that may stand for all of it."""


@dataclass(frozen=True)
class Choice:
    """Which dead letters somebody asked for; empty: all."""

    queue: str | None = None
    task: str | None = None
    reason: str | None = None
    podcast: str | None = None
    episode: str | None = None
    ids: tuple[str, ...] = ()
    older_than: timedelta | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing narrows it."""
        return self == Choice()

    @property
    def takes_whole_queues(self) -> bool:
        """Whether it takes all that is in a queue, or nothing of it."""
        return Choice(queue=self.queue) == self

    def takes(self, letter: DeadLetter, reason: Reason, now: datetime) -> bool:
        """Whether this letter is among them; ids are :func:`looking`'s to resolve."""
        younger = self.older_than is not None and (letter.sent_at is None or letter.sent_at > now - self.older_than)
        return (
            (self.task is None or self.task in {letter.task, letter.short_task})
            and (self.reason is None or self.reason.casefold() in reason.text.casefold())
            and (self.podcast is None or self.podcast == letter.podcast_id)
            and (self.episode is None or self.episode == letter.episode_id)
            and (not self.ids or letter.message_id in self.ids)
            and not younger
        )


@dataclass(frozen=True)
class Look:
    """What was found, and is held."""

    sqs: Any
    holds: Holds
    letters: list[DeadLetter]
    """Those asked for, oldest first."""
    reasons: Mapping[str, Reason]
    """By message id."""
    others: Mapping[str, int]
    """How many more somebody else has in hand, by queue; those with none are left out."""
    known: Known | None
    """None where the database does not answer."""

    def reason(self, letter: DeadLetter) -> Reason:
        """Why a letter is dead."""
        return self.reasons[letter.message_id]


@contextmanager
def looking(choice: Choice, *, needs_database: bool = False) -> Iterator[Look]:
    """Hold the letters asked for within; at the end, and on any error, those that are left are given back.

    Raises:
        Permanent: there is no such queue or id, or something is not allowed.
        Retryable: SQS does not answer; or the database, where it is needed.
    """
    sqs = aws.client("sqs", timeout_seconds=TIMEOUT_SECONDS)
    queues = _queues(sqs, choice.queue)
    # The embedded AWS is one server, whose short poll sees all.
    poll_seconds = 0 if settings().embedded else reading.LONGEST_POLL_SECONDS
    with holding(sqs, queues, poll_seconds=poll_seconds) as holds:
        letters = [decode(message, hold.queue.name) for hold in holds for message in hold.read()]
        others = {hold.queue.name: count for hold in holds if (count := hold.held_by_others())}
        known, reasons = _reasons(letters, needs_database=needs_database)
        whole = _resolved(choice, letters, others)
        now = wiring.utc_now()
        chosen = [letter for letter in letters if whole.takes(letter, reasons[letter.message_id], now)]
        kept = {letter.message_id for letter in chosen}
        for hold in holds:
            hold.release(
                [each.message_id for each in letters if each.queue == hold.queue.name and each.message_id not in kept]
            )
        chosen.sort(key=lambda letter: (letter.queue, letter.system.get("SentTimestamp", ""), letter.message_id))
        yield Look(sqs, holds, chosen, reasons, others, known)


def tell_of_others(others: Mapping[str, int]) -> None:
    """Say on stderr what somebody else has in hand, since it is not among what is shown."""
    for queue, count in others.items():
        are = "is" if count == 1 else "are"
        click.echo(
            f"{count} more of {queue} {are} held by somebody else just now; "
            f"back within {reading.HOLD_SECONDS} s once they are done",
            err=True,
        )


def _queues(sqs: Any, wanted: str | None) -> list[DeadLetterQueue]:
    urls = settings().queue_urls()
    names = [name for name, url in urls.items() if wanted in {None, name, url.rpartition("/")[2], url}]
    if not names:
        raise Permanent(f"there is no queue {wanted!r}; the queues are {', '.join(urls)}")
    found = [dead_letter_queue_of(sqs, name, urls[name]) for name in names]
    missing = [name for name, each in zip(names, found, strict=True) if each is None]
    if missing and wanted is not None:
        raise Permanent(f"queue {wanted} has no redrive policy, so it has no dead letters; `airdate doctor` tells more")
    for name in missing:
        click.echo(f"{name} has no redrive policy, so it has no dead letters", err=True)
    return [each for each in found if each is not None]


def _reasons(letters: list[DeadLetter], *, needs_database: bool) -> tuple[Known | None, dict[str, Reason]]:
    if not letters and not needs_database:
        return None, {}
    try:
        known = Known(opened.database())
        return known, {letter.message_id: reason_of(letter, known) for letter in letters}
    except AirdateError as error:
        if needs_database:
            raise
        click.echo(f"reasons are without what the database knows: {error}", err=True)
        return None, {letter.message_id: reason_of(letter, None) for letter in letters}


def _resolved(choice: Choice, letters: list[DeadLetter], others: Mapping[str, int]) -> Choice:
    if not choice.ids:
        return choice
    found = [_one(each, letters, others) for each in choice.ids]
    return Choice(**{**vars(choice), "ids": tuple(found)})


def _one(wanted: str, letters: list[DeadLetter], others: Mapping[str, int]) -> str:
    ids = [letter.message_id for letter in letters]
    if wanted in ids:
        return wanted
    begun = [each for each in ids if each.startswith(wanted)] if len(wanted) >= SHORTEST_PREFIX else []
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise Permanent(f"{len(begun)} dead letters have an id that begins with {wanted!r}; give more of it")
    if count := sum(others.values()):
        raise Retryable(
            f"no dead letter that can be seen has the id {wanted!r}, but {count} are held by somebody else just now; "
            f"try again in {reading.HOLD_SECONDS} s"
        )
    raise Permanent(f"no dead letter has the id {wanted!r}; `airdate dead-letters list --each` shows those there are")

"""Sending dead letters to their queue again: each is sent, that is confirmed, and only then is the old one deleted.

Killed between the two, a message is there twice and never not at all; the database makes the second one harmless.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from broker.batch import ENTRIES_PER_CALL, entry_bytes
from operations.dead_letters.asking import asking
from operations.dead_letters.audit import Audit
from operations.dead_letters.decoding import TOLD, DeadLetter, as_sent_again
from operations.dead_letters.judging import Verdict, judge
from operations.dead_letters.known import Known, asked
from operations.dead_letters.reading import Hold, Holds
from podcasting.database import Database
from podcasting.database.history import Happened
from podcasting.due import Work, work_for
from podcasting.errors import Permanent, UnknownEpisode
from publishers.queues import Task

BYTES_PER_CALL = 256 * 1024
"""A quarter of what SQS takes since 2025: emulators keep to the older limit. One message may be larger."""
TAKEN = "somebody else dealt with it meanwhile; nothing was sent"


@dataclass
class Outcome:
    """What came of dead letters that were to be sent again."""

    sent: list[DeadLetter] = field(default_factory=list)
    kept: list[tuple[DeadLetter, str]] = field(default_factory=list)
    """Those that stay where they are, and why."""
    failed: list[tuple[DeadLetter, str]] = field(default_factory=list)
    """Those that SQS would not take; they stay too."""
    doubled: list[tuple[DeadLetter, str]] = field(default_factory=list)
    """Those that were sent, and could not be deleted."""

    @property
    def looked_at(self) -> int:
        """All of them."""
        return len(self.sent) + len(self.kept) + len(self.failed)


@dataclass(frozen=True)
class Redriver:
    """Sends dead letters again, ten at a time, at most ``rate`` a second."""

    sqs: Any
    database: Database
    audit: Audit
    now: Callable[[], datetime]
    claim_seconds: float
    """For how long discovery leaves alone an episode that is set going, since its message is on its way."""
    rate: float | None = None
    force: bool = False
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def redrive(
        self, holds: Holds, letters: Sequence[DeadLetter], outcome: Outcome, progress: Callable[[], None] = lambda: None
    ) -> None:
        """Send these held letters again, adding what came of each to ``outcome``; then, batch by batch, ``progress``.

        Raises:
            Permanent, Retryable: SQS, the database or the audit's file is in trouble. What was not sent stays.
        """
        for hold in holds:
            for batch in self._batches([letter for letter in letters if letter.queue == hold.queue.name]):
                began, before = self.clock(), len(outcome.sent)
                self._redrive(hold, batch, outcome)
                progress()
                if self.rate is not None:
                    self.sleep(max(0.0, (len(outcome.sent) - before) / self.rate - (self.clock() - began)))

    def send(
        self,
        hold: Hold,
        letters: Sequence[tuple[DeadLetter, str, Verdict]],
        action: str,
        outcome: Outcome,
    ) -> None:
        """Send these bodies in place of ten held letters at most; the letters go once that is confirmed.

        Raises:
            Permanent, Retryable: as :meth:`redrive`.
        """
        self.audit.prove()
        ours = set(hold.confirm([letter.message_id for letter, _, _ in letters]))
        outcome.kept += [(letter, TAKEN) for letter, _, _ in letters if letter.message_id not in ours]
        wanted = [each for each in letters if each[0].message_id in ours]
        for letter, _, verdict in list(wanted):
            if why := self.set_going(letter, verdict):
                outcome.kept.append((letter, why))
                wanted = [each for each in wanted if each[0] is not letter]
        if wanted:
            sent_before = len(outcome.sent)
            with uninterrupted():
                self._replace(hold, [(letter, body) for letter, body, _ in wanted], action, outcome)
            verdicts = {letter.message_id: verdict for letter, _, verdict in wanted}
            for letter in outcome.sent[sent_before:]:
                self.note(letter, verdicts[letter.message_id])

    def _replace(self, hold: Hold, letters: Sequence[tuple[DeadLetter, str]], action: str, outcome: Outcome) -> None:
        batch = [letter for letter, _ in letters]
        entries = [{"Id": str(position), **entry_of(*each)} for position, each in enumerate(letters)]
        source = hold.queue.source_url
        with asking("SendMessage", source.rpartition("/")[2]):
            answer = self.sqs.send_message_batch(QueueUrl=source, Entries=entries)
        new_ids = {batch[int(each["Id"])].message_id: each["MessageId"] for each in answer.get("Successful", [])}
        refused = {
            batch[int(each["Id"])].message_id: f"{each['Code']}: {each.get('Message', '')}"
            for each in answer.get("Failed", [])
        }
        sent = [letter for letter in batch if letter.message_id in new_ids]
        failed = [
            (letter, refused.get(letter.message_id, "SQS did not confirm it"))
            for letter in batch
            if letter.message_id not in new_ids
        ]
        outcome.failed += failed
        self.audit.note(
            action,
            [
                *((letter, {"outcome": "sent", "sent_as": new_ids[letter.message_id]}) for letter in sent),
                *((letter, {"outcome": f"not sent: {why}"}) for letter, why in failed),
            ],
        )
        outcome.sent += sent
        left = hold.delete([letter.message_id for letter in sent])
        doubled = [(letter, left[letter.message_id]) for letter in sent if letter.message_id in left]
        outcome.doubled += doubled
        self.audit.note(action, [(letter, {"outcome": f"sent, but not deleted: {why}"}) for letter, why in doubled])

    def set_going(self, letter: DeadLetter, verdict: Verdict) -> str:
        """Set the failed episode of a verdict going, from its last stage that is done; says why its message is moot.

        An episode whose stories a later one told meanwhile begins anew: its processing is for later then.

        Raises:
            Retryable: the database does not answer.
        """
        if verdict.revives is None:
            return ""
        now = self.now()
        with asked():
            with suppress(Permanent):  # somebody else has set it going, or it went on by itself
                self.database.episodes.retry(
                    verdict.revives,
                    Known(self.database).reached(verdict.revives),
                    now,
                    by=self.audit.by,
                    claimable_at=now + timedelta(seconds=self.claim_seconds),
                )
            episode = self.database.episodes.get(verdict.revives)
        if letter.task == Task.PROCESS_EPISODE and work_for(episode) is Work.GENERATION:
            return f"episode {episode.id} was set going and begins anew, so discovery has it made first; `drop` this"
        return ""

    def note(self, letter: DeadLetter, verdict: Verdict) -> None:
        """Write into the episode's history that its message was sent again.

        Raises:
            Retryable: the database does not answer.
        """
        if verdict.concerns is None:
            return
        detail = f"{self.audit.by}: dead letter {letter.message_id} of {letter.queue}"
        with asked(), suppress(UnknownEpisode):
            self.database.history.note(verdict.concerns, Happened.REDRIVEN, self.now(), detail=detail)

    def _redrive(self, hold: Hold, batch: Sequence[DeadLetter], outcome: Outcome) -> None:
        known, now = Known(self.database), self.now()  # anew: it may have waited for long
        verdicts = {letter.message_id: judge(letter, known, now, force=self.force) for letter in batch}
        outcome.kept += [
            (letter, verdicts[letter.message_id].refusal) for letter in batch if verdicts[letter.message_id].refusal
        ]
        wanted = [letter for letter in batch if not verdicts[letter.message_id].refusal]
        self.send(
            hold,
            [(letter, as_sent_again(letter), verdicts[letter.message_id]) for letter in wanted],
            "redrive",
            outcome,
        )

    def _batches(self, letters: Sequence[DeadLetter]) -> Iterator[list[DeadLetter]]:
        most = ENTRIES_PER_CALL if self.rate is None else min(ENTRIES_PER_CALL, max(1, int(self.rate)))
        batch: list[DeadLetter] = []
        filled = 0
        for letter in letters:
            length = entry_bytes(entry_of(letter, letter.body))
            if batch and (len(batch) == most or filled + length > BYTES_PER_CALL):
                yield batch
                batch, filled = [], 0
            batch.append(letter)
            filled += length
        if batch:
            yield batch


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C within counts at the end: between sending a message and deleting the old one it would double it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts:
        raise KeyboardInterrupt


def entry_of(letter: DeadLetter, body: str) -> dict[str, Any]:
    """What is sent in place of a dead letter: a body, its attributes but those of its death, and its group."""
    entry: dict[str, Any] = {"MessageBody": body}
    attributes = {
        name: {key: value for key, value in attribute.items() if key in {"DataType", "StringValue", "BinaryValue"}}
        for name, attribute in letter.attributes.items()
        if name not in TOLD
    }
    if attributes:
        entry["MessageAttributes"] = attributes
    # Whose fair share it counts for; a foreign producer, and a retry of an older release, named none.
    if group := letter.group or (letter.podcast_id if not letter.problem else None):
        entry["MessageGroupId"] = group
    return entry

"""Moving a whole dead-letter queue back by SQS's own task, where it has one and nothing needs a look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from operations.dead_letters.decoding import TOLD, DeadLetter, as_sent_again
from operations.dead_letters.judging import Verdict
from operations.dead_letters.move_task import MoveTask, NoMoveTask, takes_rate
from operations.dead_letters.reading import Hold
from operations.dead_letters.redriving import Outcome, Redriver, entry_of


def goes_back_unchanged(letters: Sequence[DeadLetter], verdicts: Mapping[str, Verdict]) -> bool:
    """Whether every one of these may be sent again, and as it is: body, attributes, group."""
    return all(not verdicts[letter.message_id].refusal and _unchanged(letter) for letter in letters)


def move_whole(
    redriver: Redriver,
    hold: Hold,
    letters: Sequence[DeadLetter],
    verdicts: Mapping[str, Verdict],
    outcome: Outcome,
    progress: Callable[[int], None],
) -> None:
    """Have SQS move all that this dead-letter queue holds; it must hold these letters alone.

    Raises:
        NoMoveTask: there is no such task here; nothing was moved, and the letters are held still, or again visible.
        Retryable: SQS or the database does not answer.
    """
    task = MoveTask(redriver.sqs, hold.queue, sleep=redriver.sleep)
    task.prove()
    if any(redriver.set_going(letter, verdicts[letter.message_id]) for letter in letters):
        raise NoMoveTask("one of them is not to be sent any more")
    audit = redriver.audit
    audit.note("redrive", [(letter, {"outcome": "left to SQS's own move task"}) for letter in letters])
    hold.release([letter.message_id for letter in letters])
    ended = task.run(redriver.rate, progress)
    if ended.status == "COMPLETED" and ended.moved >= len(letters):
        outcome.sent += letters
        said = "moved by SQS's own task"
        for letter in letters:
            redriver.note(letter, verdicts[letter.message_id])
    else:
        said = f"SQS's move task: {ended.status}, {ended.moved} moved of {len(letters)} {ended.failure}".strip()
        outcome.failed += [(letter, said) for letter in letters]
    audit.note("redrive", [(letter, {"outcome": said}) for letter in letters])


def can_move(redriver: Redriver, hold: Hold) -> bool:
    """Whether a move task keeps to what was asked for: the rate, and no order of its own."""
    return takes_rate(redriver.rate) and not redriver.force and not hold.queue.url.endswith(".fifo")


def _unchanged(letter: DeadLetter) -> bool:
    same_body = as_sent_again(letter) == letter.body
    same_group = entry_of(letter, letter.body).get("MessageGroupId") == letter.group
    return same_body and same_group and not set(TOLD) & set(letter.attributes)

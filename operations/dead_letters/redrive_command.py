"""Sending dead letters again: ``airdate dead-letters redrive``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from operations import opened
from operations.dead_letters.choosing import choosing, not_all
from operations.dead_letters.commands import NONE_CHOSEN, dead_letters, show_plain
from operations.dead_letters.decoding import DeadLetter
from operations.dead_letters.desk import all_option, ask, counted, redriver_for, yes_option
from operations.dead_letters.judging import Verdict, judge
from operations.dead_letters.known import Known
from operations.dead_letters.looking import Choice, Look, looking, tell_of_others
from operations.dead_letters.move_task import NoMoveTask
from operations.dead_letters.reading import Hold
from operations.dead_letters.redriving import Outcome, Redriver
from operations.dead_letters.showing import safe
from operations.dead_letters.wholesale import can_move, goes_back_unchanged, move_whole
from operations.output import as_json
from podcasting.errors import Permanent, Retryable
from tasks import wiring

SHOWN = 20
"""So many are told one by one; --json tells all."""


@dead_letters.command()
@click.argument("message_ids", metavar="[ID]...", nargs=-1)
@choosing
@all_option
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=None, help="At most so many a second.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be sent, and what not and why.")
@click.option("--force", is_flag=True, help="Send also what is done already, and what would only come back.")
@yes_option
@as_json
def redrive(
    choice: Choice,
    *,
    everything: bool,
    rate: float | None,
    dry_run: bool,
    force: bool,
    yes: bool,
    in_json: bool,
) -> None:
    """Send dead letters to their queue again. A failed episode is set going from its last stage that is done.

    What is done already, and what would only come back, stays where it is, with the reason.

    \b
    Examples:
      airdate dead-letters redrive --all --dry-run
      airdate dead-letters redrive --queue podcast-generation --rate 2
      airdate dead-letters redrive 8f2c1d9e 01b7c3aa --yes
    """
    not_all(choice, "redrive", everything=everything)
    outcome = Outcome()
    with looking(choice, needs_database=True) as look:
        tell_of_others(look.others)
        verdicts = _verdicts(look, force=force)
        going = [letter for letter in look.letters if not verdicts[letter.message_id].refusal]
        if dry_run:
            _tell_plan(look, verdicts, in_json=in_json)
            return
        if going and not yes:
            ask(f"send {counted(going)} again; {len(look.letters) - len(going)} stay", "nothing was sent")
        redriver = redriver_for(look, rate=rate, force=force)
        with _bar("sending", len(look.letters)) as shown:
            left = _move(redriver, look, verdicts, choice, outcome, shown)
            try:
                redriver.redrive(look.holds, left, outcome, lambda: shown(outcome.looked_at))
            except KeyboardInterrupt:
                click.echo(f"{len(outcome.sent)} of {len(going)} were sent again, and the others stay", err=True)
                raise
    _tell(outcome, in_json=in_json)


def _move(
    redriver: Redriver,
    look: Look,
    verdicts: dict[str, Verdict],
    choice: Choice,
    outcome: Outcome,
    shown: Callable[[int], None],
) -> list[DeadLetter]:
    """Leave whole queues to SQS where it does that; gives the letters that are left to us."""
    left: list[DeadLetter] = []
    for hold in look.holds:
        letters = [letter for letter in look.letters if letter.queue == hold.queue.name]
        whole = choice.takes_whole_queues and letters and not look.others.get(hold.queue.name)
        if not (whole and can_move(redriver, hold) and goes_back_unchanged(letters, verdicts)):
            left += letters
            continue
        before = outcome.looked_at
        try:
            move_whole(redriver, hold, letters, verdicts, outcome, lambda moved, before=before: shown(before + moved))  # type: ignore[misc]
        except NoMoveTask:
            left += _held_again(hold, letters)
    return left


def _held_again(hold: Hold, letters: list[DeadLetter]) -> list[DeadLetter]:
    """Those of these letters that we hold, once more if they were given back; others are left alone."""
    again = {str(message["MessageId"]) for message in hold.read()}
    ours = {letter.message_id for letter in letters}
    hold.release(sorted(again - ours))
    held = again | set(hold.confirm(sorted(ours - again)))
    return [letter for letter in letters if letter.message_id in held]


def _verdicts(look: Look, *, force: bool) -> dict[str, Verdict]:
    known, now = Known(opened.database()), wiring.utc_now()
    return {letter.message_id: judge(letter, known, now, force=force) for letter in look.letters}


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr, where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


def _tell_plan(look: Look, verdicts: dict[str, Verdict], *, in_json: bool) -> None:
    going = [letter for letter in look.letters if not verdicts[letter.message_id].refusal]
    kept = [(each, verdicts[each.message_id].refusal) for each in look.letters if verdicts[each.message_id].refusal]
    revived = {verdicts[letter.message_id].revives for letter in going} - {None}
    if in_json:
        show_plain(
            {
                "would_send": [letter.message_id for letter in going],
                "would_set_going": sorted(str(each) for each in revived),
                "kept": {letter.message_id: why for letter, why in kept},
            }
        )
        return
    click.echo(f"would send {counted(going)}" if going else "would send nothing")
    if revived:
        click.echo(f"would set going {len(revived)} failed episodes")
    _tell_each("would stay", kept)


def _tell(outcome: Outcome, *, in_json: bool) -> None:
    if in_json:
        show_plain(
            {
                "sent": [letter.message_id for letter in outcome.sent],
                **{
                    name: {letter.message_id: why for letter, why in letters}
                    for name, letters in (
                        ("kept", outcome.kept),
                        ("failed", outcome.failed),
                        ("doubled", outcome.doubled),
                    )
                },
            }
        )
    elif outcome.looked_at:
        click.echo(f"sent {len(outcome.sent)} again; {len(outcome.kept)} stay, {len(outcome.failed)} failed")
        _tell_each("stays", outcome.kept)
        _tell_each("failed", outcome.failed)
        _tell_each("sent, and still among the dead letters", outcome.doubled)
    else:
        click.echo(NONE_CHOSEN)
    if outcome.failed:
        raise Retryable(f"{len(outcome.failed)} were not sent, and stay: {outcome.failed[0][1]}")
    if outcome.kept and not outcome.sent:
        raise Permanent("nothing was sent; --force sends what was refused all the same")


def _tell_each(what: str, letters: list[tuple[DeadLetter, str]]) -> None:
    for letter, why in letters[:SHOWN]:
        click.echo(f"  {what}: {letter.message_id}: {safe(why)}")
    if len(letters) > SHOWN:
        click.echo(f"  … and {len(letters) - SHOWN} more; --json tells all")

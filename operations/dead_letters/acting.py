"""Doing something about dead letters: ``airdate dead-letters redrive|edit|drop``."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from operations import opened
from operations.dead_letters import editing
from operations.dead_letters.audit import Audit, who
from operations.dead_letters.choosing import choosing, not_all
from operations.dead_letters.commands import NONE_CHOSEN, dead_letters, show_plain
from operations.dead_letters.decoding import DeadLetter, with_payload
from operations.dead_letters.exporting import line_of, write_new
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
from settings import settings
from tasks import wiring

SHOWN = 20
"""So many are told one by one; --json tells all."""

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
all_option = click.option("--all", "everything", is_flag=True, help="All there are, of all queues or of --queue.")


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
            _ask(f"send {_counted(going)} again; {len(look.letters) - len(going)} stay", "nothing was sent")
        redriver = _redriver(look, rate=rate, force=force)
        with _bar("sending", len(look.letters)) as shown:
            left = _move(redriver, look, verdicts, choice, outcome, shown)
            try:
                redriver.redrive(look.holds, left, outcome, lambda: shown(outcome.looked_at))
            except KeyboardInterrupt:
                click.echo(f"{len(outcome.sent)} of {len(going)} were sent again, and the others stay", err=True)
                raise
    _tell(outcome, in_json=in_json)


@dead_letters.command()
@click.argument("message_id", metavar="ID")
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Take the new message from this file, and ask nothing.",
)
@click.option("--force", is_flag=True, help="Send it also when what it is about is done already.")
def edit(message_id: str, file: Path | None, *, force: bool) -> None:
    """Open a message in $VISUAL or $EDITOR, validate it, send the new one, then delete the old one.

    \b
    Examples:
      airdate dead-letters edit 8f2c1d9e
      airdate dead-letters edit 8f2c1d9e --file mended.json
    """
    with looking(Choice(ids=(message_id,)), needs_database=True) as look:
        (letter,) = look.letters
        hold = look.holds.of(letter.queue)
        draft = settings().home / "dead-letters" / f"edit-{safe(letter.message_id)}.json"
        known = Known(opened.database())
        message = _from_file(file, letter, known) if file else _edited(draft, letter, known)
        if message is None:
            return
        kept = f"; your text is in {file or draft}"
        changed = DeadLetter(
            **{
                **vars(letter),
                "problem": "",
                "payload": message,
                "task": str(editing.task_of(message, letter)),
                "podcast_id": message["data"]["podcastId"],
                "episode_id": message["data"].get("episodeId"),
            }
        )
        verdict = judge(changed, known, wiring.utc_now(), force=force)
        if verdict.refusal:
            raise Permanent(f"not sent: {verdict.refusal}; --force sends it all the same{kept}")
        outcome = Outcome()
        _redriver(look).send(hold, [(changed, with_payload(letter, message), verdict)], "edit", outcome)
        if not outcome.sent:
            _, why = (outcome.kept + outcome.failed)[0]
            raise Retryable(f"{letter.message_id}: {why}{kept}")
    draft.unlink(missing_ok=True)
    click.echo(f"{letter.message_id}: the new message was sent to {letter.queue}, and the old one deleted")


@dead_letters.command()
@click.argument("message_ids", metavar="[ID]...", nargs=-1)
@choosing
@all_option
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write them to this new file; by default to one under var/dead-letters/.",
)
@yes_option
def drop(choice: Choice, *, everything: bool, to: Path | None, yes: bool) -> None:
    """Delete dead letters, once they are written to a file.

    \b
    Examples:
      airdate dead-letters drop 8f2c1d9e
      airdate dead-letters drop --reason "no podcast has the id" --to gone.jsonl
    """
    not_all(choice, "drop", everything=everything)
    now = wiring.utc_now()
    file = to or settings().home / "dead-letters" / f"dropped-{now:%Y%m%dT%H%M%S}-{os.getpid()}.jsonl"
    failures: dict[str, str] = {}
    with looking(choice) as look:
        tell_of_others(look.others)
        if not look.letters:
            click.echo(NONE_CHOSEN)
            return
        if not yes:
            _ask(f"write {_counted(look.letters)} to {file} and delete them", "nothing was deleted")
        ours = {each for hold in look.holds for each in hold.confirm(_of(look.letters, hold.queue.name))}
        letters = [letter for letter in look.letters if letter.message_id in ours]
        write_new(file, [line_of(letter, look.reason(letter)) for letter in letters])
        audit = _audit()
        audit.note("drop", [(letter, {"outcome": f"written to {file}"}) for letter in letters])
        for hold in look.holds:
            failures |= hold.delete(_of(letters, hold.queue.name))
        audit.note(
            "drop",
            [
                (letter, {"outcome": f"not deleted: {why}" if (why := failures.get(letter.message_id)) else "deleted"})
                for letter in letters
            ],
        )
    click.echo(f"dropped {len(letters) - len(failures)}; they are in {file}")
    if taken := len(look.letters) - len(letters):
        click.echo(f"{taken} were dealt with by somebody else meanwhile", err=True)
    if failures:
        raise Retryable(f"{len(failures)} were not deleted: {next(iter(failures.values()))}; they stay, try again")


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


def _audit() -> Audit:
    return Audit(settings().home / "dead-letters" / "audit.jsonl", who(), wiring.utc_now)


def _redriver(look: Look, *, rate: float | None = None, force: bool = False) -> Redriver:
    return Redriver(
        sqs=look.sqs,
        database=opened.database(),
        audit=_audit(),
        now=wiring.utc_now,
        claim_seconds=settings().claim_seconds,
        rate=rate,
        force=force,
    )


def _edited(draft: Path, letter: DeadLetter, known: Known) -> dict[str, Any] | None:
    before = editing.original(letter)
    if draft.is_file():
        click.echo(f"going on with the text of an earlier edit, {draft}")
    else:
        editing.keep(draft, before)
    while True:
        try:
            click.edit(filename=str(draft))
        except (KeyboardInterrupt, click.ClickException):
            click.echo(f"nothing was sent; your text is in {draft}", err=True)
            raise
        text = editing.read(draft)
        if text == before:
            draft.unlink()
            click.echo(f"{letter.message_id}: unchanged, so nothing was sent")
            return None
        try:
            return editing.message_of(text, letter, known)
        except editing.Invalid as invalid:
            click.echo(safe(str(invalid)), err=True)
            if not (sys.stdin.isatty() and click.confirm("edit again?", default=True, err=True)):
                raise Permanent(f"{safe(str(invalid))}; nothing was sent, and your text is in {draft}") from None


def _from_file(file: Path, letter: DeadLetter, known: Known) -> dict[str, Any] | None:
    text = editing.read(file)
    if text.strip() == editing.original(letter).strip():
        click.echo(f"{letter.message_id}: unchanged, so nothing was sent")
        return None
    try:
        return editing.message_of(text, letter, known)
    except editing.Invalid as invalid:
        raise Permanent(f"{file}: {safe(str(invalid))}; nothing was sent") from None


def _ask(what: str, otherwise: str) -> None:
    try:
        agreed = click.confirm(f"{what}?", err=True)
    except click.Abort:
        click.echo(err=True)  # the prompt's line has no end
        agreed = False
    if not agreed:
        raise Permanent(f"{otherwise}; --yes does it without asking")


def _counted(letters: list[DeadLetter]) -> str:
    by_queue = Counter(letter.queue for letter in letters)
    return f"{len(letters)} dead letters ({', '.join(f'{queue} {count}' for queue, count in by_queue.items())})"


def _of(letters: list[DeadLetter], queue: str) -> list[str]:
    return [letter.message_id for letter in letters if letter.queue == queue]


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
    click.echo(f"would send {_counted(going)}" if going else "would send nothing")
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


COMMANDS = (dead_letters,)

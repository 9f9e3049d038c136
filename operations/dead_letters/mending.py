"""Mending and deleting dead letters: ``airdate dead-letters edit|drop``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from operations import opened
from operations.dead_letters import editing
from operations.dead_letters.choosing import choosing, not_all
from operations.dead_letters.commands import NONE_CHOSEN, dead_letters
from operations.dead_letters.decoding import DeadLetter, with_payload
from operations.dead_letters.desk import all_option, ask, audit, counted, redriver_for, yes_option
from operations.dead_letters.exporting import line_of, write_new
from operations.dead_letters.judging import judge
from operations.dead_letters.known import Known
from operations.dead_letters.looking import Choice, looking, tell_of_others
from operations.dead_letters.redriving import Outcome
from operations.dead_letters.showing import safe
from podcasting.errors import Permanent, Retryable
from settings import settings
from tasks import wiring


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
        message = _from_file(file, letter) if file else _edited(draft, letter)
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
        verdict = judge(changed, Known(opened.database()), wiring.utc_now(), force=force)
        if verdict.refusal:
            raise Permanent(f"not sent: {verdict.refusal}; --force sends it all the same{kept}")
        outcome = Outcome()
        redriver_for(look).send(hold, [(changed, with_payload(letter, message), verdict)], "edit", outcome)
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
            ask(f"write {counted(look.letters)} to {file} and delete them", "nothing was deleted")
        ours = {each for hold in look.holds for each in hold.confirm(_of(look.letters, hold.queue.name))}
        letters = [letter for letter in look.letters if letter.message_id in ours]
        write_new(file, [line_of(letter, look.reason(letter)) for letter in letters])
        noted = audit()
        noted.note("drop", [(letter, {"outcome": f"written to {file}"}) for letter in letters])
        for hold in look.holds:
            failures |= hold.delete(_of(letters, hold.queue.name))
        noted.note(
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


def _edited(draft: Path, letter: DeadLetter) -> dict[str, Any] | None:
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
            return editing.message_of(text, letter, Known(opened.database()))
        except editing.Invalid as invalid:
            click.echo(safe(str(invalid)), err=True)
            if not (sys.stdin.isatty() and click.confirm("edit again?", default=True, err=True)):
                raise Permanent(f"{safe(str(invalid))}; nothing was sent, and your text is in {draft}") from None


def _from_file(file: Path, letter: DeadLetter) -> dict[str, Any] | None:
    text = editing.read(file)
    if text.strip() == editing.original(letter).strip():
        click.echo(f"{letter.message_id}: unchanged, so nothing was sent")
        return None
    try:
        return editing.message_of(text, letter, Known(opened.database()))
    except editing.Invalid as invalid:
        raise Permanent(f"{file}: {safe(str(invalid))}; nothing was sent") from None


def _of(letters: list[DeadLetter], queue: str) -> list[str]:
    return [letter.message_id for letter in letters if letter.queue == queue]

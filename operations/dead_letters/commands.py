"""Looking at dead letters: ``airdate dead-letters list|show|export``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from operations.dead_letters.choosing import choosing
from operations.dead_letters.exporting import line_of, write_new
from operations.dead_letters.looking import Choice, looking, tell_of_others
from operations.dead_letters.showing import group_rows, groups_of, letter_rows, plain, whole
from operations.output import as_json, show_table

EMPTY = "no dead letters"
NONE_CHOSEN = "no dead letter is like that; `airdate dead-letters list` shows those there are"


@click.group("dead-letters")
def dead_letters() -> None:
    """Messages that were given up: look at them, send them again, mend them, drop them.

    \b
    Examples:
      airdate dead-letters list                          what there is, by queue, task and reason
      airdate dead-letters show 8f2c1d9e                 all about one of them
      airdate dead-letters redrive --all --dry-run       what sending them again would do
      airdate dead-letters redrive --queue episode-processing --rate 5
      airdate dead-letters edit 8f2c1d9e                 mend a message, and send that
      airdate dead-letters drop --reason "no podcast"    delete those, once they are in a file

    Looking is safe at any time, also for two people at once: what is looked at is given back at the end.
    """


@dead_letters.command("list")
@choosing
@click.option("--each", is_flag=True, help="A line for each message, not for each kind.")
@as_json
def list_letters(choice: Choice, *, each: bool, in_json: bool) -> None:
    """List dead letters by queue, task and reason, or each by itself.

    \b
    Examples:
      airdate dead-letters list --older-than 2h
      airdate dead-letters list --each --podcast my-show
      airdate dead-letters list --reason "failed at speech" --json
    """
    with looking(choice) as look:
        pass  # what is shown next may wait for a pager, and nobody else should wait for that
    if in_json:
        letters = [plain(letter, look.reason(letter)) for letter in look.letters]
        show_plain(letters if each else [group.plain() for group in groups_of(look)])
    elif each:
        show_table(
            ("ID", "QUEUE", "TASK", "ABOUT", "RECEIVED", "SENT", "REASON"),
            letter_rows(look),
            empty=EMPTY if choice.is_empty else NONE_CHOSEN,
        )
    else:
        show_table(
            ("COUNT", "QUEUE", "TASK", "REASON", "FIRST", "LAST", "ABOUT"),
            group_rows(groups_of(look)),
            empty=EMPTY if choice.is_empty else NONE_CHOSEN,
        )
    tell_of_others(look.others)


@dead_letters.command()
@click.argument("message_id", metavar="ID")
@click.option("--raw", is_flag=True, help="Write the body to stdout as it is, byte for byte; a file may hold it.")
@as_json
def show(message_id: str, *, raw: bool, in_json: bool) -> None:
    """Show all there is of one message. The beginning of its id is enough.

    \b
    Examples:
      airdate dead-letters show 8f2c1d9e
      airdate dead-letters show 8f2c1d9e --raw > body
    """
    with looking(Choice(ids=(message_id,))) as look:
        pass
    (letter,) = look.letters
    if raw:
        sys.stdout.buffer.write(letter.body.encode(errors="surrogatepass"))
    elif in_json:
        show_plain(plain(letter, look.reason(letter)))
    else:
        click.echo("\n".join(whole(letter, look)))


@dead_letters.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@choosing
def export(file: Path, choice: Choice) -> None:
    """Write dead letters to a new FILE, a JSON object a line, and delete none; - is stdout.

    \b
    Examples:
      airdate dead-letters export letters.jsonl
      airdate dead-letters export - --queue discovery
    """
    with looking(choice) as look:
        lines = [line_of(letter, look.reason(letter)) for letter in look.letters]
    if str(file) == "-":
        for line in lines:
            click.echo(line)
    else:
        write_new(file, lines)
        click.echo(f"{len(lines)} dead letters are in {file}, and in their queues still")
    tell_of_others(look.others)


def show_plain(value: Any) -> None:
    """Print JSON in ASCII: a dead letter may hold characters that no terminal and no encoding takes."""
    click.echo(json.dumps(value, indent=2))

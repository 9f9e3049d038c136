"""Redo: ``airdate episodes turns|redo``: a turn that somebody heard and did not like is spoken again."""

from __future__ import annotations

import click

from operations.dead_letters.audit import who
from operations.opened import database
from operations.output import as_json, show_json, show_table
from podcasting.errors import Permanent
from podcasting.providers.writers import Script
from podcasting.redo import redo as begin
from podcasting.stages.master import Mastered
from publishers.episode_checker import send_on
from settings import SettingsError
from tasks import wiring

SHOWN = 90
"""Characters of a turn."""


@click.command()
@click.argument("episode_id", metavar="EPISODE")
@as_json
def turns(episode_id: str, *, in_json: bool) -> None:
    """Show an episode's turns: number, when it is heard, who speaks, and what.

    \b
    Examples:
      airdate episodes turns my-show-20261124t060000
      airdate episodes turns my-show-20261124t060000 --json
    """
    database().episodes.get(episode_id)
    done = database().checkpoints.of(episode_id)
    if "script" not in done:
        raise Permanent(f"episode {episode_id} has no script yet, so no turns")
    script = Script.model_validate(done["script"].output)
    cues = Mastered.model_validate(done["master"].output).cues if "master" in done else ()
    rows = [
        {
            "number": number,
            "start": round(cues[number - 1].start, 2) if number <= len(cues) else None,
            "host": script.hosts[turn.host],
            "text": turn.text,
        }
        for number, turn in enumerate(script.turns, start=1)
    ]
    if in_json:
        show_json(rows)
        return
    show_table(
        ("TURN", "AT", "HOST", "TEXT"),
        [(str(row["number"]), _clock(row["start"]), str(row["host"]), _short(str(row["text"]))) for row in rows],
        empty="no turns",
    )


@click.command()
@click.argument("episode_id", metavar="EPISODE")
@click.option(
    "--turn", "numbers", type=click.IntRange(1), multiple=True, required=True, help="Its number; may be said again."
)
@click.option("--changed", is_flag=True, help="Also those whose voice or pronunciation was changed since.")
def redo(episode_id: str, numbers: tuple[int, ...], *, changed: bool) -> None:
    """Have turns of a published episode spoken again; the other turns keep their clips.

    The script stays. The episode is mastered, checked and published again: under new addresses, in the same place of
    the feed, which lists the old take until then. A voice that reads a text in the same way each time (hibari, kokoro)
    says it as before, unless its pronunciation was changed.

    \b
    Examples:
      airdate episodes turns my-show-20261124t060000
      airdate episodes redo my-show-20261124t060000 --turn 7
      airdate podcasts set my-show speaking.pronunciations.SQS="S Q S"
      airdate episodes redo my-show-20261124t060000 --turn 3 --changed
    """
    redone = begin(wiring.studio(), episode_id, set(numbers), changed=changed, by=who())
    named = ", ".join(map(str, redone.turns))
    click.echo(f"{episode_id}: turn{'s' if len(redone.turns) > 1 else ''} {named} spoken again")
    if redone.alike:
        click.echo("  the voice reads a text in the same way each time, so what was not changed will sound as before")
    try:
        counts = send_on(wiring.discovery(), episode_id, even_if_claimed=True)
    except SettingsError as error:  # nothing runs on this machine
        click.echo(f"  the next tick of discovery sends it on: {error.message}")
    else:
        if counts.released:
            click.echo("  the next tick of discovery sends it on: SQS did not take the message")


def _clock(seconds: object) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}" if isinstance(seconds, float) else "–"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


OF_EPISODES = (turns, redo)
"""Of the group ``airdate episodes``."""

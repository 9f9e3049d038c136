"""Review: ``airdate episodes script|edit|approve|reject``: what people do with scripts before they are spoken."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import BinaryIO

import click

from operations.dead_letters.audit import who
from operations.in_editor import in_editor
from operations.opened import database
from operations.output import as_json, show_json
from podcasting.database.reviews import why_not
from podcasting.errors import Permanent
from podcasting.review import edited, script_of, text_of
from podcasting.script_text import LARGEST_BYTES
from publishers.episode_checker import send_on
from settings import SettingsError
from tasks import wiring


@click.command()
@click.argument("episode_id", metavar="EPISODE")
@as_json
def script(episode_id: str, *, in_json: bool) -> None:
    """Show an episode's script: who says what, section by section.

    The text is the one that `airdate episodes edit` takes back.

    \b
    Examples:
      airdate episodes script my-show-20261124t060000
      airdate episodes script my-show-20261124t060000 > script.txt
    """
    if in_json:
        show_json(script_of(database(), episode_id)[0])
        return
    click.echo(text_of(database(), episode_id), nl=False)


@click.command()
@click.argument("episode_id", metavar="EPISODE")
@click.option("--file", "source", type=click.File("rb"), default=None, help="The edited text; - reads it from stdin.")
def edit(episode_id: str, source: BinaryIO | None) -> None:
    """Change a script that waits for approval: in $EDITOR, or by the text in a file.

    Words, titles, turns and who speaks them may be changed; sections and their addresses belong to the stories.
    What a person wrote is spoken whatever settings change afterwards; approve it when it is ready. An editor with a
    window of its own has to be told to wait, as by EDITOR="code --wait".

    \b
    Examples:
      airdate episodes edit my-show-20261124t060000
      airdate episodes script my-show-20261124t060000 > script.txt
      airdate episodes edit my-show-20261124t060000 --file script.txt
    """
    episode = database().episodes.get(episode_id)
    if not episode.awaits_approval:
        raise Permanent(why_not(episode))
    if source is not None:
        _take(episode_id, source.read(LARGEST_BYTES + 1))
        return
    if not sys.stdin.isatty() and not (os.environ.get("VISUAL") or os.environ.get("EDITOR")):
        raise click.UsageError("there is no terminal for an editor here: say --file FILE")
    in_editor(
        text_of(database(), episode_id),
        partial(_take, episode_id),
        name=episode_id,
        resume=f"airdate episodes edit {episode_id}",
    )


def _take(episode_id: str, content: bytes) -> None:
    if edited(database(), episode_id, content, wiring.utc_now(), by=who()):
        click.echo(f"{episode_id}: changed; `airdate episodes approve {episode_id}` has it spoken")
    else:
        click.echo(f"{episode_id}: the text says what the script says; nothing is changed")


@click.command()
@click.argument("episode_ids", metavar="[EPISODE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every episode that waits for approval.")
@click.option("--podcast", "podcast_id", default=None, help="Those of this podcast that wait for approval.")
@click.option(
    "--script", "key", default=None, metavar="KEY", help="Only if nobody changed it since `script` showed this key."
)
def approve(episode_ids: tuple[str, ...], podcast_id: str | None, *, everything: bool, key: str | None) -> None:
    """Have scripts that wait for approval spoken and published.

    The episode goes to a worker at once, or with the next tick of discovery while SQS can't be reached. To approve
    one again does nothing.

    \b
    Examples:
      airdate episodes approve my-show-20261124t060000
      airdate episodes approve my-show-20261124t060000 --script 978d9706763b9330c6098d15011bab0b
      airdate episodes approve --podcast my-show
      airdate episodes list --waiting
    """
    episode_ids = _chosen(episode_ids, podcast_id, everything=everything, key=key)
    approved, refused = [], 0
    for episode_id in episode_ids:
        try:
            episode, now_it_is = database().reviews.approve(episode_id, wiring.utc_now(), by=who(), key=key)
        except Permanent as error:
            if len(episode_ids) == 1:
                raise
            refused += 1  # the others can go on all the same
            click.echo(f"{episode_id}: not approved: {error}", err=True)
            continue
        if now_it_is:
            approved.append(episode_id)
            click.echo(f"{episode_id}: approved")
        else:
            click.echo(f"{episode_id}: was approved on {episode.approved_at:%Y-%m-%d %H:%M} UTC")
    _send(approved)
    if refused:
        raise Permanent(f"{refused} of {len(episode_ids)} were not approved")


def _chosen(
    episode_ids: tuple[str, ...], podcast_id: str | None, *, everything: bool, key: str | None
) -> tuple[str, ...]:
    if bool(episode_ids) + everything + (podcast_id is not None) != 1:
        raise click.UsageError("say which: ids of episodes, or --podcast, or --all")
    if key is not None and len(episode_ids) != 1:
        raise click.UsageError("--script is the key of one script: give the one episode that it belongs to")
    if episode_ids:
        return episode_ids
    if podcast_id is not None:
        database().podcasts.get(podcast_id)
    waiting = database().episodes.newest(podcast_id=podcast_id, awaiting_approval=True, limit=None)
    if not waiting:
        click.echo("no episode waits for approval")
    return tuple(episode.id for episode in waiting)


def _send(episode_ids: list[str]) -> None:
    """Send them to their workers, as far as SQS can be reached; ticks find the others."""
    for number, episode_id in enumerate(episode_ids):
        try:
            counts = send_on(wiring.discovery(), episode_id, even_if_claimed=True)
        except SettingsError as error:  # nothing runs on this machine
            told = error.message
        else:
            if not counts.released:
                continue
            told = "SQS did not take the message"
        left = len(episode_ids) - number
        click.echo(f"  the next tick of discovery sends {'it' if left == 1 else f'these {left}'} on: {told}")
        return


@click.command()
@click.argument("episode_id", metavar="EPISODE")
@click.option("--reason", required=True, help="Why; the episode's history keeps it.")
@click.option("--retell", is_flag=True, help="Its stories count as new again: the next episode may tell them.")
def reject(episode_id: str, reason: str, *, retell: bool) -> None:
    """Skip an episode that waits for approval: it is never spoken.

    Its stories count as told, unless you say --retell. `airdate episodes retry` takes a rejection back: the episode
    waits again, with its script, or with another when what it is made of was changed.

    \b
    Examples:
      airdate episodes reject my-show-20261124t060000 --reason "the second story is a rumour"
      airdate episodes reject my-show-20261124t060000 --reason "too dry" --retell
    """
    if not reason.strip():
        raise click.UsageError("--reason is empty: say why in a few words")
    said = " ".join(reason.split())[:500]
    database().reviews.reject(episode_id, said, wiring.utc_now(), by=who(), retell=retell)
    told = "the next episode may tell its stories" if retell else "its stories count as told"
    click.echo(f"{episode_id}: skipped; {told}")


OF_EPISODES = (script, edit, approve, reject)
"""Of the group ``airdate episodes``."""

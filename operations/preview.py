"""Preview: ``airdate preview``: what an episode would be made of, and its script, before anything is spoken."""

from __future__ import annotations

from typing import Any

import click

from operations.opened import database
from operations.output import as_json, show_json, show_table
from operations.production import changed, pair
from operations.sources import checked
from podcasting.models import EpisodeStatus, Podcast
from podcasting.observing import Expense
from podcasting.preview import Preview
from podcasting.preview import preview as look_ahead
from podcasting.redaction import redact
from podcasting.script_text import as_text
from podcasting.stages.judging import Verdict
from tasks import wiring

MOST_SHOWN = 20
"""Entries of one kind, to a person; the others are counted, and --json tells all."""


@click.command()
@click.argument("podcast_id", metavar="[PODCAST]", required=False)
@click.option(
    "--source",
    "sources",
    multiple=True,
    help="Read this instead of the podcast's sources, or without any podcast. May be given several times.",
)
@click.option(
    "--set", "changes", multiple=True, metavar="SETTING=VALUE", help="As if it were set so; nothing is changed."
)
@click.option("--no-script", is_flag=True, help="Look at the sources only; no writer is asked.")
@as_json
def preview(
    podcast_id: str | None, sources: tuple[str, ...], changes: tuple[str, ...], *, no_script: bool, in_json: bool
) -> None:
    """Show what an episode would be made of, and its script, before anything is spoken or remembered.

    Sources are read, and the podcast's writer writes; that may cost money, which is told. The database stays as it
    is. `airdate podcasts settings PODCAST` shows what --set takes.

    \b
    Examples:
      airdate preview my-show
      airdate preview my-show --no-script
      airdate preview my-show --set writing.engine=openai:gpt-5-mini --set writing.tone="dry, for engineers"
      airdate preview --source https://example.org/feed.xml --set hosts=Ada --json
    """
    if podcast_id is None and not sources:
        raise click.UsageError("say which: a podcast, or --source ADDRESS to look at one without a podcast")
    podcast = database().podcasts.get(podcast_id) if podcast_id else _ad_hoc(sources)
    if sources:
        podcast = podcast.model_copy(update={"sources": tuple(checked(source) for source in sources)})
    for change in changes:
        podcast = changed(podcast, *pair(change))
    found = _made(podcast, is_known=podcast_id is not None, write=not no_script)
    under_way = _under_way(podcast_id) if podcast_id else None
    if in_json:
        show_json(_plain(podcast, found, under_way))
        return
    if under_way is not None:
        click.echo(f"{under_way} is under way; this is what the one after it would be, if it were made now")
    _show_sources(podcast, found)
    _show_entries(found)
    if found.nothing_new is not None:
        click.echo(f"\nthere would be no episode: {found.nothing_new}")
    if found.script is not None:
        click.echo(f"\n{as_text(found.script)}\nwritten by {found.writer}: {_cost(found)}")


def _made(podcast: Podcast, *, is_known: bool, write: bool) -> Preview:
    database()  # its tables, which providers' breakers are in
    known = database().checkpoints.known_entries(podcast.id)[0] if is_known else frozenset()
    number = database().podcasts.next_number(podcast.id) if is_known else 1
    return look_ahead(
        wiring.studio(),
        podcast,
        number=number,
        known=known,
        progress=lambda told: click.echo(told, err=True),
        write=write,
    )


def _ad_hoc(sources: tuple[str, ...]) -> Podcast:
    now = wiring.utc_now().replace(microsecond=0)
    return Podcast(
        id="preview", title="Preview", sources=sources, frequency_days=1, first_slot=now, next_episode_at=now
    )


def _under_way(podcast_id: str) -> str | None:
    ended = {EpisodeStatus.PUBLISHED, EpisodeStatus.FAILED, EpisodeStatus.SKIPPED}
    newest = database().episodes.newest(podcast_id=podcast_id, limit=1)
    return newest[0].id if newest and newest[0].status not in ended else None


def _show_sources(podcast: Podcast, found: Preview) -> None:
    for source in podcast.sources:
        held = [each for each in found.entries if each.source == source]
        counts = [f"{sum(each.verdict is verdict for each in held)} {verdict}" for verdict in Verdict]
        told = ", ".join(each for each in counts if not each.startswith("0 ")) or "nothing that is new or known"
        click.echo(f"{redact(source)}: {told}")
    for trouble in found.troubles:
        click.echo(f"trouble: {trouble}")
    click.echo()


def _show_entries(found: Preview) -> None:
    rows, left = [], 0
    for verdict in Verdict:
        those = [each.entry for each in found.entries if each.verdict is verdict]
        left += max(0, len(those) - MOST_SHOWN)
        rows += [
            (
                verdict.value,
                f"{entry.published_at:%Y-%m-%d}" if entry.published_at else "–",
                _line(entry.title) or "–",
                entry.url or "",
            )
            for entry in those[:MOST_SHOWN]
        ]
    show_table(("WHAT BECOMES OF IT", "DATE", "TITLE", "ADDRESS"), rows, empty="the sources hold nothing")
    if left:
        click.echo(f"and {left} more; --json tells them all")


def _cost(found: Preview) -> str:
    if not found.expenses:
        return "nothing was spent"
    return "; ".join(_spent(each) for each in found.expenses)


def _spent(expense: Expense) -> str:
    cost = "at a price that is not known" if expense.dollars is None else f"${expense.dollars:.4f}"
    calls = "1 request" if expense.calls == 1 else f"{expense.calls} requests"
    return f"{calls}, {expense.input_tokens:,} tokens in, {expense.output_tokens:,} out, {cost}"


def _line(text: str) -> str:
    return " ".join(text.split())[:100]


def _plain(podcast: Podcast, found: Preview, under_way: str | None) -> dict[str, Any]:
    return {
        "podcast": podcast.id,
        "under_way": under_way,
        "sources": [redact(source) for source in podcast.sources],
        "entries": [
            {
                "source": redact(each.source),
                "verdict": each.verdict.value,
                "title": each.entry.title,
                "url": each.entry.url,
                "published_at": each.entry.published_at.isoformat() if each.entry.published_at else None,
            }
            for each in found.entries
        ],
        "troubles": list(found.troubles),
        "nothing_new": found.nothing_new,
        "stories": [story.model_dump(mode="json") for story in found.stories],
        "script": found.script.model_dump(mode="json") if found.script else None,
        "writer": found.writer,
        "expenses": [each._asdict() for each in found.expenses],
    }


COMMANDS = (preview,)

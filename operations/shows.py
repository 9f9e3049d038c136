"""Podcasts: ``airdate podcasts …``."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Any

import click
from pydantic import ValidationError

from operations import feeds, music, production
from operations.opened import database
from operations.output import as_json, moment, show_json, show_table
from operations.sources import checked
from podcasting import syndication
from podcasting.errors import InvalidPodcast
from podcasting.fingerprint import fingerprint
from podcasting.models import Podcast, PodcastState
from podcasting.visible import visible
from settings import settings
from tasks import wiring

UNITS = {"h": 1 / 24, "d": 1.0, "w": 7.0}
SHORTEST_DAYS = 1 / 24


class Every(click.ParamType[float]):
    """A period such as 12h, 1d or 2w; in days."""

    name = "period"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The period in days, or a usage error that shows how to say it."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([hdw])", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no period; say 12h, 1d or 2w", param, ctx)
        days = float(match[1]) * UNITS[match[2]]
        if not SHORTEST_DAYS <= days <= 366:  # noqa: PLR2004 - a leap year, as the model has it
            self.fail(f"{value!r} must be between 1h and 366d; say 12h, 1d or 2w", param, ctx)
        return days


@click.group()
def podcasts() -> None:
    """Shows: what they read, and when they are due."""


@podcasts.command()
@click.argument("title")
@click.option(
    "--source",
    "sources",
    multiple=True,
    required=True,
    help="An address, or on one's own machine a file or folder (docs/sources.md). May be given several times.",
)
@click.option("--every", type=Every(), default="1d", show_default=True, help="Time between episodes: 12h, 1d, 2w.")
@click.option(
    "--id", "podcast_id", default=None, help="Its id in addresses and commands; made from the title by default."
)
@click.option("--description", default="", help="What listeners read about it.")
@click.option("--author", default="Airdate", show_default=True)
@click.option(
    "--owner",
    default=None,
    help="Whose it is; all of an owner's podcasts share one fair share of the queues. Without one it has its own.",
)
@click.option("--language", default="en", show_default=True, help="BCP 47; the embedded voice speaks English.")
@click.option(
    "--first",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]),
    default=None,
    help="When the first episode is due, in UTC; now by default.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="SETTING=VALUE",
    help="How it is made, from its first episode on: review=true, hosts=Ada,Ben. May be given several times.",
)
@as_json
def add(
    title: str,
    sources: tuple[str, ...],
    every: float,
    podcast_id: str | None,
    description: str,
    author: str,
    owner: str | None,
    language: str,
    first: datetime | None,
    changes: tuple[str, ...],
    *,
    in_json: bool,
) -> None:
    """Add a podcast; its first episode is due at once, or at --first.

    `airdate podcasts settings PODCAST`, of any podcast, shows what --set takes.

    \b
    Examples:
      airdate podcasts add "My show" --source https://example.org/feed.xml --every 1d
      airdate podcasts add "Read first" --source https://example.org/feed.xml --set review=true
      airdate podcasts add "Weekly" --source a.xml --source b.xml --every 1w --first 2027-01-04T06:00
    """
    now = wiring.utc_now().replace(microsecond=0)
    slot = first.replace(tzinfo=now.tzinfo) if first else now
    try:
        podcast = Podcast(
            id=podcast_id or slug(title),
            title=title.strip(),
            description=description,
            author=author,
            owner=owner,
            language=language,
            sources=tuple(checked(source) for source in sources),
            frequency_days=every,
            first_slot=slot,
            next_episode_at=slot,
        )
    except ValidationError as error:
        problem = error.errors()[0]
        raise InvalidPodcast(f"{problem['loc'][0]} {problem['input']!r}: {problem['msg']}") from None
    for change in changes:
        podcast = production.changed(podcast, *production.pair(change))
    database().podcasts.add(podcast, now)
    if in_json:
        show_json(podcast)
        return
    click.echo(f"{podcast.id}: added; its first episode is due {'now' if slot <= now else moment(slot)}")
    click.echo(f"  feed, once it is made: {settings().site_url}/{podcast.id}/feed.xml")


@podcasts.command("list")
@as_json
def list_podcasts(*, in_json: bool) -> None:
    """List the podcasts."""
    found = database().podcasts.all()
    if in_json:
        show_json(found)
        return
    rows = [
        (
            each.id,
            each.title,
            each.state.value,
            f"{each.frequency_days:g} d",
            moment(each.latest_episode_at),
            moment(each.next_episode_at),
        )
        for each in found
    ]
    show_table(
        ("ID", "TITLE", "STATE", "EVERY", "LATEST", "NEXT"),
        rows,
        empty='no podcasts yet; add one: airdate podcasts add "My show" --source https://example.org/feed.xml',
    )


@podcasts.command()
@click.argument("podcast_id", metavar="PODCAST")
@as_json
def show(podcast_id: str, *, in_json: bool) -> None:
    """Show a podcast."""
    podcast = database().podcasts.get(podcast_id)
    if in_json:
        show_json(podcast)
        return
    facts = {
        "id": podcast.id,
        "title": podcast.title,
        "state": podcast.state.value,
        "owner": podcast.owner or "–",
        "sources": ", ".join(podcast.sources),
        "every": f"{podcast.frequency_days:g} days",
        "latest": moment(podcast.latest_episode_at),
        "next": moment(podcast.next_episode_at),
        "language": podcast.language,
        "hosts": ", ".join(podcast.hosts),
        "feed": f"{settings().site_url}/{podcast.id}/feed.xml"
        if podcast.production.feed.private is None
        else f"private; who has one: airdate podcasts feeds list {podcast.id}",
    }
    for name, fact in facts.items():
        click.echo(visible(f"{name:<10}{fact}"))


@podcasts.command()
@click.argument("podcast_id", metavar="PODCAST")
def pause(podcast_id: str) -> None:
    """Make no more episodes of a podcast; what is published stays."""
    database().podcasts.set_state(podcast_id, PodcastState.PAUSED)
    click.echo(f"{podcast_id}: paused")


@podcasts.command()
@click.argument("podcast_id", metavar="PODCAST")
def resume(podcast_id: str) -> None:
    """Make episodes of a paused podcast again."""
    podcast = database().podcasts.set_state(podcast_id, PodcastState.ACTIVE)
    click.echo(f"{podcast_id}: active; next episode {moment(podcast.next_episode_at)}")


@podcasts.command()
@click.argument("podcast_ids", metavar="[PODCAST]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every podcast's.")
def refresh(podcast_ids: tuple[str, ...], *, everything: bool) -> None:
    """Write feeds and pages anew from the database: after the site lost files, or its address changed.

    Workers write a podcast's feed whenever it publishes. Audio and transcripts are not made again.

    \b
    Examples:
      airdate podcasts refresh my-show
      airdate podcasts refresh --all
    """
    if bool(podcast_ids) == everything:
        raise click.UsageError("say which: ids of podcasts, or --all")
    chosen = podcast_ids or tuple(podcast.id for podcast in database().podcasts.all())
    for podcast_id in chosen:
        version = syndication.refresh(wiring.studio(), podcast_id)
        click.echo(f"{podcast_id}: feed and page written, version {version}")
    if not chosen:
        click.echo("no podcasts yet; `airdate podcasts add` adds one")


def slug(title: str) -> str:
    """An id made from a title; from its hash when it has no Latin letters."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or f"podcast-{fingerprint('title', title)[:8]}"


podcasts.add_command(feeds.feeds)
podcasts.add_command(music.music)
podcasts.add_command(production.settings)
podcasts.add_command(production.set_)

COMMANDS = (podcasts,)

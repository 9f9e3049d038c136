"""Private podcasts and who may hear them: ``airdate podcasts feeds …``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from pydantic import ValidationError

from operations.opened import database
from operations.output import as_json, show_json, show_table
from podcasting import private_feeds
from podcasting.errors import AirdateError, InvalidPodcast, Permanent, UnknownPodcast
from podcasting.models import Podcast
from settings import settings
from tasks import wiring

podcast_argument = click.argument("podcast_id", metavar="PODCAST")


@contextmanager
def _told_if_files_are_left(podcast_id: str) -> Iterator[None]:
    """Within it, who is stopped by the store is told that the database says one thing and the site still another."""
    try:
        yield
    except (InvalidPodcast, UnknownPodcast):  # nothing was changed
        raise
    except AirdateError as error:
        raise Permanent(
            f"the change is made, and files are still where they were: {error}; "
            f"mend that, then airdate podcasts feeds settle {podcast_id}"
        ) from error


@click.group()
def feeds() -> None:
    """Private podcasts: a feed for each listener, at an address that nobody can guess.

    The site's files are served to whoever knows their address. A listener's feed can be taken away (revoke); the sound
    is in one folder for all of them, and gets another when its address got about (rotate).

    \b
    Examples:
      airdate podcasts feeds private my-show         make it private: nobody finds it any more
      airdate podcasts feeds add my-show ann         a feed for Ann; shows its address
      airdate podcasts feeds list my-show            who has a feed, and where
      airdate podcasts feeds revoke my-show ann      take Ann's feed away
      airdate podcasts feeds rotate my-show          move the sound, whose old addresses end
      airdate podcasts feeds public my-show          make it public again
    """


@feeds.command()
@podcast_argument
def private(podcast_id: str) -> None:
    """Make a podcast private: take its public feed and page away, and move its files out of sight."""
    with _told_if_files_are_left(podcast_id):
        private_feeds.hide(wiring.studio(), podcast_id)
    click.echo(f"{podcast_id}: private; its public feed, page and files are gone")
    click.echo(f"  give somebody a feed: airdate podcasts feeds add {podcast_id} NAME")


@feeds.command()
@podcast_argument
def public(podcast_id: str) -> None:
    """Make a private podcast public again; the feeds of its listeners end."""
    with _told_if_files_are_left(podcast_id):
        private_feeds.show(wiring.studio(), podcast_id)
    click.echo(f"{podcast_id}: public; its feed is {settings().site_url}/{podcast_id}/feed.xml")


@feeds.command()
@podcast_argument
@click.argument("listener", metavar="NAME")
@as_json
def add(podcast_id: str, listener: str, *, in_json: bool) -> None:
    """Give a listener a feed of their own, and show its address: for them alone."""
    try:
        with _told_if_files_are_left(podcast_id):
            podcast = private_feeds.add(wiring.studio(), podcast_id, listener)
    except ValidationError:
        raise InvalidPodcast(
            f"{listener!r} is no name for a listener; letters, digits and . _ @ - (at most 80, a letter or digit first)"
        ) from None
    address = _addresses(podcast)[listener]
    if in_json:
        show_json({"name": listener, "feed": address})
        return
    click.echo(f"{podcast_id}: {listener} has a feed")
    click.echo(f"  {address}")


@feeds.command("list")
@podcast_argument
@as_json
def list_feeds(podcast_id: str, *, in_json: bool) -> None:
    """Show who has a feed of a private podcast, and its address."""
    podcast = database().podcasts.get(podcast_id)
    addresses = _addresses(podcast)
    if in_json:
        show_json([{"name": name, "feed": address} for name, address in addresses.items()])
        return
    if podcast.production.feed.private is None:
        click.echo(f"{podcast_id} is public: {settings().site_url}/{podcast_id}/feed.xml")
        return
    show_table(
        ("NAME", "FEED"),
        list(addresses.items()),
        empty=f"nobody has a feed of {podcast_id} yet; airdate podcasts feeds add {podcast_id} NAME",
    )


@feeds.command()
@podcast_argument
@click.argument("listener", metavar="NAME")
def revoke(podcast_id: str, listener: str) -> None:
    """Take a listener's feed away.

    What they have loaded they keep, and the addresses of the sound in it go on working until `rotate`.
    """
    with _told_if_files_are_left(podcast_id):
        private_feeds.revoke(wiring.studio(), podcast_id, listener)
    click.echo(f"{podcast_id}: {listener} has no feed any more")
    click.echo(f"  the sound they know of is served until: airdate podcasts feeds rotate {podcast_id}")


@feeds.command()
@podcast_argument
def rotate(podcast_id: str) -> None:
    """Move the sound, pictures and transcripts to a new folder; the old addresses end, the feeds stay.

    Caches on the way may keep the old files for a day.
    """
    with _told_if_files_are_left(podcast_id):
        private_feeds.rotate(wiring.studio(), podcast_id)
    click.echo(f"{podcast_id}: its files have moved, and each feed names the new place")


@feeds.command()
@podcast_argument
def settle(podcast_id: str) -> None:
    """Finish what one of these commands was stopped at: move what is not moved, remove what is not removed."""
    with _told_if_files_are_left(podcast_id):
        private_feeds.settle(wiring.studio(), podcast_id)
    click.echo(f"{podcast_id}: its files are where they belong")


def _addresses(podcast: Podcast) -> dict[str, str]:
    chosen = podcast.production.feed.private
    if chosen is None:
        return {}
    return {
        name: private_feeds.feed_address(podcast.id, token, settings().site_url)
        for name, token in sorted(chosen.tokens.items())
    }

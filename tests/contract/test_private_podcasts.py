"""What the list of shows tells of private podcasts, on each database: nothing."""

from __future__ import annotations

from collections.abc import Callable

from podcasting.database import Database
from podcasting.models import Podcast

FOLDER = "AAAAAAAAAAAAAAAAAAAAAAAA"
TOKEN = "BBBBBBBBBBBBBBBBBBBBBBBB"  # noqa: S105 - of no listener


def test_a_private_podcast_is_not_listed(database: Database, add_podcast: Callable[..., Podcast]) -> None:
    add_podcast(database, "public", production={"feed": {"explicit": True}})
    add_podcast(database, "private", production={"feed": {"private": {"folder": FOLDER, "tokens": {"ann": TOKEN}}}})

    assert [each.id for each in database.podcasts.listed()] == ["public"]
    assert [each.id for each in database.podcasts.all()] == ["private", "public"]


def test_where_a_private_podcast_is_outlives_a_change_of_another_setting(
    database: Database, add_podcast: Callable[..., Podcast]
) -> None:
    private = {"private": {"folder": FOLDER, "tokens": {"ann": TOKEN}}, "leaving": [""]}
    add_podcast(database, "private", production={"feed": private})

    database.podcasts.change("private", lambda podcast: podcast.model_copy(update={"title": "Another"}))

    feed = database.podcasts.get("private").production.feed
    assert feed.private is not None
    assert (feed.folder, feed.private.tokens, feed.leaving) == (FOLDER, {"ann": TOKEN}, ("",))

"""``airdate podcasts refresh``: feeds and pages, made anew from the database."""

from __future__ import annotations

from collections.abc import Callable

from podcasting.database import Database
from podcasting.models import Podcast
from tests.fakes.shell import Shell


def test_a_feed_that_was_lost_is_written_anew(
    airdate: Shell, database: Database, add_podcast: Callable[..., Podcast]
) -> None:
    for podcast_id in ("mine", "yours"):
        add_podcast(database, podcast_id)

    said = airdate.ok("podcasts", "refresh", "mine")

    site = airdate.home / "site"
    assert said == "mine: feed and page written, version 0\n"
    assert b"<title>Mine</title>" in (site / "mine" / "feed.xml").read_bytes()
    assert "Mine" in (site / "mine" / "index.html").read_text()
    assert "Yours" in (site / "index.html").read_text()
    assert not (site / "yours").exists()


def test_all_feeds_name_the_address_that_holds_now(
    airdate: Shell, database: Database, add_podcast: Callable[..., Podcast]
) -> None:
    add_podcast(database, "mine")
    airdate.ok("podcasts", "refresh", "--all")

    airdate.ok("podcasts", "refresh", "--all", AIRDATE_PUBLIC_URL="https://new.example.org")

    feed = (airdate.home / "site" / "mine" / "feed.xml").read_text()
    assert "https://new.example.org/mine/" in feed
    assert "127.0.0.1" not in feed


def test_which_must_be_said(airdate: Shell, database: Database) -> None:
    assert database.podcasts.all() == []
    assert "ids of podcasts, or --all" in airdate.mistake("podcasts", "refresh", code=2)
    assert "no podcast has the id 'nobodys'" in airdate.mistake("podcasts", "refresh", "nobodys")
    assert "no podcasts yet" in airdate.ok("podcasts", "refresh", "--all")

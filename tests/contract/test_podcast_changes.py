"""Changes of podcasts on each database: versions count them, and two processes at once lose none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from operations.production import changed
from podcasting.database import Database
from podcasting.errors import InvalidPodcast, UnknownPodcast
from podcasting.models import Podcast

AddPodcast = Callable[..., Podcast]
EACH = 15
CHANGING = """
import sys
from operations.production import changed
from podcasting.database import Database

url, name, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
database = Database.at(url)
print("ready", flush=True)
sys.stdin.readline()
for number in range(times):
    path = f"speaking.pronunciations.{name}{number}"
    database.podcasts.change("my-show", lambda podcast: changed(podcast, path, "said so"))
database.engine.dispose()
"""


def test_a_change_is_kept_and_gives_the_feed_a_version(database: Database, add_podcast: AddPodcast) -> None:
    before = add_podcast(database)

    after = database.podcasts.change("my-show", lambda podcast: changed(podcast, "writing.minutes", "8"))

    assert after.version == before.version + 1
    assert database.podcasts.get("my-show") == after
    assert after.production.writing.minutes == 8


def test_no_change_is_none(database: Database, add_podcast: AddPodcast) -> None:
    before = add_podcast(database)

    assert database.podcasts.change("my-show", lambda podcast: changed(podcast, "review", "false")) == before


def test_what_is_refused_changes_nothing(database: Database, add_podcast: AddPodcast) -> None:
    before = add_podcast(database)

    def refused(podcast: Podcast) -> Podcast:
        changed(podcast, "title", "Another")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        database.podcasts.change("my-show", refused)

    assert database.podcasts.get("my-show") == before


def test_no_text_holds_a_control_character(database: Database, add_podcast: AddPodcast) -> None:
    before = add_podcast(database)

    with pytest.raises(InvalidPodcast, match=r"production\.writing\.tone holds the control character U\+0000"):
        database.podcasts.change("my-show", lambda podcast: changed(podcast, "writing.tone", "dry\0"))
    with pytest.raises(InvalidPodcast, match=r"title holds the control character U\+001B; give it without"):
        database.podcasts.add(before.model_copy(update={"id": "another", "title": "\x1b[31mRed"}), before.first_slot)

    assert database.podcasts.all() == [before]


def test_a_podcast_that_is_none_is_told(database: Database) -> None:
    with pytest.raises(UnknownPodcast):
        database.podcasts.change("nowhere", lambda podcast: podcast)


def test_two_processes_at_once_lose_no_change(database_url: str, database: Database, add_podcast: AddPodcast) -> None:
    before = add_podcast(database)
    both = [
        subprocess.Popen(
            [sys.executable, "-c", CHANGING, database_url, name, str(EACH)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()

    told = [process.communicate(timeout=120)[1] for process in both]

    assert [process.returncode for process in both] == [0, 0], told
    after = database.podcasts.get("my-show")
    assert len(after.production.speaking.pronunciations) == 2 * EACH
    assert after.version == before.version + 2 * EACH

"""``airdate preview``: what an episode would be made of, its script and what that costs; nothing is remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from podcasting.database import Database
from podcasting.database.schema import metadata
from podcasting.errors import Permanent, Retryable
from podcasting.generation import generate
from podcasting.models import Podcast
from podcasting.observing import spent
from podcasting.preview import Preview, preview
from podcasting.protection import protected
from podcasting.providers.feeds import Entry, Feed, Page, Validators
from podcasting.providers.writers import Brief, Script
from podcasting.stages.collect import entry_key
from podcasting.stages.judging import Verdict
from podcasting.studio import Studio
from podcasting.work import Work
from tests.acceptance.conftest import EXAMPLES
from tests.fakes.shell import Shell
from tests.fakes.sources import FakeSources
from tests.fakes.stories import STORIES, feed_of

AddPodcast = Callable[..., Podcast]
SOURCE = "https://example.org/feed.xml"


class DearWriter:
    """Costs a cent and a half, in two requests."""

    name = "dear-1"

    def __init__(self, inner: Any) -> None:
        self.written = 0
        self._inner = inner

    def write(self, brief: Brief) -> Script:
        self.written += 1
        spent(0.01, input_tokens=1200, output_tokens=300)
        spent(0.005, input_tokens=100, output_tokens=30)
        script: Script = self._inner.write(brief)
        return script


def rows(database: Database) -> dict[str, list[Any]]:
    """All that the database holds."""
    with database.engine.connect() as connection:
        return {table.name: list(connection.execute(select(table))) for table in metadata.sorted_tables}


@pytest.fixture
def podcast(studio: Studio, add_podcast: AddPodcast) -> Podcast:
    assert isinstance(studio.sources, FakeSources)
    studio.sources.feeds[SOURCE] = feed_of("tides", "bridges", "bees")
    return add_podcast(studio.database)


def look(studio: Studio, podcast: Podcast, **how: Any) -> Preview:
    told: list[str] = []
    return preview(studio, podcast, **({"number": 1, "known": frozenset(), "progress": told.append} | how))


def verdicts(found: Preview) -> dict[str, str]:
    return {each.entry.key: each.verdict.value for each in found.entries}


def test_it_shows_stories_and_script_and_writes_nothing(studio: Studio, podcast: Podcast) -> None:
    before = rows(studio.database)

    found = look(protected(studio), podcast)

    assert [story.title for story in found.stories] == [
        "How tides are foretold",
        "Why bridges hum",
        "How bees keep warm",
    ]
    assert found.script is not None
    assert len(found.script.sections) == 5
    assert verdicts(found) == {"tides": "used", "bridges": "used", "bees": "used"}
    assert rows(studio.database) == before
    assert not studio.voice.spoken  # type: ignore[attr-defined]


def test_each_entry_has_its_verdict(studio: Studio, podcast: Podcast) -> None:
    assert isinstance(studio.sources, FakeSources)
    stories = feed_of("tides", "bridges", "bees", "pips")
    copy = stories.entries[0].model_copy(update={"key": "copy", "url": "https://other.example/tides"})
    silent = Entry(
        key="silent", title="Silent", url=None, author=None, published_at=copy.published_at, text="", is_whole=True
    )
    studio.sources.feeds[SOURCE] = Feed(
        title="F", entries=(*stories.entries, copy, silent), validators=Validators(etag="e")
    )
    few = replace(studio, limits=replace(studio.limits, max_stories=2))

    found = look(few, podcast, known=frozenset({entry_key(SOURCE, "tides")}), write=False)

    assert verdicts(found) == {
        "tides": Verdict.KNOWN,
        "copy": Verdict.USED,
        "silent": Verdict.NO_TEXT,
        "bridges": Verdict.USED,
        "bees": Verdict.NO_ROOM,
        "pips": Verdict.NO_ROOM,
    }
    doubled = look(studio, podcast, write=False)
    assert sorted(verdicts(doubled).values()) == ["like another", "no text", "used", "used", "used", "used"]
    assert found.script is None


def test_what_is_used_is_called_what_its_story_is_called(studio: Studio, podcast: Podcast) -> None:
    assert isinstance(studio.sources, FakeSources)
    page = Entry(key="page", title="", url="https://example.org/p", author=None, published_at=None, text="")
    post = page.model_copy(
        update={
            "key": "post",
            "url": "https://t.me/it/2",
            "text": f"The lamp is lit again. {STORIES['tides'][1]}",
            "is_whole": True,
        }
    )
    studio.sources.feeds[SOURCE] = Feed(title="A sitemap", entries=(page, post), validators=Validators())
    studio.sources.pages["https://example.org/p"] = Page(title="Bees in winter", text=STORIES["bees"][1])

    found = look(studio, podcast, write=False)

    assert [each.entry.title for each in found.entries] == [story.title for story in found.stories]
    assert found.entries[0].entry.title == "Bees in winter"
    assert found.entries[1].entry.title.startswith("The lamp is lit again.")


def test_however_many_there_is_no_room_for_each_is_told(studio: Studio, podcast: Podcast) -> None:
    assert isinstance(studio.sources, FakeSources)
    words = [letter * 6 for letter in "abcdefghijklmnop"]
    entries = tuple(
        Entry(
            key=f"{first}-{second}",
            title=f"{first} {second} {first}{second}",
            url=None,
            author=None,
            published_at=None,
            text=f"{first} {second} " * 20,
            is_whole=True,
        )
        for first in words
        for second in words[:3]
    )
    studio.sources.feeds[SOURCE] = Feed(title="F", entries=entries, validators=Validators())

    found = look(studio, podcast, write=False)

    assert len(found.entries) == len(entries)
    assert [each.verdict for each in found.entries].count(Verdict.USED) == studio.limits.max_stories


def test_nothing_new_is_an_answer_and_costs_no_writer(studio: Studio, podcast: Podcast) -> None:
    writer = DearWriter(studio.writer)
    known = frozenset(entry_key(SOURCE, key) for key in ("tides", "bridges", "bees"))

    found = look(replace(studio, writer=writer), podcast, known=known)

    assert found.nothing_new is not None
    assert "nothing new in 1 source" in found.nothing_new
    assert set(verdicts(found).values()) == {Verdict.KNOWN}
    assert writer.written == 0


def test_what_it_costs_is_told_and_not_booked(studio: Studio, podcast: Podcast) -> None:
    before = rows(studio.database)

    found = look(protected(replace(studio, writer=DearWriter(studio.writer))), podcast)

    (expense,) = found.expenses
    assert expense.provider == "writer dear-1"
    assert (expense.calls, expense.input_tokens, expense.output_tokens) == (2, 1300, 330)
    assert expense.dollars == pytest.approx(0.015)
    assert rows(studio.database) == before


def test_the_episode_that_follows_does_not_pay_for_the_same_script_again(studio: Studio, podcast: Podcast) -> None:
    writer = DearWriter(studio.writer)
    studio = replace(studio, writer=writer)
    found = look(studio, podcast, number=studio.database.podcasts.next_number(podcast.id))

    episode = studio.database.podcasts.open_slot(podcast.id, studio.now(), stuck_after=1800)
    assert episode is not None
    taken = studio.database.leases.take(episode.id, holder="w", now=studio.now(), seconds=60, stuck_after=1800)
    assert taken is not None
    generate(Work(studio, podcast, taken[1], taken[0]))

    made = Script.model_validate(studio.database.checkpoints.of(episode.id)["script"].output)
    assert made == found.script
    assert writer.written == 1


def test_sources_that_fail_are_an_error_all_and_a_trouble_some(studio: Studio, podcast: Podcast) -> None:
    assert isinstance(studio.sources, FakeSources)
    other = "https://b.example/feed.xml"
    studio.sources.feeds[other] = Retryable("https://b.example/feed.xml answered 503")
    both = podcast.model_copy(update={"sources": (SOURCE, other)})

    assert look(studio, both, write=False).troubles == ("https://b.example/feed.xml answered 503",)
    with pytest.raises(Retryable, match="none of 1 source could be read"):
        look(studio, podcast.model_copy(update={"sources": (other,)}))
    with pytest.raises(Permanent, match="answered 404"):
        look(studio, podcast.model_copy(update={"sources": ("https://c.example/",)}))


# The command ----------------------------------------------------------------------------------------------


def test_a_person_is_shown_sources_stories_script_and_cost(airdate: Shell, database: Database) -> None:
    airdate.ok("podcasts", "add", "My show", "--source", str(EXAMPLES))
    before = rows(database)

    result = airdate.run("preview", "my-show")

    assert result.exit_code == 0, result.output
    assert f"{EXAMPLES}: 5 used" in result.stdout
    assert "How tide tables are computed" in result.stdout
    assert "Ada: Welcome to My show." in result.stdout
    assert result.stdout.splitlines()[-1] == "written by extractive-1: nothing was spent"
    assert result.stderr.startswith("reading source 1 of 1")
    assert rows(database) == before


def test_a_program_gets_json_alone(airdate: Shell) -> None:
    airdate.ok("podcasts", "add", "My show", "--source", str(EXAMPLES))

    told = json.loads(airdate.run("preview", "my-show", "--no-script", "--json").stdout)

    assert told["podcast"] == "my-show"
    assert [each["verdict"] for each in told["entries"]] == ["used"] * 5
    assert len(told["stories"]) == 5
    assert told["script"] is told["writer"] is told["nothing_new"] is told["under_way"] is None
    assert told["expenses"] == []


def test_a_source_is_looked_at_without_a_podcast_and_settings_are_tried(airdate: Shell, database: Database) -> None:
    before = rows(database)

    said = airdate.run("preview", "--source", str(EXAMPLES), "--set", "hosts=Cleo", "--set", "title=Tried").stdout

    assert "Cleo: " in said
    assert "Tried" in said
    assert rows(database) == before


def test_settings_are_tried_and_not_kept(airdate: Shell) -> None:
    airdate.ok("podcasts", "add", "My show", "--source", str(EXAMPLES))
    before = airdate.json("podcasts", "show", "my-show")

    assert "Dora: " in airdate.run("preview", "my-show", "--set", "hosts=Dora,Emil").stdout
    assert airdate.json("podcasts", "show", "my-show") == before


def test_what_is_under_way_is_named(airdate: Shell, database: Database) -> None:
    airdate.ok("podcasts", "add", "My show", "--source", str(EXAMPLES), "--first", "2026-11-24T06:00")
    now = database.podcasts.get("my-show").next_episode_at
    episode = database.podcasts.open_slot("my-show", now, stuck_after=1800)
    assert episode is not None

    said = airdate.run("preview", "my-show", "--no-script").stdout

    assert said.startswith(f"{episode.id} is under way; this is what the one after it would be")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "say which: a podcast, or --source"),
        (("none",), 1, "no podcast has the id 'none'"),
        (("--source", "ftp://example.org/"), 1, "Airdate reads http, https and files"),
        (("--source", str(EXAMPLES), "--set", "hosts"), 2, "SETTING=VALUE"),
        (("--source", str(EXAMPLES), "--set", "loudness=9"), 1, "there is no setting 'loudness'"),
        (("--source", str(EXAMPLES), "--set", "writing.engine=nobody"), 1, "there is no writer 'nobody'"),
    ],
)
def test_a_mistake_is_one_line(airdate: Shell, arguments: tuple[str, ...], code: int, told: str) -> None:
    assert told in airdate.mistake("preview", *arguments, code=code)

"""Whole episodes whose scripts are written by each engine, from the feed to what is published; and what that costs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import feedparser
import pytest

from podcasting import generation, processing
from podcasting.errors import Permanent, ProviderPaused, Retryable
from podcasting.models import Episode, EpisodeStatus, Podcast
from podcasting.protection import protected
from podcasting.providers.feeds import Entry, Feed, Validators
from podcasting.studio import Studio
from podcasting.work import Work
from settings import Settings
from tasks.engines import ConfiguredEngines
from tests.fakes.hostile import HOSTILE, Hostile
from tests.fakes.model_server import INPUT_TOKENS, KEY, OUTPUT_TOKENS, Fails, ModelServer, Says, written_by
from tests.fakes.shell import Shell
from tests.fakes.sources import FakeSources
from tests.fakes.storage import MemoryStorage
from tests.fakes.stories import feed_of
from tests.fakes.voices import ToneVoice
from tests.fakes.writers import brief

AddPodcast = Callable[..., Podcast]
SOURCE = "https://example.org/feed.xml"
PROVIDERS = {"gemini": "gemini:gemini-flash-latest"}
CHOICES = ("openai:gpt-5-mini", "anthropic:claude-haiku-4-5", "gemini", "local:test-model")


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        running.writes = written_by
        yield running


@pytest.fixture
def workshop(studio: Studio, server: ModelServer) -> Studio:
    """A studio in which every engine may be chosen, behind breakers, and news to tell."""
    assert isinstance(studio.sources, FakeSources)
    studio.sources.feeds[SOURCE] = feed_of("tides", "bridges", "bees")
    chosen = Settings(
        _env_file=None,
        openai_api_key=KEY,
        anthropic_api_key=KEY,
        gemini_api_key=KEY,
        openai_url=f"{server.url}/v1",
        anthropic_url=server.url,
        gemini_url=server.url,
        local_model_url=f"{server.url}/v1/",
    )
    return protected(replace(studio, engines=ConfiguredEngines(chosen)))


def open_slot(studio: Studio) -> Episode:
    episode = studio.database.podcasts.open_slot("my-show", studio.now(), stuck_after=studio.limits.stuck_after)
    assert episode is not None
    return episode


def do(studio: Studio, episode: Episode, *steps: Callable[[Work], None]) -> Episode:
    for step in steps:
        taken = studio.database.leases.take(
            episode.id, holder="test", now=studio.now(), seconds=60, stuck_after=studio.limits.stuck_after
        )
        assert taken is not None
        try:
            step(Work(studio, studio.database.podcasts.get("my-show"), taken[1], taken[0]))
        finally:
            studio.database.leases.release(taken[0])
    return studio.database.episodes.get(episode.id)


def writing(engine: str, **chosen: object) -> dict[str, object]:
    return {"production": {"writing": {"engine": engine} | chosen}}


@pytest.mark.parametrize("engine", CHOICES)
def test_an_episode_goes_from_feed_to_published(
    workshop: Studio, server: ModelServer, add_podcast: AddPodcast, engine: str
) -> None:
    add_podcast(workshop.database, hosts=("Ada", "Ben", "Cleo"), **writing(engine, minutes=0.5))

    episode = do(workshop, open_slot(workshop), generation.generate, processing.process)

    assert episode.status is EpisodeStatus.PUBLISHED
    assert len(server.asked) == 1
    feed = feedparser.parse(workshop.site.get("my-show/feed.xml"))
    (entry,) = feed.entries
    assert entry.title == "What is in the news of the week"
    notes = " ".join(part.value for part in entry.get("content", [])) + entry.get("summary", "")
    for name in ("tides", "bridges", "bees"):
        assert f"https://example.org/{name}" in notes
    spent = workshop.database.expenses.of(episode.id)
    assert [
        (each.provider, each.calls, each.input_tokens, each.output_tokens, each.dollars) for each in spent["script"]
    ] == [
        (f"writer {PROVIDERS.get(engine, engine)}", 1, INPUT_TOKENS, OUTPUT_TOKENS, None)
    ]  # at this address nobody knows the price


def test_what_it_cost_is_shown(workshop: Studio, server: ModelServer, add_podcast: AddPodcast, airdate: Shell) -> None:
    add_podcast(workshop.database, **writing("openai:gpt-5-mini", minutes=0.5))
    server.answers[:] = [Says("{}"), Says(written_for_two())]
    episode = do(workshop, open_slot(workshop), generation.generate)
    url = str(workshop.database.engine.url)

    shown = airdate.json("episodes", "show", episode.id, AIRDATE_DATABASE_URL=url)
    told = airdate.ok("episodes", "show", episode.id, AIRDATE_DATABASE_URL=url)

    (paid,) = shown["expenses"]["script"]
    assert paid["provider"] == "writer openai:gpt-5-mini"
    assert (paid["calls"], paid["input_tokens"], paid["output_tokens"]) == (2, 2 * INPUT_TOKENS, 2 * OUTPUT_TOKENS)
    assert "2,000 tokens in, 400 tokens out" in told
    assert "price not known" in told


def written_for_two() -> str:
    """About the three stories, in half a minute."""

    def section(number: int, title: str) -> dict[str, object]:
        said = "This is what it is all about today."
        return {"number": number, "title": title, "turns": [{"host": host, "text": said} for host in ("Ada", "Ben")]}

    titles = ("Welcome", "Tides", "Bridges", "Bees", "Goodbye")
    sections = [section(number, title) for number, title in enumerate(titles)]
    return json.dumps({"title": "The water and the wind", "summary": "It is about them.", "sections": sections})


@pytest.mark.parametrize("engine", ["extractive", *CHOICES])
def test_a_source_of_nothing_but_hostile_stories_changes_nothing_but_words(
    workshop: Studio, add_podcast: AddPodcast, engine: str
) -> None:
    """The whole set through each writer, from the feed to what is published; the models keep to their rules."""
    titled = [each for each in HOSTILE if each.name != "title"]
    wide = replace(
        workshop,
        sources=FakeSources({SOURCE: feed_that_says(titled)}),
        limits=replace(workshop.limits, max_stories=len(titled)),
    )
    add_podcast(wide.database, **writing(engine))

    episode = do(wide, open_slot(wide), generation.generate, processing.process)

    assert episode.status is EpisodeStatus.PUBLISHED
    feed = feedparser.parse(wide.site.get("my-show/feed.xml"))
    (entry,) = feed.entries
    notes = entry.content[0].value
    assert feed.feed.language == "en"
    assert [each["name"] for each in entry.get("podcast_persons", [])] in ([], ["Ada", "Ben"])
    assert set(re.findall(r'href="([^"]*)"', notes)) == {f"https://example.org/{each.name}" for each in titled}
    assert isinstance(wide.site, MemoryStorage)
    texts = [name for name in wide.site.contents if name.endswith((".xml", ".html", ".vtt", ".srt", ".json"))]
    published = "".join(wide.site.contents[name].decode() for name in texts)
    for planted in ("https://evil", "<speak", "<iframe", "onerror", "im_start", "\u202e"):
        assert planted not in published


def feed_that_says(hostile: Sequence[Hostile]) -> Feed:
    entries = tuple(
        Entry(
            key=each.name,
            title=each.name.replace("-", " ").title(),  # like titles over like texts would be one story
            url=f"https://example.org/{each.name}",
            author=None,
            published_at=datetime(2026, 11, 24, tzinfo=UTC) - timedelta(hours=hours),
            text=each.story.text,
        )
        for hours, each in enumerate(hostile)
    )
    return Feed(title="Everyday", entries=entries, validators=Validators(etag="hostile"))


class Killed(BaseException):
    """As final as kill -9 for the code under test."""


class FatalWorkspace(MemoryStorage):
    """Kills its worker once, when it has stored the script."""

    def __init__(self) -> None:
        super().__init__()
        self.kills = 0

    def put(self, key: str, content: bytes, *, content_type: str, cache_seconds: int = 0) -> None:
        super().put(key, content, content_type=content_type, cache_seconds=cache_seconds)
        if key.startswith("scripts/") and not self.kills:
            self.kills += 1
            raise Killed


def test_a_worker_killed_between_reply_and_checkpoint_pays_once(
    workshop: Studio, server: ModelServer, add_podcast: AddPodcast
) -> None:
    add_podcast(workshop.database, **writing("local:test-model", minutes=0.5))
    episode, fatal = open_slot(workshop), replace(workshop, workspace=FatalWorkspace())
    with pytest.raises(Killed):
        do(fatal, episode, generation.generate)
    assert "script" not in workshop.database.checkpoints.of(episode.id)

    again = do(fatal, episode, generation.generate)

    assert again.status is EpisodeStatus.COMPLETED
    assert len(server.asked) == 1


def test_a_hostile_story_that_a_model_obeys_fails_one_episode_and_pauses_nobody(
    workshop: Studio, server: ModelServer, add_podcast: AddPodcast
) -> None:
    add_podcast(workshop.database, **writing("openai:gpt-5-mini"))
    reply = json.loads(written_for_two())
    HOSTILE[0].obey(reply)
    server.answers[:] = [Says(json.dumps(reply))]

    for _ in range(2 * workshop.limits.tolerance.failures):
        with pytest.raises(Permanent, match="'Mallory' spoke"):
            do(workshop, open_slot(workshop), generation.generate)

    assert workshop.site.size("my-show/feed.xml") is None
    assert not [each for each in workshop.database.breakers.all() if each.failures]


def test_a_provider_that_asks_to_slow_down_is_not_asked_until_then(
    workshop: Studio, server: ModelServer, add_podcast: AddPodcast
) -> None:
    add_podcast(workshop.database, **writing("gemini"))
    server.answers[:] = [Fails(429, {"Retry-After": "120"})]

    for _ in range(2):
        with pytest.raises(ProviderPaused) as paused:
            do(workshop, open_slot(workshop), generation.generate)

    assert paused.value.seconds == pytest.approx(120, abs=1)
    assert len(server.asked) == 1


def test_the_voice_says_what_the_model_wrote(workshop: Studio, server: ModelServer, add_podcast: AddPodcast) -> None:
    add_podcast(workshop.database, **writing("anthropic:claude-haiku-4-5", minutes=0.5))
    do(workshop, open_slot(workshop), generation.generate)
    voice = getattr(workshop.voice, "inner", None)

    assert isinstance(voice, ToneVoice)
    written = json.loads(written_by(server.asked[0]))
    assert {text for text, _ in voice.spoken} == {
        turn["text"] for section in written["sections"] for turn in section["turns"]
    }


def test_a_provider_has_one_breaker_whoever_chose_it(workshop: Studio, server: ModelServer) -> None:
    chosen = Settings(_env_file=None, writer="local:test-model", local_model_url=f"{server.url}/v1")
    engines = protected(replace(workshop, engines=ConfiguredEngines(chosen))).engines
    server.answers[:] = [Fails(500)]

    for engine in (None, "local:test-model"):
        writer = engines.writer(engine)
        assert writer is not None
        with pytest.raises(Retryable):
            writer.write(brief())

    assert [(each.provider, each.failures) for each in workshop.database.breakers.all()] == [
        ("writer local:test-model", 2)
    ]

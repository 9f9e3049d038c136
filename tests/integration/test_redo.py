"""A turn that somebody heard and did not like is spoken again: it alone, and the published episode follows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import feedparser
import numpy as np
import pytest

from operations.fallback.due_work import Policy, do_next
from podcasting import syndication
from podcasting.attempt import attempt
from podcasting.database import Database
from podcasting.database.history import Happened
from podcasting.database.revisions import migrate
from podcasting.due import Work, status_reached, work_for
from podcasting.errors import Permanent, UnknownEpisode
from podcasting.generation import generate
from podcasting.models import Episode, EpisodeStatus, Podcast
from podcasting.processing import process
from podcasting.production import Production, Speaking
from podcasting.providers.voices import Samples
from podcasting.providers.writers import Script
from podcasting.redo import redo
from podcasting.stages.publish import PublishedFiles
from podcasting.stages.speech import Speech
from podcasting.studio import Limits, Studio
from tasks import wiring
from tests.fakes.clock import Clock
from tests.fakes.shell import Shell
from tests.fakes.short_writer import ShortWriter
from tests.fakes.sources import FakeSources
from tests.fakes.storage import MemoryStorage
from tests.fakes.stories import feed_of
from tests.fakes.voices import ToneVoice

SOURCE = "https://example.org/feed.xml"


class Lively(ToneVoice):
    """Reads a text in another way each time."""

    varies = True

    def speak(self, text: str, host: int) -> Samples:
        samples = super().speak(text, host)
        times = sum(spoken == (text, host) for spoken in self.spoken)
        return samples * np.float32(0.9**times)


class Steady(ToneVoice):
    """Reads a text in the same way each time."""


class Refusing(ToneVoice):
    """Has no credit left."""

    def speak(self, text: str, host: int) -> Samples:
        super().speak(text, host)
        raise Permanent("the account is empty; add credit")


def with_news(studio: Studio, voice: ToneVoice | None = None) -> Studio:
    """The studio, with something to tell, and voices that hum it in some seconds."""
    sources = FakeSources({SOURCE: feed_of("tides")})
    return replace(studio, sources=sources, writer=ShortWriter(), voice=voice or Lively(seconds_per_character=0.05))


def change(studio: Studio, **settings: object) -> None:
    studio.database.podcasts.change("my-show", lambda podcast: podcast.model_copy(update=settings))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Studio]:
    """An episode published, once for all tests: a database's file, and the rest of its studio."""
    path, clock = tmp_path_factory.mktemp("original") / "airdate.db", Clock()
    database = Database.at(f"sqlite:///{path}")
    migrate(database.engine)
    podcast = Podcast(
        id="my-show",
        title="My Show",
        sources=(SOURCE,),
        frequency_days=1,
        first_slot=clock.now,
        next_episode_at=clock.now,
    )
    database.podcasts.add(podcast, clock.now)
    studio = with_news(
        Studio(
            database=database,
            workspace=MemoryStorage(),
            site=MemoryStorage(),
            site_url="http://127.0.0.1:8417",
            sources=FakeSources(),
            writer=ShortWriter(),
            voice=Lively(),
            limits=Limits(),
            now=clock,
        )
    )
    make(studio)
    database.engine.dispose()
    return path, studio


@pytest.fixture
def published(original: tuple[Path, Studio], tmp_path: Path, clock: Clock) -> Iterator[Studio]:
    """A copy of it."""
    shutil.copy(original[0], tmp_path / "airdate.db")
    database = Database.at(f"sqlite:///{tmp_path / 'airdate.db'}")
    studio = original[1]
    kept = {"workspace": deepcopy(studio.workspace), "site": deepcopy(studio.site), "voice": deepcopy(studio.voice)}
    yield replace(studio, database=database, now=clock, **kept)
    database.engine.dispose()


def make(studio: Studio) -> None:
    work_on(studio, the_only(studio).id)
    work_on(studio, the_only(studio).id)
    assert the_only(studio).status is EpisodeStatus.PUBLISHED


def the_only(studio: Studio) -> Episode:
    found = studio.database.episodes.newest()
    if not found:
        studio.database.podcasts.open_slot("my-show", studio.now(), stuck_after=1800)
        found = studio.database.episodes.newest()
    return found[0]


def work_on(studio: Studio, episode_id: str) -> Episode:
    """What a message of the episode has a worker do."""
    step = generate if work_for(studio.database.episodes.get(episode_id)) is Work.GENERATION else process
    return attempt(studio, episode_id, step, holder="test", last_try=True, backoff=lambda *_: 0)


def spoken_by(studio: Studio) -> list[tuple[str, int]]:
    voice = getattr(studio.voice, "inner", studio.voice)  # behind its breaker, where the studio is the commands'
    assert isinstance(voice, ToneVoice)
    return voice.spoken


def clips(studio: Studio, episode: Episode) -> list[bytes]:
    done = studio.database.checkpoints.of(episode.id)
    return [studio.workspace.get(clip.key) for clip in Speech.model_validate(done["speech"].output).clips]


def script(studio: Studio, episode: Episode) -> Script:
    return Script.model_validate(studio.database.checkpoints.of(episode.id)["script"].output)


def files(studio: Studio, episode: Episode) -> PublishedFiles:
    return PublishedFiles.model_validate(studio.database.checkpoints.of(episode.id)["publish"].output)


def listed(studio: Studio) -> list[tuple[str, str, str]]:
    """Of each item of the feed: guid, date, address of the audio."""
    feed = feedparser.parse(studio.site.get("my-show/feed.xml"))
    return [(item.id, item.published, item.enclosures[0].href) for item in feed.entries]


def test_one_turn_is_spoken_again_and_the_feed_carries_the_new_take(published: Studio, clock: Clock) -> None:
    episode, asked, before = the_only(published), len(spoken_by(published)), clips(published, the_only(published))
    [(guid, date, address)], old_files = listed(published), files(published, episode)
    clock.forward(86_400)

    redone = redo(published, episode.id, {3}, by="ada")
    work_on(published, episode.id)
    work_on(published, episode.id)

    turn = script(published, episode).turns[2]
    assert spoken_by(published)[asked:] == [(turn.text, turn.host)]
    assert (redone.turns, redone.alike) == ((3,), False)
    after = clips(published, episode)
    assert [number for number, (old, new) in enumerate(zip(before, after, strict=True), 1) if old != new] == [3]
    assert the_only(published).status is EpisodeStatus.PUBLISHED
    [(new_guid, new_date, new_address)] = listed(published)
    assert (new_guid, new_date) == (guid, date)
    assert new_address != address
    assert published.site.get(new_address.removeprefix(f"{published.site_url}/"))
    assert published.site.get(old_files.audio)  # whoever reads the old feed still finds it


def test_the_history_says_who_and_which_turn(published: Studio) -> None:
    redo(published, the_only(published).id, {2, 4}, by="ada@host")

    line = published.database.history.of(the_only(published).id)[-1]
    assert (line.what, line.stage, line.detail) == (Happened.RETRIED, "speech", "ada@host: turns 2, 4 spoken again")


def test_until_the_new_take_is_there_the_feed_lists_the_old_one(published: Studio) -> None:
    episode, before = the_only(published), listed(published)

    redo(published, episode.id, {3}, by="ada")
    syndication.refresh(published, "my-show")
    while_it_waits = listed(published)
    work_on(published, episode.id)
    syndication.refresh(published, "my-show")

    assert while_it_waits == listed(published) == before


def test_a_redo_that_fails_leaves_the_old_take_listed_and_its_stories_told(published: Studio) -> None:
    episode, before = the_only(published), listed(published)
    redo(published, episode.id, {3}, by="ada")
    known = published.database.checkpoints.known_entries("my-show")

    with pytest.raises(Permanent, match=r"turn 3 of .* cannot be spoken"):
        work_on(replace(published, voice=Refusing(seconds_per_character=0.04)), episode.id)
    syndication.refresh(published, "my-show")

    failed = the_only(published)
    assert (failed.status, failed.failure and failed.failure.stage) == (EpisodeStatus.FAILED, "speech")
    assert listed(published) == before
    assert published.database.checkpoints.known_entries("my-show") == known
    reached = status_reached(published.database.checkpoints.standing(episode.id))
    published.database.episodes.retry(episode.id, reached, published.now(), by="ada")
    assert reached is EpisodeStatus.SCRIPT_READY
    work_on(published, episode.id)
    work_on(published, episode.id)
    assert listed(published) != before


def test_a_damaged_master_of_a_redo_does_not_break_the_feed(published: Studio) -> None:
    episode, before = the_only(published), listed(published)
    redo(published, episode.id, {3}, by="ada")
    work_on(published, episode.id)
    key = published.database.checkpoints.of(episode.id)["master"].output["key"]
    published.workspace.put(key, b"no MP3", content_type="audio/mpeg")

    with pytest.raises(Permanent):
        work_on(published, episode.id)
    syndication.refresh(published, "my-show")

    assert [guid for guid, _, _ in listed(published)] == [guid for guid, _, _ in before]
    assert status_reached(published.database.checkpoints.standing(episode.id)) is EpisodeStatus.SCRIPT_READY


def test_a_script_stands_whatever_the_settings_say_by_now(published: Studio) -> None:
    episode, before = the_only(published), script(published, the_only(published))
    change(published, hosts=("Cleo", "Dov"))

    redo(published, episode.id, {1}, by="ada")
    work_on(published, episode.id)

    assert script(published, episode) == before


def test_a_voice_that_never_varies_says_the_same_and_the_person_is_told(published: Studio) -> None:
    ready, episode = replace(published, voice=Steady(seconds_per_character=0.04)), the_only(published)
    redo(ready, episode.id, {1, 2, 3, 4, 5}, by="ada")
    make(ready)
    before, asked = listed(ready), len(spoken_by(ready))

    redone = redo(ready, episode.id, {3}, by="ada")
    work_on(ready, episode.id)
    work_on(ready, episode.id)

    assert redone.alike
    assert len(spoken_by(ready)) == asked + 1
    assert listed(ready) == before


def test_a_corrected_pronunciation_is_heard_and_no_other_turn_changes_unasked(published: Studio) -> None:
    episode, concerned = the_only(published), [3, 4]
    turns = script(published, episode).turns
    assert [number for number, turn in enumerate(turns, start=1) if "tides" in turn.text] == concerned
    change(published, production=Production(speaking=Speaking(pronunciations={"tides": "tie ds"})))
    asked = len(spoken_by(published))

    with pytest.raises(Permanent, match=r"turns 3, 4 of .*say --changed"):
        redo(published, episode.id, {1}, by="ada")
    redone = redo(published, episode.id, {3}, changed=True, by="ada")
    work_on(published, episode.id)

    assert redone.turns == tuple(concerned)
    assert not redone.alike
    assert len(spoken_by(published)) == asked + len(concerned)
    assert all("tie ds" in text for text, _ in spoken_by(published)[asked:])
    assert script(published, episode).turns == turns


@pytest.mark.parametrize("turn", [0, 99])
def test_a_turn_that_is_not_there_is_told(published: Studio, turn: int) -> None:
    with pytest.raises(Permanent, match=rf"has no turn {turn}: its \d+ turns count from 1"):
        redo(published, the_only(published).id, {turn}, by="ada")


def test_only_what_is_published_is_redone(published: Studio) -> None:
    episode = the_only(published)
    redo(published, episode.id, {1}, by="ada")

    with pytest.raises(Permanent, match=r"is script_ready, and only a published one's turns are spoken again"):
        redo(published, episode.id, {2}, by="ben")
    with pytest.raises(UnknownEpisode):
        redo(published, "nowhere-20260101t000000", {2}, by="ben")
    assert the_only(published).status is EpisodeStatus.SCRIPT_READY


def test_more_turns_than_can_be_written_down_at_once_are_refused(published: Studio) -> None:
    with pytest.raises(Permanent, match="12 turns are too many for one go; say at most 11"):
        redo(published, the_only(published).id, set(range(1, 13)), by="ada")


def test_of_two_people_at_once_one_is_first(published: Studio) -> None:
    episode = the_only(published)
    published.database.redos.begin(episode.id, [1], published.now(), by="ada")

    with pytest.raises(Permanent, match="only a published one"):
        published.database.redos.begin(episode.id, [2], published.now(), by="ben")


def test_a_worker_of_before_writes_nothing_any_more(published: Studio) -> None:
    before = the_only(published).lease_number

    redo(published, the_only(published).id, {1}, by="ada")

    assert the_only(published).lease_number == before + 1


# As commands ----------------------------------------------------------------------------------------------


POLICY = Policy(claim=300, max_retries=1, retry_base=1, time_limit=120)


def lively(studio: Studio) -> Studio:
    """The studio of the commands' process: ``AIRDATE_STUDIO``."""
    return with_news(studio)


def work_off() -> Studio:
    """All that is due, done in this process by the studio that the commands have."""
    studio = wiring.studio()
    while do_next(studio, POLICY, holder="test"):
        pass
    return studio


def test_the_commands_show_the_turns_and_have_one_spoken_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    airdate = Shell(monkeypatch, tmp_path / "home", AIRDATE_STUDIO="tests.integration.test_redo:lively")
    airdate.ok("podcasts", "add", "My Show", "--source", SOURCE)
    first = work_off()
    episode = the_only(first)

    rows = airdate.json("episodes", "turns", episode.id)
    told = airdate.ok("episodes", "redo", episode.id, "--turn", "2")
    second = work_off()

    turn = script(second, episode).turns[1]
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    assert (rows[1]["text"], rows[1]["host"]) == (turn.text, script(second, episode).hosts[turn.host])
    assert rows[1]["start"] > rows[0]["start"] >= 0
    assert told.splitlines()[0] == f"{episode.id}: turn 2 spoken again"
    assert "the next tick of discovery sends it on" in told  # nothing runs here
    assert spoken_by(second) == [(turn.text, turn.host)]
    assert the_only(second).status is EpisodeStatus.PUBLISHED
    assert "turn 2 spoken again" in airdate.ok("episodes", "show", episode.id)
    assert airdate.ok("episodes", "turns", episode.id).split()[:4] == ["TURN", "AT", "HOST", "TEXT"]
    airdate.forget()


@pytest.mark.usefixtures("database")
def test_the_commands_refuse_in_one_line(airdate: Shell) -> None:
    assert "no episode has the id" in airdate.mistake("episodes", "redo", "nowhere", "--turn", "1")
    assert "no episode has the id" in airdate.mistake("episodes", "turns", "nowhere")
    assert "--turn" in airdate.mistake("episodes", "redo", "nowhere", code=2)

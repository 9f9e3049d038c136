"""Review mode, through the real stages: an episode rests with its script, is edited, approved, spoken and published."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from operations.fallback.due_work import Policy, do_next
from podcasting.attempt import attempt
from podcasting.database import Database
from podcasting.database.history import Happened
from podcasting.due import Work, work_for
from podcasting.errors import Permanent
from podcasting.generation import generate
from podcasting.models import Episode, EpisodeStatus, Podcast
from podcasting.processing import process
from podcasting.production import Production
from podcasting.providers.voices import Samples
from podcasting.providers.writers import Brief, Script
from podcasting.review import edited, script_of, text_of
from podcasting.stages.publish import PublishedFiles
from podcasting.stages.speech import SpeechInput, speak
from podcasting.studio import Studio
from tests.acceptance.conftest import EXAMPLES
from tests.fakes.aws import NOBODY
from tests.fakes.clock import Clock
from tests.fakes.environment import PREFIXES, ROOT
from tests.fakes.shell import Shell
from tests.fakes.sources import FakeSources
from tests.fakes.stories import feed_of
from tests.fakes.voices import ToneVoice

AddPodcast = Callable[..., Podcast]
SOURCE = "https://example.org/feed.xml"
WORDS = "The lighthouse keeper now counts gulls instead."
REVIEWED = Production(review=True)


class CountingWriter:
    """Counts what is written."""

    def __init__(self, inner: Any) -> None:
        self.name = inner.name
        self.written = 0
        self._inner = inner

    def write(self, brief: Brief) -> Script:
        self.written += 1
        script: Script = self._inner.write(brief)
        return script


@pytest.fixture
def reviewed(studio: Studio, add_podcast: AddPodcast) -> Studio:
    """The studio, with a podcast that wants review and has something to tell."""
    add_podcast(studio.database, production=REVIEWED)
    return with_news(studio)


def with_news(studio: Studio) -> Studio:
    return replace(
        studio,
        sources=FakeSources({SOURCE: feed_of("tides")}),
        writer=CountingWriter(studio.writer),
        voice=ToneVoice(seconds_per_character=0.04),
    )


def work_on(studio: Studio, episode_id: str) -> Episode:
    """What a message of the episode has a worker do."""
    episode = studio.database.episodes.get(episode_id)
    steps = {Work.GENERATION: generate, Work.PROCESSING: process, None: generate}
    return attempt(
        studio,
        episode_id,
        steps[work_for(episode)],
        holder="a worker",
        last_try=False,
        backoff=lambda *_: 1,
    )


def rest(studio: Studio) -> Episode:
    opened = studio.database.podcasts.open_slot("my-show", studio.now(), stuck_after=studio.limits.stuck_after)
    assert opened is not None
    episode = work_on(studio, opened.id)
    assert episode.awaits_approval
    return episode


def changed_turn(text: str, words: str = WORDS) -> tuple[str, str]:
    """The text with the second of its turns replaced, and what that turn said before."""
    lines = text.splitlines()
    turns = [number for number, line in enumerate(lines) if line.startswith(("Ada: ", "Ben: "))]
    host, _, before = lines[turns[1]].partition(": ")
    lines[turns[1]] = f"{host}: {words}"
    return "\n".join(lines), before


def edit(studio: Studio, episode: Episode, words: str = WORDS) -> str:
    text, before = changed_turn(text_of(studio.database, episode.id), words)
    assert edited(studio.database, episode.id, text.encode(), studio.now(), by="ann")
    return before


def spoken(studio: Studio) -> list[str]:
    assert isinstance(studio.voice, ToneVoice)
    return [text for text, _ in studio.voice.spoken]


def heard(studio: Studio, episode: Episode) -> str:
    """What the transcript on the site says."""
    files = PublishedFiles.model_validate(studio.database.checkpoints.of(episode.id)["publish"].output)
    told = json.loads(studio.site.get(files.json_transcript))
    return " ".join(segment["body"] for segment in told["segments"])


def test_edited_and_approved_it_is_published_with_the_edited_words(reviewed: Studio) -> None:
    episode = rest(reviewed)
    assert spoken(reviewed) == [], "nothing is spoken before approval"
    before = edit(reviewed, episode)

    reviewed.database.reviews.approve(episode.id, reviewed.now(), by="ben")
    assert work_on(reviewed, episode.id).status is EpisodeStatus.COMPLETED
    published = work_on(reviewed, episode.id)

    assert published.status is EpisodeStatus.PUBLISHED
    assert WORDS in heard(reviewed, published)
    assert before not in heard(reviewed, published)
    assert before not in spoken(reviewed)
    history = [line.what for line in reviewed.database.history.of(episode.id)]
    assert history == [
        Happened.STARTED,
        Happened.WAITS,
        Happened.EDITED,
        Happened.APPROVED,
        Happened.STARTED,
        Happened.STARTED,
        Happened.PUBLISHED,
    ]


def test_after_an_edit_only_the_changed_turn_gets_a_new_clip(reviewed: Studio) -> None:
    episode = rest(reviewed)
    script, _ = script_of(reviewed.database, episode.id)
    # As after an approval that was taken back: what the script said before the edit was spoken already.
    speak(SpeechInput(turns=script.turns, language="en"), reviewed.voice, reviewed.workspace, lambda _: None)
    clips = len(spoken(reviewed))
    edit(reviewed, episode)
    reviewed.database.reviews.approve(episode.id, reviewed.now(), by="ben")

    work_on(reviewed, episode.id)

    assert spoken(reviewed)[clips:] == [WORDS]


def test_copies_of_the_message_find_it_at_rest_and_do_nothing(reviewed: Studio) -> None:
    episode = rest(reviewed)
    assert isinstance(reviewed.writer, CountingWriter)

    for _ in range(3):
        assert work_on(reviewed, episode.id) == episode

    assert reviewed.writer.written == 1
    assert len(reviewed.database.history.of(episode.id)) == 2


@pytest.mark.parametrize("how", ["approved", "edited and let go"])
def test_a_script_that_a_person_approved_or_wrote_survives_other_settings(reviewed: Studio, how: str) -> None:
    episode = rest(reviewed)
    if how == "approved":
        reviewed.database.reviews.approve(episode.id, reviewed.now(), by="ben")
    else:
        edit(reviewed, episode)
    before, _ = script_of(reviewed.database, episode.id)

    def other(podcast: Podcast) -> Podcast:
        production = Production.model_validate({"writing": {"tone": "dry"}})
        return podcast.model_copy(update={"title": "Renamed", "hosts": ("Cleo",), "production": production})

    reviewed.database.podcasts.change("my-show", other)
    reviewed.database.reviews.let_go("my-show", reviewed.now(), by="ben")

    work_on(reviewed, episode.id)

    assert work_on(reviewed, episode.id).status is EpisodeStatus.PUBLISHED
    assert script_of(reviewed.database, episode.id)[0] == before
    assert spoken(reviewed) == [turn.text for turn in before.turns]
    assert isinstance(reviewed.writer, CountingWriter)
    assert reviewed.writer.written == 1


def test_a_script_that_nobody_approved_is_written_anew_by_other_settings(reviewed: Studio) -> None:
    episode = rest(reviewed)

    def other(podcast: Podcast) -> Podcast:
        return podcast.model_copy(update={"title": "Renamed", "production": Production()})

    reviewed.database.podcasts.change("my-show", other)
    reviewed.database.reviews.let_go("my-show", reviewed.now(), by="ben")

    assert work_on(reviewed, episode.id).status is EpisodeStatus.COMPLETED
    assert isinstance(reviewed.writer, CountingWriter)
    assert reviewed.writer.written == 2


def test_a_crash_while_an_approved_script_is_spoken_costs_no_second_approval(reviewed: Studio) -> None:
    class Crash(BaseException):
        """As final as kill -9 for the code under test."""

    class CrashingVoice(ToneVoice):
        def speak(self, text: str, host: int) -> Samples:
            if len(self.spoken) == 3:
                raise Crash
            return super().speak(text, host)

    episode = rest(reviewed)
    edit(reviewed, episode)
    reviewed.database.reviews.approve(episode.id, reviewed.now(), by="ben")
    crashing = CrashingVoice(seconds_per_character=0.04)
    with pytest.raises(Crash):
        work_on(replace(reviewed, voice=crashing), episode.id)
    assert isinstance(reviewed.now, Clock)
    reviewed.now.forward(reviewed.limits.lease_seconds)

    assert work_on(reviewed, episode.id).status is EpisodeStatus.COMPLETED
    assert len(spoken(reviewed)) == len(script_of(reviewed.database, episode.id)[0].turns) - 3


def test_a_podcast_without_review_goes_straight_on(studio: Studio, add_podcast: AddPodcast) -> None:
    add_podcast(studio.database)
    studio = with_news(studio)
    opened = studio.database.podcasts.open_slot("my-show", studio.now(), stuck_after=1800)
    assert opened is not None

    assert work_on(studio, opened.id).status is EpisodeStatus.COMPLETED


def test_the_next_episode_tells_what_came_while_one_rested(reviewed: Studio) -> None:
    episode = rest(reviewed)
    assert isinstance(reviewed.now, Clock)
    assert isinstance(reviewed.sources, FakeSources)
    reviewed.now.forward(3 * 86_400)
    reviewed.sources.feeds[SOURCE] = feed_of("bees", "pips", "tides")
    reviewed.database.reviews.reject(episode.id, "dull", reviewed.now(), by="ann")

    following = rest(reviewed)

    titles = [section.title for section in script_of(reviewed.database, following.id)[0].sections[1:-1]]
    assert len(titles) == 2, "what is rejected counts as told, and the three slots between make one episode"
    assert reviewed.database.podcasts.get("my-show").next_episode_at > reviewed.now()


def test_the_fallback_leaves_it_at_rest_and_goes_on_after_approval(reviewed: Studio) -> None:
    policy = Policy(claim=300, max_retries=2, retry_base=10, time_limit=60)

    told = do_next(reviewed, policy, holder="a fallback")

    (episode,) = reviewed.database.episodes.newest()
    assert told == (
        f"the script of {episode.id} waits for approval; `airdate episodes script {episode.id}` shows it, "
        f"`airdate episodes approve {episode.id}` lets it be spoken"
    )
    assert do_next(reviewed, policy, holder="a fallback") is None
    reviewed.database.reviews.approve(episode.id, reviewed.now(), by="ben")
    assert do_next(reviewed, policy, holder="a fallback") == f"{episode.id}: published: {episode.title}"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda text: text.replace("Ben: ", "Bob: ", 1),
            r"line \d+: .Bob: .* is nobody's turn; begin it with Ada: or Ben:, or",
        ),
        (lambda text: text.replace("<https://example.org/tides>\n", ""), r"line \d+: section .* is about the story at"),
        (lambda text: text.replace(" of my-show-", " of other-show-"), "the text is a script of other-show-"),
    ],
)
def test_an_edit_that_cannot_be_read_changes_nothing(reviewed: Studio, change: Callable[[str], str], told: str) -> None:
    episode = rest(reviewed)
    before = script_of(reviewed.database, episode.id)
    text = text_of(reviewed.database, episode.id)
    assert change(text) != text

    with pytest.raises(Permanent, match=told):
        edited(reviewed.database, episode.id, change(text).encode(), reviewed.now(), by="ann")

    assert script_of(reviewed.database, episode.id) == before


def test_a_text_that_was_taken_before_anothers_edit_is_refused(reviewed: Studio) -> None:
    episode = rest(reviewed)
    earlier, _ = changed_turn(text_of(reviewed.database, episode.id), "Something else.")
    edit(reviewed, episode)

    with pytest.raises(Permanent, match="somebody else changed the script"):
        edited(reviewed.database, episode.id, earlier.encode(), reviewed.now(), by="ben")
    assert WORDS in text_of(reviewed.database, episode.id)


# The commands ---------------------------------------------------------------------------------------------


@pytest.fixture
def at_rest(studio: Studio, database: Database, add_podcast: AddPodcast) -> Episode:
    """An episode that awaits approval, in the shell's database."""
    add_podcast(database, production=REVIEWED)
    return rest(replace(with_news(studio), database=database))


def test_what_waits_is_listed_shown_and_counted(airdate: Shell, at_rest: Episode) -> None:
    assert f"waits for approval: {at_rest.title}" in airdate.ok("episodes", "list", "--waiting")
    assert [each["id"] for each in airdate.json("episodes", "list", "--waiting")] == [at_rest.id]
    shown = airdate.ok("episodes", "show", at_rest.id)
    assert "waits for approval since 2026-11-24 06:00 UTC" in shown
    assert f"`airdate episodes approve {at_rest.id}`" in shown
    assert "wait for approval: 1; `airdate episodes list --waiting`" in airdate.ok("status")
    assert airdate.json("status")["awaiting_approval"] == 1

    airdate.ok("episodes", "approve", "--all")

    assert airdate.ok("episodes", "list", "--waiting") == "no episode waits for approval\n"
    assert "wait for approval" not in airdate.ok("status")
    assert airdate.ok("episodes", "approve", "--all") == "no episode waits for approval\n"


def test_a_script_is_printed_edited_and_approved(
    airdate: Shell, at_rest: Episode, database: Database, tmp_path: Path
) -> None:
    printed = airdate.ok("episodes", "script", at_rest.id)
    assert printed == text_of(database, at_rest.id)
    assert airdate.json("episodes", "script", at_rest.id)["title"] == at_rest.title
    text, _ = changed_turn(printed)
    (tmp_path / "script.txt").write_text(text)

    said = airdate.ok("episodes", "edit", at_rest.id, "--file", str(tmp_path / "script.txt"))

    assert said == f"{at_rest.id}: changed; `airdate episodes approve {at_rest.id}` has it spoken\n"
    assert WORDS in airdate.ok("episodes", "script", at_rest.id)
    again = airdate.ok(
        "episodes", "edit", at_rest.id, "--file", "-", answer=airdate.ok("episodes", "script", at_rest.id)
    )
    assert "nothing is changed" in again

    approved = airdate.ok("episodes", "approve", at_rest.id)
    assert approved.startswith(f"{at_rest.id}: approved\n  the next tick of discovery sends it on: ")  # no SQS is here
    assert airdate.ok("episodes", "approve", at_rest.id).startswith(f"{at_rest.id}: was approved on ")
    assert "so it stays as it is" in airdate.mistake("episodes", "edit", at_rest.id, "--file", "-", answer=text)
    assert "so it stays as it is" in airdate.mistake("episodes", "reject", at_rest.id, "--reason", "dull")
    assert [claim.subject.id for claim in database.claims.episodes(Clock().forward(1e9), seconds=300, limit=9)] == [
        at_rest.id
    ]


def editor(tmp_path: Path, code: str) -> str:
    program = tmp_path / "editor.py"
    program.write_text(f"import pathlib, sys\npath = pathlib.Path(sys.argv[1])\ntext = path.read_text()\n{code}\n")
    return f"{sys.executable} {program}"


def test_an_editor_changes_it(
    airdate: Shell, at_rest: Episode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    code = (
        f"path.with_suffix('.new').write_text(text.replace('Ada: ', 'Ada: {WORDS} ', 1))\n"
        "path.rename(f'{path}~')\n"
        "path.with_suffix('.new').rename(path)\n"
        "path.with_name(f'.{path.name}.swp').touch()"
    )

    said = airdate.ok("episodes", "edit", at_rest.id, EDITOR=editor(tmp_path, code), VISUAL="")

    assert "changed" in said
    assert WORDS in airdate.ok("episodes", "script", at_rest.id)
    assert list(tmp_path.glob("my-show-*")) == [], "nothing is left behind, whatever an editor leaves"


def test_a_mistake_in_the_editor_loses_no_word(
    airdate: Shell, at_rest: Episode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    code = f"path.write_text(text.replace('Ada: ', 'Eve: {WORDS} ', 1))"

    mistake = airdate.mistake("episodes", "edit", at_rest.id, EDITOR=editor(tmp_path, code), VISUAL="")

    assert mistake.startswith("line ")
    (folder,) = tmp_path.glob("my-show-*")
    assert folder.stat().st_mode & 0o077 == 0, "it is nobody else's business"
    (kept,) = folder.iterdir()
    assert f"`airdate episodes edit {at_rest.id} --file {kept}`" in mistake
    assert WORDS in kept.read_text()
    assert WORDS not in airdate.ok("episodes", "script", at_rest.id)


def test_words_are_kept_of_an_editor_that_failed_after_it_wrote(
    airdate: Shell, at_rest: Episode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    code = f"path.write_text(text.replace('Ada: ', 'Ada: {WORDS} ', 1))\nsys.exit(1)"

    mistake = airdate.mistake("episodes", "edit", at_rest.id, EDITOR=editor(tmp_path, code), VISUAL="")

    (kept,) = tmp_path.glob("my-show-*/*")
    assert WORDS in kept.read_text()
    assert mistake.endswith(f"your text is kept: mend it, then `airdate episodes edit {at_rest.id} --file {kept}`")
    assert "changed" in airdate.ok("episodes", "edit", at_rest.id, "--file", str(kept))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("path.unlink()", "the editor left no text (No such file or directory); nothing is changed"),
        ("sys.exit(1)", "Editing failed; set EDITOR to one that works, or say --file FILE"),
    ],
)
def test_of_an_editor_that_wrote_nothing_nothing_is_left(
    airdate: Shell, at_rest: Episode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    mistake = airdate.mistake("episodes", "edit", at_rest.id, EDITOR=editor(tmp_path, code), VISUAL="")

    assert mistake.endswith(told)
    assert list(tmp_path.glob("my-show-*")) == []


def test_without_a_terminal_or_an_editor_a_file_is_asked_for(airdate: Shell, at_rest: Episode) -> None:
    assert "say --file FILE" in airdate.mistake("episodes", "edit", at_rest.id, code=2, EDITOR="", VISUAL="")


def test_a_script_is_approved_by_the_key_under_which_it_was_read(airdate: Shell, at_rest: Episode) -> None:
    def key() -> str:
        return airdate.ok("episodes", "script", at_rest.id).split("<!-- script ")[1].split(" of ")[0]

    read = key()
    text, _ = changed_turn(airdate.ok("episodes", "script", at_rest.id))
    airdate.ok("episodes", "edit", at_rest.id, "--file", "-", answer=text)

    assert "is another than" in airdate.mistake("episodes", "approve", at_rest.id, "--script", read)
    assert "one episode" in airdate.mistake("episodes", "approve", "--all", "--script", key(), code=2)
    assert f"{at_rest.id}: approved" in airdate.ok("episodes", "approve", at_rest.id, "--script", key())


def test_the_first_episode_of_a_podcast_that_is_added_with_review_waits_too(airdate: Shell, database: Database) -> None:
    airdate.ok("podcasts", "add", "Read first", "--source", str(EXAMPLES), "--set", "review=true", "--set", "hosts=Ada")

    added = database.podcasts.get("read-first")
    assert added.production.review
    assert added.hosts == ("Ada",)
    assert "there is no setting 'revue'" in airdate.mistake(
        "podcasts", "add", "Other", "--source", str(EXAMPLES), "--set", "revue=true"
    )
    assert [each.id for each in database.podcasts.all()] == ["read-first"]


def test_rejected_it_is_skipped_with_the_reason(airdate: Shell, at_rest: Episode, database: Database) -> None:
    assert "--reason" in airdate.mistake("episodes", "reject", at_rest.id, code=2)
    assert "--reason is empty" in airdate.mistake("episodes", "reject", at_rest.id, "--reason", " ", code=2)

    said = airdate.ok("episodes", "reject", at_rest.id, "--reason", "the second story\nis a rumour")

    assert said == f"{at_rest.id}: skipped; its stories count as told\n"
    failure = database.episodes.get(at_rest.id).failure
    assert failure is not None
    assert failure.reason.startswith("rejected by ")
    assert failure.reason.endswith(": the second story is a rumour")
    assert "goes on from script_ready" in airdate.ok("episodes", "retry", at_rest.id)


def test_rejected_with_retell_its_stories_are_new_again(airdate: Shell, at_rest: Episode, database: Database) -> None:
    assert database.checkpoints.known_entries("my-show")[0]

    airdate.ok("episodes", "reject", at_rest.id, "--reason", "too dry", "--retell")

    assert not database.checkpoints.known_entries("my-show")[0]


def test_review_turned_off_lets_go_what_waits(airdate: Shell, at_rest: Episode, database: Database) -> None:
    said = airdate.ok("podcasts", "set", "my-show", "review=false")

    assert said.splitlines()[0] == f"{at_rest.id}: goes on without approval, since review is off"
    assert not database.episodes.get(at_rest.id).awaits_approval
    assert "goes on" not in airdate.ok("podcasts", "set", "my-show", "writing.tone=dry")


def test_other_settings_leave_it_at_rest(airdate: Shell, at_rest: Episode, database: Database) -> None:
    airdate.ok("podcasts", "set", "my-show", "writing.tone=dry")

    assert database.episodes.get(at_rest.id).awaits_approval


def test_what_waits_is_not_processed_and_holds_up_the_next(airdate: Shell, at_rest: Episode) -> None:
    assert "waits for approval" in airdate.mistake("process", at_rest.id)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "say which"),
        (("a", "--all"), "say which"),
        (("--all", "--podcast", "my-show"), "say which"),
    ],
)
def test_which_to_approve_must_be_said(airdate: Shell, arguments: tuple[str, ...], told: str) -> None:
    assert told in airdate.mistake("episodes", "approve", *arguments, code=2)


@pytest.mark.parametrize(
    "command", [("script",), ("edit", "--file", os.devnull), ("approve",), ("reject", "--reason", "x")]
)
def test_an_unknown_episode_is_named(airdate: Shell, command: tuple[str, ...]) -> None:
    name, *more = command
    assert "no episode has the id 'none'" in airdate.mistake("episodes", name, "none", *more)


def test_of_several_the_others_are_approved_all_the_same(airdate: Shell, at_rest: Episode, database: Database) -> None:
    result = airdate.run("episodes", "approve", "none", at_rest.id)

    assert result.exit_code == 1
    assert "none: not approved: no episode has the id" in result.stderr
    assert "Error: 1 of 2 were not approved" in result.stderr
    assert database.episodes.get(at_rest.id).approved_at is not None


def test_an_episode_without_a_script_says_so(airdate: Shell, database: Database, add_podcast: AddPodcast) -> None:
    add_podcast(database)
    episode = database.podcasts.open_slot("my-show", Clock().now, stuck_after=1800)
    assert episode is not None

    assert "is pending and has no script yet" in airdate.mistake("episodes", "script", episode.id)


def test_approved_while_sqs_is_away_the_next_tick_sends_it(
    airdate: Shell, at_rest: Episode, database: Database
) -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)}
    variables |= {"AIRDATE_HOME": str(airdate.home), "AIRDATE_ENV_FILE": os.devnull, "AIRDATE_AWS_ENDPOINT": NOBODY}
    command = [sys.executable, "-m", "operations.command", "episodes", "approve", at_rest.id]

    ended = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=120)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == (
        f"{at_rest.id}: approved\n  the next tick of discovery sends it on: SQS did not take the message\n"
    )
    later = database.claims.episodes(Clock().forward(1e9), seconds=300, limit=9)
    assert [claim.subject.id for claim in later] == [at_rest.id]
    assert later[0].count == 1, "the claim was released"

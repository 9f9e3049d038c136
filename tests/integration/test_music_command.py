"""``airdate podcasts music``: from a user's file to what episodes begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from podcasting.database import Database
from tests.fakes.shell import Shell
from tests.fakes.tunes import tune, wav_file

FEED = "https://feeds.example.org/feed.xml"


@pytest.fixture
def jingle(tmp_path: Path) -> Path:
    return wav_file(tmp_path / "jingle.wav", tune(3))


@pytest.fixture(autouse=True)
def show(airdate: Shell) -> None:
    airdate.ok("podcasts", "add", "My show", "--source", FEED)


def test_a_podcast_begins_without_music(airdate: Shell) -> None:
    none = {"key": None, "seconds": None, "loudness_lufs": None}

    assert airdate.json("podcasts", "music", "my-show") == {"intro": none, "outro": none, "bed": none}
    assert "none" in airdate.ok("podcasts", "music", "my-show")


def test_music_is_kept_in_the_workspace_and_named_by_the_podcast(
    airdate: Shell, database: Database, jingle: Path
) -> None:
    said = airdate.ok("podcasts", "music", "my-show", "--intro", str(jingle), "--bed", str(jingle))

    mixing = database.podcasts.get("my-show").production.mixing
    assert mixing.intro == mixing.bed
    assert mixing.outro is None
    assert mixing.intro is not None
    assert (airdate.home / "work" / mixing.intro).read_bytes().startswith(b"fLaC")
    assert mixing.intro in said
    assert "the next episode is made so" in said


def test_the_file_is_not_needed_again(airdate: Shell, jingle: Path) -> None:
    airdate.ok("podcasts", "music", "my-show", "--outro", str(jingle))
    jingle.unlink()

    outro = airdate.json("podcasts", "music", "my-show")["outro"]

    assert outro["seconds"] == pytest.approx(3, abs=0.1)
    assert -30 < outro["loudness_lufs"] < -6


def test_music_can_be_done_without(airdate: Shell, database: Database, jingle: Path) -> None:
    airdate.ok("podcasts", "music", "my-show", "--intro", str(jingle), "--bed", str(jingle))

    airdate.ok("podcasts", "music", "my-show", "--no-bed")

    mixing = database.podcasts.get("my-show").production.mixing
    assert mixing.bed is None
    assert mixing.intro is not None


def test_music_that_is_gone_is_told(airdate: Shell, database: Database, jingle: Path) -> None:
    airdate.ok("podcasts", "music", "my-show", "--bed", str(jingle))
    bed = database.podcasts.get("my-show").production.mixing.bed
    assert bed is not None
    (airdate.home / "work" / bed).unlink()

    assert f"{bed} is missing or damaged; give it again with --bed FILE" in airdate.ok("podcasts", "music", "my-show")


def test_nothing_is_set_when_one_of_the_files_is_no_music(
    airdate: Shell, database: Database, jingle: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.mp3"
    page.write_text("<html>404 Not Found</html>")

    said = airdate.mistake("podcasts", "music", "my-show", "--intro", str(jingle), "--bed", str(page))

    assert said.startswith(f"{page}: it does not decode as music")
    assert database.podcasts.get("my-show").production.mixing.intro is None


def test_a_file_and_doing_without_it_exclude_each_other(airdate: Shell, jingle: Path) -> None:
    said = airdate.mistake("podcasts", "music", "my-show", "--bed", str(jingle), "--no-bed", code=2)

    assert "--bed and --no-bed exclude each other" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("mixing.intro=/etc/passwd", "airdate podcasts music PODCAST --intro FILE"),
        ("mixing.loudness_lufs=-9", "less than or equal to -14"),
        ("mixing.peak_dbtp=0", "less than or equal to -1"),
        ("mixing.format=ogg", "'mp3' or 'm4a'"),
        ("mixing.section_pause_seconds=9", "less than or equal to 3"),
        ("mixing.bit_rate_kbps=97", "64, 80, 96, 112 or 128"),
    ],
)
def test_a_setting_out_of_its_range_is_named(airdate: Shell, change: str, said: str) -> None:
    assert said in airdate.mistake("podcasts", "set", "my-show", change)

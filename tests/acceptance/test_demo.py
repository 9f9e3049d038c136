"""The demo, as a newcomer runs it: in an empty folder, with no terminal. Then a second time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import feedparser
import podcastparser
import pytest
import soundfile

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Demo:
    """One folder in which the demo runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "var" / "demo"
        self.said = ""
        """What the first run printed."""

    def run(self, *arguments: str, code: int = 0) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRDATE_", "AWS_"))}
        done = subprocess.run(
            [Path(sys.executable).parent / "airdate", "demo", *arguments],
            cwd=self.folder,
            env=clean | {"AIRDATE_SITE_PORT": "0", "AIRDATE_FLOWER_PORT": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        logs = "\n".join(path.read_text()[-1500:] for path in self.home.glob("log/*.log"))
        assert done.returncode == code, done.stdout + done.stderr + logs
        return done.stdout + done.stderr

    def summary(self) -> Any:
        return json.loads((self.home / "summary.json").read_text())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A demo that has run once."""
    first = Demo(tmp_path_factory.mktemp("demo"))
    first.said = first.run()
    return first


@pytest.fixture(scope="module")
def episode(demo: Demo) -> dict[str, Any]:
    (podcast,) = demo.summary()["podcasts"]
    (only,) = podcast["episodes"]
    found: dict[str, Any] = only
    return found


def test_it_tells_each_stage_and_where_things_are(demo: Demo) -> None:
    said = demo.said
    for stage in ("collect", "script", "speech", "master", "check", "transcript", "cover", "publish", "feed"):
        assert re.search(rf"{stage} +done in +\d+\.\d s", said), stage
    for name in ("listen", "subscribe", "MP3", "Flower", "Try next"):
        assert name in said
    assert "Traceback" not in said


def test_both_workers_beat_and_flower_ran(demo: Demo) -> None:
    said = demo.said
    assert re.search(r"Flower sees discovery@\S+, generator@\S+, processor@\S+", said)
    assert "Sending due task schedule-podcasts" in (demo.home / "log" / "beat.log").read_text()
    assert "generate_podcast" in (demo.home / "log" / "generator.log").read_text()
    assert "process_episode" in (demo.home / "log" / "processor.log").read_text()


def test_the_summary_says_what_was_made(demo: Demo, episode: dict[str, Any]) -> None:
    summary = demo.summary()
    assert episode["status"] == "published"
    assert episode["loudness_lufs"] == pytest.approx(-16, abs=0.5)
    assert set(summary["queues"]) == {"discovery", "podcast-generation", "episode-processing"}
    assert all(depth["dead_letters"] == 0 for depth in summary["queues"].values())
    assert summary["seconds"]["total"] > summary["seconds"]["speech"] > 0
    for path in (summary["podcasts"][0]["feed"], episode["audio"], *episode["transcripts"], episode["chapters"]):
        assert (demo.home / path).stat().st_size > 0


def test_the_audio_is_what_it_says(demo: Demo, episode: dict[str, Any]) -> None:
    samples, rate = soundfile.read(demo.home / episode["audio"])
    assert len(samples) / rate == pytest.approx(episode["duration_seconds"], abs=0.1)
    assert 60 < episode["duration_seconds"] < 240


def test_podcast_apps_read_the_feed(demo: Demo, episode: dict[str, Any]) -> None:
    path = demo.home / demo.summary()["podcasts"][0]["feed"]
    read = feedparser.parse(path.read_bytes())
    assert not read.bozo
    (item,) = read.entries
    assert item.id == episode["id"]
    assert int(item.enclosures[0].length) == (demo.home / episode["audio"]).stat().st_size

    parsed = podcastparser.parse("http://127.0.0.1/feed.xml", path.open("rb"))
    assert [each["guid"] for each in parsed["episodes"]] == [episode["id"]]
    assert parsed["episodes"][0]["total_time"] == pytest.approx(episode["duration_seconds"], abs=1)


def test_a_second_run_adds_no_second_episode(demo: Demo, episode: dict[str, Any]) -> None:
    audio = demo.home / episode["audio"]
    feed = demo.home / demo.summary()["podcasts"][0]["feed"]
    before = audio.stat().st_mtime_ns, audio.read_bytes()

    demo.run("--exit")

    (podcast,) = demo.summary()["podcasts"]
    assert [each["id"] for each in podcast["episodes"]] == [episode["id"]]
    assert (audio.stat().st_mtime_ns, audio.read_bytes()) == before
    assert len(feedparser.parse(feed.read_bytes()).entries) == 1


def test_a_feed_that_is_none_ends_with_its_reason(demo: Demo, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><html><body><p>Not a feed.</p></body></html>")

    said = demo.run("--feed", str(page), "--exit", code=1)

    assert re.search(r"failed: .*page\.html", said)
    assert "Traceback" not in said

"""The bench's section on making an episode: its stories, and what it makes of what was measured."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.making.stories import feed
from bench.making.workshop import Episode, peak
from bench.sections import making
from podcasting.models import STAGES
from podcasting.providers.feeds.web import WebSources
from podcasting.stages.collect import CollectInput, Known, collect
from tests.fakes.environment import ROOT


def told(tmp_path: Path, edition: int, known: frozenset[str] = frozenset()) -> tuple[str, ...]:
    source = tmp_path / "feed.xml"
    source.write_text(feed(making.STORIES, edition))
    collected = collect(
        CollectInput(sources=(str(source),), limit=making.STORIES),
        Known(entries=known, validators={}),
        WebSources(allow_files=True),
        lambda _: None,
    )
    return tuple(story.key for story in collected.stories)


def test_no_two_stories_are_alike_and_another_edition_has_others(tmp_path: Path) -> None:
    first = told(tmp_path, 0)

    assert len(first) == making.STORIES
    assert len(told(tmp_path, 1, frozenset(first))) == making.STORIES


def an_episode(seconds: float, stage_seconds: float) -> Episode:
    return Episode(
        audio_seconds=120,
        seconds=seconds,
        stages=dict.fromkeys(STAGES, stage_seconds),
        processor_seconds=2 * seconds,
        peaks={"generator": 400.0, "processor": 200.0},
        audio=Path("audio.mp3"),
    )


def test_figures_are_for_each_minute_of_sound_and_those_of_later_episodes() -> None:
    pairs = [(an_episode(9, 1), an_episode(4, 0.4)), (an_episode(9, 1), an_episode(6, 0.6))]

    figures = making._figures(pairs)

    assert (figures["later"]["median"], figures["first"]["median"]) == (2.5, 4.5)
    assert figures["stages"]["speech"] == {"median": 0.25, "low": 0.2, "high": 0.3, "repeats": 2}
    assert figures["processor"]["median"] == 5
    ways = {making.OURS: figures, making.IN_TURN: making._figures([(an_episode(9, 1), an_episode(10, 1))])}
    whole = {"audio_minutes": 2, "ways": ways, "plain_seconds_per_minute": {"median": 0.5, "low": 0.5, "high": 0.5}}
    whole["plain_seconds_per_minute"]["repeats"] = 1
    assert making.SECTION.headline(whole) == {"seconds_per_audio_minute": 2.5}
    table = making.making_table(whole)
    assert "ten minutes of sound: 25 s (target 20 s), 0.50 of the time" in table
    assert "5.0 times that of plain" in table


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the bench runs on Linux")
def test_the_peak_of_a_process_is_what_it_held_at_most() -> None:
    before = peak(os.getpid())
    held = bytearray(50_000_000)
    del held

    assert peak(os.getpid()) >= max(before, 50)


@pytest.mark.parametrize("name", making.SECTION.tables)
def test_the_page_has_a_place_for_each_table(name: str) -> None:
    assert f"<!-- bench:{name} -->" in (ROOT / "docs" / "performance.md").read_text()

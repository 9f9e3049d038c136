"""The bench's frame: what a section promises, the page it is written into, and how samples are told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench import __main__ as command
from bench import page
from bench.measuring import Sample, alternately, percentiles, ratio
from bench.section import Section, markdown_table
from tests.fakes.environment import ROOT

HEADLINE = {
    "publish_vs_best_single",
    "publish_vs_best_batch",
    "publish_vs_raw",
    "consume_vs_best_peer",
    "requests_per_task",
    "due_query_growth",
    "discovery_peak_mb",
    "seconds_per_audio_minute",
}


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def a_section(measure: Callable[..., dict[str, Any]] = lambda *_: {"speed": 3}) -> Section:
    return Section(
        name="publish",
        title="how fast",
        measure=measure,
        tables={"publish": lambda figures: f"speed {figures['speed']}"},
        plots={"publish": lambda figures, axes: axes.bar(["ours"], [figures["speed"]])},
        headline=lambda figures: {"speed": figures["speed"]},
    )


@pytest.mark.parametrize("name", command.SECTIONS)
def test_the_page_has_a_place_for_all_that_a_section_shows(name: str) -> None:
    section = command.section_named(name)
    text = (ROOT / page.PAGE).read_text()
    assert section.name == name
    for table in section.tables:
        assert page.filled(text, table, "new") != text
    for plot in section.plots:
        assert f"](performance/{plot}.png)" in text


@pytest.mark.parametrize("name", command.SECTIONS)
def test_what_the_page_shows_is_what_was_measured(name: str) -> None:
    section = command.section_named(name)
    kept = json.loads((ROOT / page.FOLDER / f"{name}.json").read_text())
    text = (ROOT / page.PAGE).read_text()
    assert not kept["quick"]
    for table, told in section.tables.items():
        assert page.filled(text, table, told(kept["figures"])) == text
    for plot in section.plots:
        assert (ROOT / page.FOLDER / f"{plot}.png").exists()


def test_the_page_says_what_was_measured_when_and_on_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = page.PAGE.read_text()
    told = page.machines()
    assert page.filled(text, page.MACHINES, told) == text
    named = " ".join(line.partition(" on 20")[0] for line in told.splitlines())
    assert sorted(re.findall(r"\w+", named)) == sorted(command.SECTIONS)


def test_the_quick_sections_answer_for_the_last_line() -> None:
    told: set[str] = set()
    for name in command.QUICK:
        kept = json.loads((ROOT / page.FOLDER / f"{name}.json").read_text())
        told |= set(command.section_named(name).headline(kept["figures"]))
    assert told == HEADLINE


def test_the_last_line_is_one_object_and_the_figures_are_kept(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def measure(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:  # noqa: FBT001 - the frame's
        asked.append(quick)
        say("half way")
        return {"speed": 3}

    monkeypatch.setattr(command, "section_named", lambda _: a_section(measure))
    ran = CliRunner().invoke(command.main, ["publish", "--quick", "--results", "results"])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout.splitlines()[-1]) == {"speed": 3}
    assert ran.stderr == "publish: how fast\npublish: half way\n"
    assert asked == [True]
    kept = json.loads((at_home / "results" / "publish.json").read_text())
    assert (kept["figures"], kept["quick"], kept["machine"]["cores"] > 0) == ({"speed": 3}, True, True)


def test_a_section_is_written_into_the_page_with_its_figures_and_plot(at_home: Path) -> None:
    (at_home / "docs").mkdir()
    (at_home / page.PAGE).write_text(
        "<!-- bench:machines -->\n<!-- /bench:machines -->\n"
        "before\n<!-- bench:publish -->\nold\n<!-- /bench:publish -->\nafter\n"
    )
    machine = {"processor": "Abacus", "cores": 2, "memory_gb": 4.2, "system": "Linux 1", "python": "3.13.0"}
    kept = {
        "section": "publish",
        "measured_at": "2026-11-26T09:00:00+00:00",
        "machine": machine | {"libraries": {"celery": "5.7.0", "kombu": "5.7.1"}},
        "figures": {"speed": 3},
    }
    page.write(a_section(), kept)
    assert (at_home / page.PAGE).read_text() == (
        "<!-- bench:machines -->\n"
        "- publish on 2026-11-26: Abacus, 2 cores, 4.2 GB, Linux 1, Python 3.13.0, celery 5.7.0, kombu 5.7.1\n"
        "<!-- /bench:machines -->\n"
        "before\n<!-- bench:publish -->\nspeed 3\n<!-- /bench:publish -->\nafter\n"
    )
    assert (at_home / page.FOLDER / "publish.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((at_home / page.FOLDER / "publish.json").read_text()) == kept


def test_a_page_without_the_place_is_told_what_to_add(at_home: Path) -> None:
    (at_home / "docs").mkdir()
    (at_home / page.PAGE).write_text("nothing here\n")
    with pytest.raises(page.NoMarkers, match="<!-- bench:publish --> and <!-- /bench:publish -->"):
        page.write(a_section(), {"figures": {"speed": 3}})


def test_contestants_take_turns() -> None:
    turns: list[str] = []

    def contestant(name: str, values: list[float]) -> Callable[[], float]:
        def measured() -> float:
            turns.append(name)
            return values.pop(0)

        return measured

    samples = alternately({"a": contestant("a", [1, 5, 2]), "b": contestant("b", [7, 7, 7])}, 3)
    assert turns == ["a", "b", "a", "b", "a", "b"]
    assert samples["a"].median == 2
    assert samples["a"].figures() == {"median": 2, "low": 1, "high": 5, "repeats": 3}


def test_a_ratio_is_of_figures_of_the_same_round() -> None:
    # The machine was half as fast in the second and third round, for both.
    assert ratio(Sample((90, 45, 40)), Sample((100, 50, 50))) == 0.9


def test_figures_are_no_more_exact_than_measured() -> None:
    assert Sample((1234.567,)).figures()["median"] == 1235
    assert percentiles([float(number) for number in range(101)]) == {"p50": 50, "p95": 95, "p99": 99, "highest": 100}


def test_a_table_is_markdown() -> None:
    assert markdown_table(["what", "how fast"], [("ours", 3)]) == "| what | how fast |\n| --- | ---: |\n| ours | 3 |"

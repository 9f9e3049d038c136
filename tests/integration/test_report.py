"""``airdate report``: one page that asks for nothing from anywhere, PNG files, JSON with all that is drawn."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from lxml import etree
from PIL import Image
from sqlalchemy import insert

from operations.report.drawing import DRAWN
from podcasting.database import Database
from podcasting.database.history import Happened
from podcasting.database.revisions import migrate
from podcasting.database.schema import alarms, episodes, history, stages
from podcasting.models import STAGES, EpisodeStatus, Podcast
from tests.fakes.environment import ROOT
from tests.fakes.shell import Shell

HOSTILE = "<script>alert(1)</script> \"'$x$ & 播客 🎧 [/b]"


def fill(database: Database) -> None:
    """Two days of two podcasts: published, failed after a try, skipped, waiting; the one with a hostile title."""
    now = datetime.now(UTC)
    for podcast, title in (("loud", HOSTILE), ("quiet", "Quiet")):
        fields = {"id": podcast, "title": title, "sources": ("https://example.org/feed.xml",), "frequency_days": 1}
        database.podcasts.add(Podcast.model_validate(fields | {"first_slot": now, "next_episode_at": now}), now)
    with database.engine.begin() as connection:
        for number in range(24):
            slot = now - timedelta(hours=2 * number, minutes=10)
            status = {3: EpisodeStatus.FAILED, 5: EpisodeStatus.SKIPPED, 0: EpisodeStatus.PENDING}.get(
                number, EpisodeStatus.PUBLISHED
            )
            published = status is EpisodeStatus.PUBLISHED
            values = {
                "id": f"e-{number}",
                "podcast_id": "loud" if number % 3 else "quiet",
                "slot": slot,
                "number": number + 1,
                "status": status,
                "released_at": slot + timedelta(seconds=100 + number) if published else None,
                "created_at": slot,
                "updated_at": slot,
            }
            connection.execute(insert(episodes).values(values))
            happened: list[tuple[Happened, str | None, str | None]] = [(Happened.STARTED, None, "w")]
            if status is EpisodeStatus.FAILED:
                happened += [(what, "speech", f"voice: {HOSTILE}") for what in (Happened.GIVEN_BACK, Happened.FAILED)]
            elif status is not EpisodeStatus.PENDING:
                happened.append((Happened(status.value), None, None))
            for what, stage, detail in happened:
                line = {"episode_id": f"e-{number}", "at": slot, "event": what.value, "stage": stage, "detail": detail}
                connection.execute(insert(history).values(line))
            for place, stage in enumerate(STAGES if published else ()):
                row = {
                    "episode_id": f"e-{number}",
                    "name": stage,
                    "key": "k",
                    "output": {"seconds": 590.0},
                    "seconds": 1.5 * place + number / 10,
                    "finished_at": slot + timedelta(seconds=60),
                    "lease_number": 1,
                }
                connection.execute(insert(stages).values(row))
        alarm = {"key": "a", "about": f"episodes fail: {HOSTILE}", "count": 3, "opened_at": now}
        connection.execute(insert(alarms).values(alarm | {"last_at": now - timedelta(minutes=1)}))


@pytest.fixture
def filled(database: Database) -> None:
    fill(database)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A report of it all, and what the command said; drawn once."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        shell = Shell(patch, folder / "home")
        database = Database.at(f"sqlite:///{shell.home / 'airdate.db'}")
        migrate(database.engine)
        fill(database)
        database.engine.dispose()
        yield folder, shell.ok("report", "--since", "3d", "--out", str(folder / "out"))
        shell.forget()


class Page(HTMLParser):
    """What a page refers to, and the cells of its tables by the chart they belong to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.cells: dict[str, list[str]] = {}
        self._chart = ""
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attrs)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "srcset", "href", "data", "action"}]
        if tag == "figure":
            self._chart = named["id"] or ""
            self.cells[self._chart] = []
        self._cell = tag in {"td", "th"}

    def handle_endtag(self, tag: str) -> None:
        self._cell = False
        if tag == "figure":
            self._chart = ""

    def handle_data(self, data: str) -> None:
        if self._cell and self._chart:
            self.cells[self._chart].append(data)


def test_the_page_asks_for_nothing_from_anywhere(written: tuple[Path, str]) -> None:
    page = Page((written[0] / "out" / "index.html").read_text())

    assert {address.partition(",")[0] for address in page.addresses} == {
        "#report",
        "data:",
        "data:image/svg+xml;base64",
    }
    drawings = [address for address in page.addresses if address.startswith("data:image")]
    assert len(drawings) == 4 * len(page.cells)  # light and dark, wide and narrow
    assert len(set(drawings)) == len(drawings)
    for drawing in drawings:
        svg = etree.fromstring(base64.b64decode(drawing.partition(",")[2]))
        references = svg.xpath("//@*[local-name()='href']")
        assert isinstance(references, list)
        assert all(str(reference).startswith("#") for reference in references)
    assert "script" not in page.tags


def test_hostile_titles_and_reasons_stay_text(written: tuple[Path, str]) -> None:
    text = (written[0] / "out" / "index.html").read_text()

    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(") >= 2  # a title, an alarm
    assert "alert(1)" in "".join(Page(text).cells["podcasts"])


@pytest.mark.usefixtures("filled")
def test_each_chart_has_its_figures_in_a_table_and_in_the_json(airdate: Shell, written: tuple[Path, str]) -> None:
    figures = airdate.json("report", "--since", "3d")
    cells = Page((written[0] / "out" / "index.html").read_text()).cells

    assert set(cells) == set(DRAWN)
    assert all(cells.values())
    assert figures["published"] == 21
    assert "21" in cells["states"]
    assert [each["stage"] for each in figures["stages"]] == list(STAGES)
    assert set(STAGES) <= set(cells["stages"])
    assert figures["failed_tries"] == [21, 0, 0, 0, 0]
    assert sum(each["episodes"] for each in figures["lateness_within"]) == figures["lateness"]["count"] == 21
    assert figures["usd_per_thousand_episodes"] == pytest.approx(1000 * sum(e["dollars"] for e in figures["spending"]))
    assert figures["provider_spend"] == []
    assert {each["podcast_id"] for each in figures["busiest"]} == {"loud", "quiet"}


def test_png_files_are_pictures(written: tuple[Path, str]) -> None:
    folder, said = written

    files = sorted((folder / "out").glob("*.png"))
    assert {file.stem for file in files} == set(DRAWN)
    assert {str(file) for file in files} <= set(said.splitlines())
    for file in files:
        with Image.open(file) as image:
            image.load()
            assert image.width == 1720
            assert len(image.convert("RGB").getcolors(1 << 24) or ()) > 10  # not an empty sheet


@pytest.mark.usefixtures("filled")
def test_of_one_podcast(airdate: Shell) -> None:
    figures = airdate.json("report", "--since", "3d", "--podcast", "quiet")

    assert {each["podcast_id"] for each in figures["busiest"]} == {"quiet"}
    assert figures["published"] == 6
    assert "no podcast has the id 'nobodys'" in airdate.mistake("report", "--podcast", "nobodys")


@pytest.mark.usefixtures("database")
def test_without_anything_it_says_so(airdate: Shell) -> None:
    said = airdate.ok("report")

    assert "there is nothing yet" in said
    page = (airdate.home / "report" / "index.html").read_text()
    assert "There is nothing yet" in page
    assert not list((airdate.home / "report").glob("*.png"))
    assert airdate.json("report")["published"] == 0


@pytest.mark.usefixtures("filled")
def test_a_chapter_without_figures_says_why(airdate: Shell, tmp_path: Path) -> None:
    until = (datetime.now(UTC) - timedelta(hours=5)).isoformat()
    since = (datetime.now(UTC) - timedelta(hours=7)).isoformat()  # the one episode in it failed

    airdate.ok("report", "--since", since, "--until", until, "--format", "html", "--out", str(tmp_path))

    text = (tmp_path / "index.html").read_text()
    assert "No episode was published in this window." in text
    assert set(Page(text).cells) == {"throughput", "states", "failures"}


@pytest.mark.usefixtures("filled")
def test_without_matplotlib_it_names_the_extra_and_json_still_works(
    airdate: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "operations.report.drawing")
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    assert "pip install 'airdate[report]'" in airdate.mistake("report")
    assert airdate.json("report", "--since", "3d")["published"] == 21


def test_only_what_draws_imports_matplotlib() -> None:
    code = "import operations.report.commands, sys; sys.exit('matplotlib' in sys.modules)"

    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--since", "yesterday"), "'yesterday' is no time; say 90s, 15min, 2h or 3d"),
        (("--since", "2026-13-01"), "'2026-13-01' is no date"),
        (("--since", "1h", "--until", "2h"), "not before --until"),
        (("--format", "pdf"), "pdf is no format; there are html, png"),
        (("--json", "--out", "x"), "leave out --out and --format"),
    ],
)
@pytest.mark.usefixtures("database")
def test_wrong_usage_is_told(airdate: Shell, arguments: tuple[str, ...], complaint: str) -> None:
    assert complaint in airdate.mistake("report", *arguments, code=2)


@pytest.mark.usefixtures("filled")
def test_a_folder_that_cannot_be_written_is_told(airdate: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    told = airdate.mistake("report", "--format", "html", "--out", str(tmp_path / "file" / "report"))

    assert re.search(r"can't be written to .*file/report: .*--out", told)


@pytest.mark.usefixtures("database")
def test_dates_are_utc_unless_they_say_otherwise(airdate: Shell) -> None:
    found = airdate.json("report", "--since", "2026-01-01", "--until", "2026-01-03T02:00+02:00")["window"]

    assert (found["since"], found["until"]) == ("2026-01-01T00:00:00+00:00", "2026-01-03T00:00:00+00:00")

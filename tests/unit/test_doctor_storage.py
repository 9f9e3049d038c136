"""Storage as the doctor finds it: folders, a bucket over HTTP, and the site that listeners see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from operations.doctor import storage
from operations.doctor.storage import KEY, room
from operations.site import Site
from settings import settings
from tasks.readiness.findings import Finding, Level
from tests.fakes.aws import NOBODY, client, served_aws
from tests.fakes.environment import set_environment
from tests.fakes.website import Answer, Website

Look = Callable[..., list[Finding]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Look]:
    def examine(**variables: str) -> list[Finding]:
        set_environment(monkeypatch, **{"AIRDATE_HOME": str(home), "AIRDATE_PUBLIC_URL": NOBODY} | variables)
        return list(storage.findings())

    yield examine
    settings.cache_clear()


def troubles(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.level is not Level.OK]


def test_folders_and_a_site_that_serves_them_are_well_and_left_as_they_were(look: Look, home: Path) -> None:
    (home / "site").mkdir(parents=True)
    with Site(home / "site", port=0) as site:
        found = look(AIRDATE_PUBLIC_URL=f"{site.url}/")

    assert troubles(found) == []
    assert [finding.found.partition(":")[0] for finding in found[1:]] == [
        "workspace keeps what is put",
        "site keeps what is put",
        "listeners find the site under http",
    ]
    assert [path.name for path in home.rglob("*")] == ["site"]


def test_a_site_that_does_not_answer_is_a_warning(look: Look) -> None:
    [finding] = troubles(look())

    assert finding.level is Level.WARN
    assert "does not answer from here" in finding.found
    assert "AIRDATE_PUBLIC_URL" in finding.fix


@pytest.mark.parametrize(
    ("answer", "told"), [(Answer(status=404), "answers 404"), (Answer(b"another's"), "something else")]
)
def test_a_site_that_is_not_ours_is_a_warning(look: Look, answer: Answer, told: str) -> None:
    with Website() as website:
        website.answers[f"/{KEY}"] = answer
        [finding] = troubles(look(AIRDATE_PUBLIC_URL=website.url("")))

    assert (finding.level, told in finding.found) == (Level.WARN, True)


def test_a_file_where_a_folder_is_needed_fails_and_the_rest_is_looked_at(look: Look, home: Path) -> None:
    home.mkdir()
    (home / "work").write_text("")
    first, *others = [finding for finding in look() if finding.area == "storage"][1:]

    assert first.level is Level.FAIL
    assert first.fix == "remove the file that stands where a folder is needed"
    assert others[0].found.startswith("site keeps")


def test_a_home_that_cannot_be_made_fails(look: Look, home: Path) -> None:
    home.write_text("")

    assert look()[0].level is Level.FAIL
    assert "AIRDATE_HOME" in look()[0].fix


@pytest.mark.parametrize(
    ("free", "level"), [(1 << 31, Level.OK), ((1 << 30) - 1, Level.WARN), ((100 << 20) - 1, Level.FAIL)]
)
def test_room_is_judged_by_what_an_episode_needs(free: int, level: Level) -> None:
    assert room(Path("/var"), free).level is level


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with served_aws() as endpoint:
        yield endpoint


def test_a_bucket_is_well_and_left_as_it_was(look: Look, aws: str) -> None:
    with client("s3", aws) as s3:
        s3.create_bucket(Bucket="episodes")
        found = look(AIRDATE_BUCKET="episodes", AIRDATE_AWS_ENDPOINT=aws)

        assert [finding.found for finding in found[1:3]] == [
            "workspace keeps what is put: s3://episodes/work/",
            "site keeps what is put: s3://episodes/site/",
        ]
        assert s3.list_objects_v2(Bucket="episodes")["KeyCount"] == 0


def test_a_bucket_that_is_not_there_fails(look: Look, aws: str) -> None:
    failed = [each for each in look(AIRDATE_BUCKET="none", AIRDATE_AWS_ENDPOINT=aws) if each.level is Level.FAIL]

    assert [finding.fix for finding in failed] == ["create it, or correct its name in the settings"] * 2
    assert "NoSuchBucket" in failed[0].found

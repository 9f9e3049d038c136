"""Clocks against ours: what a difference means, and reading it off SQS's answers and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.doctor import clock
from operations.doctor.clock import database_skew, judged, sqs_skew
from settings import settings
from tasks.readiness.findings import Level
from tests.fakes.aws import NOBODY, served_aws
from tests.fakes.environment import set_environment
from tests.fakes.refusing_server import refusing


@pytest.fixture(autouse=True)
def afterwards() -> Iterator[None]:
    yield
    settings.cache_clear()


@pytest.mark.parametrize(
    ("skew", "level", "told"),
    [
        (0.4, Level.OK, "agree within 5 s"),
        (-4.9, Level.OK, "agree within 5 s"),
        (6, Level.WARN, "6 s behind SQS's"),
        (-299, Level.WARN, "299 s ahead of SQS's"),
        (301, Level.FAIL, "301 s behind SQS's"),
    ],
)
def test_a_difference_is_judged_by_what_it_does(skew: float, level: Level, told: str) -> None:
    finding = judged("SQS", skew)

    assert (finding.level, told in finding.found) == (level, True)
    assert ("chrony" in finding.fix) is (level is not Level.OK)


def test_the_clock_of_a_server_here_is_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with served_aws() as endpoint:
        set_environment(monkeypatch, AIRDATE_HOME=str(tmp_path), AIRDATE_AWS_ENDPOINT=endpoint)

        # The queue is not there: a refusal has a date too.
        assert [finding.level for finding in clock.findings()] == [Level.OK]


def test_a_server_of_another_time_is_found_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with refusing(403, b'{"__type": "AccessDenied", "message": "no"}', seconds_ahead=3600) as endpoint:
        set_environment(monkeypatch, AIRDATE_HOME=str(tmp_path), AIRDATE_AWS_ENDPOINT=endpoint)
        skew = sqs_skew()

    assert isinstance(skew, float)
    assert 3595 < skew < 3605


def test_a_server_that_is_away_has_no_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_environment(monkeypatch, AIRDATE_HOME=str(tmp_path), AIRDATE_AWS_ENDPOINT=NOBODY)
    [finding] = clock.findings()

    assert finding.level is Level.WARN
    assert finding.found.startswith("not compared with SQS's: SQS does not answer")


def test_postgresqls_clock_here_is_ours(monkeypatch: pytest.MonkeyPatch, postgres_url: str, tmp_path: Path) -> None:
    set_environment(monkeypatch, AIRDATE_HOME=str(tmp_path), AIRDATE_DATABASE_URL=postgres_url)
    skew = database_skew()

    assert isinstance(skew, float)
    assert abs(skew) < 5


def test_a_database_that_is_away_has_no_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_environment(
        monkeypatch, AIRDATE_HOME=str(tmp_path), AIRDATE_DATABASE_URL="postgresql://airdate@127.0.0.1:9/airdate"
    )

    assert str(database_skew()).startswith("the database does not answer")
    assert ["not compared with the database's" in finding.found for finding in clock.findings()] == [True]

"""What a worker proves before it consumes: settings against each other, tables, and its queues' visibility."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from broker.errors import Refused
from podcasting.database import Database
from publishers.queues import Queue
from settings import Settings, settings
from tasks.readiness import tables
from tasks.readiness.agreement import NEEDED, celery_agrees, contradictions
from tasks.readiness.findings import Finding, Level
from tasks.readiness.queue_attributes import visibility_agrees
from tasks.readiness.worker_start import prove_readiness
from tests.fakes.aws import NOBODY, client, empty, served_aws
from tests.fakes.environment import load_celeryconfig, set_environment
from tests.fakes.refusing_server import refusing
from tests.fakes.sqs_queues import create_queue

URL = "https://sqs.us-east-1.example.org/1/airdate-discovery"


def chosen(**changes: Any) -> Settings:
    return Settings(_env_file=os.devnull, **changes)


def the_trouble(found: Iterator[Finding]) -> Finding:
    [finding] = [each for each in found if each.level is not Level.OK]
    return finding


# Settings against each other --------------------------------------------------------------------------


def test_the_defaults_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch)

    assert [finding.level for finding in contradictions(chosen())] == [Level.OK]


@pytest.mark.parametrize(
    ("changes", "level", "variable", "fix"),
    [
        (
            {"soft_time_limit": 43_000, "hard_time_limit": 43_200, "stuck_after": 50_000},
            Level.FAIL,
            "AIRDATE_HARD_TIME_LIMIT is 43200 s",
            "below 43200",
        ),
        ({"stuck_after": 1500}, Level.WARN, "AIRDATE_STUCK_AFTER is 1500 s", "AIRDATE_STUCK_AFTER=1800"),
        (
            {"stuck_after": 3000, "lease_seconds": 3000, "visibility_timeout": 4000, "claim_seconds": 5000},
            Level.WARN,
            "not longer than AIRDATE_LEASE_SECONDS (3000 s)",
            "AIRDATE_STUCK_AFTER=3480",
        ),
        ({"shutdown_seconds": 120}, Level.WARN, "AIRDATE_SHUTDOWN_SECONDS is 120 s", "AIRDATE_SHUTDOWN_SECONDS=100"),
        (
            {"soft_time_limit": 20, "hard_time_limit": 30},
            Level.WARN,
            "longer than any task may take",
            "AIRDATE_SHUTDOWN_SECONDS=30",
        ),
        (
            {"visibility_timeout": 14, "lease_seconds": 14},
            Level.WARN,
            "AIRDATE_VISIBILITY_TIMEOUT is 14 s",
            "AIRDATE_VISIBILITY_TIMEOUT=60",
        ),
        ({"lease_seconds": 61}, Level.WARN, "AIRDATE_LEASE_SECONDS is 61 s", "AIRDATE_LEASE_SECONDS=60"),
        (
            {"check_episodes_every": 300},
            Level.WARN,
            "not longer than AIRDATE_CHECK_EPISODES_EVERY (300 s)",
            "AIRDATE_CLAIM_SECONDS=720",
        ),
        (
            {"visibility_timeout": 300, "lease_seconds": 300},
            Level.WARN,
            "not longer than AIRDATE_VISIBILITY_TIMEOUT (300 s)",
            "AIRDATE_CLAIM_SECONDS=720",
        ),
        ({"max_retries": 9}, Level.WARN, "retries may take 3070 s", "AIRDATE_STUCK_AFTER=3540"),
        (
            {"allow_queues_without_redrive": True},
            Level.WARN,
            "AIRDATE_ALLOW_QUEUES_WITHOUT_REDRIVE is true",
            "infrastructure/messaging.yaml",
        ),
    ],
)
def test_a_contradiction_is_told_with_its_values_and_what_to_set(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], level: Level, variable: str, fix: str
) -> None:
    set_environment(monkeypatch)
    finding = the_trouble(contradictions(chosen(**changes)))

    assert finding.level is level
    assert variable in finding.found
    assert fix in finding.fix


def test_what_the_fix_says_is_not_complained_about(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch)

    assert [each.level for each in contradictions(chosen(max_retries=9, stuck_after=3540))] == [Level.OK]
    assert [each.level for each in contradictions(chosen(check_episodes_every=300, claim_seconds=720))] == [Level.OK]


# Celery's settings ------------------------------------------------------------------------------------


@pytest.fixture
def conf(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    config: ModuleType = load_celeryconfig(monkeypatch, AIRDATE_AWS_ENDPOINT=NOBODY)
    return dict(vars(config))


def test_our_celeryconfig_loses_nothing(conf: dict[str, Any]) -> None:
    assert [finding.level for finding in celery_agrees(conf)] == [Level.OK]


@pytest.mark.parametrize("name", NEEDED)
def test_each_of_celerys_settings_that_loses_work_is_found(conf: dict[str, Any], name: str) -> None:
    conf[name] = {True: False, False: True}.get(conf[name], "pickle") if name != "accept_content" else ["pickle"]
    finding = the_trouble(celery_agrees(conf))

    assert (finding.level, name in finding.found, name in finding.fix) == (Level.FAIL, True, True)


def test_a_larger_prefetch_is_a_warning(conf: dict[str, Any]) -> None:
    assert the_trouble(celery_agrees(conf | {"worker_prefetch_multiplier": 4})).level is Level.WARN


# Visibility -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("queue", "level"), [(20, Level.FAIL), (21, Level.WARN), (61, Level.WARN)])
def test_a_queue_that_hands_out_before_the_first_extension_fails_and_another_difference_warns(
    queue: int, level: Level
) -> None:
    finding = the_trouble(visibility_agrees("discovery", URL, {"VisibilityTimeout": str(queue)}, 60))

    assert finding.level is level
    assert finding.fix.startswith(f"aws sqs set-queue-attributes --queue-url {URL} --attributes VisibilityTimeout=60")


def test_a_queue_that_agrees_is_not_spoken_of() -> None:
    assert not list(visibility_agrees("discovery", URL, {"VisibilityTimeout": "60"}, 60))


# Tables -----------------------------------------------------------------------------------------------


def test_tables_of_this_release_agree(database: Database) -> None:
    with tables.opened(database.engine.url.render_as_string(hide_password=False)) as engine:
        assert tables.tables_agree(engine).level is Level.OK


def test_tables_of_another_release_fail_with_both_revisions(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with tables.opened(database.engine.url.render_as_string(hide_password=False)) as engine:
        finding = tables.tables_agree(engine)

    assert finding.level is Level.FAIL
    assert "at revision 0000, and this release's at 0" in finding.found
    assert "airdate migrate" in finding.fix


def test_a_database_without_tables_fails(postgres_url: str) -> None:
    with tables.opened(postgres_url) as engine:
        assert "no tables" in tables.tables_agree(engine).found


def test_looking_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(tables.Missing), tables.opened(f"sqlite:///{tmp_path / 'none.db'}"):
        pass

    assert not list(tmp_path.iterdir())


def test_a_server_that_does_not_answer_is_given_up() -> None:
    assert "connect_timeout=3" in tables.bounded("postgresql://airdate:word@db.example.org/airdate")
    assert "airdate:word@" in tables.bounded("postgresql://airdate:word@db.example.org/airdate")


# The start of a worker --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with served_aws() as endpoint:
        yield endpoint


class Start:
    """Starts a worker, as far as the signal goes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, home: Path, endpoint: str, conf: dict[str, Any]) -> None:
        self._monkeypatch = monkeypatch
        self._variables = {"AIRDATE_HOME": str(home), "AIRDATE_AWS_ENDPOINT": endpoint}
        self.conf = conf

    def __call__(self, **variables: str) -> None:
        set_environment(self._monkeypatch, **self._variables | variables)
        queues = SimpleNamespace(consume_from={"discovery": None, "celery@here.celery.pidbox": None})
        worker = SimpleNamespace(app=SimpleNamespace(amqp=SimpleNamespace(queues=queues)))
        prove_readiness(instance=worker, conf=self.conf)


@pytest.fixture
def start(
    monkeypatch: pytest.MonkeyPatch,
    sqlite: Database,  # noqa: ARG001 - the tables that a worker finds
    tmp_path: Path,
    aws: str,
    conf: dict[str, Any],
) -> Iterator[Start]:
    empty(aws)
    for queue in Queue:
        create_queue(aws, f"airdate-{queue}", visibility=60)
    yield Start(monkeypatch, tmp_path, aws, conf)
    settings.cache_clear()


def troubles(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.levelname} {record.getMessage()}" for record in caplog.records if record.levelno >= 30]


def test_a_worker_starts_without_a_word_when_all_is_well(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    start()

    assert troubles(caplog) == []


def test_a_worker_does_not_start_with_tables_of_another_release(
    start: Start, sqlite: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with sqlite.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))

    with pytest.raises(Refused) as refused:
        start()

    assert refused.value.code == 1
    assert "ERROR database: its tables are at revision 0000" in troubles(caplog)[0]
    assert troubles(caplog)[1].startswith("CRITICAL not started")


def test_a_worker_does_not_start_without_tables(start: Start, tmp_path: Path) -> None:
    with pytest.raises(Refused):
        start(AIRDATE_DATABASE_URL=f"sqlite:///{tmp_path / 'other.db'}")


def test_a_worker_does_not_start_with_settings_that_do_work_twice(start: Start) -> None:
    with pytest.raises(Refused):
        start(AIRDATE_SOFT_TIME_LIMIT="50000", AIRDATE_HARD_TIME_LIMIT="50001", AIRDATE_STUCK_AFTER="60000")


def test_a_worker_does_not_start_when_celery_would_lose_messages(start: Start) -> None:
    start.conf["task_acks_late"] = False

    with pytest.raises(Refused):
        start()


def test_a_worker_does_not_start_with_a_studio_that_cannot_be_imported(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Refused):
        start(AIRDATE_STUDIO="nowhere:equip")

    assert "AIRDATE_STUDIO is 'nowhere:equip', which can't be imported" in troubles(caplog)[0]


def test_a_worker_starts_with_a_warning_when_settings_only_waste(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    start(AIRDATE_STUCK_AFTER="1500")

    assert "WARNING settings: AIRDATE_STUCK_AFTER is 1500 s" in troubles(caplog)[0]


def test_a_worker_starts_while_the_database_is_away(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    start(AIRDATE_DATABASE_URL="postgresql://airdate@127.0.0.1:9/airdate")

    assert "is not known" in troubles(caplog)[0]
    assert len(troubles(caplog)) == 1


def test_a_worker_starts_while_sqs_is_away(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    start(AIRDATE_AWS_ENDPOINT=NOBODY)

    assert ["queues and settings agree is not known" in line for line in troubles(caplog)] == [True]


@pytest.mark.parametrize("status", [200, 404])
def test_a_worker_starts_while_something_else_answers_for_sqs(
    start: Start, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    with refusing(status, b"<html>Please sign in</html>") as endpoint:
        start(AIRDATE_AWS_ENDPOINT=endpoint)

    assert ["queues and settings agree is not known" in line for line in troubles(caplog)] == [True]


def test_a_queue_that_disagrees_is_told_and_the_worker_starts(
    start: Start, aws: str, caplog: pytest.LogCaptureFixture
) -> None:
    with client("sqs", aws) as sqs:
        url = sqs.get_queue_url(QueueName="airdate-discovery")["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "10"})

    start()

    [line] = troubles(caplog)
    assert line.startswith("ERROR queues: discovery: its VisibilityTimeout is 10 s")


def test_a_worker_looks_at_its_own_queues_only(start: Start, aws: str, caplog: pytest.LogCaptureFixture) -> None:
    with client("sqs", aws) as sqs:
        url = sqs.get_queue_url(QueueName="airdate-episode-processing")["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "10"})

    start()

    assert troubles(caplog) == []

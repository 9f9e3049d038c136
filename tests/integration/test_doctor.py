"""``airdate doctor`` as an operator runs it: its lines, its JSON, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from operations.doctor.commands import AREAS
from operations.messaging import deploy
from podcasting.database import Database
from podcasting.database.processes import Process
from publishers.queues import Queue
from settings import EMBEDDED_ACCOUNT
from tasks import wiring
from tests.fakes.aws import NOBODY, client, empty, served_aws
from tests.fakes.environment import ROOT
from tests.fakes.shell import Shell
from tests.unit.test_settings import PRODUCTION

ALL = tuple(area.name for area in AREAS)


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with served_aws() as endpoint:
        empty(endpoint)
        with client("cloudformation", endpoint) as cloudformation, client("sqs", endpoint) as sqs:
            deploy(cloudformation, sqs, visibility_timeout=60)
        yield endpoint


class Doctor(Shell):
    """Runs the command, embedded, over a database in its home."""

    group = ("doctor",)

    def json(self, *arguments: str, **how: Any) -> Any:
        """What it says to a program, whether or not all is well."""
        return json.loads(self.run(*arguments, "--json", **how).stdout)


@pytest.fixture
def doctor(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    aws: str,
    sqlite: Database,  # noqa: ARG001 - the database that it finds
) -> Iterator[Doctor]:
    built = Doctor(monkeypatch, tmp_path, AIRDATE_AWS_ENDPOINT=aws)
    yield built
    built.forget()


def test_a_line_for_each_thing_and_nothing_to_mend(doctor: Doctor) -> None:
    result = doctor.run()
    lines = result.stdout.splitlines()

    assert (result.exit_code, result.stderr) == (0, ""), result.output
    assert lines[0].startswith("ok    settings   agree: visibility 60 s")
    assert {line.split()[1] for line in lines if line.startswith("ok")} == set(ALL)
    # Nobody serves this site.
    assert [line[:23] for line in lines if line.startswith(("warn", "fail"))] == ["warn  storage    the si"]
    assert lines[-1].endswith(" ok, 1 to look at, 0 to mend")


def test_a_warning_says_what_to_do_and_fails_only_when_strict(doctor: Doctor) -> None:
    slack = {"AIRDATE_STUCK_AFTER": "1500"}
    lenient, strict = doctor.run("--only", "settings", **slack), doctor.run("--only", "settings", "--strict", **slack)

    assert (lenient.exit_code, strict.exit_code) == (0, 1)
    assert lenient.stdout == strict.stdout
    warned, fix = lenient.stdout.splitlines()[:2]
    assert warned.startswith("warn  settings   AIRDATE_STUCK_AFTER is 1500 s")
    assert fix == "                 fix: set AIRDATE_STUCK_AFTER=1800"


def test_what_fails_exits_1_and_is_told_without_a_trace(doctor: Doctor, sqlite: Database) -> None:
    with sqlite.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    result = doctor.run("--only", "database")

    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stdout.startswith("fail  database   its tables are at revision 0001")
    assert "1 to mend" in result.stdout


def test_a_second_beat_fails_in_a_line_that_names_both_hosts(doctor: Doctor, sqlite: Database) -> None:
    now = wiring.utc_now()
    sqlite.processes.seen(Process("worker@a", "worker", "a", 7, "0.1.0", now, now, queues=tuple(Queue)))
    for host in ("harbour", "lighthouse"):
        sqlite.processes.seen(Process(f"beat-1@{host}", "beat", host, 1, "0.1.0", now, now))
    result = doctor.run("--only", "processes")

    assert result.exit_code == 1
    failed, fix = result.stdout.splitlines()[:2]
    assert failed.startswith("fail  processes  2 beats live: beat-1@harbour (since ")
    assert " and beat-1@lighthouse (since " in failed
    assert fix.strip().startswith("fix: stop all but one")


def test_json_has_every_line_and_the_verdict(doctor: Doctor) -> None:
    told = doctor.json("--only", "settings,procfile")

    assert (told["ok"], told["warn"], told["fail"], told["healthy"]) == (3, 0, 0, True)
    assert [finding["area"] for finding in told["findings"]] == ["settings", "settings", "procfile"]
    assert set(told["findings"][0]) == {"level", "area", "found", "fix"}


def test_only_what_is_asked_for_is_looked_at(doctor: Doctor) -> None:
    told = doctor.json("--only", "procfile, clock")

    assert {finding["area"] for finding in told["findings"]} == {"procfile", "clock"}


def test_an_unknown_area_is_wrong_usage(doctor: Doctor) -> None:
    result = doctor.run("--only", "queue")

    assert result.exit_code == 2
    assert "queue is none of settings, procfile, queues" in result.stderr


def test_settings_that_cannot_be_read_are_the_only_line(doctor: Doctor) -> None:
    result = doctor.run(AIRDATE_LEASE_SECONDS="soon")

    assert result.exit_code == 1
    assert result.stdout.splitlines()[0].startswith("fail  settings   AIRDATE_LEASE_SECONDS is 'soon'")
    assert result.stdout.endswith("0 ok, 0 to look at, 1 to mend\n")


def test_with_sqs_and_the_database_away_the_rest_is_looked_at(doctor: Doctor) -> None:
    told = doctor.json(
        **PRODUCTION
        | {
            "AIRDATE_AWS_ENDPOINT": NOBODY,
            "AIRDATE_DATABASE_URL": "postgresql://airdate:secret@127.0.0.1:9/airdate",
            "EPISODE_PROCESSING_QUEUE_URL": f"{NOBODY}/1/airdate-episode-processing",
            "PODCAST_GENERATION_QUEUE_URL": f"{NOBODY}/1/airdate-podcast-generation",
            "AIRDATE_DISCOVERY_QUEUE_URL": f"{NOBODY}/1/airdate-discovery",
            "AIRDATE_PUBLIC_URL": NOBODY,
            "AWS_ACCESS_KEY_ID": "AKIA",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
    )
    failed = [finding["found"] for finding in told["findings"] if finding["level"] == "fail"]

    assert not told["healthy"]
    assert [told_of.split()[0] for told_of in failed] == ["SQS", "postgresql://airdate:***@127.0.0.1:9/airdate"]
    assert {finding["area"] for finding in told["findings"]} == set(ALL)
    assert "secret" not in json.dumps(told)


def test_embedded_and_not_running_is_one_warning(doctor: Doctor) -> None:
    told = doctor.json("--only", "settings,queues,access,clock", AIRDATE_AWS_ENDPOINT="")

    assert [(finding["level"], finding["area"]) for finding in told["findings"]] == [
        ("warn", "queues"),
        ("ok", "settings"),
    ]
    assert told["findings"][0]["fix"].startswith("airdate run")


def test_a_wrong_queue_is_told_with_its_variable(doctor: Doctor, aws: str) -> None:
    urls = {name: f"{aws}/{EMBEDDED_ACCOUNT}/airdate-{name}" for name in ("discovery", "episode-processing")}
    told = doctor.json(
        "--only",
        "queues",
        **PRODUCTION
        | {
            "AIRDATE_DISCOVERY_QUEUE_URL": urls["discovery"],
            "EPISODE_PROCESSING_QUEUE_URL": urls["episode-processing"],
            "PODCAST_GENERATION_QUEUE_URL": f"{aws}/{EMBEDDED_ACCOUNT}/airdate-podcasts",
            "AWS_ACCESS_KEY_ID": "AKIA",
            "AWS_SECRET_ACCESS_KEY": "secret",
        },
    )

    assert [finding["level"] for finding in told["findings"]] == ["fail", "ok", "ok"]
    assert "PODCAST_GENERATION_QUEUE_URL" in told["findings"][0]["fix"]


def test_a_real_worker_does_not_start_on_a_database_without_tables(aws: str, tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRDATE_", "AWS_"))}
    settings_of_worker = {
        "AIRDATE_ENV_FILE": os.devnull,
        "AIRDATE_HOME": str(tmp_path / "other"),
        "AIRDATE_AWS_ENDPOINT": aws,
    }
    worker = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-Q", "discovery", "--pool", "solo"],
        cwd=ROOT,
        env=clean | settings_of_worker,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert worker.returncode == 1
    assert "database: there is no file" in worker.stderr
    assert "airdate migrate" in worker.stderr
    assert "not started" in worker.stderr
    assert "Traceback" not in worker.stderr

"""``airdate status`` and ``airdate breakers``: one screen, whatever is away."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from podcasting.breaker import Tolerance
from podcasting.database import Database
from tasks import wiring
from tests.fakes.aws import NOBODY
from tests.fakes.shell import Shell

TOLERANCE = Tolerance(failures=1, first_pause=300)


def trouble(database: Database) -> None:
    now = wiring.utc_now()
    passage = database.breakers.enter("feeds.example.org", now, TOLERANCE)
    database.breakers.failed(passage, now, TOLERANCE, reason="502 Bad Gateway")
    for _ in range(3):
        database.alarms.sound("a key", "episodes fail at speech: 503", now, quiet_seconds=3600)
    database.alarms.sound("old", "long ago", now - timedelta(hours=2), quiet_seconds=3600)


def test_troubles_are_on_one_screen_and_sqs_may_be_away(airdate: Shell, database: Database) -> None:
    trouble(database)

    result = airdate.run("status", AIRDATE_AWS_ENDPOINT=NOBODY)

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert any(line.startswith("queues: SQS does not answer") for line in lines), result.stdout
    assert any("feeds.example.org" in line and "open" in line and "502 Bad Gateway" in line for line in lines)
    assert any(re.match(r"3 +2\d{3}-.*  episodes fail at speech: 503", line) for line in lines), result.stdout
    assert "long ago" not in result.stdout


def test_it_is_json_for_programs(airdate: Shell, database: Database) -> None:
    trouble(database)

    told: dict[str, Any] = airdate.json("status")

    assert "make run" in told["queues_away"], "nothing runs here"
    assert [(each["provider"], each["state"]) for each in told["breakers"]] == [("feeds.example.org", "open")]
    assert [(each["about"], each["count"]) for each in told["alarms"]] == [("episodes fail at speech: 503", 3)]


def test_nothing_is_wrong_in_words(airdate: Shell, database: Database) -> None:  # noqa: ARG001 - its tables
    told = airdate.ok("status")

    assert "providers: none failed lately" in told
    assert "alarms: none" in told


def test_a_breaker_is_closed_by_hand(airdate: Shell, database: Database) -> None:
    trouble(database)

    assert airdate.ok("breakers", "close", "feeds.example.org") == "feeds.example.org: asked again from now on\n"
    assert database.breakers.all() == []
    assert "no provider 'feeds.example.org' has failed" in airdate.mistake("breakers", "close", "feeds.example.org")

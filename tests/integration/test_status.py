"""``airdate status`` and ``airdate breakers``: one screen, whatever is away."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from operations.queue_depth import Depth, QueueDepth
from operations.status.reading import Kept, Standing
from operations.status.screen import MOST_TOLD, screen
from podcasting.breaker import Breaker, Tolerance
from podcasting.database import Database
from podcasting.database.alarms import Alarm
from podcasting.database.checkpoints import Checkpoint
from podcasting.database.percentiles import Spread
from podcasting.database.processes import SILENT_AFTER, Process
from podcasting.models import STAGES, EpisodeStatus
from publishers.queues import Queue
from settings import EMBEDDED_ACCOUNT
from tasks import wiring
from tests.fakes.aws import NOBODY, client, empty, served_aws
from tests.fakes.environment import PREFIXES, ROOT
from tests.fakes.episodes import a_podcast
from tests.fakes.shell import Shell
from tests.unit.test_settings import PRODUCTION

TOLERANCE = Tolerance(failures=1, first_pause=300)
KINDS = {"discovery": Queue.DISCOVERY, "generator": Queue.GENERATION, "processor": Queue.PROCESSING}


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """With the queues."""
    with served_aws() as endpoint:
        empty(endpoint)
        with client("sqs", endpoint) as sqs:
            for queue in Queue:
                sqs.create_queue(QueueName=f"airdate-{queue}-dead-letters")
                arn = f"arn:aws:sqs:us-east-1:{EMBEDDED_ACCOUNT}:airdate-{queue}-dead-letters"
                redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
                sqs.create_queue(QueueName=f"airdate-{queue}", Attributes={"RedrivePolicy": redrive})
        yield endpoint


def trouble(database: Database) -> None:
    now = wiring.utc_now()
    passage = database.breakers.enter("feeds.example.org", now, TOLERANCE)
    database.breakers.failed(passage, now, TOLERANCE, reason="502 Bad Gateway")
    for _ in range(3):
        database.alarms.sound("a key", "episodes fail at speech: 503", now, quiet_seconds=3600)
    database.alarms.sound("old", "long ago", now - timedelta(hours=2), quiet_seconds=3600)


def process(kind: str, now: datetime, host: str = "a", **changes: Any) -> Process:
    queues = (KINDS[kind].value,) if kind in KINDS else ()
    made = Process(f"{kind}@{host}", kind, host, 7, "0.1.0", now, now, queues=queues, slots=2 if queues else 0)
    return replace(made, **({"ticked_at": now} if kind == "beat" else {}) | changes)


def everybody(now: datetime) -> list[Process]:
    return [process(kind, now) for kind in ("beat", *KINDS)]


def settle(database: Database, *processes: Process) -> None:
    for each in processes:
        database.processes.seen(each)


# What is wrong ------------------------------------------------------------------------------------


def test_troubles_are_on_one_screen_and_sqs_may_be_away(airdate: Shell, database: Database) -> None:
    trouble(database)

    result = airdate.run("status", AIRDATE_AWS_ENDPOINT=NOBODY)

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert any(line.startswith("queues: SQS does not answer") for line in lines), result.stdout
    assert any("feeds.example.org" in line and "open" in line and "502 Bad Gateway" in line for line in lines)
    assert any(re.match(r"3 +\d+ s ago +\d+ s ago  episodes fail at speech: 503", line) for line in lines), (
        result.stdout
    )
    assert "long ago" not in result.stdout


def test_with_the_database_away_the_queues_are_shown(airdate: Shell, aws: str) -> None:
    result = airdate.run(
        "status", AIRDATE_AWS_ENDPOINT=aws, AIRDATE_DATABASE_URL="postgresql://airdate:secret@127.0.0.1:9/airdate"
    )

    assert result.exit_code == 0
    assert "database: the database postgresql+psycopg://airdate:***@127.0.0.1:9/airdate cannot be used" in result.stdout
    assert re.search(r"^podcast-generation +0 ", result.stdout, re.MULTILINE)
    assert "secret" not in result.stdout


def test_it_is_json_for_programs(airdate: Shell, database: Database) -> None:
    trouble(database)

    told: dict[str, Any] = airdate.json("status")

    assert "make run" in told["queues_away"], "nothing runs here"
    assert [(each["provider"], each["state"]) for each in told["breakers"]] == [("feeds.example.org", "open")]
    assert [(each["about"], each["count"]) for each in told["alarms"]] == [("episodes fail at speech: 503", 3)]
    assert told["database_away"] is None
    assert told["processes"] == []


def test_nothing_is_wrong_in_words(airdate: Shell, database: Database) -> None:  # noqa: ARG001 - its tables
    told = airdate.ok("status")

    assert "providers: none failed lately" in told
    assert "alarms: none" in told


def test_all_is_well_with_a_worker_on_each_queue_and_a_beat(airdate: Shell, database: Database, aws: str) -> None:
    settle(database, *everybody(wiring.utc_now()))

    told = airdate.json("status", "--check", AIRDATE_AWS_ENDPOINT=aws)

    assert told["troubles"] == []
    assert [(each["name"], each["alive"], each["queues"]) for each in told["processes"]][:2] == [
        ("beat@a", True, []),
        ("discovery@a", True, ["discovery"]),
    ]
    assert told["last_tick"] == told["processes"][0]["ticked_at"]


@pytest.mark.parametrize(
    ("what", "trouble_told"),
    [
        ("no generator", "no worker takes from podcast-generation"),
        ("no beat", "no beat lives: nothing that is due is found"),
        ("two beats", "2 beats live (beat@a, beat@b): harmless, and each tick is paid for so often"),
        ("no ticks", "beat lives, and sent no tick for 700 s"),
        ("nobody", "nothing runs: no worker and no beat has been seen for 90 s"),
    ],
)
def test_who_is_missing_is_told_and_fails_a_check(
    airdate: Shell, database: Database, aws: str, what: str, trouble_told: str
) -> None:
    now = wiring.utc_now()
    here = {each.kind: each for each in everybody(now)}
    silent = now - timedelta(seconds=SILENT_AFTER)
    match what:
        case "no generator":
            here["generator"] = replace(here["generator"], seen_at=silent)
        case "no beat":
            del here["beat"]
        case "two beats":
            here["other"] = process("beat", now, "b")
        case "no ticks":
            here["beat"] = replace(here["beat"], ticked_at=now - timedelta(seconds=700))
        case _:
            here = {kind: replace(each, seen_at=silent) for kind, each in here.items()}
    settle(database, *here.values())

    result = airdate.run("status", "--check", "--json", AIRDATE_AWS_ENDPOINT=aws)

    assert result.exit_code == 1
    assert json.loads(result.stdout)["troubles"] == [trouble_told]
    assert airdate.run("status", AIRDATE_AWS_ENDPOINT=aws).exit_code == 0


def test_dead_letters_are_told(airdate: Shell, database: Database, aws: str) -> None:
    settle(database, *everybody(wiring.utc_now()))
    with client("sqs", aws) as sqs:
        url = sqs.get_queue_url(QueueName="airdate-discovery-dead-letters")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="{}")
        told = airdate.ok("status", AIRDATE_AWS_ENDPOINT=aws)
        sqs.purge_queue(QueueUrl=url)

    assert told.splitlines()[:2][1] == "discovery: dead letters wait: 1"


def test_an_alarm_of_cloudwatch_that_stands_is_told_with_its_runbook(
    airdate: Shell, database: Database, aws: str
) -> None:
    settle(database, *everybody(wiring.utc_now()))
    names = {"EPISODE_PROCESSING": "episode-processing", "PODCAST_GENERATION": "podcast-generation"}
    urls = {f"{name}_QUEUE_URL": f"{aws}/{EMBEDDED_ACCOUNT}/airdate-{queue}" for name, queue in names.items()}
    with client("cloudwatch", aws) as cloudwatch:
        for name in ("trial-spend", "trial-no-beat", "other-spend"):
            cloudwatch.put_metric_alarm(
                AlarmName=name, AlarmDescription=f"Runbook: of {name}", Namespace="Airdate", MetricName="BeatTicks",
                Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1, ComparisonOperator="LessThanThreshold",
            )  # fmt: skip
        for name in ("trial-no-beat", "other-spend"):
            cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="no data")
    told = airdate.json(
        "status",
        **PRODUCTION
        | urls
        | {
            "AIRDATE_DISCOVERY_QUEUE_URL": f"{aws}/{EMBEDDED_ACCOUNT}/airdate-discovery",
            "AIRDATE_AWS_ENDPOINT": aws,
            "AIRDATE_DATABASE_URL": str(database.engine.url),
            "AIRDATE_DEPLOYMENT": "trial",
            "AWS_ACCESS_KEY_ID": "AKIA",
            "AWS_SECRET_ACCESS_KEY": "secret",
        },
    )

    assert [(each["name"], each["why"]) for each in told["cloudwatch_alarms"]] == [("trial-no-beat", "no data")]
    assert told["troubles"] == ["trial-no-beat stands: Runbook: of trial-no-beat"]


# Stages -------------------------------------------------------------------------------------------


def test_stages_of_the_last_day_have_their_median_and_slowest_tenth(airdate: Shell, database: Database) -> None:
    now = wiring.utc_now()
    for number in range(11):
        show = a_podcast(id=f"show-{number}", first_slot=now, next_episode_at=now)
        database.podcasts.add(show, now)
        episode = database.podcasts.open_slot(show.id, now, stuck_after=1800)
        assert episode is not None
        taken = database.leases.take(episode.id, holder="a", now=now, seconds=60, stuck_after=1800)
        assert taken is not None
        finished = now - timedelta(hours=30 if number == 10 else 1)
        database.checkpoints.record(taken[0], Checkpoint("speech", "k", {}, number + 1, finished), stuck_after=1800)

    assert airdate.json("status")["stages"] == {"speech": {"done": 10, "median_seconds": 5, "p90_seconds": 9}}


# The screen ---------------------------------------------------------------------------------------


def standing(now: datetime, processes: list[Process], **changes: Any) -> Standing:
    stages = {stage: Spread(123, 1234.5, 12.3, 1234.5, 1300) for stage in STAGES}
    episodes = dict.fromkeys(EpisodeStatus, 1234)
    kept = Kept(processes=processes, episodes=episodes, stages=stages, breakers=[], alarms=[])
    queues = tuple(QueueDepth(queue, Depth(1000, 20, 3, 86_400), Depth(0, 0, 0)) for queue in Queue)
    return replace(Standing(now, queues, kept, (), {}), **changes)


def drawn(what: Standing, *, width: int = 80, most: int | None = MOST_TOLD) -> list[str]:
    """The lines on a terminal of 80 columns."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=24, color_system=None)
    console.print(*screen(what, most=most), sep="\n")
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_while_all_is_well_it_fits_on_a_small_terminal() -> None:
    now = wiring.utc_now()
    lines = drawn(standing(now, everybody(now)))

    assert "all is well" in lines[0]
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
    assert any(line.split()[:1] == ["done"] and len(line.split()) == 1 + len(STAGES) for line in lines), "a row broke"


def test_a_crowd_of_processes_is_told_by_kind() -> None:
    now = wiring.utc_now()
    crowd = [process("generator", now, f"host-{number}", busy=number % 2) for number in range(20)]
    crowd[0] = replace(crowd[0], seen_at=now - timedelta(seconds=SILENT_AFTER))
    lines = drawn(standing(now, [*everybody(now), *crowd]))

    assert any(re.match(r"21 × generator .* 10 of 40 busy, 1 SILENT ", line) for line in lines), lines
    assert len(lines) < 24


def test_who_fell_silent_is_shown_for_an_hour() -> None:
    now = wiring.utc_now()
    lines = drawn(standing(now, [
        process("generator", now, "gone", seen_at=now - timedelta(minutes=5)),
        process("generator", now, "long-gone", seen_at=now - timedelta(hours=2)),
    ]))  # fmt: skip

    assert any(re.match(r"generator@gone .* 5 min ago +SILENT", line) for line in lines), lines
    assert not any("long-gone" in line for line in lines)


def in_trouble(now: datetime) -> Standing:
    """Twenty providers failed with long reasons, of which one is left alone, and as many alarms stand."""
    well = standing(now, everybody(now))
    reason = "https://feeds.example.org/a/rather/long/path.xml answered 503 Service Unavailable, as it did before"
    failed_lately = Breaker("", 3, 0, None, None, None, reason, now)
    breakers = [replace(failed_lately, provider=f"feeds-{number:02}.example.org") for number in range(20)]
    breakers[19] = replace(breakers[19], open_until=now + timedelta(seconds=90), opened_at=now - timedelta(minutes=5))
    alarms = [
        Alarm(str(number), f"episodes fail at collect: {reason}", 7, now - timedelta(hours=3), now)
        for number in range(20)
    ]
    assert well.kept is not None
    return replace(well, kept=replace(well.kept, breakers=breakers, alarms=alarms))


def test_in_trouble_too_it_is_one_screen_a_line_for_each_and_whom_it_is_about_is_never_cut() -> None:
    lines = drawn(in_trouble(wiring.utc_now()))

    assert len(lines) <= 36
    assert max(map(len, lines)) <= 80
    providers = [line.split() for line in lines if ".example.org  " in line]
    assert providers[0][:6] == ["feeds-19.example.org", "open", "3", "1", "min", "5"], "what is left alone comes first"
    assert [words[0] for words in providers[1:]] == [f"feeds-{number:02}.example.org" for number in range(3)]
    assert sum(line.startswith("7      3 h ago  ") for line in lines) == MOST_TOLD
    assert lines.count("and 16 more: `airdate status | cat` shows all") == 2


def test_a_pipe_is_told_all_of_it() -> None:
    lines = drawn(in_trouble(wiring.utc_now()), width=10_000, most=None)

    assert sum(line.endswith("as it did before") for line in lines) == 40


# Watching -----------------------------------------------------------------------------------------


@pytest.fixture
def command(airdate: Shell, database: Database, aws: str) -> dict[str, Any]:
    """How to run it in a process of its own."""
    settle(database, *everybody(wiring.utc_now()))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)}
    ours = {"AIRDATE_ENV_FILE": os.devnull, "AIRDATE_HOME": str(airdate.home), "AIRDATE_AWS_ENDPOINT": aws}
    return {"env": clean | ours | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}, "cwd": ROOT}


WATCH = [sys.executable, "-m", "operations.command", "status", "--watch", "0.2"]


def ended(process: subprocess.Popen[Any]) -> int:
    process.send_signal(signal.SIGINT)
    return process.wait(20)


def test_watched_by_a_program_each_look_is_a_line(command: dict[str, Any]) -> None:
    with subprocess.Popen(
        [*WATCH, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **command
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        first, second = (json.loads(run.stdout.readline()) for _ in range(2))
        assert (ended(run), run.stderr.read()) == (0, "")

    assert first["at"] < second["at"]
    assert first["troubles"] == []


def test_watched_through_a_pipe_one_screen_follows_another(command: dict[str, Any]) -> None:
    with subprocess.Popen(WATCH, stdout=subprocess.PIPE, text=True, **command) as run:
        assert run.stdout is not None
        heads = 0
        for line in run.stdout:
            assert "\x1b" not in line
            heads += "all is well" in line
            if heads == 2:
                break
        assert ended(run) == 0


def test_watched_on_a_terminal_it_is_redrawn_in_place(command: dict[str, Any]) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(WATCH, stdout=theirs, stdin=theirs, stderr=theirs, **command) as run:
        os.close(theirs)
        seen, last = b"", time.monotonic() + 30
        while seen.count(b"all is well") < 2 and time.monotonic() < last:
            if select.select([ours], [], [], 0.1)[0]:
                seen += os.read(ours, 65536)
        code = ended(run)
        while select.select([ours], [], [], 0.1)[0]:
            try:
                seen += os.read(ours, 65536)
            except OSError:
                break
    os.close(ours)

    assert code == 0
    assert seen.startswith(b"\x1b[?1049h"), "another screen, so that what was there comes back"
    assert b"\x1b[?1049l" in seen
    assert seen.count(b"all is well") >= 2
    assert b"Traceback" not in seen


# Breakers -----------------------------------------------------------------------------------------


def test_a_breaker_is_closed_by_hand(airdate: Shell, database: Database) -> None:
    trouble(database)

    assert airdate.ok("breakers", "close", "feeds.example.org") == "feeds.example.org: asked again from now on\n"
    assert database.breakers.all() == []
    assert "no provider 'feeds.example.org' has failed" in airdate.mistake("breakers", "close", "feeds.example.org")

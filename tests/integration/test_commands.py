"""The ``airdate`` command: what it shows, and that every mistake is one clear line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from sqlalchemy import update

import operations.embedded_metrics  # noqa: F401 - moto of this process publishes ages from now on
from operations.command import Placeholder, main
from operations.messaging import deploy
from podcasting.database import Database
from podcasting.database.checkpoints import Checkpoint
from podcasting.database.schema import episodes
from podcasting.models import EpisodeStatus
from publishers.queues import Queue, Task
from tasks import wiring
from tests.fakes.aws import NOBODY, client, empty, received, served_aws
from tests.fakes.environment import ROOT, set_environment
from tests.fakes.shell import Shell, the_error
from tests.unit.test_settings import PRODUCTION

FEED = "https://feeds.example.org/feed.xml"
NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


def an_episode(airdate: Shell, database: Database, end: EpisodeStatus | None = None) -> str:
    """The first episode of a podcast, once it came so far."""
    airdate.ok("podcasts", "add", "My show", "--source", FEED, "--first", "2026-11-24T06:00")
    episode = database.podcasts.open_slot("my-show", NOW, stuck_after=1800)
    assert episode is not None
    taken = database.leases.take(episode.id, holder="a worker", now=NOW, seconds=60, stuck_after=1800)
    assert taken is not None
    lease, _ = taken
    if end is EpisodeStatus.FAILED:
        database.episodes.fail(lease, "speech", "the voice is hoarse", NOW)
    elif end is EpisodeStatus.PUBLISHED:
        database.episodes.publish(lease, NOW)
    else:
        done = Checkpoint("collect", "key", {}, 1.25, NOW)
        database.checkpoints.record(lease, done, stuck_after=1800, status=EpisodeStatus.CONTENT_COLLECTED)
        database.leases.release(lease)
    return episode.id


# Help -------------------------------------------------------------------------------------------------


def commands(command: click.Command = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, Placeholder):
        command = command.imported()
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))


@pytest.mark.parametrize("path", list(commands()), ids=lambda path: " ".join(path) or "airdate")
def test_every_command_explains_itself(airdate: Shell, path: tuple[str, ...]) -> None:
    text = airdate.ok(*path, "--help")

    assert text.startswith("Usage: ")
    first_sentence = text.split("\n\n")[1].strip()
    assert first_sentence.endswith((".", ":"))


def test_the_help_shows_examples_that_are_commands(airdate: Shell) -> None:
    text = airdate.ok("--help")
    examples = re.findall(r"^ +airdate ([a-z-]+)( [a-z-]+)?", text.split("Examples:")[1], flags=re.MULTILINE)

    known = set(commands())
    assert len(examples) >= 4
    for group, name in examples:
        assert (group, name.strip()) in known or (group,) in known


def test_help_needs_neither_home_nor_settings(airdate: Shell) -> None:
    result = airdate.run("--help", AIRDATE_SITE_PORT="many")

    assert result.exit_code == 0
    assert not airdate.home.exists()


def test_the_version_is_told(airdate: Shell) -> None:
    assert re.search(r"\d+\.\d+\.\d+", airdate.ok("--version"))


# Podcasts ---------------------------------------------------------------------------------------------


def test_a_podcast_that_was_added_is_listed_and_shown(airdate: Shell) -> None:
    said = airdate.ok("podcasts", "add", "My Show: Äther & more", "--source", FEED, "--every", "2w")

    assert said.startswith("my-show-ather-more: added")
    assert "my-show-ather-more" in airdate.ok("podcasts", "list")
    assert FEED in airdate.ok("podcasts", "show", "my-show-ather-more")


def test_a_podcast_is_json_for_programs(airdate: Shell) -> None:
    added = airdate.json(
        "podcasts", "add", "Weekly", "--source", FEED, "--source", f"{FEED}?2", "--every", "1w", "--first", "2027-01-04"
    )

    assert added["id"] == "weekly"
    assert added["sources"] == [FEED, f"{FEED}?2"]
    assert added["frequency_days"] == 7
    assert added["next_episode_at"] == "2027-01-04T00:00:00Z"
    assert airdate.json("podcasts", "list") == [added]
    assert airdate.json("podcasts", "show", "weekly") == added


def test_an_owner_is_kept_and_shown(airdate: Shell) -> None:
    added = airdate.json("podcasts", "add", "Weekly", "--source", FEED, "--owner", "Org/7:ann@example.org")

    assert added["owner"] == "Org/7:ann@example.org"
    assert "Org/7:ann@example.org" in airdate.ok("podcasts", "show", "weekly")


def test_a_title_without_latin_letters_gets_an_id_all_the_same(airdate: Shell) -> None:
    added = airdate.json("podcasts", "add", "播客", "--source", FEED)

    assert re.fullmatch(r"podcast-[0-9a-f]{8}", added["id"])
    assert added["title"] == "播客"


def test_a_file_is_a_source_on_ones_own_machine(airdate: Shell, tmp_path: Path) -> None:
    feed = tmp_path / "feed.xml"
    feed.write_text("<rss/>")

    assert airdate.json("podcasts", "add", "Mine", "--source", str(feed))["sources"] == [str(feed)]
    assert airdate.json("podcasts", "add", "Also", "--source", feed.as_uri())["sources"] == [str(feed)]


def test_an_empty_list_says_what_to_do(airdate: Shell) -> None:
    assert "airdate podcasts add" in airdate.ok("podcasts", "list")
    assert airdate.json("podcasts", "list") == []


def test_a_podcast_can_be_paused_and_resumed(airdate: Shell) -> None:
    airdate.ok("podcasts", "add", "My show", "--source", FEED)

    assert airdate.ok("podcasts", "pause", "my-show") == "my-show: paused\n"
    assert airdate.json("podcasts", "show", "my-show")["state"] == "paused"
    assert airdate.ok("podcasts", "resume", "my-show").startswith("my-show: active")
    assert airdate.json("podcasts", "show", "my-show")["state"] == "active"


# Episodes ---------------------------------------------------------------------------------------------


def test_an_episode_is_listed_and_shown_with_its_stages(airdate: Shell, database: Database) -> None:
    episode_id = an_episode(airdate, database)

    assert episode_id in airdate.ok("episodes", "list")
    text = airdate.ok("episodes", "show", episode_id)
    assert "content_collected" in text
    assert re.search(r"collect +1\.2 ", text)


def test_an_episode_is_json_for_programs(airdate: Shell, database: Database) -> None:
    episode_id = an_episode(airdate, database)

    [listed] = airdate.json("episodes", "list")
    assert listed["id"] == episode_id
    shown = airdate.json("episodes", "show", episode_id)
    assert shown.pop("stages") == {"collect": {"seconds": 1.25, "finished_at": "2026-11-24T06:00:00+00:00"}}
    (line,) = shown.pop("history")
    assert (line["what"], line["detail"]) == ("started", "a worker")
    assert shown.pop("expenses") == {}
    assert shown == listed


def test_episodes_are_chosen_by_podcast_and_status(airdate: Shell, database: Database) -> None:
    an_episode(airdate, database, EpisodeStatus.FAILED)
    airdate.ok("podcasts", "add", "Another", "--source", FEED)

    assert len(airdate.json("episodes", "list", "--podcast", "my-show", "--status", "failed")) == 1
    assert airdate.json("episodes", "list", "--podcast", "another") == []
    assert airdate.json("episodes", "list", "--status", "published") == []


def test_a_failed_episode_shows_its_reason(airdate: Shell, database: Database) -> None:
    episode_id = an_episode(airdate, database, EpisodeStatus.FAILED)

    assert "speech: the voice is hoarse" in airdate.ok("episodes", "list")
    assert "speech: the voice is hoarse" in airdate.ok("episodes", "show", episode_id)


@pytest.mark.parametrize("title", ["Tips [/b] and [red]tricks", "[link=http://evil.example]x[/link]", ":smile: [/]"])
def test_a_title_is_shown_as_it_is_and_no_markup(airdate: Shell, database: Database, title: str) -> None:
    episode_id = an_episode(airdate, database)
    airdate.ok("podcasts", "set", "my-show", f"title={title}")
    with database.engine.begin() as connection:
        connection.execute(update(episodes).where(episodes.c.id == episode_id).values(title=title))

    assert f" {title} " in airdate.ok("podcasts", "list")
    assert title in airdate.ok("episodes", "list")
    assert title in airdate.ok("episodes", "show", episode_id)


def test_what_a_stranger_s_server_answered_does_nothing_to_a_terminal(airdate: Shell, database: Database) -> None:
    episode_id = an_episode(airdate, database)
    with database.engine.begin() as connection:
        was = {"status": "failed", "failure_stage": "collect", "failure_reason": "503 \x1b[31mSorry\x1b]0;x\x07"}
        connection.execute(update(episodes).where(episodes.c.id == episode_id).values(was))

    for shown in (airdate.ok("episodes", "list"), airdate.ok("episodes", "show", episode_id)):
        assert r"503 \x1b[31mSorry\x1b]0;x\x07" in shown


def test_a_failed_episode_tells_its_history(airdate: Shell, database: Database) -> None:
    episode_id = an_episode(airdate, database, EpisodeStatus.FAILED)
    airdate.ok("episodes", "retry", episode_id)

    told = airdate.ok("episodes", "show", episode_id)
    happened = [line.split("  ")[1].strip() for line in told.splitlines() if line.startswith("2026-")]
    assert happened == ["started", "failed", "retried"]
    assert "the voice is hoarse" in told


def test_failed_episodes_are_set_going_by_what_ended_them(airdate: Shell, database: Database) -> None:
    episode_id = an_episode(airdate, database, EpisodeStatus.FAILED)

    assert "no failed episode is like that" in airdate.ok("episodes", "retry", "--stage", "collect")
    would = airdate.ok("episodes", "retry", "--reason", "HOARSE", "--dry-run")
    assert would == f"{episode_id}: would go on from pending: speech: the voice is hoarse\n"
    assert database.episodes.get(episode_id).status is EpisodeStatus.FAILED
    assert airdate.ok("episodes", "retry", "--all") == f"{episode_id}: goes on from pending\n"


def test_of_several_episodes_those_that_can_go_on_do(airdate: Shell, database: Database) -> None:
    episode_id = an_episode(airdate, database, EpisodeStatus.FAILED)

    result = airdate.run("episodes", "retry", "none", episode_id)

    assert result.exit_code == 1
    assert f"{episode_id}: goes on from pending" in result.stdout
    assert "none: not set going: no episode has the id 'none'" in result.stderr
    assert "1 of 2 were not set going" in result.stderr


def test_a_failed_episode_can_be_set_going_again(airdate: Shell, database: Database) -> None:
    episode_id = an_episode(airdate, database, EpisodeStatus.FAILED)

    assert airdate.ok("episodes", "retry", episode_id) == f"{episode_id}: goes on from pending\n"
    shown = airdate.json("episodes", "show", episode_id)
    assert (shown["status"], shown["failure"], shown["attempts"]) == ("pending", None, 0)


def test_a_published_episode_is_not_set_going_again(airdate: Shell, database: Database) -> None:
    episode_id = an_episode(airdate, database, EpisodeStatus.PUBLISHED)

    assert "is published; only a failed or skipped one" in airdate.mistake("episodes", "retry", episode_id)


def test_a_published_episode_needs_no_processing(airdate: Shell, database: Database) -> None:
    episode_id = an_episode(airdate, database, EpisodeStatus.PUBLISHED)

    assert "is published and needs nothing" in airdate.mistake("process", episode_id)


def test_a_paused_podcast_is_not_generated(airdate: Shell) -> None:
    airdate.ok("podcasts", "add", "My show", "--source", FEED)
    airdate.ok("podcasts", "pause", "my-show")

    assert "airdate podcasts resume my-show" in airdate.mistake("generate", "my-show")


# Mistakes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--every", "0d"], "'0d' must be between 1h and 366d"),
        (["--every", "soon"], "'soon' is no period; say 12h, 1d or 2w"),
        (["--every", "-1d"], "'-1d' is no period"),
        (["--every", "367d"], "'367d' must be between 1h and 366d"),
        (["--every", "1"], "'1' is no period"),
        (["--first", "tomorrow"], "'tomorrow' does not match the formats"),
        (["--frequency", "1d"], "No such option"),
    ],
)
def test_a_wrong_option_is_wrong_usage(airdate: Shell, arguments: list[str], said: str) -> None:
    assert said in airdate.mistake("podcasts", "add", "My show", "--source", FEED, *arguments, code=2)


def test_a_podcast_without_a_source_is_wrong_usage(airdate: Shell) -> None:
    assert "Missing option '--source'" in airdate.mistake("podcasts", "add", "My show", code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["podcasts", "nonsense"],
        ["podcasts", "show"],
        ["episodes", "retry"],
        ["episodes", "retry", "an-episode", "--all"],
        ["episodes", "list", "--limit", "0"],
    ],
)
def test_a_command_that_is_none_is_wrong_usage(airdate: Shell, arguments: list[str]) -> None:
    assert airdate.mistake(*arguments, code=2)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere.xml", "there is no such file"),
        ("/", "that is no file, and no folder of texts"),
        ("file:///nowhere.xml", "there is no such file"),
        ("", "there is no such file"),
        ("ftp://example.org/feed.xml", "Airdate reads http, https and files, not ftp"),
        ("javascript:alert(1)", "not javascript"),
        ("https:///feed.xml", "names no host"),
        ("https://[half/feed.xml", "is no address"),
        ("https://example.org:port/feed.xml", "is no address"),
        ("https://example.org:99999/feed.xml", "is no address"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused(airdate: Shell, source: str, said: str) -> None:
    message = airdate.mistake("podcasts", "add", "My show", "--source", source)

    assert said in message
    assert repr(source) in message
    assert airdate.json("podcasts", "list") == []


def test_a_file_is_no_source_on_a_platform(airdate: Shell, tmp_path: Path) -> None:
    (tmp_path / "feed.xml").write_text("<rss/>")

    message = airdate.mistake("podcasts", "add", "Mine", "--source", str(tmp_path / "feed.xml"), **PRODUCTION)

    assert "AIRDATE_ALLOW_FILE_SOURCES=true allows files" in message


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ([""], "title"),
        (["   "], "title"),
        (["x" * 201], "title"),
        (["My show", "--id", "My/Show"], "id"),
        (["My show", "--id", "../up"], "id"),
        (["My show", "--id", "a" * 81], "id"),
        (["My show", "--owner", ""], "owner"),
        (["My show", "--owner", "Ann Bee"], "owner"),
        (["My show", "--owner", "Zoë"], "owner"),
        (["My show", "--owner", "a" * 129], "owner"),
    ],
)
def test_a_wrong_value_is_named(airdate: Shell, arguments: list[str], field: str) -> None:
    assert airdate.mistake("podcasts", "add", "--source", FEED, *arguments).startswith(f"{field} ")


def test_an_id_that_is_taken_is_refused(airdate: Shell) -> None:
    airdate.ok("podcasts", "add", "My show", "--source", FEED)

    assert "'my-show' already; give another title or --id" in airdate.mistake(
        "podcasts", "add", "My Show!", "--source", FEED
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["podcasts", "show", "nobody"],
        ["podcasts", "pause", "nobody"],
        ["podcasts", "resume", "nobody"],
        ["episodes", "list", "--podcast", "nobody"],
        ["generate", "nobody"],
    ],
)
def test_an_unknown_podcast_is_named(airdate: Shell, arguments: list[str]) -> None:
    assert (
        airdate.mistake(*arguments) == "no podcast has the id 'nobody'; `airdate podcasts list` shows those there are"
    )


@pytest.mark.parametrize(
    "arguments", [["episodes", "show", "none"], ["episodes", "retry", "none"], ["process", "none"]]
)
def test_an_unknown_episode_is_named(airdate: Shell, arguments: list[str]) -> None:
    assert airdate.mistake(*arguments) == "no episode has the id 'none'; `airdate episodes list` shows those there are"


# Surroundings -----------------------------------------------------------------------------------------


def test_without_an_aws_the_queues_command_says_how_to_start_one(airdate: Shell) -> None:
    assert "make run" in airdate.mistake("queues")


def test_an_aws_that_does_not_answer_is_named(airdate: Shell) -> None:
    message = airdate.mistake("queues", AIRDATE_AWS_ENDPOINT=NOBODY, AWS_MAX_ATTEMPTS="1")

    assert message.startswith("SQS does not answer: ")
    assert NOBODY in message


@pytest.mark.parametrize("command", [["podcasts", "list"], ["migrate"]])
def test_a_home_that_is_no_folder_is_named(airdate: Shell, command: list[str]) -> None:
    airdate.home.write_text("a file")

    assert str(airdate.home) in airdate.mistake(*command)


def test_running_in_a_home_that_is_no_folder_says_what_to_set(airdate: Shell) -> None:
    airdate.home.write_text("a file")
    result = airdate.run("run")

    assert result.exit_code == 1
    assert "AIRDATE_HOME" in the_error(result.stderr, 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_home_that_may_not_be_written_is_named(airdate: Shell) -> None:
    airdate.home.mkdir(mode=0o500)

    assert str(airdate.home) in airdate.mistake("podcasts", "list")


def test_a_database_file_that_is_none_is_named(airdate: Shell, tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("something else entirely, and long enough to be looked at\n" * 100)

    message = airdate.mistake("podcasts", "list", AIRDATE_DATABASE_URL=f"sqlite:///{other}")

    assert "notes.txt cannot be used: file is not a database" in message


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "AIRDATE_DATABASE_URL cannot be read"),
        ("mysql://root@127.0.0.1/airdate", "AIRDATE_DATABASE_URL names 'mysql'"),
        ("postgresql://airdate:hunter2@127.0.0.1:9/airdate", "postgresql+psycopg://airdate:***@127.0.0.1:9/airdate"),
    ],
)
@pytest.mark.parametrize("command", [["podcasts", "list"], ["migrate"]])
def test_a_database_that_cannot_be_used_is_named_without_its_password(
    airdate: Shell, command: list[str], url: str, said: str
) -> None:
    message = airdate.mistake(*command, AIRDATE_DATABASE_URL=url)

    assert said in message
    assert "hunter2" not in message


def test_half_a_production_names_what_is_missing(airdate: Shell) -> None:
    message = airdate.mistake(
        "podcasts", "list", EPISODE_PROCESSING_QUEUE_URL=PRODUCTION["EPISODE_PROCESSING_QUEUE_URL"]
    )

    assert "PODCAST_GENERATION_QUEUE_URL, AIRDATE_DISCOVERY_QUEUE_URL, AIRDATE_DATABASE_URL" in message


def test_a_platforms_database_without_tables_is_left_alone_and_told(airdate: Shell, tmp_path: Path) -> None:
    production = PRODUCTION | {"AIRDATE_DATABASE_URL": f"sqlite:///{tmp_path / 'platform.db'}"}

    assert "airdate migrate" in airdate.mistake("podcasts", "list", **production)
    assert airdate.run("migrate", **production).exit_code == 0
    assert airdate.run("podcasts", "list", **production).exit_code == 0


def test_a_wrong_setting_is_named(airdate: Shell) -> None:
    assert airdate.mistake("podcasts", "list", AIRDATE_SITE_PORT="many").startswith("AIRDATE_SITE_PORT is 'many'")


# Sending, in a process of its own: Celery keeps the first configuration it reads ----------------------


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served_aws() as endpoint:
        yield endpoint


@pytest.fixture
def aws(server: str) -> str:
    """An AWS with our queues, and nothing in them."""
    empty(server)
    with client("cloudformation", server) as cloudformation, client("sqs", server) as sqs:
        deploy(cloudformation, sqs, visibility_timeout=60)
    return server


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def process(airdate: Shell, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``airdate`` as a person does."""

    def run(*arguments: str, endpoint: str) -> subprocess.CompletedProcess[str]:
        set_environment(
            monkeypatch, AIRDATE_HOME=str(airdate.home), AIRDATE_AWS_ENDPOINT=endpoint, AWS_MAX_ATTEMPTS="1"
        )
        command = [sys.executable, "-m", "operations.command", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    return run


def tasks_in(endpoint: str, queue: Queue) -> list[str]:
    """The tasks that wait in a queue."""
    with client("sqs", endpoint) as sqs:
        url = sqs.get_queue_url(QueueName=f"airdate-{queue}")["QueueUrl"]
        return [json.loads(message["Body"])["headers"]["task"] for message in received(sqs, url)]


def test_discovering_podcasts_sends_what_is_due(airdate: Shell, process: Run, aws: str) -> None:
    airdate.ok("podcasts", "add", "My show", "--source", FEED)
    airdate.ok("podcasts", "add", "Later", "--source", FEED, "--first", "2099-01-01")

    ended = process("discover", "podcasts", "--json", endpoint=aws)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == {"claimed": 1, "sent": 1, "released": 0}
    assert tasks_in(aws, Queue.GENERATION) == [Task.GENERATE_PODCAST]


def test_discovering_episodes_sends_what_is_stuck(airdate: Shell, process: Run, aws: str, database: Database) -> None:
    airdate.ok("episodes", "retry", an_episode(airdate, database, EpisodeStatus.FAILED))

    ended = process("discover", "episodes", endpoint=aws)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "claimed 1, sent 1, released 0\n", "")
    assert tasks_in(aws, Queue.GENERATION) == [Task.GENERATE_PODCAST]


def test_generating_a_podcast_does_not_wait_for_its_slot(airdate: Shell, process: Run, aws: str) -> None:
    airdate.ok("podcasts", "add", "Later", "--source", FEED, "--first", "2099-01-01")

    ended = process("generate", "later", endpoint=aws)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "claimed 1, sent 1, released 0\n", "")
    assert tasks_in(aws, Queue.GENERATION) == [Task.GENERATE_PODCAST]


def test_processing_an_episode_sends_it_to_its_next_worker(
    airdate: Shell, process: Run, aws: str, database: Database
) -> None:
    episode_id = an_episode(airdate, database)
    taken = database.leases.take(episode_id, holder="a worker", now=NOW, seconds=60, stuck_after=1800)
    assert taken is not None
    database.checkpoints.record(
        taken[0], Checkpoint("master", "key", {}, 1, NOW), stuck_after=1800, status=EpisodeStatus.COMPLETED
    )
    database.leases.release(taken[0])

    ended = process("process", episode_id, "--json", endpoint=aws)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["sent"] == 1
    assert tasks_in(aws, Queue.PROCESSING) == [Task.PROCESS_EPISODE]


def test_processing_an_episode_that_waits_says_so(airdate: Shell, process: Run, aws: str, database: Database) -> None:
    episode_id = an_episode(airdate, database)
    now = wiring.utc_now()
    taken = database.leases.take(episode_id, holder="a worker", now=now, seconds=60, stuck_after=1800)
    assert taken is not None
    database.leases.give_back(taken[0], now, stage="speech", why="the voice is away", wait=300)

    told = process("process", episode_id, endpoint=aws).stdout

    assert told.splitlines()[0] == "claimed 0, sent 0, released 0"
    assert "waits for its next try" in told
    assert tasks_in(aws, Queue.GENERATION) == []


@pytest.mark.parametrize("arguments", [["discover", "podcasts"], ["generate", "my-show"]])
def test_a_message_that_cannot_be_sent_is_an_error_and_its_claim_is_released(
    airdate: Shell, process: Run, database: Database, arguments: list[str]
) -> None:
    airdate.ok("podcasts", "add", "My show", "--source", FEED)

    ended = process(*arguments, endpoint=NOBODY)

    assert ended.returncode == 1
    assert ended.stdout == "claimed 1, sent 0, released 1\n"
    [error] = [line for line in ended.stderr.splitlines() if line.startswith("Error:")]
    assert "1 of 1 messages could not be sent" in error
    assert "Traceback" not in ended.stderr
    assert database.claims.podcast("my-show", datetime.now(UTC), seconds=300) is not None


def test_discovering_without_an_aws_claims_nothing(airdate: Shell, process: Run, database: Database) -> None:
    airdate.ok("podcasts", "add", "My show", "--source", FEED)

    ended = process("discover", "podcasts", endpoint="")

    assert ended.returncode == 1
    assert "make run" in the_error(ended.stderr, 1)
    assert database.claims.podcast("my-show", datetime.now(UTC), seconds=300) is not None


def test_the_queues_are_counted(airdate: Shell, aws: str) -> None:
    with client("sqs", aws) as sqs:
        for name, number in {"airdate-discovery": 3, "airdate-discovery-dead-letters": 2}.items():
            for _ in range(number):
                sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], MessageBody="{}")
        sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName="airdate-discovery")["QueueUrl"])

    result = airdate.run("queues", "--json", AIRDATE_AWS_ENDPOINT=aws)

    shown = json.loads(result.stdout)
    assert 0 <= shown["discovery"].pop("oldest_seconds") < 60
    assert shown == {
        "discovery": {"visible": 2, "in_flight": 1, "delayed": 0, "dead_letters": 2},
        "podcast-generation": {"visible": 0, "in_flight": 0, "delayed": 0, "oldest_seconds": None, "dead_letters": 0},
        "episode-processing": {"visible": 0, "in_flight": 0, "delayed": 0, "oldest_seconds": None, "dead_letters": 0},
    }


def test_the_queues_are_a_table_for_people(airdate: Shell, aws: str) -> None:
    with client("sqs", aws) as sqs:
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="airdate-discovery")["QueueUrl"], MessageBody="{}")

    result = airdate.run("queues", AIRDATE_AWS_ENDPOINT=aws)

    assert [line.split()[0] for line in result.stdout.splitlines()] == ["QUEUE", *Queue]
    assert re.search(r"^discovery +1 +0 +0 +\d s +0 *$", result.stdout, flags=re.MULTILINE)
    assert re.search(r"^podcast-generation +0 +0 +0 +– +0 *$", result.stdout, flags=re.MULTILINE)


def test_queues_that_are_not_there_are_one_clear_line(airdate: Shell, server: str) -> None:
    empty(server)

    assert "NonExistentQueue" in airdate.mistake("queues", AIRDATE_AWS_ENDPOINT=server)

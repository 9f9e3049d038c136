"""Whole dead-letter queues moved by SQS's own task, where the server has it; else one by one, by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.dead_letters import move_task
from operations.messaging import dead_letter_queue, deploy
from podcasting.database import Database
from podcasting.database.history import Happened
from podcasting.database.revisions import migrate
from podcasting.models import EpisodeStatus
from publishers.queues import Queue
from tests.fakes.aws import client, empty, served_aws
from tests.fakes.dead_letters import DeadLetters, Desk, a_podcast, an_episode, enveloped, generation, processing
from tests.fakes.environment import ROOT, set_environment
from tests.fakes.move_tasks import MoveTasks

INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from operations.command import main
sys.exit(main())
"""
"""The command, heeding Ctrl-C even if these tests run in the background, whose processes are born to ignore it."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served_aws() as endpoint:
        yield endpoint


@pytest.fixture
def front(server: str) -> Iterator[MoveTasks]:
    empty(server)
    with client("cloudformation", server) as cloudformation, client("sqs", server) as sqs:
        deploy(cloudformation, sqs, visibility_timeout=60)
    with MoveTasks(server) as made:
        yield made


@pytest.fixture
def letters(server: str, front: MoveTasks) -> Iterator[DeadLetters]:  # noqa: ARG001 - before it the queues are made
    with client("sqs", server) as sqs:
        yield DeadLetters(sqs, server)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, front: MoveTasks) -> Iterator[Desk]:
    monkeypatch.setattr(move_task, "POLL_SECONDS", 0.05)
    made = Desk(monkeypatch, tmp_path / "home", front.endpoint)
    yield made
    made.forget()


@pytest.fixture
def database(desk: Desk) -> Iterator[Database]:
    made = Database.at(f"sqlite:///{desk.home / 'airdate.db'}")
    migrate(made.engine)
    yield made
    made.engine.dispose()


def put(letters: DeadLetters, count: int) -> list[str]:
    bodies = [enveloped(generation(title=f"title {number}")) for number in range(count)]
    for body in bodies:
        letters.put(Queue.GENERATION, body, MessageGroupId="my-show")
    return bodies


def test_a_whole_queue_is_left_to_sqs(desk: Desk, front: MoveTasks, letters: DeadLetters, database: Database) -> None:
    a_podcast(database)
    bodies = put(letters, 12)

    text = desk.ok("redrive", "--all", "--yes", "--rate", "500")

    assert text == "sent 12 again; 0 stay, 0 failed\n"
    ((asked),) = front.started
    assert asked["SourceArn"].endswith(":airdate-podcast-generation-dead-letters")
    assert asked["DestinationArn"].endswith(":airdate-podcast-generation")
    assert asked["MaxNumberOfMessagesPerSecond"] == 500
    assert sorted(letters.bodies(Queue.GENERATION)) == sorted(bodies)
    assert letters.dead(Queue.GENERATION) == (0, 0)
    outcomes = [line["outcome"] for line in desk.audit()]
    assert outcomes == ["left to SQS's own move task"] * 12 + ["moved by SQS's own task"] * 12


def test_a_failed_episode_is_set_going_before_its_message_is_moved(
    desk: Desk, front: MoveTasks, letters: DeadLetters, database: Database
) -> None:
    episode = an_episode(database, EpisodeStatus.FAILED)
    letters.put(Queue.PROCESSING, enveloped(processing(episode)), MessageGroupId="my-show")

    desk.ok("redrive", "--all", "--yes")

    assert len(front.started) == 1
    assert database.episodes.get(episode).status is EpisodeStatus.COMPLETED
    assert [event.what for event in database.history.of(episode)][-2:] == [Happened.RETRIED, Happened.REDRIVEN]


@pytest.mark.parametrize(
    ("options", "body", "entry"),
    [
        (["--podcast", "my-show"], enveloped(generation()), {}),
        (["--all", "--rate", "2.5"], enveloped(generation()), {}),
        (["--all", "--rate", "501"], enveloped(generation()), {}),
        (["--all"], enveloped(generation(), retries=5), {}),
        (
            ["--all"],
            enveloped(generation()),
            {"MessageAttributes": {"DeadLetterReason": {"DataType": "String", "StringValue": "x"}}},
        ),
        (["--all"], "garbage", {}),
    ],
    ids=["a filter", "half a message a second", "a rate too high", "retries used up", "a copy of poison", "a refusal"],
)
def test_what_needs_a_look_is_not_left_to_sqs(
    desk: Desk,
    front: MoveTasks,
    letters: DeadLetters,
    database: Database,
    options: list[str],
    body: str,
    entry: dict[str, object],
) -> None:
    a_podcast(database)
    letters.put(Queue.GENERATION, enveloped(generation()), MessageGroupId="my-show")
    letters.put(Queue.GENERATION, body, **{"MessageGroupId": "my-show", **entry})

    desk.ok("redrive", *options, "--yes")

    assert front.started == []
    assert letters.dead(Queue.GENERATION) == ((1, 0) if body == "garbage" else (0, 0))


def test_it_is_not_left_to_sqs_while_somebody_else_has_some_in_hand(
    desk: Desk, front: MoveTasks, letters: DeadLetters, database: Database
) -> None:
    a_podcast(database)
    put(letters, 3)
    letters.sqs.receive_message(
        QueueUrl=letters.url(dead_letter_queue(Queue.GENERATION)), MaxNumberOfMessages=1, VisibilityTimeout=60
    )

    desk.ok("redrive", "--all", "--yes")

    assert front.started == []
    assert letters.dead(Queue.GENERATION) == (0, 1)


@pytest.mark.parametrize("action", ["ListMessageMoveTasks", "StartMessageMoveTask"])
def test_without_the_permission_they_are_sent_one_by_one(
    desk: Desk, front: MoveTasks, letters: DeadLetters, database: Database, action: str
) -> None:
    a_podcast(database)
    bodies = put(letters, 3)
    front.denied.add(action)

    desk.ok("redrive", "--all", "--yes")

    assert front.started == []
    assert sorted(letters.bodies(Queue.GENERATION)) == sorted(bodies)
    assert letters.dead(Queue.GENERATION) == (0, 0)


def test_a_task_that_fails_is_told_and_what_it_left_stays(
    desk: Desk, front: MoveTasks, letters: DeadLetters, database: Database
) -> None:
    a_podcast(database)
    put(letters, 5)
    front.fail_after = 2

    failure = desk.mistake("redrive", "--all", "--yes")

    assert "SQS's move task: FAILED, 2 moved of 5 CouldNotDetermineMessageSource" in failure
    assert letters.counts("airdate-podcast-generation") == (2, 0)
    assert letters.dead(Queue.GENERATION) == (3, 0)


def test_ctrl_c_cancels_the_task(
    desk: Desk, front: MoveTasks, letters: DeadLetters, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_podcast(database)
    put(letters, 30)
    set_environment(monkeypatch, AIRDATE_HOME=str(desk.home), AIRDATE_AWS_ENDPOINT=front.endpoint)
    command = [sys.executable, "-c", INTERRUPTIBLE, "dead-letters", "redrive", "--all", "--yes", "--rate", "2"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    last = time.monotonic() + 60
    while not letters.counts("airdate-podcast-generation")[0]:
        assert time.monotonic() < last
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)

    os.kill(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=30)

    assert process.returncode == 130, stderr
    assert "cancelled" in stderr
    waiting, dead = letters.counts("airdate-podcast-generation")[0], letters.dead(Queue.GENERATION)[0]
    assert 0 < waiting < 30
    assert waiting + dead == 30
    time.sleep(1)
    assert letters.counts("airdate-podcast-generation")[0] == waiting


def test_the_front_answers_as_localstack_does(front: MoveTasks, letters: DeadLetters) -> None:
    put(letters, 4)
    with client("sqs", front.endpoint) as sqs:
        source, destination = (
            sqs.get_queue_attributes(QueueUrl=letters.url(name), AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            for name in (dead_letter_queue(Queue.GENERATION), "airdate-podcast-generation")
        )
        assert sqs.list_message_move_tasks(SourceArn=source)["Results"] == []
        handle = sqs.start_message_move_task(
            SourceArn=source, DestinationArn=destination, MaxNumberOfMessagesPerSecond=1
        )["TaskHandle"]
        with pytest.raises(sqs.exceptions.ClientError, match="There is already a task running"):
            sqs.start_message_move_task(SourceArn=source, DestinationArn=destination)
        (running,) = sqs.list_message_move_tasks(SourceArn=source)["Results"]
        assert (running["Status"], running["TaskHandle"]) == ("RUNNING", handle)
        assert "ApproximateNumberOfMessagesMoved" in sqs.cancel_message_move_task(TaskHandle=handle)
        with pytest.raises(sqs.exceptions.ClientError, match="Value for parameter TaskHandle is invalid"):
            sqs.cancel_message_move_task(TaskHandle="nonsense")
        with pytest.raises(sqs.exceptions.ClientError, match="SourceArn parameter doesn't exist"):
            sqs.start_message_move_task(SourceArn=f"{source}x", DestinationArn=destination)
        assert json.dumps(sqs.list_message_move_tasks(SourceArn=source)["Results"])

"""``airdate dead-letters``: what it shows and does, that nothing is lost, and that every mistake is one clear line."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from moto.core.utils import unix_time_millis
from moto.sqs.models import sqs_backends

from operations.dead_letters import reading
from operations.messaging import dead_letter_queue, deploy
from podcasting.database import Database
from podcasting.database.checkpoints import Checkpoint
from podcasting.database.history import Happened
from podcasting.database.revisions import migrate
from podcasting.models import EpisodeStatus
from podcasting.production import Production
from publishers.queues import Queue, Task
from settings import EMBEDDED_ACCOUNT
from tasks import wiring
from tests.fakes.aws import NOBODY, client, empty, served_aws
from tests.fakes.dead_letters import (
    EARLIER,
    GENERATION_STAGES,
    DeadLetters,
    Desk,
    a_podcast,
    an_episode,
    enveloped,
    generation,
    lines_of,
    processing,
)
from tests.fakes.environment import ROOT, set_environment
from tests.fakes.faulty_proxy import FaultyProxy
from tests.fakes.poison import POISON, REJECTED_BY_CELERY, UNSENDABLE


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served_aws() as endpoint:
        yield endpoint


@pytest.fixture
def letters(server: str) -> Iterator[DeadLetters]:
    """Our queues, which are empty."""
    empty(server)
    with client("cloudformation", server) as cloudformation, client("sqs", server) as sqs:
        deploy(cloudformation, sqs, visibility_timeout=60)
        yield DeadLetters(sqs, server)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, letters: DeadLetters) -> Iterator[Desk]:
    made = Desk(monkeypatch, tmp_path / "home", letters.endpoint)
    yield made
    made.forget()


@pytest.fixture
def database(desk: Desk) -> Iterator[Database]:
    """The database of the desk's home."""
    made = Database.at(f"sqlite:///{desk.home / 'airdate.db'}")
    migrate(made.engine)
    yield made
    made.engine.dispose()


# Looking ----------------------------------------------------------------------------------------------


def test_no_dead_letters_are_said_to_be_none(desk: Desk) -> None:
    assert desk.ok("list") == "no dead letters\n"
    assert desk.json("list") == []


def test_the_list_groups_by_queue_task_and_reason(desk: Desk, letters: DeadLetters, database: Database) -> None:
    failed = [an_episode(database, EpisodeStatus.FAILED, f"show-{number}") for number in range(5)]
    for number, episode in enumerate(failed):
        letters.put(Queue.PROCESSING, enveloped(processing(episode, f"show-{number}")))
    letters.put(Queue.GENERATION, enveloped(generation("nobody")))

    groups = desk.json("list")

    assert [(each["count"], each["queue"], each["task"], each["reason"]) for each in groups] == [
        (5, "episode-processing", "tasks.episodes.process_episode", "failed at publish: the disk is full"),
        (1, "podcast-generation", "tasks.podcasts.generate_podcast", "no podcast has its id"),
    ]
    assert groups[0]["episodes"] == failed
    table = desk.ok("list").splitlines()
    assert "5 episodes" in table[1]
    assert "nobody" in table[2]


def test_a_look_gives_everything_back_at_once(desk: Desk, letters: DeadLetters) -> None:
    for number in range(23):
        letters.put(Queue.PROCESSING, f"garbage {number}")

    for arguments in (["list"], ["list", "--each"], ["export", "-"], ["redrive", "--all", "--dry-run"]):
        desk.ok(*arguments)
        assert letters.dead(Queue.PROCESSING) == (23, 0)


def test_a_look_that_fails_midway_gives_everything_back(
    desk: Desk, letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters.put(Queue.GENERATION, "garbage")

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("operations.dead_letters.looking.reason_of", interrupted)
    result = desk.run("list")

    assert result.exit_code == 130
    assert letters.dead(Queue.GENERATION) == (1, 0)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--queue", "podcast-generation"], 2),
        (["--queue", "airdate-podcast-generation"], 2),
        (["--task", "process_episode"], 1),
        (["--task", "tasks.episodes.process_episode"], 1),
        (["--reason", "NO PODCAST"], 2),
        (["--podcast", "other"], 1),
        (["--episode", "other-1"], 1),
        (["--older-than", "1h"], 0),
        (["--older-than", "0s"], 3),
        (["--queue", "podcast-generation", "--reason", "no JSON"], 1),
    ],
)
def test_filters_narrow(desk: Desk, letters: DeadLetters, options: list[str], found: int) -> None:
    letters.put(Queue.GENERATION, enveloped(generation("nobody")))
    letters.put(Queue.GENERATION, "garbage")
    letters.put(Queue.PROCESSING, enveloped(processing("other-1", "other")))

    assert len(desk.json("list", "--each", *options)) == found


def test_a_letter_is_shown_with_all_that_is_known(desk: Desk, letters: DeadLetters, database: Database) -> None:
    episode = an_episode(database, EpisodeStatus.FAILED)
    attributes = {"trace": {"DataType": "String", "StringValue": "t-1"}}
    message_id = letters.put(
        Queue.PROCESSING, enveloped(processing(episode), retries=5), MessageAttributes=attributes, MessageGroupId="g"
    )

    text = desk.ok("show", message_id[:8])

    assert f"{episode} (failed)" in text
    assert "my-show (active)" in text
    assert f"episode {episode} failed at publish: the disk is full" in text
    assert "once, looks at it included" in text
    assert "t-1" in text
    assert '"type": "episode_processing"' in text
    shown = desk.json("show", message_id)
    assert shown["message"] == processing(episode)
    assert shown["system_attributes"]["MessageGroupId"] == "g"


def test_a_letter_whose_episode_is_published_by_now_says_so(
    desk: Desk, letters: DeadLetters, database: Database
) -> None:
    episode = an_episode(database, EpisodeStatus.PUBLISHED)
    letters.put(Queue.PROCESSING, enveloped(processing(episode)))

    assert [group["reason"] for group in desk.json("list")] == ["its episode is published by now"]


def test_the_reason_of_a_copy_is_what_the_transport_told(desk: Desk, letters: DeadLetters) -> None:
    attributes = {"DeadLetterReason": {"DataType": "String", "StringValue": "it is no JSON that kombu reads: x"}}
    letters.put(Queue.GENERATION, "x", MessageAttributes=attributes)

    (letter,) = desk.json("list", "--each")

    assert letter["reason"] == "it is no JSON that kombu reads: x"


def test_a_body_does_nothing_to_the_terminal(desk: Desk, letters: DeadLetters) -> None:
    body = "\x1b[31mred\x1b]0;title\x07 \u202egnp.exe [bold]markup[/] :warning:"
    message_id = letters.put(Queue.GENERATION, json.dumps({"type": body, "x": body}, ensure_ascii=False))
    letters.put(Queue.GENERATION, body)

    for arguments in (["list"], ["list", "--each"], ["show", message_id]):
        text = desk.ok(*arguments)
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "\\u001b[31mred" in text


def test_a_long_body_is_cut_and_raw_is_whole(desk: Desk, letters: DeadLetters) -> None:
    body = "lorem ipsum ü " * 9000
    message_id = letters.put(Queue.GENERATION, body)

    text = desk.ok("show", message_id)

    assert len(text) < 4000
    assert f"of {len(body.encode())} bytes" in text
    assert desk.run("show", message_id, "--raw").stdout_bytes == body.encode()


def test_every_poison_is_listed_shown_exported_refused_and_dropped(
    desk: Desk, letters: DeadLetters, tmp_path: Path
) -> None:
    # A part, for moto is slow; all of it is decoded and shown in the unit tests.
    corpus = [body for name, body in (POISON | REJECTED_BY_CELERY).items() if name not in UNSENDABLE][::5]
    ids = {letters.put(Queue.PROCESSING, body): body for body in corpus}

    listed = desk.json("list", "--each")
    assert {each["message_id"] for each in listed} == set(ids)
    assert all(each["reason"] and "never finished" not in each["reason"] for each in listed)
    desk.ok("list")
    desk.ok("list", "--each")
    for message_id in list(ids)[:2]:
        desk.ok("show", message_id)
        desk.json("show", message_id)
    plan = desk.json("redrive", "--all", "--dry-run")
    assert plan["would_send"] == []
    assert set(plan["kept"]) == set(ids)
    exported = tmp_path / "export.jsonl"
    desk.ok("export", str(exported))
    assert {each["message_id"]: each["body"] for each in lines_of(exported)} == ids
    dropped = tmp_path / "dropped.jsonl"
    desk.ok("drop", "--all", "--yes", "--to", str(dropped))
    assert {each["message_id"]: each["body"] for each in lines_of(dropped)} == ids
    assert letters.dead(Queue.PROCESSING) == (0, 0)


def test_what_somebody_else_holds_is_told(desk: Desk, letters: DeadLetters) -> None:
    message_id = letters.put(Queue.GENERATION, "garbage")
    letters.sqs.receive_message(QueueUrl=letters.url(dead_letter_queue(Queue.GENERATION)))

    result = desk.run("list")

    assert result.stdout == "no dead letters\n"
    assert "1 more of podcast-generation is held by somebody else just now; back within 120 s" in result.stderr
    assert "1 are held by somebody else" in desk.mistake("show", message_id)


def test_dead_letters_are_listed_without_a_database(desk: Desk, letters: DeadLetters) -> None:
    letters.put(Queue.GENERATION, enveloped(generation()))

    result = desk.run("list", AIRDATE_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")

    assert result.exit_code == 0
    assert "never finished" in result.stdout
    assert "reasons are without what the database knows" in result.stderr
    failure = desk.mistake("redrive", "--all", "--yes", AIRDATE_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert "database" in failure
    assert letters.dead(Queue.GENERATION) == (1, 0)


# Redriving --------------------------------------------------------------------------------------------


def test_a_failed_episode_is_set_going_and_its_message_sent(
    desk: Desk, letters: DeadLetters, database: Database
) -> None:
    episode = an_episode(database, EpisodeStatus.FAILED)
    attributes = {
        "trace": {"DataType": "String", "StringValue": "t-1"},
        "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        "DeadLetterReason": {"DataType": "String", "StringValue": "x"},
        "DeadLetterSourceMessageId": {"DataType": "String", "StringValue": "y"},
    }
    message_id = letters.put(Queue.PROCESSING, enveloped(processing(episode), retries=5), MessageAttributes=attributes)

    text = desk.ok("redrive", message_id, "--yes")

    assert "sent 1 again; 0 stay, 0 failed" in text
    (sent,) = letters.waiting(Queue.PROCESSING)
    envelope = json.loads(sent["Body"])
    assert envelope["headers"]["retries"] == 0
    assert json.loads(envelope["body"])[0] == [processing(episode)]
    assert {
        name: value.get("StringValue", value.get("BinaryValue")) for name, value in sent["MessageAttributes"].items()
    } == {
        "trace": "t-1",
        "blob": b"\x00\xff",
    }
    assert sent["Attributes"]["MessageGroupId"] == "my-show"
    assert letters.dead(Queue.PROCESSING) == (0, 0)
    assert database.episodes.get(episode).status is EpisodeStatus.COMPLETED
    assert [event.what for event in database.history.of(episode)][-2:] == [Happened.RETRIED, Happened.REDRIVEN]
    # Its message is on its way: discovery leaves it alone for a claim's length, and finds it after that.
    now = wiring.utc_now()
    assert database.claims.episode(episode, now + timedelta(seconds=250), seconds=60) is None
    assert database.claims.episode(episode, now + timedelta(seconds=301), seconds=60) is not None


def test_a_message_whose_episode_begins_anew_stays(desk: Desk, letters: DeadLetters, database: Database) -> None:
    """A later episode told its stories, so its audio is made once more, and processing it comes after that."""
    episode = an_episode(database, EpisodeStatus.FAILED, stories=("a story",))
    later = EARLIER + timedelta(days=31)
    following = database.podcasts.open_slot("my-show", later, stuck_after=1800)
    assert following is not None
    taken = database.leases.take(following.id, holder="a worker", now=later, seconds=60, stuck_after=1800)
    assert taken is not None
    collected = Checkpoint("collect", "key", {"stories": [{"key": "a story"}], "seen": ["a story"]}, 1.0, later)
    database.checkpoints.record(taken[0], collected, stuck_after=1800, seen=("my-show", ("a story",), {}))
    letters.put(Queue.PROCESSING, enveloped(processing(episode)))

    result = desk.run("redrive", "--all", "--yes")

    assert f"episode {episode} was set going and begins anew, so discovery has it made first" in result.stdout
    assert database.episodes.get(episode).status is EpisodeStatus.PENDING
    assert letters.dead(Queue.PROCESSING) == (1, 0)
    assert letters.bodies(Queue.PROCESSING) == []


def test_each_redriven_letter_has_an_audit_line(desk: Desk, letters: DeadLetters, database: Database) -> None:
    episode = an_episode(database, EpisodeStatus.FAILED)
    message_id = letters.put(Queue.PROCESSING, enveloped(processing(episode)), MessageGroupId="my-show")
    desk.ok("redrive", message_id, "--yes")

    (line,) = desk.audit()

    assert line.pop("by").count("@") == 1
    assert datetime.fromisoformat(line.pop("at")) > EARLIER
    assert line.pop("sent_as") != message_id
    assert line == {
        "action": "redrive",
        "queue": "episode-processing",
        "message_id": message_id,
        "task": "tasks.episodes.process_episode",
        "podcast": "my-show",
        "episode": episode,
        "outcome": "sent",
    }


def test_a_foreign_body_is_sent_as_it_is(desk: Desk, letters: DeadLetters, database: Database) -> None:
    a_podcast(database)
    body = json.dumps(generation(), indent=3)
    letters.put(Queue.GENERATION, body)

    desk.ok("redrive", "--all", "--yes")

    assert letters.bodies(Queue.GENERATION) == [body]


def test_a_letter_of_days_ago_is_sent_though_moto_renews_no_hold_of_it(
    desk: Desk, letters: DeadLetters, database: Database
) -> None:
    a_podcast(database)
    letters.put(Queue.GENERATION, enveloped(generation()))
    name = dead_letter_queue(Queue.GENERATION)
    (message,) = sqs_backends[EMBEDDED_ACCOUNT]["us-east-1"].queues[name]._messages
    message.sent_timestamp = int(unix_time_millis() - 86_400_000)  # type: ignore[assignment]

    desk.ok("redrive", "--older-than", "12h", "--yes")

    assert len(letters.bodies(Queue.GENERATION)) == 1
    assert letters.dead(Queue.GENERATION) == (0, 0)


def test_a_dry_run_changes_nothing(desk: Desk, letters: DeadLetters, database: Database) -> None:
    episode = an_episode(database, EpisodeStatus.FAILED)
    letters.put(Queue.PROCESSING, enveloped(processing(episode)))
    letters.put(Queue.PROCESSING, "garbage")
    history = database.history.of(episode)

    text = desk.ok("redrive", "--all", "--dry-run")

    assert "would send 1 dead letters (episode-processing 1)" in text
    assert "would set going 1 failed episodes" in text
    assert "it would only come back" in text
    assert letters.dead(Queue.PROCESSING) == (2, 0)
    assert letters.counts("airdate-episode-processing") == (0, 0)
    assert database.episodes.get(episode).status is EpisodeStatus.FAILED
    assert database.history.of(episode) == history
    assert desk.audit() == []


@pytest.mark.parametrize(
    ("end", "stages", "why"),
    [
        (EpisodeStatus.PUBLISHED, GENERATION_STAGES, "is published already"),
        (EpisodeStatus.SKIPPED, ("collect",), "is skipped already"),
        (EpisodeStatus.FAILED, ("collect", "script"), "has no audio to process; `airdate episodes retry"),
        (EpisodeStatus.PENDING, ("collect", "script"), "its audio is not made yet"),
    ],
)
def test_processing_that_would_do_no_good_is_refused(
    desk: Desk, letters: DeadLetters, database: Database, end: EpisodeStatus, stages: tuple[str, ...], why: str
) -> None:
    episode = an_episode(database, end, stages=stages)
    letters.put(Queue.PROCESSING, enveloped(processing(episode)))
    before = database.episodes.get(episode).status

    result = desk.run("redrive", "--all", "--yes")

    assert result.exit_code == 1
    assert why in result.stdout
    assert "nothing was sent; --force" in result.stderr
    assert letters.dead(Queue.PROCESSING) == (1, 0)
    assert letters.bodies(Queue.PROCESSING) == []
    assert database.episodes.get(episode).status is before


def test_messages_of_an_episode_that_awaits_approval_are_kept(
    desk: Desk, letters: DeadLetters, database: Database
) -> None:
    episode = an_episode(database, EpisodeStatus.PENDING, stages=("collect", "script"))
    reviewed = Production(review=True)
    database.podcasts.change("my-show", lambda podcast: podcast.model_copy(update={"production": reviewed}))
    now = wiring.utc_now()
    taken = database.leases.take(episode, holder="a worker", now=now, seconds=60, stuck_after=1800)
    assert taken is not None
    database.episodes.await_approval(taken[0], now)
    letters.put(Queue.PROCESSING, enveloped(processing(episode)))
    letters.put(Queue.GENERATION, enveloped(generation("my-show")))

    kept = desk.json("redrive", "--all", "--dry-run")["kept"].values()

    assert set(kept) == {f"episode {episode} awaits approval; `airdate episodes approve {episode}` sends it on"}
    assert len(kept) == 2


def test_generation_with_nothing_failed_unfinished_or_due_is_refused(
    desk: Desk, letters: DeadLetters, database: Database
) -> None:
    a_podcast(database, "later", due=False)
    published = an_episode(database, EpisodeStatus.PUBLISHED, "done")
    for podcast in ("later", "done"):
        letters.put(Queue.GENERATION, enveloped(generation(podcast)))

    kept = desk.json("redrive", "--all", "--dry-run")["kept"].values()

    assert sorted(kept) == [
        f"podcast done has nothing failed, unfinished or due: its newest episode {published} is published",
        "podcast later has nothing failed, unfinished or due: it has no episode yet",
    ]


def test_generation_goes_for_what_is_due_unfinished_or_failed(
    desk: Desk, letters: DeadLetters, database: Database
) -> None:
    a_podcast(database, "due")
    an_episode(database, EpisodeStatus.PENDING, "unfinished", stages=("collect",))
    failed = an_episode(database, EpisodeStatus.FAILED, "failed", stages=("collect", "script"))
    for podcast in ("due", "unfinished", "failed"):
        letters.put(Queue.GENERATION, enveloped(generation(podcast)))

    desk.ok("redrive", "--all", "--yes")

    assert len(letters.bodies(Queue.GENERATION)) == 3
    assert database.episodes.get(failed).status is EpisodeStatus.SCRIPT_READY


def test_force_sends_what_is_done_and_what_is_garbage(desk: Desk, letters: DeadLetters, database: Database) -> None:
    episode = an_episode(database, EpisodeStatus.PUBLISHED)
    bodies = [enveloped(processing(episode)), "garbage"]
    for body in bodies:
        letters.put(Queue.PROCESSING, body)

    desk.ok("redrive", "--all", "--yes", "--force")

    assert sorted(letters.bodies(Queue.PROCESSING)) == sorted(bodies)
    assert database.episodes.get(episode).status is EpisodeStatus.PUBLISHED


def test_only_what_was_chosen_is_sent(desk: Desk, letters: DeadLetters, database: Database) -> None:
    for podcast in ("one", "two"):
        a_podcast(database, podcast)
        letters.put(Queue.GENERATION, enveloped(generation(podcast)))

    desk.ok("redrive", "--podcast", "one", "--yes")

    (body,) = letters.bodies(Queue.GENERATION)
    assert '\\"podcastId\\": \\"one\\"' in body
    assert letters.dead(Queue.GENERATION) == (1, 0)


def test_nothing_is_sent_unless_agreed(desk: Desk, letters: DeadLetters, database: Database) -> None:
    a_podcast(database)
    letters.put(Queue.GENERATION, enveloped(generation()))

    assert "nothing was sent" in desk.mistake("redrive", "--all", answer="n\n")
    assert "nothing was sent" in desk.mistake("redrive", "--all", answer="")
    assert letters.dead(Queue.GENERATION) == (1, 0)
    desk.ok("redrive", "--all", answer="y\n")
    assert letters.dead(Queue.GENERATION) == (0, 0)


@pytest.mark.slow
def test_two_redrives_at_once_lose_and_double_nothing(
    desk: Desk, letters: DeadLetters, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_podcast(database)
    for number in range(200):
        letters.put(Queue.GENERATION, enveloped(generation(title=f"title {number}")))
    set_environment(monkeypatch, AIRDATE_HOME=str(desk.home), AIRDATE_AWS_ENDPOINT=letters.endpoint)
    command = [sys.executable, "-m", "operations.command", "dead-letters", "redrive", "--all", "--yes", "--json"]

    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    outputs = [each.communicate(timeout=120) for each in both]

    assert [each.returncode for each in both] == [0, 0], outputs
    sent = [json.loads(json.loads(body)["body"])[0][0]["data"]["title"] for body in letters.bodies(Queue.GENERATION)]
    assert sorted(sent) == sorted(f"title {number}" for number in range(200))
    assert letters.dead(Queue.GENERATION) == (0, 0)


def test_a_redrive_killed_between_send_and_delete_doubles_at_most(
    desk: Desk, letters: DeadLetters, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_podcast(database)
    for number in range(15):
        letters.put(Queue.GENERATION, enveloped(generation(title=f"title {number}")))
    with FaultyProxy(letters.endpoint) as proxy:
        proxy.black_hole(only=["DeleteMessageBatch"])
        set_environment(monkeypatch, AIRDATE_HOME=str(desk.home), AIRDATE_AWS_ENDPOINT=proxy.endpoint)
        program = (
            "from operations.dead_letters import reading; reading.HOLD_SECONDS = 3; "
            "from operations.command import main; main()"
        )
        command = [sys.executable, "-c", program, "dead-letters", "redrive", "--all", "--yes"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until(lambda: proxy.counts["DeleteMessageBatch"], process)
        process.kill()
        process.communicate()

    assert letters.counts("airdate-podcast-generation") == (10, 0)
    # Nobody gave them back: they come back by themselves.
    until(lambda: letters.dead(Queue.GENERATION) == (15, 0))
    assert [line["outcome"] for line in desk.audit()] == ["sent"] * 10
    desk.ok("redrive", "--all", "--yes")
    sent = [json.loads(json.loads(body)["body"])[0][0]["data"]["title"] for body in letters.bodies(Queue.GENERATION)]
    assert set(sent) == {f"title {number}" for number in range(15)}
    assert len(sent) == 25
    assert letters.dead(Queue.GENERATION) == (0, 0)


def until(true: Callable[[], Any], process: subprocess.Popen[bytes] | None = None) -> None:
    last = time.monotonic() + 60
    while not true():
        assert time.monotonic() < last, "it never came true"
        assert process is None or process.poll() is None, process and process.communicate()
        time.sleep(0.05)


# Editing ----------------------------------------------------------------------------------------------


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the editor: a line of Python over the file's ``text``, and its exit code."""

    def use(line: str) -> None:
        script = tmp_path / "editor.py"
        script.write_text(
            "import pathlib, sys\npath = pathlib.Path(sys.argv[1])\ntext = path.read_text()\n"
            f"{line}\npath.write_text(text)\n"
        )
        monkeypatch.setenv("VISUAL", shlex.join([sys.executable, str(script)]))

    return use


def test_an_edited_message_is_sent_and_the_old_one_deleted(
    desk: Desk, letters: DeadLetters, database: Database, editor: Callable[[str], None]
) -> None:
    a_podcast(database)
    message_id = letters.put(Queue.GENERATION, enveloped(generation("my-shwo"), retries=5))
    editor("text = text.replace('my-shwo', 'my-show')")

    text = desk.ok("edit", message_id)

    assert "the new message was sent to podcast-generation, and the old one deleted" in text
    (sent,) = letters.waiting(Queue.GENERATION)
    envelope = json.loads(sent["Body"])
    assert (envelope["headers"]["task"], envelope["headers"]["retries"]) == (Task.GENERATE_PODCAST, 0)
    assert json.loads(envelope["body"])[0] == [generation("my-show")]
    assert sent["Attributes"]["MessageGroupId"] == "my-show"
    assert letters.dead(Queue.GENERATION) == (0, 0)
    assert [(line["action"], line["outcome"]) for line in desk.audit()] == [("edit", "sent")]
    assert list((desk.home / "dead-letters").glob("edit-*")) == []


def test_an_unchanged_edit_does_nothing(desk: Desk, letters: DeadLetters, editor: Callable[[str], None]) -> None:
    message_id = letters.put(Queue.GENERATION, enveloped(generation()))
    editor("")

    assert "unchanged, so nothing was sent" in desk.ok("edit", message_id)
    assert letters.dead(Queue.GENERATION) == (1, 0)
    assert letters.bodies(Queue.GENERATION) == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("text = text.replace('\"my-show\"', '\"My Show!\"')", "data.podcastId is 'My Show!': String should match"),
        ("text = text.replace('\"my-show\"', '\"other\"')", "data.podcastId is 'other': no podcast has it"),
        ("text = text[:-5]", "it is not JSON"),
        ("text = '[' * 100_000", "nested too deeply"),
        ("text = text.replace('podcast_generation', 'episode_processing')", "type is 'episode_processing': queue"),
        ("text = text.replace('1.0', '2.0')", "version is '2.0'"),
    ],
)
def test_an_invalid_edit_sends_nothing_and_loses_nothing(
    desk: Desk, letters: DeadLetters, database: Database, editor: Callable[[str], None], line: str, complaint: str
) -> None:
    a_podcast(database)
    message_id = letters.put(Queue.GENERATION, enveloped(generation()))
    editor(line)

    failure = desk.mistake("edit", message_id)

    draft = desk.home / "dead-letters" / f"edit-{message_id}.json"
    assert complaint in failure
    assert f"your text is in {draft}" in failure
    assert draft.stat().st_size > 0
    assert letters.dead(Queue.GENERATION) == (1, 0)
    assert letters.bodies(Queue.GENERATION) == []


def test_an_edit_that_was_interrupted_goes_on_where_it_was(
    desk: Desk, letters: DeadLetters, database: Database, editor: Callable[[str], None]
) -> None:
    a_podcast(database)
    message_id = letters.put(Queue.GENERATION, enveloped(generation("my-shwo")))
    editor("path.write_text(text.replace('my-shwo', 'my-show')); sys.exit(1)")

    assert "Editing failed" in desk.mistake("edit", message_id)
    assert letters.dead(Queue.GENERATION) == (1, 0)
    editor("")
    assert "going on with the text of an earlier edit" in desk.ok("edit", message_id)
    assert letters.dead(Queue.GENERATION) == (0, 0)


def test_a_broken_body_is_mended_from_a_file(
    desk: Desk, letters: DeadLetters, database: Database, tmp_path: Path
) -> None:
    a_podcast(database)
    message_id = letters.put(Queue.GENERATION, json.dumps(generation())[:-20])
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps(generation()))

    desk.ok("edit", message_id, "--file", str(mended))

    assert [json.loads(body) for body in letters.bodies(Queue.GENERATION)] == [generation()]
    assert letters.dead(Queue.GENERATION) == (0, 0)


def test_a_person_at_a_terminal_is_asked_again(
    desk: Desk,
    letters: DeadLetters,
    database: Database,
    editor: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_podcast(database)
    message_id = letters.put(Queue.GENERATION, enveloped(generation("my-shwo")))
    editor("text = text.replace('my-shwo', 'no-show') if 'my-shwo' in text else text.replace('no-show', 'my-show')")
    set_environment(monkeypatch, AIRDATE_HOME=str(desk.home), AIRDATE_AWS_ENDPOINT=letters.endpoint)
    leader, follower = os.openpty()
    command = [sys.executable, "-m", "operations.command", "dead-letters", "edit", message_id]
    with os.fdopen(leader, "wb", buffering=0) as keyboard:
        process = subprocess.Popen(command, cwd=ROOT, stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.close(follower)
        keyboard.write(b"y\n")
        stdout, stderr = process.communicate(timeout=120)

    assert process.returncode == 0, stderr
    assert b"data.podcastId is 'no-show': no podcast has it" in stderr
    assert b"the new message was sent" in stdout
    assert [json.loads(json.loads(body)["body"])[0] for body in letters.bodies(Queue.GENERATION)] == [[generation()]]


def test_an_edit_of_what_is_done_is_refused_unless_forced(
    desk: Desk, letters: DeadLetters, database: Database, tmp_path: Path
) -> None:
    episode = an_episode(database, EpisodeStatus.PUBLISHED)
    message_id = letters.put(Queue.PROCESSING, enveloped(processing("nobody")))
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps(processing(episode)))

    assert "is published already; --force" in desk.mistake("edit", message_id, "--file", str(mended))
    desk.ok("edit", message_id, "--file", str(mended), "--force")
    assert len(letters.bodies(Queue.PROCESSING)) == 1


def test_an_edit_of_what_somebody_else_took_meanwhile_sends_nothing(
    desk: Desk, letters: DeadLetters, database: Database, editor: Callable[[str], None]
) -> None:
    a_podcast(database)
    message_id = letters.put(Queue.GENERATION, enveloped(generation("my-shwo")))
    url = letters.url(dead_letter_queue(Queue.GENERATION))
    editor(
        f"import boto3; boto3.client('sqs', endpoint_url={letters.endpoint!r}, region_name='us-east-1', "
        f"aws_access_key_id='x', aws_secret_access_key='x').purge_queue(QueueUrl={url!r}); "
        "text = text.replace('my-shwo', 'my-show')"
    )

    failure = desk.mistake("edit", message_id)

    assert "somebody else dealt with it meanwhile; nothing was sent; your text is in" in failure
    assert letters.bodies(Queue.GENERATION) == []


# Dropping ---------------------------------------------------------------------------------------------


def test_what_is_dropped_is_in_a_file_first(desk: Desk, letters: DeadLetters) -> None:
    message_id = letters.put(Queue.GENERATION, "garbage \x7f")
    letters.put(Queue.PROCESSING, "stays")

    assert "nothing was deleted" in desk.mistake("drop", "--queue", "podcast-generation", answer="n\n")
    assert letters.dead(Queue.GENERATION) == (1, 0)
    text = desk.ok("drop", "--queue", "podcast-generation", answer="y\n")

    file = Path(text.strip().rpartition(" in ")[2])
    (line,) = lines_of(file)
    assert (line["message_id"], line["body"], line["queue"]) == (message_id, "garbage \x7f", "podcast-generation")
    assert letters.dead(Queue.GENERATION) == (0, 0)
    assert letters.dead(Queue.PROCESSING) == (1, 0)
    assert [line["outcome"] for line in desk.audit()] == [f"written to {file}", "deleted"]


def test_nothing_is_dropped_when_the_file_cannot_be_written(desk: Desk, letters: DeadLetters, tmp_path: Path) -> None:
    letters.put(Queue.GENERATION, "garbage")
    existing = tmp_path / "existing"
    existing.write_text("mine")

    assert "there is a file" in desk.mistake("drop", "--all", "--yes", "--to", str(existing))
    assert "cannot be written" in desk.mistake("drop", "--all", "--yes", "--to", str(existing / "below"))
    assert existing.read_text() == "mine"
    assert letters.dead(Queue.GENERATION) == (1, 0)


# Mistakes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["redrive", "drop"])
def test_nothing_chosen_is_wrong_usage_that_shows_how(desk: Desk, command: str) -> None:
    failure = desk.mistake(command, code=2)

    assert f"airdate dead-letters {command} --queue" in failure
    assert "--all" in failure


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["list", "--older-than", "soon"], "'soon' is no time; say 90s, 15min, 2h or 3d"),
        (["redrive", "--all", "--rate", "0"], "0"),
        (["redrive", "--all", "0123456789"], "say ids or --all, not both"),
    ],
)
def test_wrong_usage_is_told(desk: Desk, arguments: list[str], complaint: str) -> None:
    assert complaint in desk.mistake(*arguments, code=2)


@pytest.mark.parametrize("arguments", [["show", "0123456789"], ["edit", "0123456789"], ["drop", "0123456789", "--yes"]])
def test_an_unknown_id_is_told(desk: Desk, letters: DeadLetters, arguments: list[str]) -> None:
    letters.put(Queue.GENERATION, "garbage")

    assert "no dead letter has the id '0123456789'" in desk.mistake(*arguments)
    assert letters.dead(Queue.GENERATION) == (1, 0)


def test_an_unknown_queue_is_told(desk: Desk) -> None:
    assert desk.mistake("list", "--queue", "nope") == (
        "there is no queue 'nope'; the queues are discovery, podcast-generation, episode-processing"
    )


def test_sqs_away_is_told(desk: Desk) -> None:
    assert "SQS does not answer (GetQueueAttributes on airdate-discovery)" in desk.mistake(
        "list", AIRDATE_AWS_ENDPOINT=NOBODY
    )


@pytest.mark.parametrize(
    ("action", "arguments", "named"),
    [
        ("ReceiveMessage", ["list"], "sqs:ReceiveMessage on airdate-discovery-dead-letters"),
        ("SendMessageBatch", ["redrive", "--all", "--yes"], "sqs:SendMessage on airdate-podcast-generation"),
        ("DeleteMessageBatch", ["drop", "--all", "--yes"], "sqs:DeleteMessage on airdate-podcast-generation-dead-"),
        ("ChangeMessageVisibilityBatch", ["drop", "--all", "--yes"], "sqs:ChangeMessageVisibility on airdate-podcast"),
    ],
)
def test_a_missing_permission_is_named_and_nothing_is_lost(
    desk: Desk, letters: DeadLetters, database: Database, action: str, arguments: list[str], named: str
) -> None:
    a_podcast(database)
    letters.put(Queue.GENERATION, enveloped(generation()))
    denied = json.dumps({"__type__": "AccessDeniedException", "__type": "com.amazonaws.sqs#AccessDeniedException"})
    with FaultyProxy(letters.endpoint) as proxy:
        proxy.answer(403, denied.encode(), only=[action])
        failure = desk.mistake(*arguments, AIRDATE_AWS_ENDPOINT=proxy.endpoint)

    assert f"not allowed: {named}" in failure
    assert sum(letters.dead(Queue.GENERATION)) == 1


def test_an_entry_that_sqs_refuses_stays(desk: Desk, letters: DeadLetters, database: Database) -> None:
    a_podcast(database)
    letters.put(Queue.GENERATION, enveloped(generation()))
    failed = {"Failed": [{"Id": "0", "Code": "InternalError", "Message": "not now", "SenderFault": False}]}
    with FaultyProxy(letters.endpoint) as proxy:
        proxy.answer(200, json.dumps(failed).encode(), only=["SendMessageBatch"])
        failure = desk.mistake("redrive", "--all", "--yes", AIRDATE_AWS_ENDPOINT=proxy.endpoint)

    assert failure == "1 were not sent, and stay: InternalError: not now"
    assert letters.dead(Queue.GENERATION) == (1, 0)


def test_nothing_is_sent_when_there_can_be_no_audit(desk: Desk, letters: DeadLetters, database: Database) -> None:
    a_podcast(database)
    letters.put(Queue.GENERATION, enveloped(generation()))
    (desk.home / "dead-letters").write_text("in the way")

    assert "audit.jsonl cannot be written" in desk.mistake("redrive", "--all", "--yes")
    assert letters.dead(Queue.GENERATION) == (1, 0)
    assert letters.bodies(Queue.GENERATION) == []


def test_more_than_sqs_hands_out_at_once_is_said(desk: Desk, letters: DeadLetters) -> None:
    refusal = json.dumps({"__type": "com.amazonaws.sqs#OverLimit", "message": "Too many messages in flight"})
    with FaultyProxy(letters.endpoint) as proxy:
        proxy.answer(403, refusal.encode(), only=["ReceiveMessage"])
        result = desk.run("list", AIRDATE_AWS_ENDPOINT=proxy.endpoint)

    assert result.exit_code == 0
    assert "podcast-generation has more than SQS hands out at once, so this is not all" in result.stderr


def test_a_queue_whose_dead_letters_would_move_is_not_looked_at(desk: Desk, letters: DeadLetters) -> None:
    url = letters.url(dead_letter_queue(Queue.DISCOVERY))
    arn = letters.sqs.get_queue_attributes(
        QueueUrl=letters.url(dead_letter_queue(Queue.PROCESSING)), AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    letters.sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})

    assert "looking at its messages would move them" in desk.mistake("list")


def test_the_hold_is_long_enough_to_be_renewed_in_time() -> None:
    assert reading.HOLD_SECONDS / 3 > reading.MARGIN_SECONDS

"""Messages as publishers and foreign producers write them, put among the dead letters; and who looks at those."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from operations.messaging import dead_letter_queue
from podcasting.database import Database
from podcasting.database.checkpoints import Checkpoint
from podcasting.models import EpisodeStatus, Podcast
from publishers.queues import Queue, Task
from settings import EMBEDDED_ACCOUNT
from tests.fakes.poison import message
from tests.fakes.shell import Shell

EARLIER = datetime.now(UTC) - timedelta(hours=1)
GENERATION_STAGES = ("collect", "script", "speech", "master")
MOMENT = "2026-11-24T06:00:00Z"


def generation(podcast_id: str = "my-show", **changes: Any) -> dict[str, Any]:
    """The message that has a podcast's episode made."""
    data = {"podcastId": podcast_id, "title": "My show", "frequency": 1, "latestEpisodeDate": None}
    return {
        "version": "1.0",
        "type": "podcast_generation",
        "data": data | changes,
        "metadata": {"retryCount": 0, "source": "podcast_scheduler"},
    }


def processing(episode_id: str, podcast_id: str = "my-show", **changes: Any) -> dict[str, Any]:
    """The message that has an episode processed."""
    data = {"episodeId": episode_id, "podcastId": podcast_id, "status": "completed", "timestamp": MOMENT}
    return {
        "version": "1.0",
        "type": "episode_processing",
        "data": data | changes,
        "metadata": {"retryCount": 0, "source": "episode_checker"},
    }


def enveloped(payload: dict[str, Any], **headers: Any) -> str:
    """The body of it as Celery sends it."""
    kinds = {"podcast_generation": Task.GENERATE_PODCAST, "episode_processing": Task.PROCESS_EPISODE}
    fields = {"task": kinds[payload["type"]].value} | headers
    return message([[payload], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}], **fields)


class DeadLetters:
    """The queues of an AWS with ours deployed, by their names as Celery knows them."""

    def __init__(self, sqs: Any, endpoint: str) -> None:
        self.sqs = sqs
        self.endpoint = endpoint

    def url(self, name: str) -> str:
        return f"{self.endpoint}/{EMBEDDED_ACCOUNT}/{name}"

    def put(self, queue: Queue, body: str | dict[str, Any], **entry: Any) -> str:
        """Put a body among a queue's dead letters; gives its id there."""
        text = body if isinstance(body, str) else json.dumps(body)
        sent = self.sqs.send_message(QueueUrl=self.url(dead_letter_queue(queue)), MessageBody=text, **entry)
        return str(sent["MessageId"])

    def counts(self, name: str) -> tuple[int, int]:
        """How many of an SQS queue's messages are visible, and how many hidden."""
        found = self.sqs.get_queue_attributes(QueueUrl=self.url(name), AttributeNames=["All"])["Attributes"]
        return int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])

    def dead(self, queue: Queue) -> tuple[int, int]:
        return self.counts(dead_letter_queue(queue))

    def waiting(self, queue: Queue) -> list[dict[str, Any]]:
        """All that waits in a queue for workers, with all its attributes; hidden from then on."""
        found: list[dict[str, Any]] = []
        while received := self.sqs.receive_message(
            QueueUrl=self.url(f"airdate-{queue}"),
            MaxNumberOfMessages=10,
            WaitTimeSeconds=0,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages"):
            found += received
        return found

    def bodies(self, queue: Queue) -> list[str]:
        return [each["Body"] for each in self.waiting(queue)]


class Desk(Shell):
    """Runs ``airdate dead-letters``, with an AWS of its own."""

    group = ("dead-letters",)

    def __init__(self, monkeypatch: pytest.MonkeyPatch, home: Path, endpoint: str) -> None:
        super().__init__(monkeypatch, home, AIRDATE_AWS_ENDPOINT=endpoint)
        self.endpoint = endpoint

    def ok(self, *arguments: str, **how: Any) -> str:
        """What a command prints that succeeds; it may say more on stderr."""
        result = self.run(*arguments, **how)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout

    def mistake(self, *arguments: str, code: int = 1, **how: Any) -> str:
        """Why a command fails, which may tell what it did before."""
        result = self.run(*arguments, **how)
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == code, result.output
        errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
        assert len(errors) == 1, result.stderr
        return errors[0].removeprefix("Error: ")

    def audit(self) -> list[dict[str, Any]]:
        path = self.home / "dead-letters" / "audit.jsonl"
        return lines_of(path) if path.exists() else []


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def a_podcast(database: Database, podcast_id: str = "my-show", *, due: bool = True) -> None:
    slot = EARLIER if due else EARLIER + timedelta(days=30)
    database.podcasts.add(
        Podcast(
            id=podcast_id,
            title="My show",
            sources=("https://example.org/feed.xml",),
            frequency_days=30,
            first_slot=slot,
            next_episode_at=slot,
        ),
        EARLIER,
    )


def an_episode(
    database: Database,
    end: EpisodeStatus,
    podcast_id: str = "my-show",
    *,
    stages: tuple[str, ...] = GENERATION_STAGES,
    stories: tuple[str, ...] = (),
) -> str:
    """The episode of a new podcast, once it came so far."""
    a_podcast(database, podcast_id)
    episode = database.podcasts.open_slot(podcast_id, EARLIER, stuck_after=1800)
    assert episode is not None
    taken = database.leases.take(episode.id, holder="a worker", now=EARLIER, seconds=60, stuck_after=1800)
    assert taken is not None
    lease, _ = taken
    reached = {"collect": EpisodeStatus.CONTENT_COLLECTED, "script": EpisodeStatus.SCRIPT_READY}
    for stage in stages:
        status = reached.get(stage, EpisodeStatus.COMPLETED if stage == "master" else None)
        output: dict[str, Any] = (
            {"stories": [{"key": key} for key in stories], "seen": list(stories)} if stage == "collect" else {}
        )
        done = Checkpoint(stage, "key", output, 1.0, EARLIER)
        database.checkpoints.record(lease, done, stuck_after=1800, status=status)
    if end is EpisodeStatus.FAILED:
        database.episodes.fail(lease, "publish", "the disk is full", EARLIER)
    elif end is EpisodeStatus.PUBLISHED:
        database.episodes.publish(lease, EARLIER)
    elif end is EpisodeStatus.SKIPPED:
        database.episodes.skip(lease, "nothing new", EARLIER)
    else:
        database.leases.release(lease)
    return episode.id

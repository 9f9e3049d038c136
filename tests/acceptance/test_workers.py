"""Real workers, a real SQS API over HTTP: nothing is lost, nothing is made twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podcasting.models import EpisodeStatus
from tests.acceptance.conftest import EXAMPLES, Machine

pytestmark = pytest.mark.slow

GENERATION = {
    "version": "1.0",
    "type": "podcast_generation",
    "data": {"podcastId": "my-show", "title": "My show", "frequency": 1, "latestEpisodeDate": None},
    "metadata": {"retryCount": 0, "source": "podcast_scheduler"},
}


def add_podcast(machine: Machine, source: Path = EXAMPLES) -> None:
    machine.airdate("podcasts", "add", "My show", "--source", str(source))


def episodes(machine: Machine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = machine.ask("episodes", "list")
    return found


def clips(machine: Machine) -> dict[str, int]:
    """Each finished clip, and when it was written."""
    return {path.name: path.stat().st_mtime_ns for path in (machine.home / "work" / "clips").glob("*.wav")}


def test_kill_9_in_mid_speech_costs_at_most_the_clips_in_hand(machine: Machine) -> None:
    add_podcast(machine)
    machine.airdate("discover", "podcasts")
    machine.start("generator")
    machine.until("a few clips", lambda: len(clips(machine)) >= 4)

    machine.kill("generator")
    before = clips(machine)
    (interrupted,) = episodes(machine)
    assert interrupted["status"] == EpisodeStatus.SCRIPT_READY, "killed too late to show anything"

    machine.start("generator")
    machine.until("the audio", lambda: episodes(machine)[0]["status"] == EpisodeStatus.COMPLETED, 90)

    (finished,) = episodes(machine)
    after = clips(machine)
    assert finished["id"] == interrupted["id"]
    assert {name: after[name] for name in before} == before, "a finished clip was made again"
    assert machine.dead_letters("podcast-generation") == 0


def test_a_worker_told_to_stop_ends_within_its_bound_and_gives_back_its_message_at_once(machine: Machine) -> None:
    add_podcast(machine)
    machine.airdate("discover", "podcasts")
    worker = machine.start("generator", AIRDATE_SHUTDOWN_SECONDS="1", AIRDATE_VISIBILITY_TIMEOUT="60")
    machine.until("a clip", lambda: clips(machine))

    worker.terminate()
    worker.wait(15)

    (interrupted,) = episodes(machine)
    assert interrupted["status"] == EpisodeStatus.SCRIPT_READY, "stopped too late to show anything"
    depth = machine.ask("queues")["podcast-generation"]
    assert (depth["visible"], depth["in_flight"]) == (1, 0), "60 s of invisibility were left"


def test_every_message_tripled_makes_one_episode(machine: Machine) -> None:
    add_podcast(machine)
    for _ in range(3):
        machine.send("podcast-generation", celery_body("tasks.podcasts.generate_podcast", GENERATION))
    machine.start("generator", AIRDATE_GENERATORS="2")
    machine.start("processor")

    machine.until("publication", lambda: [each for each in episodes(machine) if each["status"] == "published"], 120)
    machine.until("empty queues", lambda: not busy(machine), 60)

    assert len(episodes(machine)) == 1
    assert machine.dead_letters("podcast-generation") == machine.dead_letters("episode-processing") == 0


def test_copies_of_a_message_send_one_copy_of_the_next(machine: Machine) -> None:
    add_podcast(machine)
    machine.start("generator")
    machine.send("podcast-generation", json.dumps(GENERATION))
    machine.until("the audio", lambda: [each for each in episodes(machine) if each["status"] == "completed"], 90)
    for _ in range(12):
        machine.send("podcast-generation", json.dumps(GENERATION))
    machine.until("an empty queue", lambda: not any(depth_of(machine, "podcast-generation")), 40)

    assert depth_of(machine, "episode-processing") == [1, 0, 0]
    (made,) = episodes(machine)
    assert (made["status"], made["attempts"]) == ("completed", 0), "a copy counted as a start"


def test_a_processing_message_that_comes_too_early_does_not_fail_what_is_being_made(machine: Machine) -> None:
    add_podcast(machine)
    machine.airdate("discover", "podcasts")
    machine.start("generator")
    machine.until("a clip", lambda: clips(machine))
    (begun,) = episodes(machine)
    early = {
        "version": "1.0",
        "type": "episode_processing",
        "data": {
            "episodeId": begun["id"],
            "podcastId": "my-show",
            "status": "completed",
            "timestamp": "2026-11-24T06:00:00Z",
        },
        "metadata": {"retryCount": 0, "source": "episode_checker"},
    }
    machine.kill("generator")  # so that nobody holds its lease for long
    machine.send("episode-processing", json.dumps(early))
    machine.start("processor")
    machine.until("the early message is done", lambda: not any(depth_of(machine, "episode-processing")), 40)

    machine.start("generator")
    machine.until("publication", lambda: episodes(machine)[0]["status"] == "published", 90)
    assert machine.dead_letters("episode-processing") == 0


def depth_of(machine: Machine, queue: str) -> list[int]:
    depth = machine.ask("queues")[queue]
    return [depth["visible"], depth["in_flight"], depth["delayed"]]


def test_a_final_failure_reaches_the_dead_letter_queue_by_redrive(machine: Machine, tmp_path: Path) -> None:
    source = tmp_path / "feed.xml"
    source.write_text("<html><body>no feed at all</body></html>")
    add_podcast(machine, source)
    machine.airdate("discover", "podcasts")

    machine.start("generator")
    machine.until("a dead letter", lambda: machine.dead_letters("podcast-generation") == 1, 60)

    (failed,) = episodes(machine)
    assert failed["status"] == EpisodeStatus.FAILED
    assert failed["failure"]["stage"] == "collect"
    assert "feed" in failed["failure"]["reason"]
    assert failed["attempts"] == 1, "a permanent failure is not tried again"
    assert machine.alive("generator")


def test_a_failure_that_may_pass_is_retried_and_then_given_up(machine: Machine) -> None:
    machine.environment["AIRDATE_ALLOWED_PRIVATE_HOSTS"] = "127.0.0.1:9"
    machine.airdate("podcasts", "add", "My show", "--source", "http://127.0.0.1:9/nobody-listens-here.xml")
    machine.airdate("discover", "podcasts")

    machine.start("generator")
    machine.until("a dead letter", lambda: machine.dead_letters("podcast-generation") == 1, 60)

    (failed,) = episodes(machine)
    assert failed["status"] == EpisodeStatus.FAILED
    assert failed["attempts"] == 2, "AIRDATE_MAX_RETRIES is 1: two starts"
    assert "trying again in" in machine.log("generator")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"version": "2.0"}, "version is '2.0'"),
        ({"data": {"podcastId": "my-show", "title": "My show", "frequency": 1}}, "data.latestEpisodeDate"),
        ({"type": "podcast_deletion"}, "type is 'podcast_deletion'"),
    ],
)
def test_a_message_of_another_version_or_shape_is_a_dead_letter(
    machine: Machine, change: dict[str, object], named: str
) -> None:
    machine.send("podcast-generation", celery_body("tasks.podcasts.generate_podcast", GENERATION | change))
    machine.start("generator")

    machine.until("a dead letter", lambda: machine.dead_letters("podcast-generation") == 1, 40)

    assert named in machine.log("generator")
    assert machine.alive("generator")


def test_a_web_app_may_put_the_bare_message_on_the_queue(machine: Machine) -> None:
    add_podcast(machine)
    machine.send("podcast-generation", json.dumps(GENERATION))
    machine.start("generator")

    machine.until("the audio", lambda: [each for each in episodes(machine) if each["status"] == "completed"], 90)
    machine.until("an empty queue", lambda: not machine.ask("queues")["podcast-generation"]["in_flight"], 20)

    assert machine.dead_letters("podcast-generation") == 0


@pytest.mark.parametrize("change", [{"version": "2.0"}, {"type": "podcast_deletion"}])
def test_a_bare_message_that_is_not_ours_is_a_dead_letter(machine: Machine, change: dict[str, str]) -> None:
    machine.send("podcast-generation", json.dumps(GENERATION | change))
    machine.start("generator")

    machine.until("a dead letter", lambda: machine.dead_letters("podcast-generation") == 1, 40)

    assert next(iter(change.values())) in machine.log("generator"), "the log says why"
    assert machine.alive("generator")


def test_an_unknown_episode_is_a_dead_letter(machine: Machine) -> None:
    message = {
        "version": "1.0",
        "type": "episode_processing",
        "data": {
            "episodeId": "nobody",
            "podcastId": "my-show",
            "status": "completed",
            "timestamp": "2026-11-24T06:00:00Z",
        },
        "metadata": {"retryCount": 0, "source": "episode_checker"},
    }
    machine.send("episode-processing", celery_body("tasks.episodes.process_episode", message))
    machine.start("processor")

    machine.until("a dead letter", lambda: machine.dead_letters("episode-processing") == 1, 40)

    assert "no episode has the id 'nobody'" in machine.log("processor")


def busy(machine: Machine) -> bool:
    return any(depth["visible"] or depth["in_flight"] for depth in machine.ask("queues").values())


def celery_body(task: str, argument: object) -> str:
    """A message as kombu and Celery write it (protocol 2), made without either."""
    identity = f"{task}-{len(json.dumps(argument))}"
    return json.dumps(
        {
            "body": json.dumps([[argument], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                "lang": "py",
                "task": task,
                "id": identity,
                "root_id": identity,
                "parent_id": None,
                "group": None,
            },
            "properties": {
                "correlation_id": identity,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": "wherever"},
                "priority": 0,
                "delivery_tag": identity,
            },
        }
    )

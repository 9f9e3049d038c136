"""Review mode by the commands a person types, with real workers: killed, asked again, edited, approved, published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from podcasting.database import Database
from podcasting.models import EpisodeStatus
from tests.acceptance.conftest import EXAMPLES, REPOSITORY, Machine
from tests.fakes.dying_studio import DIED

pytestmark = pytest.mark.slow

WORDS = "The keeper of the lighthouse counts gulls instead."


@pytest.fixture
def database(machine: Machine) -> Iterator[Database]:
    """The machine's own: to ask the command each time would take a second and more."""
    opened = Database.at(f"sqlite:///{machine.home / 'airdate.db'}")
    yield opened
    opened.engine.dispose()


def events(database: Database, episode_id: str) -> list[str]:
    return [line.what.value for line in database.history.of(episode_id)]


def is_idle(machine: Machine) -> bool:
    sqs = machine.client("sqs")
    names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
    counts = []
    for queue in ("podcast-generation", "episode-processing"):
        url = sqs.get_queue_url(QueueName=f"airdate-{queue}")["QueueUrl"]
        counts += sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()
    return set(counts) == {"0"}


def test_an_episode_in_review_is_edited_approved_and_published(machine: Machine, database: Database) -> None:
    machine.environment |= {"AIRDATE_STUDIO": "tests.fakes.dying_studio:dying", "PYTHONPATH": str(REPOSITORY)}
    machine.airdate("podcasts", "add", "My show", "--source", str(EXAMPLES))
    machine.airdate("podcasts", "set", "my-show", "review=true")
    machine.airdate("discover", "podcasts")
    machine.start("generator")
    machine.start("processor")

    # Killed between the script and the rest, it comes to rest with the next start, by the script that was made.
    (episode,) = machine.until("an episode at rest", lambda: database.episodes.newest(awaiting_approval=True), 90)
    assert (machine.home / DIED).exists()
    machine.until("an idle queue", lambda: is_idle(machine))
    before = database.episodes.get(episode.id)
    assert events(database, episode.id) == ["started", "started", "waits for approval"]

    # Copies of its message and ticks find it at rest.
    message = {
        "version": "1.0",
        "type": "podcast_generation",
        "data": {"podcastId": "my-show", "title": "My show", "frequency": 1, "latestEpisodeDate": None},
        "metadata": {"retryCount": 0, "source": "podcast_scheduler"},
    }
    for _ in range(3):
        machine.send("podcast-generation", json.dumps(message))
    assert json.loads(machine.airdate("discover", "episodes", "--json"))["claimed"] == 0
    machine.until("the copies done", lambda: is_idle(machine))
    assert database.episodes.get(episode.id) == before
    assert len(database.history.of(episode.id)) == 3
    assert not list((machine.home / "work").rglob("*.wav")), "nothing is spoken before approval"

    script = machine.airdate("episodes", "script", episode.id)
    assert "\nBen: " in script
    head, _, rest = script.partition("\nBen: ")
    edited = machine.home / "script.txt"
    edited.write_text(f"{head}\nBen: {WORDS}\n{rest[rest.index(chr(10)) :]}")
    machine.airdate("episodes", "edit", episode.id, "--file", str(edited))

    # Approved with the generator away: the message waits in the queue for it.
    machine.kill("generator")
    said = machine.airdate("episodes", "approve", episode.id)
    assert said == f"{episode.id}: approved\n", "it was sent at once"
    machine.start("generator")
    machine.until("publication", lambda: database.episodes.get(episode.id).status is EpisodeStatus.PUBLISHED, 90)

    (transcript,) = (machine.home / "site" / "my-show").rglob("transcript.vtt")
    assert WORDS in plain(transcript)
    told = events(database, episode.id)
    assert told[3:5] == ["edited", "approved"]
    assert told.count("published") == 1
    assert machine.dead_letters("podcast-generation") == machine.dead_letters("episode-processing") == 0


def plain(transcript: Path) -> str:
    """The words of a WebVTT file, without times and names."""
    lines = transcript.read_text().splitlines()
    words = [line.partition(">")[2] if line.startswith("<v ") else line for line in lines if "-->" not in line]
    return " ".join(" ".join(words).replace("</v>", "").split())

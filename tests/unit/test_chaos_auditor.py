"""The auditor finds what is planted: in the database, in the feeds, in the sound, among the dead letters."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest

from chaos import auditor, queues
from chaos.auditor import DeadLetter, Slot, Verdict
from chaos.poison import BODIES, digest
from chaos.shows import NO_FEED, feed, story_title
from chaos.voice import HumVoice
from podcasting import generation, processing
from podcasting.database import Database
from podcasting.database.revisions import migrate
from podcasting.errors import Permanent
from podcasting.models import Podcast
from podcasting.providers.feeds.web import WebSources
from podcasting.providers.storage.folder import FolderStorage
from podcasting.providers.writers.extractive import ExtractiveWriter
from podcasting.studio import Limits, Studio
from podcasting.work import Work
from tests.fakes.aws import empty, served_aws
from tests.fakes.clock import Clock

SITE_URL = "https://chaos.example"
POISON = [("discovery", digest("hello")), ("podcast-generation", digest("<xml/>"))]


@dataclass
class Ended:
    """A run that has ended: two episodes of one show, and one of another that failed as it must."""

    url: str
    folder: Path
    slots: list[Slot]
    dead: list[DeadLetter]

    def verdict(self, **changes: Any) -> Verdict:
        given = {
            "episodes": 3,
            "slots": self.slots,
            "site": self.folder / "site",
            "workspace": self.folder / "work",
            "site_url": SITE_URL,
            "poison": POISON,
            "dead": self.dead,
        }
        return auditor.audit(self.url, **(given | changes))

    def doctor(self, *statements: LiteralString, **values: object) -> None:
        """Change the database behind everybody's back."""
        with psycopg.connect(self.url) as connection:
            for statement in statements:
                connection.execute(statement, values or None)

    @property
    def feed(self) -> Path:
        return self.folder / "site" / "show-0000" / "feed.xml"

    @property
    def audio(self) -> Path:
        return next((self.folder / "site" / "show-0000").glob("*/*/audio.mp3"))

    def item(self) -> str:
        text = self.feed.read_text()
        return text[text.index("<item>") : text.index("</item>") + len("</item>")]


def make(studio: Studio, podcast_id: str, source: Path, content: str, clock: Clock) -> datetime:
    """One slot of a show, from its source to its end."""
    source.write_text(content)
    due = clock.forward(60)
    studio.database.podcasts.make_due(podcast_id, due)
    episode = studio.database.podcasts.open_slot(podcast_id, due, stuck_after=100)
    assert episode is not None
    for do in (generation.generate, processing.process):
        taken = studio.database.leases.take(episode.id, holder="test", now=clock.forward(1), seconds=60, stuck_after=90)
        assert taken is not None
        work = Work(studio, studio.database.podcasts.get(podcast_id), taken[1], taken[0])
        try:
            do(work)
        except Permanent as error:
            studio.database.episodes.fail(work.lease, work.stage, str(error), clock.forward(1))
            break
        studio.database.leases.release(work.lease)
    return due


@pytest.fixture(scope="module")
def sound(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, list[Slot]]]:
    """The same run for every test, to be copied: its database's name, its folder, its slots."""
    folder, name, clock = tmp_path_factory.mktemp("sound"), f"sound_{uuid4().hex[:12]}", Clock()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = postgres.replace("/postgres?", f"/{name}?")
    database = Database.at(url)
    migrate(database.engine)
    auditor.install(url)
    studio = Studio(
        database=database,
        workspace=FolderStorage(folder / "work"),
        site=FolderStorage(folder / "site"),
        site_url=SITE_URL,
        sources=WebSources(allow_files=True),
        writer=ExtractiveWriter(),
        voice=HumVoice(),
        limits=Limits(),
        now=clock,
    )
    far = clock.now + timedelta(days=30)
    for podcast in ("show-0000", "show-0001"):
        database.podcasts.add(
            Podcast(
                id=podcast,
                title="Chaos",
                sources=(str(folder / f"{podcast}.xml"),),
                frequency_days=30,
                first_slot=far,
                next_episode_at=far,
            ),
            clock.now,
        )
    slots = [
        Slot(
            "show-0000",
            make(studio, "show-0000", folder / "show-0000.xml", feed("show-0000", list(range(number + 1))), clock),
            story_title("show-0000", number),
        )
        for number in range(2)
    ]
    slots.append(Slot("show-0001", make(studio, "show-0001", folder / "show-0001.xml", NO_FEED, clock), None))
    database.engine.dispose()
    yield name, folder, slots
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def ended(postgres: str, sound: tuple[str, Path, list[Slot]], tmp_path: Path) -> Iterator[Ended]:
    """A copy of it, to be doctored."""
    template, folder, slots = sound
    name = f"doctored_{uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    for part in ("site", "work"):
        shutil.copytree(folder / part, tmp_path / part)
    dead = [DeadLetter(queue, told, None) for queue, told in POISON]
    dead.append(DeadLetter("podcast-generation", digest("its message"), "show-0001"))
    yield Ended(postgres.replace("/postgres?", f"/{name}?"), tmp_path, list(slots), dead)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_sound_run_passes_with_its_failure_explained(ended: Ended) -> None:
    verdict = ended.verdict(seconds=12.34)

    assert verdict.complaints == []
    assert verdict.good
    assert json.loads(verdict.as_json()) == {
        "episodes": 3,
        "published_once": 2,
        "explained_failures": 1,
        "lost": 0,
        "doubled": 0,
        "stale_writes": 0,
        "poison_sent": 2,
        "poison_dead": 2,
        "exits": 0,
        "seconds": 12.3,
    }


def test_a_slot_without_an_episode_is_lost(ended: Ended) -> None:
    gone = Slot("show-0000", ended.slots[0].due + timedelta(seconds=1), "A story")

    verdict = ended.verdict(episodes=4, slots=[*ended.slots, gone])

    assert verdict.lost == 1
    assert not verdict.good


def test_slots_that_never_came_are_lost(ended: Ended) -> None:
    assert ended.verdict(episodes=5).lost == 2


@pytest.mark.parametrize("status", ["pending", "completed", "skipped"])
def test_an_episode_that_stopped_on_the_way_is_lost(ended: Ended, status: str) -> None:
    ended.doctor("UPDATE episodes SET status = %(status)s WHERE slot = %(due)s", status=status, due=ended.slots[1].due)

    verdict = ended.verdict()

    assert (verdict.published_once, verdict.lost) == (1, 1)
    assert not verdict.good


@pytest.mark.parametrize(
    ("reason", "lost"), [("Retryable: cannot write x: No space left on device", 0), ("who knows", 1), ("", 1)]
)
def test_a_good_slot_may_fail_only_for_what_was_done_to_it(ended: Ended, reason: str, lost: int) -> None:
    ended.doctor(
        "UPDATE episodes SET status = 'failed', failure_stage = 'master', failure_reason = %(reason)s "
        "WHERE slot = %(due)s",
        reason=reason,
        due=ended.slots[1].due,
    )

    verdict = ended.verdict(excuses=["No space left on device"])

    assert verdict.lost == lost
    assert verdict.explained_failures == 2 - lost


def test_two_episodes_of_one_slot_are_a_doubling(ended: Ended) -> None:
    ended.doctor(
        "ALTER TABLE episodes DROP CONSTRAINT uq_episodes_podcast_id_slot",
        "CREATE TEMP TABLE twin AS SELECT * FROM episodes WHERE podcast_id = 'show-0000' ORDER BY slot LIMIT 1",
        "UPDATE twin SET id = id || '-twin'",
        "INSERT INTO episodes SELECT * FROM twin",
    )

    verdict = ended.verdict()

    assert verdict.doubled == 1
    assert not verdict.good


def test_an_episode_of_no_slot_is_a_doubling(ended: Ended) -> None:
    assert ended.verdict(episodes=2, slots=ended.slots[1:]).doubled == 1


def test_a_second_publication_is_a_doubling_and_a_write_after_the_end(ended: Ended) -> None:
    change: LiteralString = "UPDATE episodes SET status = %(status)s WHERE slot = %(due)s"
    for status in ("completed", "published"):
        ended.doctor(change, status=status, due=ended.slots[0].due)

    verdict = ended.verdict()

    assert (verdict.doubled, verdict.stale_writes) == (1, 1)


def test_a_stage_written_under_an_old_lease_is_a_stale_write(ended: Ended) -> None:
    ended.doctor("UPDATE stages SET lease_number = lease_number - 1 WHERE name = 'feed'")

    verdict = ended.verdict()

    assert verdict.stale_writes == 2
    assert "stage feed by lease 1, when 2 was the current one" in "\n".join(verdict.complaints)


def test_an_end_written_under_an_old_lease_is_a_stale_write(ended: Ended) -> None:
    ended.doctor(
        "INSERT INTO history (episode_id, at, event, lease_number) "
        "SELECT id, now(), 'published', 1 FROM episodes WHERE status = 'published'"
    )

    assert ended.verdict().stale_writes == 2


def test_a_feed_that_lists_twice_is_a_doubling(ended: Ended) -> None:
    ended.feed.write_text(ended.feed.read_text().replace(ended.item(), ended.item() * 2))

    verdict = ended.verdict()

    assert verdict.doubled == 2, "the item, and the story in it"
    assert verdict.published_once == 1


def test_a_feed_that_misses_one_has_lost_it(ended: Ended) -> None:
    ended.feed.write_text(ended.feed.read_text().replace(ended.item(), ""))

    verdict = ended.verdict()

    assert (verdict.published_once, verdict.lost) == (1, 1)


def test_a_feed_that_lists_a_stranger_is_told(ended: Ended) -> None:
    ended.feed.write_text(ended.feed.read_text().replace('<guid isPermaLink="false">show', "<guid>stranger-show", 1))

    assert any("stranger-show" in complaint for complaint in ended.verdict().complaints)


def test_a_feed_cut_short_has_lost_its_episodes(ended: Ended) -> None:
    ended.feed.write_bytes(ended.feed.read_bytes()[:-20])

    assert ended.verdict().lost == 2


def test_a_story_told_in_two_episodes_is_a_doubling(ended: Ended) -> None:
    first, second = (story_title("show-0000", number) for number in (0, 1))
    ended.feed.write_text(ended.feed.read_text().replace(second, first))

    assert ended.verdict().doubled == 1


def lie_about_its_length(ended: Ended) -> None:
    size = ended.audio.stat().st_size
    ended.feed.write_text(ended.feed.read_text().replace(f'length="{size}"', f'length="{size + 1}"'))


def lie_about_its_duration(ended: Ended) -> None:
    text = ended.feed.read_text()
    begin = text.index("<itunes:duration>") + len("<itunes:duration>")
    ended.feed.write_text(text[:begin] + "99" + text[begin:])


def cut(ended: Ended) -> None:
    content = ended.audio.read_bytes()
    half = content[: len(content) // 2]
    ended.audio.write_bytes(half)
    # So that the size alone does not give it away.
    text = ended.feed.read_text()
    ended.feed.write_text(text.replace(f'length="{len(content)}"', f'length="{len(half)}"'))


def swap(ended: Ended) -> None:
    content = bytearray(ended.audio.read_bytes())
    content[-300] ^= 0x55
    ended.audio.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lie_about_its_length, "the feed says"),
        (lie_about_its_duration, "the feed says"),
        (cut, "plays"),
        (swap, "is not what was mastered"),
        (lambda ended: ended.audio.unlink(), "is not there"),
        (lambda ended: ended.audio.write_bytes(b"\0" * ended.audio.stat().st_size), "can't be decoded"),
    ],
)
def test_sound_that_is_not_the_mastered_one_is_lost(ended: Ended, damage: Callable[[Ended], None], named: str) -> None:
    damage(ended)

    verdict = ended.verdict()

    assert (verdict.published_once, verdict.lost) == (1, 1)
    assert any(named in complaint for complaint in verdict.complaints), verdict.complaints


def test_poison_that_is_in_no_dead_letter_queue_is_told(ended: Ended) -> None:
    verdict = ended.verdict(dead=ended.dead[1:])

    assert (verdict.poison_sent, verdict.poison_dead) == (2, 1)
    assert not verdict.good


def test_poison_counts_in_the_dead_letters_of_its_own_queue_only(ended: Ended) -> None:
    elsewhere = ended.dead[0]._replace(queue="episode-processing")

    assert ended.verdict(dead=[elsewhere, *ended.dead[1:]]).poison_dead == 1


def test_a_dead_letter_of_work_that_did_not_fail_is_told(ended: Ended) -> None:
    stray = DeadLetter("episode-processing", digest("a good message"), "show-0000")

    verdict = ended.verdict(dead=[*ended.dead, stray])

    assert not verdict.good
    assert "neither poison nor of a failure" in verdict.complaints[0]


def test_an_exit_is_told(ended: Ended) -> None:
    verdict = ended.verdict(exits=["generator-1 exited by itself with 1"])

    assert verdict.exits == 1
    assert not verdict.good


def test_dead_letters_are_read_all_and_told_whose_they_are() -> None:
    message = {"data": {"podcastId": "my-show"}}
    envelope = json.dumps({"body": json.dumps([[message], {}, {}]), "properties": {}})
    bodies = ["hello", json.dumps(message), envelope, *(f"poison {number}" for number in range(30))]
    with served_aws() as endpoint:
        empty(endpoint)  # moto is one for the whole process
        sqs = queues.client(endpoint)
        urls = queues.create(sqs, visibility_seconds=6)
        dead = {name: f"{url}-dead-letters" for name, url in urls.items()}
        for body in bodies:
            sqs.send_message(QueueUrl=dead["discovery"], MessageBody=body)

        found = auditor.dead_letters(sqs, dead)

    assert sorted(letter.digest for letter in found) == sorted(map(digest, bodies))
    assert {letter.podcast for letter in found if letter.digest in {digest(envelope), digest(bodies[1])}} == {"my-show"}
    assert {letter.queue for letter in found} == {"discovery"}


def test_no_two_poisonous_bodies_are_alike() -> None:
    assert len({digest(body) for body in BODIES.values()}) == len(BODIES)

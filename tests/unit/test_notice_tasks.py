"""When listeners are told: right after something happened, and at each tick until they have heard."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from celery import Celery
from celery.exceptions import Ignore, Reject
from sqlalchemy.exc import OperationalError

from podcasting.errors import Permanent
from podcasting.models import Episode, EpisodeStatus, Podcast
from podcasting.studio import Studio
from podcasting.work import Work
from publishers.fanout import Discovery
from publishers.notice_checker import check_notices
from publishers.queues import Task
from tasks import base
from tests.fakes.clock import Clock
from tests.fakes.environment import set_environment
from tests.fakes.sender import RecordingSender

AddPodcast = Callable[..., Podcast]
WEBHOOK = {"announcing": {"webhooks": {"site": "https://app.example.org/hooks"}}}


@pytest.fixture
def sender() -> RecordingSender:
    return RecordingSender()


@pytest.fixture
def discovery(studio: Studio, sender: RecordingSender, clock: Clock) -> Discovery:
    return Discovery(database=studio.database, sender=sender, now=clock.now, claim_seconds=300, page=500)


@pytest.fixture
def episode(studio: Studio, add_podcast: AddPodcast) -> Episode:
    add_podcast(studio.database, production=WEBHOOK)
    opened = studio.database.podcasts.open_slot("my-show", studio.now(), stuck_after=1800)
    assert opened is not None
    return opened


def ended(studio: Studio, episode: Episode) -> None:
    taken = studio.database.leases.take(episode.id, holder="test", now=studio.now(), seconds=60, stuck_after=1800)
    assert taken is not None
    studio.database.episodes.publish(taken[0], studio.now())


# The tick ---------------------------------------------------------------------------------------------


def test_with_nothing_to_tell_nothing_is_sent(discovery: Discovery, sender: RecordingSender, episode: Episode) -> None:
    assert episode.status is EpisodeStatus.PENDING
    assert check_notices(discovery) == 0
    assert sender.calls == []


def test_however_much_there_is_to_tell_one_task_is_sent(
    studio: Studio, discovery: Discovery, sender: RecordingSender, episode: Episode
) -> None:
    ended(studio, episode)

    assert check_notices(discovery) == 1
    [sent] = sender.sent
    assert (sent.task, sent.message) == (Task.DELIVER_NOTICES, None)


def test_what_was_claimed_is_not_sent_again_until_its_claim_ends(
    studio: Studio, discovery: Discovery, clock: Clock, episode: Episode
) -> None:
    ended(studio, episode)
    studio.database.notices.claim(clock.now, seconds=90, limit=10)

    assert check_notices(discovery) == 0
    assert check_notices(replace(discovery, now=clock.forward(91))) == 1


def test_a_queue_in_trouble_loses_nothing(
    studio: Studio, discovery: Discovery, episode: Episode, caplog: pytest.LogCaptureFixture
) -> None:
    ended(studio, episode)
    sender = RecordingSender(refused=["airdate-notices"])

    assert check_notices(replace(discovery, sender=sender)) == 0
    assert "the next tick sends it" in caplog.text
    assert check_notices(discovery) == 1


# The worker that did it ---------------------------------------------------------------------------------


@pytest.fixture
def run(
    studio: Studio, discovery: Discovery, monkeypatch: pytest.MonkeyPatch, episode: Episode
) -> Iterator[Callable[[Callable[[Work], None]], object]]:
    """Runs a task of the real base, whose work is given."""
    set_environment(monkeypatch)
    monkeypatch.setattr(base, "studio", lambda: studio)
    monkeypatch.setattr(base, "discovery", lambda: discovery)
    app = Celery("bench", broker="memory://", set_as_current=False)

    @app.task(name=Task.PROCESS_EPISODE.value, base=base.EpisodeTask, bind=True)
    def process_episode(task: base.EpisodeTask, do: Callable[[Work], None]) -> str:
        return str(task.work_on(episode.id, do).value)

    yield process_episode
    app.close()


def publish(work: Work) -> None:
    work.studio.database.episodes.publish(work.lease, work.studio.now())


def fail(work: Work) -> None:
    work.stage = "speech"
    raise Permanent("no voice")


def test_who_published_has_it_told_at_once(
    run: Callable[[Callable[[Work], None]], object], sender: RecordingSender
) -> None:
    assert run(publish) == "published"
    assert [sent.task for sent in sender.sent] == [Task.DELIVER_NOTICES]


def test_who_failed_has_it_told_at_once(
    run: Callable[[Callable[[Work], None]], object], sender: RecordingSender
) -> None:
    with pytest.raises(Reject):
        run(fail)
    assert [sent.task for sent in sender.sent] == [Task.DELIVER_NOTICES]


def test_when_it_cannot_be_told_the_episode_is_published_all_the_same(
    run: Callable[[Callable[[Work], None]], object],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def away(_: Discovery) -> int:
        raise OperationalError("SELECT", {}, Exception("the database is away"))

    monkeypatch.setattr(base, "check_notices", away)

    with caplog.at_level(logging.WARNING):
        assert run(publish) == "published"
    assert "told by the next tick" in caplog.text


def test_a_delivery_that_fails_is_let_go_for_the_tick_sends_another() -> None:
    app = Celery("bench", broker="memory://", set_as_current=False)

    @app.task(name=Task.DELIVER_NOTICES.value, base=base.RepeatedTask)
    def deliver_notices() -> None:
        raise OperationalError("SELECT", {}, Exception("the database is away"))

    with pytest.raises(Ignore):
        deliver_notices()
    app.close()

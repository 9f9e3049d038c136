"""Notices are written down with what happened, claimed by one at a time, and kept until told; on each database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from podcasting.announcing import Announcing, Occasion
from podcasting.database import Database
from podcasting.database.checkpoints import Checkpoint
from podcasting.database.leases import Lease
from podcasting.database.notices import NoticeState
from podcasting.errors import LeaseLost, Permanent
from podcasting.models import EpisodeStatus, Podcast
from tests.fakes.clock import Clock

AddPodcast = Callable[..., Podcast]
APP = "https://app.example.org/hooks"
ANNOUNCING = {"webhooks": {"site": APP, "sad": {"url": APP, "on": ["failed"]}}, "websub": ["https://hub.example.org/"]}


def leased(database: Database, clock: Clock) -> Lease:
    episode = database.podcasts.open_slot("my-show", clock.now, stuck_after=1800)
    assert episode is not None
    taken = database.leases.take(episode.id, holder="test", now=clock.now, seconds=60, stuck_after=1800)
    assert taken is not None
    return taken[0]


@pytest.fixture
def show(database: Database, add_podcast: AddPodcast) -> Podcast:
    return add_podcast(database, production={"announcing": ANNOUNCING})


def targets(database: Database) -> list[str]:
    return sorted(notice.target for notice in database.notices.newest())


@pytest.mark.usefixtures("show")
def test_each_target_that_wants_to_hear_it_gets_a_notice(database: Database, clock: Clock) -> None:
    database.episodes.publish(leased(database, clock), clock.now)

    assert targets(database) == ["webhook site", "websub https://hub.example.org/"]
    [notice] = [notice for notice in database.notices.newest() if notice.target == "webhook site"]
    assert notice.occasion is Occasion.PUBLISHED
    assert notice.event.type == "episode.published"
    assert notice.event.timestamp == notice.created_at == notice.due_at == clock.now
    assert notice.event.data.podcast_title == "My Show"


@pytest.mark.usefixtures("show")
def test_a_failure_is_told_with_its_reason(database: Database, clock: Clock) -> None:
    database.episodes.fail(leased(database, clock), "speech", "no voice", clock.now)

    assert targets(database) == ["webhook sad", "webhook site"]
    data = database.notices.newest()[0].event.data
    assert (data.failed_at, data.reason, data.status.value) == ("speech", "no voice", "failed")


def test_a_script_that_waits_for_approval_is_told_of(database: Database, clock: Clock, add_podcast: AddPodcast) -> None:
    add_podcast(database, production={"announcing": ANNOUNCING, "review": True})

    lease = leased(database, clock)
    written = Checkpoint("script", "key", {}, 1, clock.now)
    database.checkpoints.record(lease, written, stuck_after=1800, status=EpisodeStatus.SCRIPT_READY)
    database.episodes.await_approval(lease, clock.now)

    assert targets(database) == ["webhook site"]
    assert database.notices.newest()[0].event.type == "episode.waiting"


@pytest.mark.usefixtures("show")
def test_done_again_nothing_is_told_twice_but_a_second_failure_is_another(database: Database, clock: Clock) -> None:
    lease = leased(database, clock)
    database.episodes.fail(lease, "speech", "no voice", clock.now)
    database.episodes.fail(lease, "speech", "no voice", clock.now)  # the answer to its COMMIT was lost
    assert len(database.notices.newest()) == 2

    database.episodes.retry(lease.episode_id, EpisodeStatus.PENDING, clock.now)
    database.episodes.fail(leased(database, clock), "speech", "no voice", clock.now)
    assert len(database.notices.newest()) == 4


@pytest.mark.usefixtures("show")
def test_what_did_not_happen_is_not_told(database: Database, clock: Clock) -> None:
    lease = leased(database, clock)
    clock.forward(61)
    leased(database, clock)

    with pytest.raises(LeaseLost):
        database.episodes.publish(lease, clock.now)
    database.episodes.skip(Lease(lease.episode_id, lease.number + 1), "nothing new", clock.now)

    assert database.notices.newest() == []


def test_nobody_to_tell_costs_no_row(database: Database, clock: Clock, add_podcast: AddPodcast) -> None:
    add_podcast(database)
    database.episodes.publish(leased(database, clock), clock.now)

    assert database.notices.newest() == []
    assert not database.notices.any_due(clock.now)


def test_the_platforms_own_hear_of_every_podcast(database_url: str, clock: Clock, add_podcast: AddPodcast) -> None:
    from podcasting.database.revisions import migrate

    platform = Announcing.model_validate({"notify": {"1": {"url": "json://ops.example.org", "on": ["failed"]}}})
    opened = Database.at(database_url, platform=platform)
    migrate(opened.engine)
    add_podcast(opened)
    opened.episodes.fail(leased(opened, clock), "collect", "no feed", clock.now)

    assert targets(opened) == ["platform notify 1"]
    opened.engine.dispose()


def test_a_row_holds_no_secret(database: Database, clock: Clock, add_podcast: AddPodcast) -> None:
    address = "mailto://ada:hunter2@example.org"
    add_podcast(database, production={"announcing": {"notify": {"room": address}, "webhooks": {"site": APP}}})
    database.episodes.publish(leased(database, clock), clock.now)

    with database.engine.connect() as connection:
        rows = str(connection.exec_driver_sql("SELECT * FROM notices").all())
    assert "hunter2" not in rows
    assert APP not in rows


@pytest.mark.usefixtures("show")
def test_a_claim_is_nobody_elses_until_it_ends(database: Database, clock: Clock) -> None:
    database.episodes.publish(leased(database, clock), clock.now)

    first = database.notices.claim(clock.now, seconds=90, limit=10)
    assert len(first) == 2
    assert database.notices.claim(clock.now, seconds=90, limit=10) == []
    assert not database.notices.any_due(clock.now)

    again = database.notices.claim(clock.forward(91), seconds=90, limit=10)
    assert [notice.id for notice in again] == [notice.id for notice in first]
    # The first is fenced off: whoever has the claim now says how it ended.
    assert not database.notices.settle(first[0], NoticeState.DELIVERED, clock.now, "answered 200")
    assert database.notices.settle(again[0], NoticeState.DELIVERED, clock.now, "answered 200")


def test_of_many_who_claim_at_once_each_gets_others(database: Database, clock: Clock, add_podcast: AddPodcast) -> None:
    names: dict[str, Any] = {f"app-{number}": APP for number in range(10)}
    add_podcast(database, production={"announcing": {"webhooks": names}})
    database.episodes.publish(leased(database, clock), clock.now)

    with ThreadPoolExecutor(6) as pool:
        pages = list(pool.map(lambda _: database.notices.claim(clock.now, seconds=90, limit=3), range(6)))
    while page := database.notices.claim(clock.now, seconds=90, limit=3):  # SKIP LOCKED may leave some for later
        pages.append(page)

    claimed = [notice.id for page in pages for notice in page]
    assert len(claimed) == len(set(claimed)) == 10


@pytest.mark.usefixtures("show")
def test_put_off_it_is_due_then_and_not_before(database: Database, clock: Clock) -> None:
    database.episodes.publish(leased(database, clock), clock.now)
    for notice in database.notices.claim(clock.now, seconds=90, limit=10):
        database.notices.put_off(notice, clock.now + timedelta(hours=2), "answered 500", tried=True)

    assert not database.notices.any_due(clock.forward(7199))
    found = database.notices.claim(clock.forward(1), seconds=90, limit=10)
    assert [(notice.tries, notice.answer) for notice in found] == [(1, "answered 500")] * 2


@pytest.mark.usefixtures("show")
def test_what_was_given_up_stays_and_can_be_told_again(database: Database, clock: Clock) -> None:
    database.episodes.publish(leased(database, clock), clock.now)
    for notice in database.notices.claim(clock.now, seconds=90, limit=10):
        database.notices.settle(notice, NoticeState.GIVEN_UP, clock.now, "answered 500")
    assert not database.notices.any_due(clock.forward(10**7))

    [troubled, _] = database.notices.troubled(after_tries=3, since=clock.now - timedelta(days=365))
    assert (troubled.given_up, troubled.waiting, troubled.answer) == (1, 0, "answered 500")

    [first, second] = database.notices.newest(states=[NoticeState.GIVEN_UP])
    assert database.notices.retry(clock.now, ids=[first.id]) == 1
    assert database.notices.retry(clock.now, podcast_id="my-show") == 2
    assert len(database.notices.claim(clock.now, seconds=90, limit=10)) == 2
    with pytest.raises(Permanent, match="msg_none"):
        database.notices.retry(clock.now, ids=[second.id, "msg_none"])


@pytest.mark.usefixtures("show")
def test_only_what_was_settled_long_ago_is_forgotten(database: Database, clock: Clock) -> None:
    database.episodes.publish(leased(database, clock), clock.now)
    [first, _] = database.notices.claim(clock.now, seconds=90, limit=10)
    database.notices.settle(first, NoticeState.DELIVERED, clock.now, "answered 200")

    assert database.notices.sweep(clock.now) == 0
    assert database.notices.sweep(clock.now + timedelta(days=400)) == 1
    assert len(database.notices.newest()) == 1

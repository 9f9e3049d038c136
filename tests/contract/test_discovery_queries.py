"""How many queries a discovery sends: by pages, never by what is on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from podcasting.database import Database
from podcasting.database.checkpoints import Checkpoint
from podcasting.database.claims import Due
from podcasting.models import EpisodeStatus, Podcast
from publishers.checker import Checked, check
from publishers.episode_checker import check_episodes
from publishers.fanout import Counts, Discovery
from publishers.podcast_scheduler import schedule_podcasts
from tests.fakes.clock import Clock
from tests.fakes.sender import RecordingSender

AddPodcast = Callable[..., Podcast]
STUCK_AFTER = 1800
ROWS = 9


@pytest.fixture
def queries(database: Database) -> Iterator[list[str]]:
    """What is sent to the database, in order; BEGIN and COMMIT are no queries."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):  # SQLite's, which goes the way of queries
            sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine, "before_cursor_execute", note)


@pytest.fixture
def discovery(database: Database, clock: Clock) -> Discovery:
    return Discovery(database=database, sender=RecordingSender(), now=clock.now, claim_seconds=300, page=4)


def an_episode(database: Database, clock: Clock, podcast_id: str, status: EpisodeStatus | None) -> None:
    opened = database.podcasts.open_slot(podcast_id, clock.now, stuck_after=STUCK_AFTER)
    assert opened is not None
    if status is not None:
        taken = database.leases.take(opened.id, holder="w", now=clock.now, seconds=60, stuck_after=STUCK_AFTER)
        assert taken is not None
        done = Checkpoint("any", "key", {}, 1, clock.now)
        database.checkpoints.record(taken[0], done, stuck_after=STUCK_AFTER, status=status)


def test_podcasts_cost_one_query_a_page(
    discovery: Discovery, queries: list[str], add_podcast: AddPodcast, clock: Clock
) -> None:
    for number in range(ROWS):
        add_podcast(discovery.database, f"show-{number}", first_slot=clock.now - timedelta(hours=1))
    queries.clear()

    assert schedule_podcasts(discovery) == Counts(claimed=ROWS, sent=ROWS)

    assert len(queries) == 3  # of four, four and one


@pytest.mark.parametrize("status", [None, EpisodeStatus.COMPLETED])
def test_episodes_cost_two_queries_a_page(
    discovery: Discovery, queries: list[str], add_podcast: AddPodcast, clock: Clock, status: EpisodeStatus | None
) -> None:
    for number in range(ROWS):
        add_podcast(discovery.database, f"show-{number}")
        an_episode(discovery.database, clock, f"show-{number}", status)
    queries.clear()

    assert check_episodes(replace(discovery, now=clock.forward(STUCK_AFTER))) == Counts(claimed=ROWS, sent=ROWS)

    assert len(queries) == 6  # three pages: the claims, and the podcasts of their episodes


@pytest.mark.parametrize(("tick", "nothing"), [(check, Checked(Counts(), 0)), (schedule_podcasts, Counts())])
def test_a_tick_with_nothing_due_is_one_query(
    discovery: Discovery,
    queries: list[str],
    add_podcast: AddPodcast,
    clock: Clock,
    tick: Callable[[Discovery], Checked | Counts],
    nothing: Checked | Counts,
) -> None:
    add_podcast(discovery.database, first_slot=clock.now + timedelta(days=1))
    add_podcast(discovery.database, "begun")
    an_episode(discovery.database, clock, "begun", None)  # to be claimed, but later
    queries.clear()

    assert tick(discovery) == nothing

    assert len(queries) == 1


def test_what_the_checker_looks_for(
    discovery: Discovery, queries: list[str], add_podcast: AddPodcast, clock: Clock
) -> None:
    database = discovery.database
    add_podcast(database, production={"announcing": {"webhooks": {"site": "https://app.example.org/hooks"}}})
    an_episode(database, clock, "my-show", EpisodeStatus.COMPLETED)
    stuck = clock.now + timedelta(seconds=STUCK_AFTER)
    assert database.claims.due(clock.now) == Due(episodes=False, notices=False)
    assert database.claims.due(stuck) == Due(episodes=True, notices=False)

    [episode] = database.episodes.newest(limit=1)
    taken = database.leases.take(episode.id, holder="w", now=stuck, seconds=60, stuck_after=STUCK_AFTER)
    assert taken is not None
    database.episodes.publish(taken[0], stuck)
    assert database.claims.due(stuck) == Due(episodes=False, notices=True)

    queries.clear()
    assert check(replace(discovery, now=stuck)) == Checked(Counts(), notices=1)
    assert len(queries) == 1  # the look alone: nothing was asked again

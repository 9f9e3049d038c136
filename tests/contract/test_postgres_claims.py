"""Many processes at one PostgreSQL: what is claimed, opened or leased is so by one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import pytest
from sqlalchemy import insert

from podcasting.database import Database
from podcasting.database.schema import episodes, podcasts
from podcasting.models import EpisodeStatus, Podcast
from tests.fakes.claimants import Claimants, claimants
from tests.fakes.clock import Clock

AddPodcast = Callable[..., Podcast]

PROCESSES = 6
ROWS = 3000
PAGE = 50
FIRST_CLAIM_SECONDS = 300


@pytest.fixture(params=["postgres", "pgbouncer"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Not SQLite's: it has one writer at a time."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="module")
def several() -> Iterator[Claimants]:
    with claimants(PROCESSES) as started:
        yield started


@pytest.fixture
def together(
    several: Claimants,
    database: Database,  # noqa: ARG001 - brings the tables
    database_url: str,
    clock: Clock,
) -> Callable[..., list[Any]]:
    """All do the same at once, on this test's database, where each has a connection already."""
    several.all_do("connect", url=database_url, now=clock.now.isoformat())

    def do(what: str, **order: Any) -> list[Any]:
        return several.all_do(what, url=database_url, now=clock.now.isoformat(), **order)

    return do


def due_podcasts(database: Database, now: datetime) -> dict[str, datetime]:
    """Thousands, each due a second after the one before; when, by id."""
    rows = [
        {
            "id": f"show-{number:05}",
            "title": f"Show {number}",
            "description": "",
            "author": "",
            "language": "en",
            "sources": ["https://example.org/feed.xml"],
            "hosts": ["Ada", "Ben"],
            "frequency_days": 1,
            "state": "active",
            "first_slot": now - timedelta(seconds=number),
            "next_episode_at": now - timedelta(seconds=number),
            "created_at": now,
            "claimable_at": now - timedelta(seconds=number),
        }
        for number in range(ROWS)
    ]
    with database.engine.begin() as connection:
        connection.execute(insert(podcasts), rows)
    return {str(row["id"]): now - timedelta(seconds=number) for number, row in enumerate(rows)}


def due_episodes(database: Database, now: datetime) -> dict[str, datetime]:
    """As many, of one podcast."""
    rows = [
        {
            "id": f"my-show-{number:05}",
            "podcast_id": "my-show",
            "slot": now - timedelta(seconds=number),
            "number": number + 1,
            "status": EpisodeStatus.COMPLETED,
            "created_at": now,
            "updated_at": now,
            "claimable_at": now - timedelta(seconds=number),
        }
        for number in range(ROWS)
    ]
    with database.engine.begin() as connection:
        connection.execute(insert(episodes), rows)
    return {str(row["id"]): now - timedelta(seconds=number) for number, row in enumerate(rows)}


@pytest.fixture(params=["podcasts", "episodes"])
def what(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def due(what: str, database: Database, add_podcast: AddPodcast, clock: Clock) -> dict[str, datetime]:
    if what == "podcasts":
        return due_podcasts(database, clock.now)
    add_podcast(database, first_slot=clock.now + timedelta(days=1))
    return due_episodes(database, clock.now)


def test_claims_of_many_processes_never_overlap_and_leave_nothing(
    together: Callable[..., list[Any]], what: str, due: dict[str, datetime]
) -> None:
    answers = together("claim", table=what, page=PAGE)

    claimed = [tuple(claim) for pages in answers for page in pages for claim in page]
    assert Counter(claimed) == Counter((each, 1) for each in due)
    assert sum(bool(pages) for pages in answers) > 1  # it was shared out
    for pages in answers:
        oldest = [min(due[each] for each, _ in page) for page in pages]
        assert oldest == sorted(oldest)


def test_expired_claims_are_made_again_by_one_of_them(
    together: Callable[..., list[Any]], what: str, due: dict[str, datetime], clock: Clock
) -> None:
    together("claim", table=what, page=PAGE)
    assert all(not pages for pages in together("claim", table=what, page=PAGE))
    clock.forward(FIRST_CLAIM_SECONDS + 1)

    answers = together("claim", table=what, page=PAGE)

    claimed = [tuple(claim) for pages in answers for page in pages for claim in page]
    assert Counter(claimed) == Counter((each, 2) for each in due)


def test_discoveries_at_once_send_each_podcast_once_and_all_of_them(
    together: Callable[..., list[Any]], database: Database, clock: Clock
) -> None:
    due = due_podcasts(database, clock.now)

    sent = Counter(chain.from_iterable(together("schedule", page=PAGE)))

    # All in one tick: a page that is short since others hold rows leaves nothing, for they send them.
    assert sent == Counter(due.keys())


def test_a_slot_is_opened_once(together: Callable[..., list[Any]], database: Database, add_podcast: AddPodcast) -> None:
    for number in range(10):
        add_podcast(database, f"show-{number}")

        answers = together("open_slot", podcast=f"show-{number}")

        assert len(set(answers)) == 1
        assert answers[0] is not None
        assert len(database.episodes.newest(podcast_id=f"show-{number}")) == 1


def test_a_lease_is_taken_by_one(
    together: Callable[..., list[Any]], database: Database, add_podcast: AddPodcast, clock: Clock
) -> None:
    add_podcast(database)
    episode = database.podcasts.open_slot("my-show", clock.now, stuck_after=1800)
    assert episode is not None
    for number in range(1, 11):
        answers = together("take", episode=episode.id)

        assert sorted(answers, key=lambda each: each or 0) == [None] * (PROCESSES - 1) + [number]
        clock.forward(61)
    assert database.episodes.get(episode.id).attempts == 10

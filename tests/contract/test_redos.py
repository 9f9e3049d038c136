"""Redos, on each database: what is published goes back to be spoken, stays listed, and is one person's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from podcasting.database import Database
from podcasting.database.checkpoints import Checkpoint
from podcasting.database.leases import Lease
from podcasting.errors import LeaseLost, Permanent
from podcasting.models import STAGES, Episode, EpisodeStatus, Podcast
from tests.fakes.clock import Clock

AddPodcast = Callable[..., Podcast]


def published(database: Database, add_podcast: AddPodcast, clock: Clock, **settings: object) -> tuple[Episode, Lease]:
    add_podcast(database, **settings)
    opened = database.podcasts.open_slot("my-show", clock.now, stuck_after=60)
    assert opened is not None
    lease = take(database, opened, clock)
    for stage in STAGES:
        done = Checkpoint(stage, f"key-of-{stage}", {"stories": [], "seen": []}, 1.0, clock.now)
        seen = ("my-show", ("a-story",), {}) if stage == "collect" else None
        database.checkpoints.record(lease, done, stuck_after=60, seen=seen)
    database.episodes.release(lease, clock.now)
    database.episodes.publish(lease, clock.now)
    return database.episodes.get(opened.id), lease


def take(database: Database, episode: Episode, clock: Clock) -> Lease:
    taken = database.leases.take(episode.id, holder="test", now=clock.now, seconds=60, stuck_after=60)
    assert taken is not None
    return taken[0]


def test_the_sound_is_stale_and_all_else_stands(database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
    episode, _ = published(database, add_podcast, clock)

    begun = database.redos.begin(episode.id, [3, 12], clock.forward(60), by="ada")

    done = database.checkpoints.of(episode.id)
    assert (begun.status, begun.approved_at, begun.attempts) == (EpisodeStatus.SCRIPT_READY, clock.now, 0)
    assert set(done) == set(STAGES)
    assert set(database.checkpoints.standing(episode.id)) == {"collect", "script", "cover"}
    assert done["speech"].wanted_anew == {3, 12}
    assert not done["master"].wanted_anew
    assert [each.id for each in database.episodes.released("my-show")] == [episode.id]
    [claim] = database.claims.episodes(clock.now, seconds=60, limit=5)
    assert claim.subject.id == episode.id


def test_a_lease_of_before_writes_nothing_any_more(database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
    episode, lease = published(database, add_podcast, clock)

    database.redos.begin(episode.id, [1], clock.now, by="ada")

    with pytest.raises(LeaseLost):
        database.checkpoints.forget(lease, "speech")


def test_it_is_begun_once(database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
    episode, _ = published(database, add_podcast, clock)
    database.redos.begin(episode.id, [1], clock.now, by="ada")

    with pytest.raises(Permanent, match="is script_ready, and only a published one's turns"):
        database.redos.begin(episode.id, [2], clock.now, by="ben")

    assert database.checkpoints.of(episode.id)["speech"].wanted_anew == {1}


def test_one_that_fails_stays_listed_and_its_stories_told(
    database: Database, add_podcast: AddPodcast, clock: Clock
) -> None:
    episode, _ = published(database, add_podcast, clock)
    database.redos.begin(episode.id, [1], clock.now, by="ada")

    database.episodes.fail(take(database, episode, clock), "speech", "no credit", clock.now)

    assert [each.id for each in database.episodes.released("my-show")] == [episode.id]
    assert database.checkpoints.known_entries("my-show")[0] == {"a-story"}


def test_what_is_forgotten_of_a_released_episode_stands_until_it_is_made_again(
    database: Database, add_podcast: AddPodcast, clock: Clock
) -> None:
    episode, _ = published(database, add_podcast, clock)
    database.redos.begin(episode.id, [1], clock.now, by="ada")

    database.checkpoints.forget(take(database, episode, clock), "cover")

    assert database.checkpoints.of(episode.id)["cover"].stale


ANNOUNCING = {
    "notify": {"ada": "json://ada.example.org"},
    "webhooks": {"site": "https://app.example.org/hooks"},
    "websub": ["https://hub.example.org/"],
    "podping": True,
}
NOT_PEOPLE = {"webhook site", "websub https://hub.example.org/", "podping"}


def test_the_new_take_is_news_to_programs_and_not_to_people(
    database: Database, add_podcast: AddPodcast, clock: Clock
) -> None:
    episode, _ = published(database, add_podcast, clock, production={"announcing": ANNOUNCING})
    first = {notice.target: notice.event.data.republished for notice in database.notices.newest()}
    database.redos.begin(episode.id, [1], clock.forward(60), by="ada")
    lease = take(database, episode, clock)
    database.episodes.release(lease, clock.forward(60))

    database.episodes.publish(lease, clock.forward(60))
    database.episodes.publish(lease, clock.now)  # the answer to its COMMIT was lost

    again = [notice for notice in database.notices.newest() if notice.created_at == clock.now]
    assert first == dict.fromkeys({*NOT_PEOPLE, "notify ada"}, False)
    assert {notice.target: notice.event.data.republished for notice in again} == dict.fromkeys(NOT_PEOPLE, True)


def test_people_hear_of_a_redo_that_fails(database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
    episode, _ = published(database, add_podcast, clock, production={"announcing": ANNOUNCING})
    database.redos.begin(episode.id, [1], clock.forward(60), by="ada")

    database.episodes.fail(take(database, episode, clock), "speech", "the account is empty", clock.now)

    told = {notice.target for notice in database.notices.newest() if notice.event.type == "episode.failed"}
    assert told == {"notify ada", "webhook site"}

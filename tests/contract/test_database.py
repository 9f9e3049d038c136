"""What the database promises, on SQLite and on a real PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, inspect, update

from podcasting.database import Database
from podcasting.database.checkpoints import Checkpoint
from podcasting.database.leases import Lease
from podcasting.database.revisions import is_migrated, migrate
from podcasting.database.schema import episodes
from podcasting.errors import InvalidPodcast, LeaseHeld, LeaseLost, Permanent, UnknownEpisode, UnknownPodcast
from podcasting.models import Episode, EpisodeStatus, Podcast, PodcastState
from podcasting.providers.feeds import Validators
from tests.fakes.clock import Clock

AddPodcast = Callable[..., Podcast]

STUCK_AFTER = 1800.0


def open_slot(database: Database, clock: Clock, podcast_id: str = "my-show") -> Episode:
    episode = database.podcasts.open_slot(podcast_id, clock.now, stuck_after=STUCK_AFTER)
    assert episode is not None
    return episode


def take(database: Database, clock: Clock, episode: Episode, holder: str = "a worker") -> Lease:
    taken = database.leases.take(episode.id, holder=holder, now=clock.now, seconds=60, stuck_after=STUCK_AFTER)
    assert taken is not None
    return taken[0]


def done(clock: Clock, stage: str = "collect", key: str = "k", output: dict[str, object] | None = None) -> Checkpoint:
    return Checkpoint(stage, key, output or {"made": stage}, 1.5, clock.now)


class TestPodcasts:
    def test_what_is_added_is_read_back(self, database: Database, add_podcast: AddPodcast) -> None:
        sources = ("https://a.example/f", "https://b.example/f")
        podcast = add_podcast(database, sources=sources, frequency_days=0.5, owner="Org/7")

        assert database.podcasts.get("my-show") == podcast
        assert database.podcasts.all() == [podcast]

    def test_an_id_is_taken_once(self, database: Database, add_podcast: AddPodcast) -> None:
        add_podcast(database)

        with pytest.raises(InvalidPodcast, match="'my-show' already"):
            add_podcast(database)

    def test_an_unknown_id_says_so(self, database: Database, clock: Clock) -> None:
        with pytest.raises(UnknownPodcast, match="'nobody'"):
            database.podcasts.get("nobody")
        with pytest.raises(UnknownPodcast):
            database.podcasts.set_state("nobody", PodcastState.PAUSED)
        with pytest.raises(UnknownPodcast):
            database.podcasts.make_due("nobody", clock.now)
        with pytest.raises(UnknownPodcast):
            database.podcasts.open_slot("nobody", clock.now, stuck_after=STUCK_AFTER)

    def test_a_paused_podcast_is_not_due(self, database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
        add_podcast(database)
        database.podcasts.set_state("my-show", PodcastState.PAUSED)

        assert database.claims.podcasts(clock.now, seconds=300, limit=10) == []
        assert database.podcasts.open_slot("my-show", clock.now, stuck_after=STUCK_AFTER) is None
        with pytest.raises(InvalidPodcast, match="paused"):
            database.podcasts.make_due("my-show", clock.now)

    def test_the_edition_of_the_list_changes_with_what_it_shows(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        assert (database.podcasts.edition(), database.podcasts.listed()) == ((0, 0), [])
        add_podcast(database)
        added = database.podcasts.edition()
        assert [(show.id, show.latest_episode_at) for show in database.podcasts.listed()] == [("my-show", None)]

        lease = take(database, clock, open_slot(database, clock))
        assert database.podcasts.edition() == added, "an episode under way is not shown"
        database.episodes.release(lease, clock.now)

        assert database.podcasts.edition() != added
        assert database.podcasts.listed()[0].latest_episode_at == database.podcasts.get("my-show").latest_episode_at

    def test_a_resumed_podcast_is_due_again(self, database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
        add_podcast(database)
        database.podcasts.set_state("my-show", PodcastState.PAUSED)
        database.podcasts.set_state("my-show", PodcastState.ACTIVE)

        assert [claim.subject.id for claim in database.claims.podcasts(clock.now, seconds=300, limit=10)] == ["my-show"]

    def test_made_due_now_it_keeps_its_grid(self, database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
        add_podcast(database)
        open_slot(database, clock)
        grid = database.podcasts.get("my-show").next_episode_at
        clock.forward(3600)

        database.podcasts.make_due("my-show", clock.now)

        assert database.podcasts.get("my-show").next_episode_at == clock.now
        lease = take(database, clock, database.episodes.newest(podcast_id="my-show")[0])
        database.episodes.skip(lease, "nothing new", clock.now)
        assert open_slot(database, clock).slot == clock.now
        assert database.podcasts.get("my-show").next_episode_at == grid


class TestSlots:
    def test_a_second_message_finds_the_episode_of_the_first(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)

        first = open_slot(database, clock)
        clock.forward(90_000)  # into the next slot
        second = open_slot(database, clock)

        assert second.id == first.id
        assert len(database.episodes.newest()) == 1

    def test_workers_that_open_a_slot_at_once_get_one_episode(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)

        with ThreadPoolExecutor(8) as pool:
            opened = list(pool.map(lambda _: open_slot(database, clock).id, range(16)))

        assert len(set(opened)) == 1
        assert len(database.episodes.newest()) == 1

    def test_a_second_slot_within_the_same_second_has_an_episode_of_its_own(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        opened = []
        for _ in range(3):
            episode = open_slot(database, clock)
            opened.append(episode.id)
            database.episodes.skip(take(database, clock, episode), "nothing new", clock.now)
            clock.forward(0.1)
            database.podcasts.make_due("my-show", clock.now)

        assert len(set(opened)) == 3
        assert [episode.slot for episode in database.episodes.newest()] == sorted(
            (database.episodes.get(each).slot for each in opened), reverse=True
        )

    def test_after_an_outage_of_weeks_one_episode_is_due_not_three(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database, frequency_days=7)
        clock.forward(23 * 86_400)

        episode = open_slot(database, clock)
        database.episodes.skip(take(database, clock, episode), "nothing new", clock.now)

        assert database.podcasts.open_slot("my-show", clock.now, stuck_after=STUCK_AFTER) is None
        following = database.podcasts.get("my-show").next_episode_at
        assert clock.now < following <= clock.now + timedelta(days=7)

    def test_nothing_is_due_before_its_time(self, database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
        add_podcast(database, next_episode_at=clock.now + timedelta(seconds=1))

        assert database.podcasts.open_slot("my-show", clock.now, stuck_after=STUCK_AFTER) is None

    def test_numbers_count_what_was_not_skipped(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        numbers = []
        for outcome in ("publish", "skip", "publish"):
            episode = open_slot(database, clock)
            numbers.append(episode.number)
            lease = take(database, clock, episode)
            if outcome == "skip":
                database.episodes.skip(lease, "nothing new", clock.now)
            else:
                database.episodes.publish(lease, clock.now)
            clock.forward(86_400)

        assert numbers == [1, 2, 2]


class TestClaims:
    def test_what_is_due_is_claimed_oldest_first(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        for age in (5, 9, 7):
            add_podcast(database, f"show-{age}", first_slot=clock.now - timedelta(hours=age))
        add_podcast(database, "show-later", first_slot=clock.now + timedelta(hours=1))

        first = database.claims.podcasts(clock.now, seconds=300, limit=2)
        rest = database.claims.podcasts(clock.now, seconds=300, limit=2)

        assert [claim.subject.id for claim in first] == ["show-9", "show-7"]
        assert [claim.subject.id for claim in rest] == ["show-5"]

    def test_a_claim_expires_and_the_next_lasts_twice_as_long(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        lasted = []
        for _ in range(4):
            (claim,) = database.claims.podcasts(clock.now, seconds=300, limit=10)
            lasted.append((claim.expires_at - clock.now).total_seconds())
            clock.forward(lasted[-1] - 1)
            assert database.claims.podcasts(clock.now, seconds=300, limit=10) == []
            clock.forward(1)

        assert lasted == [300, 600, 1200, 2400]

    def test_a_backlog_of_hours_adds_a_logarithm_of_copies(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)

        copies = 0
        for _ in range(6 * 60):
            copies += len(database.claims.podcasts(clock.now, seconds=300, limit=10))
            clock.forward(60)

        assert copies == 7

    def test_a_released_claim_is_claimable_at_once_and_costs_no_doubling(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        (claim,) = database.claims.podcasts(clock.now, seconds=300, limit=10)

        assert database.claims.release(claim, clock.now)

        (again,) = database.claims.podcasts(clock.now, seconds=300, limit=10)
        assert again.count == 1

    def test_a_claim_that_another_made_since_is_not_released(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        (old,) = database.claims.podcasts(clock.now, seconds=300, limit=10)
        clock.forward(301)
        (new,) = database.claims.podcasts(clock.now, seconds=300, limit=10)

        assert not database.claims.release(old, clock.now)
        assert database.claims.release(new, clock.now)

    def test_discoveries_at_once_never_claim_the_same(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        for number in range(60):
            add_podcast(database, f"show-{number}")

        def discover(_: int) -> list[str]:
            claimed = []
            while page := database.claims.podcasts(clock.now, seconds=300, limit=7):
                claimed += [claim.subject.id for claim in page]
            return claimed

        with ThreadPoolExecutor(4) as pool:
            claimed = [podcast_id for found in pool.map(discover, range(4)) for podcast_id in found]

        assert sorted(claimed) == sorted(f"show-{number}" for number in range(60))

    def test_opening_the_slot_ends_the_claim(self, database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
        add_podcast(database)
        database.claims.podcasts(clock.now, seconds=300, limit=10)
        open_slot(database, clock)
        clock.forward(400)

        assert database.claims.podcasts(clock.now, seconds=300, limit=10) == []

    def test_a_slot_that_came_meanwhile_is_claimable_when_the_episode_ends(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        lease = take(database, clock, open_slot(database, clock))
        clock.forward(90_000)
        database.claims.podcasts(clock.now, seconds=300, limit=10)

        database.episodes.publish(lease, clock.now)

        assert len(database.claims.podcasts(clock.now, seconds=300, limit=10)) == 1

    def test_an_episode_is_stuck_only_after_its_time(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        episode = open_slot(database, clock)
        clock.forward(STUCK_AFTER - 1)
        assert database.claims.episodes(clock.now, seconds=300, limit=10) == []
        clock.forward(1)

        (claim,) = database.claims.episodes(clock.now, seconds=300, limit=10)

        assert claim.subject.id == episode.id

    def test_progress_puts_the_checker_off(self, database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
        add_podcast(database)
        lease = take(database, clock, open_slot(database, clock))
        clock.forward(STUCK_AFTER - 60)
        database.checkpoints.record(lease, done(clock), stuck_after=STUCK_AFTER)
        clock.forward(120)

        assert database.claims.episodes(clock.now, seconds=300, limit=10) == []

    def test_an_ended_episode_needs_nothing(self, database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
        add_podcast(database)
        episode = open_slot(database, clock)
        database.episodes.publish(take(database, clock, episode), clock.now)
        clock.forward(10 * STUCK_AFTER)
        database.claims.make_claimable(episode.id, clock.now, even_if_claimed=True)

        assert database.claims.episodes(clock.now, seconds=300, limit=10) == []

    def test_what_is_worked_on_is_not_made_claimable(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        episode = open_slot(database, clock)
        lease = take(database, clock, episode)

        database.claims.make_claimable(episode.id, clock.now, even_if_claimed=True)
        assert database.claims.episode(episode.id, clock.now, seconds=300) is None

        database.leases.release(lease)
        database.claims.make_claimable(episode.id, clock.now, even_if_claimed=True)
        assert database.claims.episode(episode.id, clock.now, seconds=300) is not None

    def test_what_is_claimed_is_made_claimable_only_if_asked(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        episode = open_slot(database, clock)

        def claim(*, even_if_claimed: bool) -> bool:
            database.claims.make_claimable(episode.id, clock.now, even_if_claimed=even_if_claimed)
            return database.claims.episode(episode.id, clock.now, seconds=300) is not None

        assert [claim(even_if_claimed=False), claim(even_if_claimed=False)] == [True, False]
        assert claim(even_if_claimed=True)

    def test_after_a_failed_start_nobody_gets_the_lease_for_a_while(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        episode = open_slot(database, clock)
        lease = take(database, clock, episode)
        database.leases.give_back(lease, clock.now, stage="speech", why="the voice is away", wait=30)

        with pytest.raises(LeaseHeld, match="waits 30 s for its next try") as waits:
            take(database, clock, episode)
        assert waits.value.seconds == 30
        database.claims.make_claimable(episode.id, clock.now, even_if_claimed=True)
        assert database.claims.episode(episode.id, clock.now, seconds=300) is None
        clock.forward(30)
        assert take(database, clock, episode).number == lease.number + 1

    def test_a_queue_that_forgot_everything_is_filled_again(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database, "waiting")
        add_podcast(database, "begun")
        add_podcast(database, "at-work")
        begun = open_slot(database, clock, "begun")
        at_work = open_slot(database, clock, "at-work")
        left_over = take(database, clock, at_work)
        database.claims.podcasts(clock.now, seconds=300, limit=10)

        database.claims.forget(clock.now)

        assert [claim.subject.id for claim in database.claims.podcasts(clock.now, seconds=300, limit=10)] == ["waiting"]
        claimed = {claim.subject.id for claim in database.claims.episodes(clock.now, seconds=300, limit=10)}
        assert claimed == {begun.id, at_work.id}
        with pytest.raises(LeaseLost):
            database.leases.renew(left_over, clock.now, seconds=60)


class TestLeases:
    def test_one_worker_at_a_time(self, database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
        add_podcast(database)
        episode = open_slot(database, clock)
        take(database, clock, episode)
        clock.forward(20)

        with pytest.raises(LeaseHeld) as held:
            take(database, clock, episode)

        assert held.value.seconds == pytest.approx(40)

    def test_of_workers_at_once_one_gets_it(self, database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
        add_podcast(database)
        episode = open_slot(database, clock)

        def attempt(number: int) -> bool:
            try:
                take(database, clock, episode, f"worker {number}")
            except LeaseHeld:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(attempt, range(16))) == 1

    def test_each_start_counts_as_an_attempt_and_progress_starts_anew(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        episode = open_slot(database, clock)
        for _ in range(3):
            lease = take(database, clock, episode)
            database.leases.release(lease)
        assert database.episodes.get(episode.id).attempts == 3

        lease = take(database, clock, episode)
        database.checkpoints.record(lease, done(clock), stuck_after=STUCK_AFTER)

        assert database.episodes.get(episode.id).attempts == 1

    def test_a_renewed_lease_is_kept(self, database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
        add_podcast(database)
        episode = open_slot(database, clock)
        lease = take(database, clock, episode)
        clock.forward(50)
        database.leases.renew(lease, clock.now, seconds=60)
        clock.forward(50)

        with pytest.raises(LeaseHeld):
            take(database, clock, episode)

    def test_a_worker_that_wakes_after_its_lease_cannot_write(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        episode = open_slot(database, clock)
        frozen = take(database, clock, episode, "frozen")
        clock.forward(61)
        successor = take(database, clock, episode, "successor")
        database.checkpoints.record(successor, done(clock, key="theirs"), stuck_after=STUCK_AFTER)

        stale_writes: list[Callable[[], object]] = [
            lambda: database.leases.renew(frozen, clock.now, seconds=60),
            lambda: database.checkpoints.record(frozen, done(clock, key="stale"), stuck_after=STUCK_AFTER),
            lambda: database.checkpoints.forget(frozen, "collect"),
            lambda: database.episodes.release(frozen, clock.now),
            lambda: database.episodes.publish(frozen, clock.now),
            lambda: database.episodes.fail(frozen, "speech", "stale", clock.now),
            lambda: database.episodes.skip(frozen, "stale", clock.now),
        ]
        for write in stale_writes:
            with pytest.raises(LeaseLost):
                write()
        database.leases.release(frozen)

        assert database.checkpoints.of(episode.id)["collect"].key == "theirs"
        assert database.episodes.get(episode.id).status is EpisodeStatus.PENDING
        with pytest.raises(LeaseHeld):
            take(database, clock, episode)

    def test_an_ended_episode_gives_no_lease(self, database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
        add_podcast(database)
        episode = open_slot(database, clock)
        database.episodes.publish(take(database, clock, episode), clock.now)

        assert database.leases.take(episode.id, holder="late", now=clock.now, seconds=60, stuck_after=1) is None

    def test_an_unknown_episode_says_so(self, database: Database, clock: Clock) -> None:
        with pytest.raises(UnknownEpisode, match="'nothing'"):
            database.leases.take("nothing", holder="a", now=clock.now, seconds=60, stuck_after=1)


class TestCheckpoints:
    def test_a_stage_that_is_done_again_replaces_the_old(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        lease = take(database, clock, open_slot(database, clock))
        database.checkpoints.record(lease, done(clock, key="old"), stuck_after=STUCK_AFTER)

        database.checkpoints.record(
            lease,
            done(clock, key="new", output={"nested": [1, "é"]}),
            stuck_after=STUCK_AFTER,
            status=EpisodeStatus.CONTENT_COLLECTED,
            title="A title",
        )

        assert database.checkpoints.of(lease.episode_id) == {
            "collect": done(clock, key="new", output={"nested": [1, "é"]})
        }
        episode = database.episodes.get(lease.episode_id)
        assert (episode.status, episode.title) == (EpisodeStatus.CONTENT_COLLECTED, "A title")

    def test_what_was_looked_at_is_remembered_with_the_stage(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        lease = take(database, clock, open_slot(database, clock))
        validators = {"https://example.org/feed.xml": Validators(etag='"1"')}

        for keys in (("a", "b", "a"), ("b", "c")):
            database.checkpoints.record(lease, done(clock), stuck_after=STUCK_AFTER, seen=("my-show", keys, validators))

        assert database.checkpoints.known_entries("my-show") == (frozenset("abc"), validators)
        assert database.checkpoints.known_entries("another") == (frozenset(), {})


class TestEnds:
    def test_a_failure_keeps_stage_and_reason_and_gives_its_stories_back(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        lease = take(database, clock, open_slot(database, clock))
        seen = ("my-show", ("a",), {"https://example.org/feed.xml": Validators(etag='"1"')})
        database.checkpoints.record(lease, done(clock), stuck_after=STUCK_AFTER, seen=seen)

        database.episodes.fail(lease, "speech", "the voice has a cold", clock.now)

        failed = database.episodes.get(lease.episode_id)
        assert failed.status is EpisodeStatus.FAILED
        assert failed.failure is not None
        assert (failed.failure.stage, failed.failure.reason) == ("speech", "the voice has a cold")
        assert database.checkpoints.known_entries("my-show") == (frozenset(), {})

    def test_a_failed_episode_can_be_set_going_again(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        lease = take(database, clock, open_slot(database, clock))
        database.episodes.fail(lease, "speech", "a cold", clock.now)

        again = database.episodes.retry(lease.episode_id, EpisodeStatus.SCRIPT_READY, clock.now)

        assert (again.status, again.attempts, again.failure) == (EpisodeStatus.SCRIPT_READY, 0, None)
        assert len(database.claims.episodes(clock.now, seconds=300, limit=10)) == 1

    def test_only_what_failed_or_was_skipped_can_be_retried(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        episode = open_slot(database, clock)

        with pytest.raises(Permanent, match="is pending"):
            database.episodes.retry(episode.id, EpisodeStatus.PENDING, clock.now)
        with pytest.raises(UnknownEpisode):
            database.episodes.retry("nothing", EpisodeStatus.PENDING, clock.now)

    def test_failed_ones_are_found_by_what_ended_them(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        for number, (stage, reason) in enumerate(
            [("speech", "503 from the voice"), ("speech", "100% of it"), ("collect", "503 from a feed")]
        ):
            add_podcast(database, f"show-{number}")
            lease = take(database, clock, open_slot(database, clock, f"show-{number}"))
            database.episodes.fail(lease, stage, reason, clock.now)
            clock.forward(60)

        def found(**wanted: object) -> list[str]:
            return [episode.podcast_id for episode in database.episodes.failed(**wanted)]  # type: ignore[arg-type]

        assert found() == ["show-0", "show-1", "show-2"]
        assert found(stage="speech") == ["show-0", "show-1"]
        assert found(reason="FROM the voice") == ["show-0"]
        assert found(reason="0% of") == ["show-1"], "a percent sign is a percent sign"
        assert found(podcast_id="show-2", stage="speech") == []
        assert found(since=clock.now - timedelta(seconds=61)) == ["show-2"]
        assert database.episodes.by_status() == {EpisodeStatus.FAILED: 3}

    def test_a_retried_one_whose_stories_were_told_meanwhile_begins_anew(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        failed = failed_after_collecting(database, clock, story="a")
        clock.forward(90_000)
        failed_after_collecting(database, clock, story="b")

        going_on = database.episodes.retry(failed.id, EpisodeStatus.CONTENT_COLLECTED, clock.now)
        assert going_on.status is EpisodeStatus.CONTENT_COLLECTED, "nobody told its story"
        assert "a" in database.checkpoints.known_entries("my-show")[0], "nobody else tells it from now on"

        lease = take(database, clock, going_on)
        database.episodes.release(lease, clock.now)
        database.episodes.fail(lease, "feed", "again", clock.now)
        clock.forward(90_000)
        later = open_slot(database, clock)
        collected(database, clock, take(database, clock, later), story="a")

        anew = database.episodes.retry(failed.id, EpisodeStatus.CONTENT_COLLECTED, clock.now)
        assert anew.status is EpisodeStatus.PENDING
        assert database.checkpoints.of(failed.id) == {}
        assert failed.id not in [each.id for each in database.episodes.released("my-show")], "there is nothing to list"
        assert database.checkpoints.of(later.id) != {}

    def test_a_lease_that_is_given_back_while_another_asks_is_held_no_longer(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        episode = open_slot(database, clock)
        held = take(database, clock, episode)

        given = update(episodes).where(episodes.c.id == held.episode_id).values(lease_expires_at=None)

        def give_back(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
            if statement.startswith("SELECT episodes"):
                # In the asker's own transaction, for SQLite lets nobody else write now.
                connection.execute(given)

        event.listen(database.engine, "before_cursor_execute", give_back)
        with pytest.raises(LeaseHeld) as asked:
            take(database, clock, episode)
        assert asked.value.seconds == 0

    def test_a_start_that_is_taken_back_was_none(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        episode = open_slot(database, clock)
        first = take(database, clock, episode)
        database.leases.take_back(first)

        assert database.episodes.get(episode.id).attempts == 0
        assert database.history.of(episode.id) == []
        second = take(database, clock, episode)
        database.leases.take_back(first)  # too late: it is another's
        assert database.episodes.get(episode.id).attempts == 1
        with pytest.raises(LeaseHeld):
            take(database, clock, episode)
        assert second.number == first.number + 1

    def test_released_twice_it_keeps_its_first_date(
        self, database: Database, add_podcast: AddPodcast, clock: Clock
    ) -> None:
        add_podcast(database)
        lease = take(database, clock, open_slot(database, clock))
        first = clock.now
        database.episodes.release(lease, first)
        clock.forward(60)
        database.episodes.release(lease, clock.now)

        (released,) = database.episodes.released("my-show")

        assert released.released_at == first
        assert database.podcasts.get("my-show").version == 2

    def test_a_release_dates_the_podcast(self, database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
        add_podcast(database)
        lease = take(database, clock, open_slot(database, clock))
        slot: datetime = database.episodes.get(lease.episode_id).slot

        database.episodes.release(lease, clock.now)

        assert database.podcasts.get("my-show").latest_episode_at == slot


def collected(database: Database, clock: Clock, lease: Lease, *, story: str) -> None:
    output: dict[str, object] = {"stories": [{"key": story}], "seen": [story, "an old one"]}
    database.checkpoints.record(
        lease, done(clock, "collect", output=output), stuck_after=STUCK_AFTER, seen=("my-show", (story,), {})
    )


def failed_after_collecting(database: Database, clock: Clock, *, story: str) -> Episode:
    episode = open_slot(database, clock)
    lease = take(database, clock, episode)
    collected(database, clock, lease, story=story)
    database.episodes.fail(lease, "speech", "the voice is away", clock.now)
    return episode


class TestMigrations:
    def test_they_go_up_and_down_and_up_again(self, database: Database) -> None:
        config = Config()
        config.set_main_option("script_location", "podcasting.database:migrations")
        with database.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, "base")
        assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
        assert not is_migrated(database.engine)

        migrate(database.engine)

        assert is_migrated(database.engine)

    def test_they_make_what_the_schema_says(self, database: Database) -> None:
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        from podcasting.database.schema import metadata

        with database.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []

    def test_several_processes_may_migrate_at_once(self, database_url: str) -> None:
        databases = [Database.at(database_url) for _ in range(4)]

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda each: migrate(each.engine), databases))

        assert is_migrated(databases[0].engine)
        for each in databases:
            each.engine.dispose()

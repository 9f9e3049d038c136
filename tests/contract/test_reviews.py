"""An episode that awaits approval: nobody finds it until a person decides, and of those who decide one is first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, update

from podcasting.database import Database
from podcasting.database.checkpoints import BY_HAND, Checkpoint
from podcasting.database.history import Happened
from podcasting.database.leases import Lease
from podcasting.database.reviews import key_of
from podcasting.database.schema import podcasts
from podcasting.due import work_for
from podcasting.errors import LeaseHeld, LeaseLost, Permanent, UnknownEpisode
from podcasting.models import Episode, EpisodeStatus, Podcast, PodcastState
from podcasting.production import Production
from podcasting.providers.writers import Script, Section, Turn
from tests.fakes.clock import Clock

AddPodcast = Callable[..., Podcast]

STUCK_AFTER = 1800.0
DAY = 86_400
SCRIPT = Script(
    title="Ice",
    summary="Of ice.",
    hosts=("Ada", "Ben"),
    sections=(Section(title="Welcome"), Section(title="Ice"), Section(title="Goodbye")),
    turns=tuple(Turn(host=0, section=section, text=f"Turn {section}.") for section in range(3)),
)


def other(title: str) -> Script:
    return SCRIPT.model_copy(update={"title": title})


def take(database: Database, clock: Clock, episode_id: str) -> Lease | None:
    taken = database.leases.take(episode_id, holder="a worker", now=clock.now, seconds=60, stuck_after=STUCK_AFTER)
    return taken[0] if taken else None


def open_slot(database: Database, clock: Clock) -> Episode:
    episode = database.podcasts.open_slot("my-show", clock.now, stuck_after=STUCK_AFTER)
    assert episode is not None
    return episode


def scripted(database: Database, clock: Clock, script: Script = SCRIPT, *, story: str = "k1") -> Lease:
    """A worker that has just made the script of the podcast's episode."""
    lease = take(database, clock, open_slot(database, clock).id)
    assert lease is not None
    collected = Checkpoint("collect", "c", {"stories": [{"key": story}], "seen": [story]}, 1, clock.now)
    seen: tuple[str, tuple[str, ...], dict[str, Any]] = ("my-show", (story,), {})
    database.checkpoints.record(
        lease, collected, stuck_after=STUCK_AFTER, status=EpisodeStatus.CONTENT_COLLECTED, seen=seen
    )
    written = Checkpoint("script", "made", script.model_dump(mode="json"), 1, clock.now)
    database.checkpoints.record(
        lease, written, stuck_after=STUCK_AFTER, status=EpisodeStatus.SCRIPT_READY, title=script.title
    )
    return lease


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Without PgBouncer, which adds nothing to transactions of one statement or two."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def podcast(database: Database, add_podcast: AddPodcast) -> Podcast:
    """One that wants review."""
    return add_podcast(database, production=Production(review=True))


@pytest.fixture
def resting(database: Database, podcast: Podcast, clock: Clock) -> Episode:
    """Its first episode, which awaits approval."""
    assert podcast.production.review
    return database.episodes.await_approval(scripted(database, clock), clock.now)


def events(database: Database, episode_id: str) -> list[Happened]:
    return [line.what for line in database.history.of(episode_id)]


def set_review(database: Database, *, on: bool) -> None:
    def change(podcast: Podcast) -> Podcast:
        return podcast.model_copy(update={"production": Production(review=on)})

    database.podcasts.change("my-show", change)


class TestResting:
    def test_it_is_script_ready_and_its_start_does_not_count(self, resting: Episode) -> None:
        assert resting.awaits_approval
        assert resting.status is EpisodeStatus.SCRIPT_READY
        assert resting.attempts == 0
        assert work_for(resting) is None

    def test_no_tick_finds_it_however_long_it_rests(self, database: Database, resting: Episode, clock: Clock) -> None:
        for _ in range(100):
            clock.forward(DAY / 2)
            assert database.claims.episodes(clock.now, seconds=300, limit=10) == []
        assert database.episodes.get(resting.id) == resting

    def test_copies_of_its_message_find_it_without_a_start_or_a_line(
        self, database: Database, resting: Episode, clock: Clock
    ) -> None:
        before = database.history.of(resting.id)
        for _ in range(5):
            assert open_slot(database, clock) == resting
            assert take(database, clock, resting.id) is None
            clock.forward(DAY)

        assert database.episodes.get(resting.id) == resting
        assert database.history.of(resting.id) == before
        assert events(database, resting.id) == [Happened.STARTED, Happened.WAITS]

    def test_nothing_wakes_it_but_a_person(self, database: Database, resting: Episode, clock: Clock) -> None:
        clock.forward(DAY)
        database.claims.make_claimable(resting.id, clock.now, even_if_claimed=True)
        database.claims.put_off(resting.id, clock.now)
        database.claims.reopen(clock.now)
        database.claims.forget(clock.now)
        database.podcasts.set_state("my-show", PodcastState.PAUSED)
        database.podcasts.set_state("my-show", PodcastState.ACTIVE)

        assert database.claims.episodes(clock.now, seconds=300, limit=10) == []
        assert database.episodes.get(resting.id) == resting

    def test_the_worker_that_made_the_script_writes_no_more_once_a_person_decided(
        self, database: Database, podcast: Podcast, clock: Clock
    ) -> None:
        assert podcast.production.review
        lease = scripted(database, clock)
        episode = database.episodes.await_approval(lease, clock.now)
        database.reviews.edit(episode.id, "made", other("Edited"), clock.now, by="ann")

        late = Checkpoint("script", "late", SCRIPT.model_dump(mode="json"), 1, clock.now)
        with pytest.raises(LeaseLost):
            database.checkpoints.record(lease, late, stuck_after=STUCK_AFTER)
        with pytest.raises(LeaseLost):
            database.episodes.await_approval(lease, clock.now)
        assert database.checkpoints.of(episode.id)["script"].output["title"] == "Edited"

    def test_a_superseded_worker_does_not_put_it_to_rest(
        self, database: Database, podcast: Podcast, clock: Clock
    ) -> None:
        assert podcast.production.review
        lease = scripted(database, clock)
        clock.forward(61)
        newer = take(database, clock, lease.episode_id)

        with pytest.raises(LeaseLost):
            database.episodes.await_approval(lease, clock.now)
        assert newer is not None
        assert not database.episodes.get(lease.episode_id).awaits_approval
        assert database.episodes.await_approval(newer, clock.now).awaits_approval

    def test_put_to_rest_twice_because_an_answer_was_lost_it_rests_once(
        self, database: Database, podcast: Podcast, clock: Clock
    ) -> None:
        assert podcast.production.review
        lease = scripted(database, clock)
        database.episodes.await_approval(lease, clock.now)
        database.episodes.await_approval(lease, clock.forward(1))

        assert events(database, lease.episode_id) == [Happened.STARTED, Happened.WAITS]

    def test_killed_before_it_rests_it_is_found_again_and_rests_then(
        self, database: Database, podcast: Podcast, clock: Clock
    ) -> None:
        assert podcast.production.review
        dead = scripted(database, clock)
        with pytest.raises(Permanent, match="awaits no approval now"):
            database.reviews.approve(dead.episode_id, clock.now, by="ann")

        clock.forward(STUCK_AFTER)
        (claim,) = database.claims.episodes(clock.now, seconds=300, limit=10)
        lease = take(database, clock, claim.subject.id)

        assert lease is not None
        assert database.episodes.await_approval(lease, clock.now).awaits_approval

    def test_they_are_counted_and_listed(self, database: Database, resting: Episode) -> None:
        assert database.episodes.awaiting_approval() == 1
        assert database.episodes.newest(awaiting_approval=True) == [resting]
        assert database.episodes.newest(awaiting_approval=True, podcast_id="other") == []

    def test_an_episode_whose_script_is_in_work_is_not_among_them(
        self, database: Database, podcast: Podcast, clock: Clock
    ) -> None:
        assert podcast.production.review
        scripted(database, clock)

        assert database.episodes.awaiting_approval() == 0
        assert database.episodes.newest(awaiting_approval=True) == []

    def test_it_says_since_when(self, database: Database, resting: Episode, clock: Clock) -> None:
        began = clock.now
        database.reviews.edit(resting.id, "made", other("B"), clock.forward(60), by="ann")

        assert database.reviews.waits_since(resting.id) == began


class TestItsPodcast:
    def test_slots_that_come_meanwhile_make_one_message_and_are_passed_over(
        self, database: Database, resting: Episode, clock: Clock
    ) -> None:
        messages = 0
        for _ in range(48):
            clock.forward(3 * DAY / 24)
            claims = database.claims.podcasts(clock.now, seconds=300, limit=10)
            messages += len(claims)
            for _each in claims:
                assert open_slot(database, clock) == resting
        assert messages == 1

        missed = database.podcasts.get("my-show").next_episode_at
        database.reviews.approve(resting.id, clock.now, by="ann")
        lease = take(database, clock, resting.id)
        assert lease is not None
        database.episodes.publish(lease, clock.now)

        assert [claim.subject.id for claim in database.claims.podcasts(clock.now, seconds=300, limit=10)] == ["my-show"]
        following = open_slot(database, clock)
        assert following.slot == missed
        assert database.podcasts.get("my-show").next_episode_at > clock.now, "the others are passed over"

    @pytest.mark.parametrize("end", ["reject", "skip", "fail"])
    def test_whatever_its_end_the_next_slot_is_found(
        self, database: Database, resting: Episode, clock: Clock, end: str
    ) -> None:
        clock.forward(DAY)
        assert len(database.claims.podcasts(clock.now, seconds=300, limit=10)) == 1
        open_slot(database, clock)
        behind = clock.now - timedelta(hours=30)  # a clock that is late must not leave it unfound

        if end == "reject":
            database.reviews.reject(resting.id, "dull", behind, by="ann")
        else:
            database.reviews.approve(resting.id, behind, by="ann")
            lease = take(database, clock, resting.id)
            assert lease is not None
            if end == "skip":
                database.episodes.skip(lease, "nothing", behind)
            else:
                database.episodes.fail(lease, "speech", "hoarse", behind)

        assert len(database.claims.podcasts(clock.now, seconds=300, limit=10)) == 1

    def test_an_episode_that_rests_holds_up_no_other(self, database: Database, resting: Episode, clock: Clock) -> None:
        database.reviews.reject(resting.id, "later", clock.now, by="ann", retell=True)
        clock.forward(DAY)
        newer = database.episodes.await_approval(scripted(database, clock, other("Newer"), story="k2"), clock.now)
        database.reviews.reject(newer.id, "later", clock.now, by="ann", retell=True)
        for each in (newer, resting):
            database.episodes.retry(each.id, EpisodeStatus.SCRIPT_READY, clock.now)
            lease = take(database, clock, each.id)
            assert lease is not None
            database.episodes.await_approval(lease, clock.now)

        assert open_slot(database, clock).id == resting.id
        database.reviews.approve(newer.id, clock.now, by="ann")
        assert open_slot(database, clock).id == newer.id

    def test_a_paused_podcast_stays_so(self, database: Database, resting: Episode, clock: Clock) -> None:
        database.podcasts.set_state("my-show", PodcastState.PAUSED)
        clock.forward(DAY)
        open_slot(database, clock)
        database.reviews.reject(resting.id, "dull", clock.now, by="ann")

        assert database.claims.podcasts(clock.now, seconds=300, limit=10) == []

    def test_a_message_before_its_time_does_not_hide_the_podcast(
        self, database: Database, resting: Episode, clock: Clock
    ) -> None:
        assert open_slot(database, clock) == resting
        clock.forward(DAY)

        assert len(database.claims.podcasts(clock.now, seconds=300, limit=10)) == 1


class TestApproving:
    def test_it_goes_on_with_the_next_tick(self, database: Database, resting: Episode, clock: Clock) -> None:
        clock.forward(DAY)
        approved, by_us = database.reviews.approve(resting.id, clock.now, by="ann")

        assert by_us
        assert approved.approved_at == clock.now
        assert not approved.awaits_approval
        assert [claim.subject.id for claim in database.claims.episodes(clock.now, seconds=300, limit=10)] == [
            resting.id
        ]
        assert database.history.of(resting.id)[-1].detail == "ann"

    def test_to_approve_again_does_nothing(self, database: Database, resting: Episode, clock: Clock) -> None:
        first, _ = database.reviews.approve(resting.id, clock.now, by="ann")
        database.claims.episodes(clock.now, seconds=300, limit=10)

        again, by_us = database.reviews.approve(resting.id, clock.forward(60), by="ben")

        assert not by_us
        assert again.approved_at == first.approved_at
        assert database.claims.episodes(clock.now, seconds=300, limit=10) == [], "what is on its way is not sent again"
        assert events(database, resting.id).count(Happened.APPROVED) == 1

    def test_what_somebody_changed_after_it_was_read_is_not_approved_with_its_key(
        self, database: Database, resting: Episode, clock: Clock
    ) -> None:
        database.reviews.edit(resting.id, "made", other("Ann's"), clock.now, by="ann")

        with pytest.raises(Permanent, match=f"the script of {resting.id} is another than made by now"):
            database.reviews.approve(resting.id, clock.now, by="ben", key="made")
        assert database.episodes.get(resting.id).awaits_approval
        assert Happened.APPROVED not in events(database, resting.id)

        key = key_of(other("Ann's"))
        assert database.reviews.approve(resting.id, clock.now, by="ben", key=key.removeprefix(BY_HAND))[1]
        assert not database.reviews.approve(resting.id, clock.now, by="ben", key=key)[1]
        with pytest.raises(Permanent, match="is another than made by now"):
            database.reviews.approve(resting.id, clock.now, by="cleo", key="made")

    def test_only_what_rests_is_approved(self, database: Database, podcast: Podcast, clock: Clock) -> None:
        assert podcast.production.review
        with pytest.raises(UnknownEpisode):
            database.reviews.approve("nobody", clock.now, by="ann")
        lease = scripted(database, clock)
        with pytest.raises(Permanent, match=r"is script_ready and awaits no approval now.*list --waiting"):
            database.reviews.approve(lease.episode_id, clock.now, by="ann")
        database.episodes.fail(lease, "speech", "hoarse", clock.now)
        with pytest.raises(Permanent, match="is failed: it awaits no approval"):
            database.reviews.approve(lease.episode_id, clock.now, by="ann")

    def test_approved_once_it_is_not_asked_for_again_after_a_failure(
        self, database: Database, resting: Episode, clock: Clock
    ) -> None:
        database.reviews.approve(resting.id, clock.now, by="ann")
        lease = take(database, clock, resting.id)
        assert lease is not None
        database.episodes.fail(lease, "speech", "hoarse", clock.now)

        again = database.episodes.retry(resting.id, EpisodeStatus.SCRIPT_READY, clock.now)

        assert again.approved_at is not None
        assert not again.awaits_approval

    def test_begun_anew_with_other_stories_it_is_asked_for_again(
        self, database: Database, resting: Episode, clock: Clock
    ) -> None:
        database.reviews.approve(resting.id, clock.now, by="ann")
        lease = take(database, clock, resting.id)
        assert lease is not None
        database.episodes.fail(lease, "speech", "hoarse", clock.now)
        clock.forward(DAY)
        database.episodes.await_approval(scripted(database, clock), clock.now)  # it tells the story of the first

        again = database.episodes.retry(resting.id, EpisodeStatus.SCRIPT_READY, clock.now)

        assert again.status is EpisodeStatus.PENDING
        assert again.approved_at is None


class TestEditing:
    def test_the_script_is_replaced_and_says_by_whom(self, database: Database, resting: Episode, clock: Clock) -> None:
        database.reviews.edit(resting.id, "made", other("Edited"), clock.forward(60), by="ann")

        found = database.checkpoints.of(resting.id)["script"]
        assert found.output == other("Edited").model_dump(mode="json")
        assert found.key == key_of(other("Edited"))
        assert found.stands("whatever its input")
        assert database.episodes.get(resting.id).title == "Edited"
        assert database.episodes.get(resting.id).awaits_approval
        last = database.history.of(resting.id)[-1]
        assert (last.what, last.stage, last.detail) == (Happened.EDITED, "script", "ann")

    def test_of_two_who_had_the_same_script_the_second_is_told(
        self, database: Database, resting: Episode, clock: Clock
    ) -> None:
        database.reviews.edit(resting.id, "made", other("Ann's"), clock.now, by="ann")

        with pytest.raises(Permanent, match="somebody else changed the script"):
            database.reviews.edit(resting.id, "made", other("Ben's"), clock.now, by="ben")
        assert database.episodes.get(resting.id).title == "Ann's"
        assert events(database, resting.id).count(Happened.EDITED) == 1

    def test_what_is_approved_stays_as_it_was_approved(
        self, database: Database, resting: Episode, clock: Clock
    ) -> None:
        database.reviews.approve(resting.id, clock.now, by="ann")

        with pytest.raises(Permanent, match=r"was approved on 2026-11-24 06:00 UTC, so it stays as it is"):
            database.reviews.edit(resting.id, "made", other("Late"), clock.now, by="ben")
        assert database.checkpoints.of(resting.id)["script"].output["title"] == "Ice"


class TestRejecting:
    def test_it_ends_as_skipped_and_its_stories_count_as_told(
        self, database: Database, resting: Episode, clock: Clock
    ) -> None:
        rejected = database.reviews.reject(resting.id, "a rumour", clock.now, by="ann")

        assert rejected.status is EpisodeStatus.SKIPPED
        assert rejected.failure is not None
        assert (rejected.failure.stage, rejected.failure.reason) == ("script", "rejected by ann: a rumour")
        assert database.checkpoints.known_entries("my-show")[0] == {"k1"}
        assert database.claims.episodes(clock.forward(DAY), seconds=300, limit=10) == []

    def test_or_as_new_when_they_are_to_be_told_again(self, database: Database, resting: Episode, clock: Clock) -> None:
        database.reviews.reject(resting.id, "too dry", clock.now, by="ann", retell=True)

        assert database.checkpoints.known_entries("my-show")[0] == frozenset()

    def test_a_rejection_is_taken_back_by_a_retry_and_asked_for_again(
        self, database: Database, resting: Episode, clock: Clock
    ) -> None:
        database.reviews.reject(resting.id, "too dry", clock.now, by="ann", retell=True)
        database.episodes.retry(resting.id, EpisodeStatus.SCRIPT_READY, clock.now)

        assert database.checkpoints.known_entries("my-show")[0] == {"k1"}
        lease = take(database, clock, resting.id)
        assert lease is not None
        assert database.episodes.await_approval(lease, clock.now).awaits_approval

    def test_what_is_approved_or_rejected_is_not_rejected(
        self, database: Database, resting: Episode, clock: Clock
    ) -> None:
        database.reviews.reject(resting.id, "dull", clock.now, by="ann")
        with pytest.raises(Permanent, match="is skipped: it awaits no approval"):
            database.reviews.reject(resting.id, "dull", clock.now, by="ben")
        assert events(database, resting.id).count(Happened.SKIPPED) == 1


class TestReviewTurnedOff:
    def test_what_rests_goes_on(self, database: Database, resting: Episode, clock: Clock) -> None:
        set_review(database, on=False)

        assert database.reviews.let_go("my-show", clock.now, by="ann") == [resting.id]

        assert [claim.subject.id for claim in database.claims.episodes(clock.now, seconds=300, limit=10)] == [
            resting.id
        ]
        assert events(database, resting.id)[-1] is Happened.LET_GO
        assert database.reviews.let_go("my-show", clock.now, by="ann") == []

    def test_a_worker_that_had_read_of_review_does_not_put_it_to_rest(
        self, database: Database, podcast: Podcast, clock: Clock
    ) -> None:
        assert podcast.production.review
        lease = scripted(database, clock)
        set_review(database, on=False)
        assert database.reviews.let_go("my-show", clock.now, by="ann") == []

        assert not database.episodes.await_approval(lease, clock.now).awaits_approval

        assert [claim.subject.id for claim in database.claims.episodes(clock.now, seconds=300, limit=10)] == [
            lease.episode_id
        ]
        assert Happened.WAITS not in events(database, lease.episode_id)

    @pytest.mark.parametrize("first", ["worker", "owner"])
    def test_at_the_same_moment_nothing_is_left_behind(
        self, database: Database, podcast: Podcast, clock: Clock, first: str
    ) -> None:
        """Each stops in mid-transaction until the other has begun; whoever is first, no episode rests unseen."""
        assert podcast.production.review
        lease = scripted(database, clock)
        begun, other_asks = threading.Event(), threading.Event()

        def hold(_: Any, __: Any, statement: str, *___: Any) -> None:
            mine = "UPDATE episodes" if first == "worker" else "UPDATE podcasts"
            if threading.current_thread().name == first and statement.startswith(mine) and not begun.is_set():
                begun.set()
                other_asks.wait(0.3)

        def as_(name: str, do: Callable[[], object]) -> object:
            threading.current_thread().name = name
            if name != first:
                assert begun.wait(30)
                other_asks.set()
            return do()

        def turn_off() -> object:
            set_review(database, on=False)
            return database.reviews.let_go("my-show", clock.now, by="ann")

        event.listen(database.engine, "after_cursor_execute", hold)
        try:
            with ThreadPoolExecutor(2) as threads:
                worker = threads.submit(as_, "worker", lambda: database.episodes.await_approval(lease, clock.now))
                owner = threads.submit(as_, "owner", turn_off)
                worker.result(60)
                owner.result(60)
        finally:
            event.remove(database.engine, "after_cursor_execute", hold)

        assert not database.episodes.get(lease.episode_id).awaits_approval
        assert len(database.claims.episodes(clock.now, seconds=300, limit=10)) == 1


class TestAtTheSameMoment:
    def test_of_many_who_approve_one_does_and_one_line_tells_it(
        self, database: Database, resting: Episode, clock: Clock
    ) -> None:
        start = threading.Barrier(6)

        def approve(number: int) -> bool:
            start.wait()
            return database.reviews.approve(resting.id, clock.now + timedelta(seconds=number), by=f"person {number}")[1]

        with ThreadPoolExecutor(6) as people:
            by_us = list(people.map(approve, range(6)))

        assert by_us.count(True) == 1
        assert events(database, resting.id).count(Happened.APPROVED) == 1
        assert len(database.claims.episodes(clock.now + timedelta(seconds=9), seconds=300, limit=10)) == 1

    @pytest.mark.parametrize("turn", range(4))
    def test_an_edit_is_spoken_whole_or_refused(
        self, database: Database, resting: Episode, clock: Clock, turn: int
    ) -> None:
        start = threading.Barrier(3)

        def edit(title: str) -> bool:
            start.wait()
            try:
                database.reviews.edit(resting.id, "made", other(title), clock.now, by=title)
            except Permanent:
                return False
            return True

        def approve() -> bool:
            start.wait()
            return database.reviews.approve(resting.id, clock.now, by="cleo")[1]

        with ThreadPoolExecutor(3) as people:
            jobs = [people.submit(edit, f"Ann {turn}"), people.submit(approve), people.submit(edit, f"Ben {turn}")]
            edited, approved, other_edited = (job.result() for job in jobs)

        assert approved
        assert not (edited and other_edited), "both had the same script before them"
        found = database.checkpoints.of(resting.id)["script"].output["title"]
        assert found == database.episodes.get(resting.id).title
        assert found == (f"Ann {turn}" if edited else f"Ben {turn}" if other_edited else "Ice")
        history = events(database, resting.id)
        assert history.count(Happened.EDITED) == edited + other_edited
        assert history[-1] is Happened.APPROVED, "nobody edits what is approved"

    def test_copies_of_the_message_and_an_approval_make_one_start(
        self, database: Database, resting: Episode, clock: Clock
    ) -> None:
        start = threading.Barrier(5)

        def copy(_: int) -> Lease | None:
            start.wait()
            try:
                return take(database, clock, resting.id)
            except LeaseHeld:
                return None

        def approve() -> None:
            start.wait()
            database.reviews.approve(resting.id, clock.now, by="ann")

        with ThreadPoolExecutor(5) as threads:
            approval = threads.submit(approve)
            leases = [lease for lease in threads.map(copy, range(4)) if lease is not None]
            approval.result()

        assert len(leases) <= 1
        assert events(database, resting.id).count(Happened.STARTED) == 1 + len(leases)
        episode = database.episodes.get(resting.id)
        assert episode.attempts == len(leases)
        if not leases:  # every copy came before the approval, and the next tick sends another
            assert len(database.claims.episodes(clock.now, seconds=300, limit=10)) == 1

    def test_an_approval_and_a_rejection_do_not_both_hold(
        self, database: Database, resting: Episode, clock: Clock
    ) -> None:
        start = threading.Barrier(2)

        def decide(what: str) -> bool:
            start.wait()
            try:
                if what == "approve":
                    database.reviews.approve(resting.id, clock.now, by="ann")
                else:
                    database.reviews.reject(resting.id, "dull", clock.now, by="ben")
            except Permanent:
                return False
            return True

        with ThreadPoolExecutor(2) as people:
            approved, rejected = people.map(decide, ("approve", "reject"))

        assert approved != rejected
        episode = database.episodes.get(resting.id)
        assert (episode.status is EpisodeStatus.SKIPPED) == rejected
        assert (episode.approved_at is not None) == approved


def test_a_production_of_before_reviews_wants_none(database: Database, add_podcast: AddPodcast, clock: Clock) -> None:
    add_podcast(database)
    with database.engine.begin() as connection:
        connection.execute(update(podcasts).values(production={}))
    lease = scripted(database, clock)

    assert not database.episodes.await_approval(lease, clock.now).awaits_approval

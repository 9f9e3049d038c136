"""What becomes of a message, by the class of the error: with real Celery, over kombu's broker in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import Ignore, Reject, Retry
from pydantic import ValidationError
from structlog.contextvars import get_contextvars

from broker.lost import lost_messages
from podcasting.errors import LeaseHeld, LeaseLost, NothingNew, Permanent, ProviderPaused, Retryable, Throttled
from podcasting.models import Episode, EpisodeStatus, Podcast
from podcasting.studio import Studio
from podcasting.work import Work
from publishers.queues import Queue, Task
from tasks import base
from tests.fakes.clock import Clock
from tests.fakes.environment import set_environment

MESSAGE = {"data": {"podcastId": "my-show"}}
AddPodcast = Callable[..., Podcast]


class Bench:
    """A task of the real base whose work is what a test gives it, and the messages that it sent."""

    def __init__(self, studio: Studio, episode: Episode) -> None:
        self.studio = studio
        self.episode = episode
        self.app = Celery("bench", broker="memory://")
        self.app.conf.task_default_queue = "elsewhere"
        self.do: Callable[[Work], None] = lambda _: None

        @self.app.task(name=Task.GENERATE_PODCAST.value, base=base.EpisodeTask, bind=True)
        def generate_podcast(task: base.EpisodeTask, message: object) -> str:  # noqa: ARG001 - a task takes its message
            return str(task.work_on(self.episode.id, self.do).value)

        self.task = generate_podcast

    def receive(self, *, retries: int = 0, handle: str = "a receipt handle", **properties: object) -> Any:
        """Run the task as a worker does for a message that was retried so often, with these properties."""
        self.task.push_request(
            args=[MESSAGE],
            kwargs={},
            id="1",
            retries=retries,
            called_directly=False,
            delivery_info={},
            properties={"delivery_tag": handle} | properties,
        )
        try:
            return self.task(MESSAGE)
        finally:
            self.task.pop_request()

    def fails_with(self, error: Exception, *, stage: str = "speech", retries: int = 0, **properties: object) -> Any:
        def fail(work: Work) -> None:
            work.stage = stage
            raise error

        self.do = fail
        return self.receive(retries=retries, **properties)

    def sent(self) -> list[Any]:
        """The messages on the generation queue."""
        with self.app.connection_for_read() as connection:
            queue = connection.SimpleQueue(Queue.GENERATION.value)
            found = []
            while len(queue):
                message = queue.get_nowait()
                message.ack()
                found.append(message)
            queue.close()
        return found

    def now(self) -> Episode:
        return self.studio.database.episodes.get(self.episode.id)


def wait_of(message: Any) -> float:
    """Seconds until the message is due: the transport makes SQS's DelaySeconds of its eta."""
    eta = message.headers["eta"]  # full jitter may be none at all
    return (datetime.fromisoformat(eta) - datetime.now(UTC)).total_seconds() if eta else 0.0


@pytest.fixture
def bench(studio: Studio, add_podcast: AddPodcast, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    set_environment(monkeypatch, AIRDATE_RETRY_BASE="10", AIRDATE_MAX_RETRIES="5")
    monkeypatch.setattr(base, base.studio.__name__, lambda: built.studio)
    add_podcast(studio.database)
    episode = studio.database.podcasts.open_slot("my-show", studio.now(), stuck_after=studio.limits.stuck_after)
    assert episode is not None
    built = Bench(studio, episode)
    built.sent()
    yield built
    built.sent()
    base.settings.cache_clear()


def test_work_that_is_done_acks_and_gives_the_lease_back(bench: Bench) -> None:
    assert bench.receive() == "pending"
    assert bench.receive() == "pending", "the lease was given back"
    assert bench.sent() == []


@pytest.mark.parametrize("retries", [0, 3])
def test_what_may_pass_is_sent_again_with_full_jitter(bench: Bench, retries: int) -> None:
    with pytest.raises(Retry):
        bench.fails_with(Retryable("the voice is away"), retries=retries)

    (again,) = bench.sent()
    assert again.headers["retries"] == retries + 1
    assert 0 <= wait_of(again) <= 10 * 2**retries
    assert again.properties["MessageGroupId"] == "my-show"
    assert bench.now().status is EpisodeStatus.PENDING


@pytest.mark.parametrize(
    ("told", "group"), [("Org/7", "Org/7"), ("", "my-show"), ("a b", "my-show"), ("x" * 129, "my-show"), (7, "my-show")]
)
@pytest.mark.parametrize("error", [Retryable("the voice is away"), LeaseHeld("an-episode", 5)])
def test_what_is_sent_again_counts_for_the_same_fair_share(
    bench: Bench, error: Exception, told: object, group: str
) -> None:
    with pytest.raises(Retry):
        bench.fails_with(error, MessageGroupId=told)

    assert [again.properties["MessageGroupId"] for again in bench.sent()] == [group]


def test_a_wait_that_was_asked_for_is_kept(bench: Bench) -> None:
    with pytest.raises(Retry):
        bench.fails_with(Throttled("slow down", after=120))

    assert 119 < wait_of(bench.sent()[0]) <= 130


def test_a_wait_longer_than_a_message_can_is_kept_in_the_database(bench: Bench, clock: Clock) -> None:
    said = bench.fails_with(Throttled("come back tomorrow", after=7200))

    assert "waits 7200 s" in said
    assert bench.sent() == []
    claims = bench.studio.database.claims
    assert claims.episodes(clock.now + timedelta(seconds=7199), seconds=300, limit=10) == []
    assert len(claims.episodes(clock.now + timedelta(seconds=7200), seconds=300, limit=10)) == 1


def test_after_the_last_try_the_episode_fails_and_the_message_is_rejected(bench: Bench) -> None:
    with pytest.raises(Reject) as rejected:
        bench.fails_with(Retryable("the voice is away"), stage="speech", retries=5)

    assert rejected.value.requeue is False
    failed = bench.now()
    assert failed.status is EpisodeStatus.FAILED
    assert failed.failure is not None
    assert (failed.failure.stage, failed.failure.reason) == ("speech", "the voice is away")
    assert bench.sent() == []


def test_the_message_of_a_failed_episode_is_rejected_each_time_it_comes(bench: Bench) -> None:
    with pytest.raises(Reject):
        bench.fails_with(Permanent("no such language"))

    for _ in range(2):
        with pytest.raises(Reject, match="failed at speech: no such language"):
            bench.receive()


def test_what_cannot_pass_is_not_tried_again(bench: Bench) -> None:
    with pytest.raises(Reject, match="no such language"):
        bench.fails_with(Permanent("no such language"))

    assert bench.now().status is EpisodeStatus.FAILED
    assert bench.sent() == []


def test_nothing_new_is_an_outcome(bench: Bench) -> None:
    assert bench.fails_with(NothingNew("nothing new in 1 source")) == "skipped"


def test_an_episode_that_another_works_on_is_looked_at_again_without_using_up_a_try(bench: Bench) -> None:
    limits = bench.studio.limits
    bench.studio.database.leases.take(
        bench.episode.id, holder="another", now=bench.studio.now(), seconds=60, stuck_after=limits.stuck_after
    )

    with pytest.raises(Retry):
        bench.receive(retries=5)

    (again,) = bench.sent()
    assert again.headers["retries"] == 5
    assert 60 < wait_of(again) <= 61


def test_a_lost_lease_leaves_everything_to_the_successor(bench: Bench) -> None:
    said = bench.fails_with(LeaseLost(bench.episode.id, 1))

    assert "no longer ours" in said
    assert bench.now().status is EpisodeStatus.PENDING
    assert bench.sent() == []


def test_a_fault_of_our_own_is_shown_whole_and_tried_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(Retry):
        bench.fails_with(ZeroDivisionError("oh"))

    assert "ZeroDivisionError" in caplog.text
    assert len(bench.sent()) == 1


def test_a_stage_whose_models_do_not_fit_is_not_taken_for_a_bad_message(bench: Bench) -> None:
    with pytest.raises(ValidationError) as misfit:
        Podcast.model_validate({})

    with pytest.raises(Retry):
        bench.fails_with(misfit.value)

    assert len(bench.sent()) == 1


def test_work_that_never_gets_further_fails_in_the_end(bench: Bench, clock: Clock) -> None:
    for _ in range(bench.studio.limits.max_attempts):
        taken = bench.studio.database.leases.take(
            bench.episode.id, holder="killed", now=clock.now, seconds=60, stuck_after=1800
        )
        assert taken is not None
        clock.forward(61)  # killed: its lease ran out

    with pytest.raises(Reject, match="started 10 times"):
        bench.receive()

    failed = bench.now()
    assert failed.failure is not None
    assert failed.failure.stage == "collect", "the first that is not done"
    happened = [event.what.value for event in bench.studio.database.history.of(failed.id)]
    assert happened == ["started"] * (bench.studio.limits.max_attempts + 1) + ["failed"]


def test_a_message_that_was_lost_is_not_begun_and_not_acked(bench: Bench) -> None:
    lost_messages.mark("lost before")

    with pytest.raises(Reject, match="another worker"):
        bench.receive(handle="lost before")

    assert bench.now().attempts == 0


def test_work_whose_message_is_lost_stops_at_its_next_step_and_gives_the_lease_back(bench: Bench) -> None:
    bench.studio = replace(bench.studio, limits=replace(bench.studio.limits, lease_seconds=0.15))

    def lose(work: Work) -> None:
        lost_messages.mark("lost meanwhile")
        assert work.lost.wait(5)
        work.progress("clip 2 of 3")

    bench.do = lose
    with pytest.raises(Reject, match="another worker"):
        bench.receive(handle="lost meanwhile")

    bench.do = lambda _: None
    assert bench.receive() == "pending", "the lease was given back"


def test_copies_of_a_message_wait_with_it_for_the_next_try(bench: Bench, clock: Clock) -> None:
    with pytest.raises(Retry):
        bench.fails_with(Retryable("the disk is full", after=100))
    for _ in range(20):
        with pytest.raises(Retry):
            bench.fails_with(Retryable("the disk is full"))

    own, *copies = bench.sent()
    assert bench.now().attempts == 1, "each copy made a try of its own"
    assert [copy.headers["retries"] for copy in copies] == [0] * 20, "to wait uses up no try"
    assert all(wait_of(copy) >= round(wait_of(own)) for copy in copies)
    clock.forward(wait_of(own) + 1)
    bench.do = lambda _: None
    assert bench.receive() == "pending"


def test_the_backoff_grows_with_the_starts_whichever_message_made_them(bench: Bench, clock: Clock) -> None:
    for _ in range(6):
        with pytest.raises(Retry):
            bench.fails_with(Retryable("the disk is full", after=1))
        clock.forward(900)

    longest = max(wait_of(each) for each in bench.sent())
    assert longest > 10 + 1, "six messages, each at its first try, and none waited longer than a first try does"


def test_what_waits_for_a_provider_uses_up_no_try_and_no_attempt(bench: Bench) -> None:
    for _ in range(bench.studio.limits.max_attempts + 2):
        with pytest.raises(Retry):
            bench.fails_with(ProviderPaused("the voice", 40, "503"), retries=5)

    assert bench.now().attempts == 0
    assert bench.studio.database.history.of(bench.episode.id) == []
    for again in bench.sent():
        assert again.headers["retries"] == 5
        assert 40 < wait_of(again) <= 40 + 40 / 4 + 1.5


def test_a_long_pause_of_a_provider_is_waited_for_in_the_database(bench: Bench, clock: Clock) -> None:
    said = bench.fails_with(ProviderPaused("the voice", 7200, "come back tomorrow"), retries=5)

    assert "waits 7200 s" in said
    assert bench.sent() == []
    claims = bench.studio.database.claims
    assert claims.episodes(clock.now + timedelta(seconds=7199), seconds=300, limit=10) == []
    assert len(claims.episodes(clock.now + timedelta(seconds=7200), seconds=300, limit=10)) == 1


def test_the_history_tells_each_start_and_why_it_ended(bench: Bench, clock: Clock) -> None:
    with pytest.raises(Retry):
        bench.fails_with(Retryable("the voice is away"), stage="speech")
    clock.forward(900)
    with pytest.raises(Reject):
        bench.fails_with(Retryable("the voice is still away"), stage="speech", retries=5)

    told = bench.studio.database.history.of(bench.episode.id)
    assert [(event.what.value, event.stage) for event in told] == [
        ("started", None),
        ("given back", "speech"),
        ("started", None),
        ("failed", "speech"),
    ]
    assert told[1].detail == "the voice is away"
    assert told[3].detail == "the voice is still away"


def test_hundreds_of_failures_of_one_kind_are_one_alarm(
    bench: Bench, add_podcast: AddPodcast, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(30):
        add_podcast(bench.studio.database, f"show-{number}")
        episode = bench.studio.database.podcasts.open_slot(f"show-{number}", bench.studio.now(), stuck_after=1800)
        assert episode is not None
        bench.episode = episode
        with caplog.at_level(logging.CRITICAL), pytest.raises(Reject):
            bench.fails_with(Permanent(f"turn {number} of 40 cannot be spoken: 'word {number}'"), stage="speech")
    bench.episode = open_another(bench, add_podcast)
    with caplog.at_level(logging.CRITICAL), pytest.raises(Reject):
        bench.fails_with(Permanent("the workspace no longer holds it"), stage="publish")

    alarms = [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]
    assert len(alarms) == 2, alarms
    standing = bench.studio.database.alarms.standing(bench.studio.now(), quiet_seconds=3600)
    assert sorted(alarm.count for alarm in standing) == [1, 30]


def open_another(bench: Bench, add_podcast: AddPodcast) -> Episode:
    add_podcast(bench.studio.database, "another-show")
    episode = bench.studio.database.podcasts.open_slot("another-show", bench.studio.now(), stuck_after=1800)
    assert episode is not None
    return episode


def test_a_tick_that_fails_is_not_tried_again_for_the_next_does_the_same(bench: Bench) -> None:
    @bench.app.task(name=Task.SCHEDULE_PODCASTS.value, base=base.TickTask)
    def schedule_podcasts() -> None:
        raise Retryable("the database is away")

    schedule_podcasts.push_request(args=[], kwargs={}, id="1", called_directly=False, properties={})
    try:
        with pytest.raises(Ignore, match="the database is away"):
            schedule_podcasts()
    finally:
        schedule_podcasts.pop_request()

    assert bench.sent() == []


class Reported:
    """What was reported: the errors, by what they say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.errors: list[str] = []
        monkeypatch.setattr(base.reports, base.reports.error.__name__, self.take)

    def take(self, error: BaseException, **_: object) -> None:
        self.errors.append(str(error))


def received(times: int) -> dict[str, object]:
    """What SQS says of a message that was handed out so often."""
    return {"sqs_message": {"MessageId": "m-1", "Attributes": {"ApproximateReceiveCount": str(times)}}}


def test_a_dead_letter_is_reported_the_last_time_that_it_is_handed_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported = Reported(monkeypatch)
    with pytest.raises(ValidationError) as misfit:
        Podcast.model_validate({})

    @bench.app.task(name=Task.PROCESS_EPISODE.value, base=base.PatientTask, bind=True)
    def process_episode(_: base.PatientTask) -> None:
        raise misfit.value

    for times in (1, 2, 3):
        process_episode.push_request(
            args=[], kwargs={}, id="1", retries=0, called_directly=False, properties={"delivery_info": received(times)}
        )
        try:
            with pytest.raises(Reject):
                process_episode()
        finally:
            process_episode.pop_request()

    assert len(reported.errors) == 1


def test_retries_and_waits_are_not_reported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    reported = Reported(monkeypatch)
    for error in (Retryable("away"), ProviderPaused("the voice", 40, "503"), LeaseLost("e", 1), NothingNew("quiet")):
        with suppress(Retry):
            bench.fails_with(error, delivery_info=received(1))

    assert reported.errors == []


def test_a_line_tells_the_ids_of_its_message_and_believes_no_forged_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    bench.do = lambda _: told.append(get_contextvars())
    bench.receive(delivery_info=received(2))
    (context,) = told

    assert context["podcast"] == "my-show"
    assert context["episode"] == bench.episode.id
    assert (context["message"], context["receives"]) == ("m-1", 2)
    assert context["task"] == "generate_podcast"
    assert get_contextvars() == {}, "and nothing afterwards"
    for forged in ("a\nb", "../..", 7, None, ["my-show"], {"a": 1}):
        monkeypatch.setitem(MESSAGE, "data", {"podcastId": forged, "episodeId": forged})
        bench.do = lambda _: None
        bench.task.push_request(args=[MESSAGE], properties={})
        try:
            assert bench.task._told() == {}
        finally:
            bench.task.pop_request()

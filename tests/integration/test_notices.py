"""Listeners are told: at least once, under one id, for days if need be; by real receivers on loopback, with a clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from podcasting import generation, private_feeds, processing
from podcasting.announcing import NOBODY, Announcing, Hub, Notification, Podping, Target, Webhook, new_key
from podcasting.attempt import attempt
from podcasting.database.notices import Notice, NoticeState
from podcasting.models import EpisodeStatus, Podcast
from podcasting.notices import LONGEST_HELD_UP, WAITS, Delivery, Pace, deliver
from podcasting.providers.listeners import Listener
from podcasting.providers.listeners.apprise import AppriseListener
from podcasting.providers.listeners.outbound import Outbound
from podcasting.providers.listeners.podping import PodpingListener
from podcasting.providers.listeners.webhook import WebhookListener
from podcasting.providers.listeners.websub import WebsubListener
from podcasting.studio import Studio
from podcasting.work import Work, give_up
from tests.fakes.clock import Clock
from tests.fakes.sources import FakeSources
from tests.fakes.stories import feed_of
from tests.fakes.webhook_receiver import MailServer, Receiver, Reply, Told, signatures

AddPodcast = Callable[..., Podcast]
KEY = new_key()
DAY = 86_400


class LocalListeners:
    """The real listeners, allowed to go to loopback; the receiver is podping's gateway too."""

    platform = NOBODY

    def __init__(self, receiver: Receiver, clock: Clock) -> None:
        self._receiver = receiver
        self._clock = clock
        self._outbound = Outbound(frozenset({"127.0.0.1"}), timeout_seconds=30, now=clock)

    def of(self, target: Target) -> Listener:
        match target:
            case Webhook():
                keys = tuple(key.get_secret_value() for key in target.secrets)
                return WebhookListener(target.url.get_secret_value(), keys, self._outbound, self._clock)
            case Notification():
                return AppriseListener(target.url.get_secret_value(), 10, frozenset({"127.0.0.1"}))
            case Hub():
                return WebsubListener(target.url, self._outbound)
            case Podping():
                return PodpingListener(self._receiver.url("/podping"), "ticket", self._outbound)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


@pytest.fixture
def listeners(receiver: Receiver, clock: Clock) -> LocalListeners:
    return LocalListeners(receiver, clock)


@pytest.fixture
def add_show(studio: Studio, add_podcast: AddPodcast, receiver: Receiver) -> Callable[..., None]:
    """Adds a podcast that the receiver hears of by webhook, and by what is said beside."""

    def add(podcast_id: str = "my-show", *, review: bool = False, **announcing: Any) -> None:
        told = {"webhooks": {"site": {"url": receiver.url(), "secrets": [KEY]}}} | announcing
        add_podcast(studio.database, podcast_id, production={"announcing": told, "review": review})

    return add


def begin(studio: Studio, podcast_id: str = "my-show") -> Work:
    episode = studio.database.podcasts.open_slot(podcast_id, studio.now(), stuck_after=1800)
    assert episode is not None
    taken = studio.database.leases.take(episode.id, holder="test", now=studio.now(), seconds=60, stuck_after=1800)
    assert taken is not None
    return Work(studio, studio.database.podcasts.get(podcast_id), taken[1], taken[0])


def published(studio: Studio, podcast_id: str = "my-show") -> str:
    """An episode that ended as published, without the work of making it; its id."""
    work = begin(studio, podcast_id)
    studio.database.episodes.publish(work.lease, studio.now())
    return work.episode.id


def tell(studio: Studio, listeners: LocalListeners, **pace: Any) -> Delivery:
    return deliver(studio, listeners, Pace(**pace), jitter=lambda least, _: max(least, 1))


def only_notice(studio: Studio) -> Notice:
    [notice] = studio.database.notices.newest()
    return notice


def ids(told: list[Told]) -> list[str]:
    return [each.id for each in told]


# Told -------------------------------------------------------------------------------------------------


def test_what_is_due_is_told_once_and_settled(
    studio: Studio, listeners: LocalListeners, receiver: Receiver, add_show: Callable[..., None]
) -> None:
    add_show()
    episode_id = published(studio)

    assert tell(studio, listeners).delivered == 1
    assert tell(studio, listeners).looked_at == 0

    [told] = receiver.told
    notice = only_notice(studio)
    assert (told.id, notice.state, notice.answer) == (notice.id, NoticeState.DELIVERED, "answered 204")
    assert signatures(told, KEY) == [True]
    assert told.event["data"]["episodeId"] == episode_id
    assert told.event["data"]["feedUrl"] == f"{studio.site_url}/my-show/feed.xml"


def test_a_failure_that_passes_is_told_again_under_the_same_id(
    studio: Studio, listeners: LocalListeners, receiver: Receiver, clock: Clock, add_show: Callable[..., None]
) -> None:
    add_show()
    published(studio)
    receiver.replies.extend([Reply(500), Reply(200)])

    assert tell(studio, listeners).put_off == 1
    assert tell(studio, listeners).looked_at == 0, "not before its wait is over"
    clock.forward(WAITS[0] + 1)
    assert tell(studio, listeners).delivered == 1

    assert len(set(ids(receiver.told))) == 1
    assert only_notice(studio).tries == 2
    # The signature says when it was sent, each time, so that a receiver may refuse what is old.
    first, second = (int(told.headers["webhook-timestamp"]) for told in receiver.told)
    assert second - first == WAITS[0] + 1


def test_a_target_that_is_away_for_a_day_misses_nothing(
    studio: Studio, listeners: LocalListeners, receiver: Receiver, clock: Clock, add_show: Callable[..., None]
) -> None:
    add_show()
    episodes = []
    away_until = clock.now + timedelta(days=1)
    while clock.now < away_until:  # an episode every four hours; workers look every ten minutes
        receiver.replies.clear()
        receiver.replies.extend([Reply(500)] * 100)
        if (away_until - clock.now).total_seconds() % (4 * 3600) == 0:
            studio.database.podcasts.make_due("my-show", clock.now)
            episodes.append(published(studio))
        tell(studio, listeners)
        clock.forward(600)
    receiver.replies.clear()
    tried_in_vain = len(receiver.told)

    while studio.database.notices.newest(states=[NoticeState.WAITING]):
        tell(studio, listeners)
        clock.forward(600)

    heard = [told.event["data"]["episodeId"] for told in receiver.told[tried_in_vain:]]
    assert sorted(heard) == sorted(episodes)
    assert {notice.state for notice in studio.database.notices.newest()} == {NoticeState.DELIVERED}
    assert clock.now - away_until < timedelta(days=1)


def test_tried_for_days_it_is_given_up_with_an_alarm_and_can_be_set_going_again(
    studio: Studio, listeners: LocalListeners, receiver: Receiver, clock: Clock, add_show: Callable[..., None]
) -> None:
    add_show()
    published(studio)
    began = clock.now
    receiver.replies.extend([Reply(404)] * 20)
    while studio.database.notices.newest(states=[NoticeState.WAITING]):
        tell(studio, listeners)
        clock.forward(600)

    assert timedelta(days=2) < clock.now - began < timedelta(days=5)
    notice = only_notice(studio)
    assert (notice.state, notice.tries, len(receiver.told)) == (NoticeState.GIVEN_UP, 10, 10)
    [alarm] = studio.database.alarms.standing(clock.now, quiet_seconds=3600)
    assert "webhook site" in alarm.about
    assert "404" in alarm.about

    receiver.replies.clear()
    studio.database.notices.retry(clock.now, ids=[notice.id])
    assert tell(studio, listeners).delivered == 1


def test_who_says_gone_is_not_asked_again(
    studio: Studio, listeners: LocalListeners, receiver: Receiver, add_show: Callable[..., None]
) -> None:
    add_show()
    published(studio)
    receiver.replies.append(Reply(410))

    assert tell(studio, listeners).given_up == 1
    assert only_notice(studio).state is NoticeState.GIVEN_UP


def test_asked_to_slow_down_the_host_is_spared_and_no_try_is_used_up(
    studio: Studio, listeners: LocalListeners, receiver: Receiver, clock: Clock, add_show: Callable[..., None]
) -> None:
    add_show()
    published(studio)
    receiver.replies.append(Reply(429, {"Retry-After": "7200"}))
    tell(studio, listeners)
    add_show("other-show")
    published(studio, "other-show")

    clock.forward(7100)
    tell(studio, listeners)
    assert len(receiver.told) == 1, "the other podcast's is not sent there either"

    clock.forward(1600)
    tell(studio, listeners)
    clock.forward(60)  # one asked first, whether it may; the other waited for what came of it
    tell(studio, listeners)
    assert sorted(notice.tries for notice in studio.database.notices.newest()) == [1, 1]
    assert {notice.state for notice in studio.database.notices.newest()} == {NoticeState.DELIVERED}


def test_a_host_that_fails_for_all_is_spared_by_its_breaker(
    studio: Studio, listeners: LocalListeners, receiver: Receiver, add_show: Callable[..., None]
) -> None:
    for number in range(20):
        add_show(f"show-{number}")
        published(studio, f"show-{number}")
    receiver.replies.extend([Reply(500)] * 100)

    done = tell(studio, listeners, at_once=1)

    assert len(receiver.told) == studio.limits.tolerance.failures
    assert done.put_off == 20
    tries = sorted(notice.tries for notice in studio.database.notices.newest())
    assert tries == [0] * 15 + [1] * 5


def test_held_up_for_days_by_a_pause_it_is_given_up(
    studio: Studio, listeners: LocalListeners, receiver: Receiver, clock: Clock, add_show: Callable[..., None]
) -> None:
    add_show()
    published(studio)
    receiver.replies.extend([Reply(429, {"Retry-After": str(DAY)})] * 100)
    began = clock.now
    while studio.database.notices.newest(states=[NoticeState.WAITING]):
        tell(studio, listeners)
        clock.forward(3 * 3600)

    assert only_notice(studio).state is NoticeState.GIVEN_UP
    assert clock.now - began < timedelta(seconds=LONGEST_HELD_UP + 2 * DAY)


# Several, and those who die ---------------------------------------------------------------------------


def test_two_who_deliver_at_once_tell_each_once(
    studio: Studio, listeners: LocalListeners, receiver: Receiver, add_show: Callable[..., None]
) -> None:
    for number in range(30):
        add_show(f"show-{number}")
        published(studio, f"show-{number}")

    with ThreadPoolExecutor(2) as workers:
        done = list(workers.map(lambda _: tell(studio, listeners), range(2)))

    assert sum(each.delivered for each in done) == 30
    assert len(ids(receiver.told)) == len(set(ids(receiver.told))) == 30


def test_killed_between_telling_and_writing_it_down_it_is_told_again_under_the_same_id(
    studio: Studio,
    listeners: LocalListeners,
    receiver: Receiver,
    clock: Clock,
    add_show: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(BaseException):
        """As final as kill -9 for the code under test."""

    def killed(*_: object, **__: object) -> bool:
        raise Killed

    add_show()
    published(studio)
    with monkeypatch.context() as dying:
        dying.setattr(studio.database.notices, "settle", killed)
        with pytest.raises(Killed):
            tell(studio, listeners)
    assert len(receiver.told) == 1
    assert tell(studio, listeners).looked_at == 0, "its claim holds"

    clock.forward(Pace().claim + 1)
    assert tell(studio, listeners).delivered == 1
    assert len(receiver.told) == 2
    assert len(set(ids(receiver.told))) == 1


def test_who_was_frozen_and_wakes_writes_nothing_over_its_successor(
    studio: Studio, listeners: LocalListeners, receiver: Receiver, clock: Clock, add_show: Callable[..., None]
) -> None:
    add_show()
    published(studio)
    told, wakes = threading.Event(), threading.Event()

    def frozen(*_: object) -> None:
        told.set()
        wakes.wait(60)

    receiver.replies.append(Reply(raw=frozen))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(tell, studio, listeners)
        assert told.wait(60)
        clock.forward(Pace().claim + 1)
        assert tell(studio, listeners).delivered == 1
        wakes.set()
        assert first.result().put_off == 1  # it heard nothing, and says so

    assert only_notice(studio).state is NoticeState.DELIVERED


def test_a_long_list_is_told_in_parts_and_says_that_there_is_more(
    studio: Studio, listeners: LocalListeners, add_show: Callable[..., None]
) -> None:
    for number in range(12):
        add_show(f"show-{number}")
        published(studio, f"show-{number}")

    first = tell(studio, listeners, at_once=2, most=4)
    assert (first.delivered, first.more) == (4, True)
    rest = tell(studio, listeners)
    assert (rest.delivered, rest.more) == (8, False)


def test_a_delivery_ends_in_time(studio: Studio, listeners: LocalListeners, add_show: Callable[..., None]) -> None:
    for number in range(4):
        add_show(f"show-{number}")
        published(studio, f"show-{number}")
    passing = iter(range(0, 1000, 50))

    done = deliver(studio, listeners, Pace(at_once=1, seconds=120), clock=lambda: next(passing))

    assert (done.delivered, done.more) == (2, True)


def test_a_target_that_was_taken_off_is_told_nothing_more(
    studio: Studio, listeners: LocalListeners, receiver: Receiver, add_show: Callable[..., None]
) -> None:
    add_show()
    published(studio)
    studio.database.podcasts.change(
        "my-show",
        lambda podcast: podcast.model_copy(
            update={"production": podcast.production.model_copy(update={"announcing": Announcing()})}
        ),
    )

    assert tell(studio, listeners).dropped == 1
    assert receiver.told == []


def test_hubs_and_directories_hear_nothing_of_a_private_podcast_and_nobody_is_alarmed(
    studio: Studio, listeners: LocalListeners, receiver: Receiver, add_show: Callable[..., None]
) -> None:
    add_show(websub=[receiver.url("/hub")], podping=True)
    private_feeds.hide(studio, "my-show")
    published(studio)

    done = tell(studio, listeners)

    assert (done.delivered, done.dropped, done.put_off) == (1, 2, 0)
    [told] = receiver.told
    assert (told.path, told.event["data"]["feedUrl"], told.event["data"]["pageUrl"]) == ("/hooks", None, None)
    assert studio.database.alarms.standing(studio.now(), quiet_seconds=DAY) == []


def test_hubs_wait_until_caches_have_the_new_feed(
    studio: Studio, listeners: LocalListeners, receiver: Receiver, clock: Clock, add_show: Callable[..., None]
) -> None:
    add_show(websub=[receiver.url("/hub")], podping=True)
    published(studio)

    assert tell(studio, listeners, feed_settles=300).delivered == 1
    assert [told.path for told in receiver.told] == ["/hooks"]
    clock.forward(300)
    assert tell(studio, listeners, feed_settles=300).delivered == 2
    assert sorted(told.path.partition("?")[0] for told in receiver.told) == ["/hooks", "/hub", "/podping"]


# Whole episodes ---------------------------------------------------------------------------------------


def test_a_whole_episode_is_published_and_web_app_hub_and_directories_hear_of_it(
    studio: Studio, listeners: LocalListeners, receiver: Receiver, add_show: Callable[..., None]
) -> None:
    assert isinstance(studio.sources, FakeSources)
    studio.sources.feeds["https://example.org/feed.xml"] = feed_of("tides", "bridges", "bees")
    hub = receiver.url("/hub")
    add_show(websub=[hub], podping=True)
    work = begin(studio)
    generation.generate(work)
    assert tell(studio, listeners).looked_at == 0, "nothing is told before it is published"
    processing.process(Work(studio, work.podcast, studio.database.episodes.get(work.episode.id), work.lease))

    assert tell(studio, listeners).delivered == 3
    by_path = {told.path.partition("?")[0]: told for told in receiver.told}
    assert set(by_path) == {"/hooks", "/hub", "/podping"}
    event = by_path["/hooks"].event
    assert (event["type"], event["data"]["status"]) == ("episode.published", "published")
    assert event["data"]["title"] == studio.database.episodes.get(work.episode.id).title
    assert f'href="{hub}" rel="hub"'.encode() in studio.site.get("my-show/feed.xml")


def test_people_hear_of_a_failure_and_of_a_script_that_waits_for_them(
    studio: Studio, listeners: LocalListeners, add_show: Callable[..., None]
) -> None:
    assert isinstance(studio.sources, FakeSources)
    studio.sources.feeds["https://example.org/feed.xml"] = feed_of("tides", "bridges", "bees")
    with MailServer() as server:
        mail = (
            f"mailto://localhost:{server.port}?smtp=127.0.0.1&from=airdate@example.org&to=ada@example.org&format=text"
        )
        add_show("fails", webhooks={}, notify={"ada": mail})
        add_show("waits", webhooks={}, notify={"ada": mail}, review=True)
        work = begin(studio, "fails")
        give_up(work, ValueError("no voice"))
        opened = studio.database.podcasts.open_slot("waits", studio.now(), stuck_after=1800)
        assert opened is not None
        rested = attempt(studio, opened.id, generation.generate, holder="test", last_try=True, backoff=lambda *_: 1)
        assert rested.status is EpisodeStatus.SCRIPT_READY

        assert tell(studio, listeners).delivered == 2
        text = "\n".join(server.mails).replace("=\r\n", "")
    assert "an episode failed at collect" in text
    assert f"airdate episodes approve {rested.id}" in text

"""Telling listeners: claims notices that are due, tells each, and writes down what came of it.

Each is told at least once and always under the same id: whoever dies between telling and writing it down is followed
by one who tells again. One that does not get through is tried again for days, then given up with an alarm; the
provider's breaker spares a target that fails for many.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from podcasting.alarm import sound_alarm
from podcasting.announcing import Announcing, Hub, Podping, Target, targets_of
from podcasting.database.notices import Notice, NoticeState
from podcasting.errors import AirdateError, ProviderPaused, UnknownPodcast
from podcasting.models import Podcast
from podcasting.protection import Guard
from podcasting.providers.listeners import Event, Gone, Listener
from podcasting.stages.feed import feed_url
from podcasting.studio import Studio
from podcasting.work import reason

log = logging.getLogger(__name__)

HOUR = 3600
WAITS = (5, 5 * 60, 30 * 60, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""Seconds before the second try and each later one, as the Standard Webhooks specification has it: over three days."""
JITTER = 0.2
"""Each wait is up to so much of itself shorter or longer, so that what failed together does not come back together."""
LONGEST_HELD_UP = 5 * 24 * HOUR
"""Seconds after which a notice is given up that a paused provider kept from being tried."""
KEPT = 30 * 24 * HOUR
"""Seconds for which a settled notice can be looked at."""


class Listeners(Protocol):
    """Those who are told, each set up from its address."""

    @property
    def platform(self) -> Announcing:
        """Who is told of every podcast's episodes."""
        ...

    def of(self, target: Target) -> Listener:
        """The one who tells a target.

        Raises:
            Permanent: what it needs is not installed or not set; says the fix.
        """
        ...


@dataclass(frozen=True)
class Pace:
    """How much is told at once, and for how long; seconds unless a name says otherwise."""

    at_once: int = 8
    most: int = 400
    """Notices of one delivery; whoever called looks again."""
    seconds: float = 120
    """After which no more are begun."""
    one: float = 15
    """What telling one may take."""
    feed_settles: float = 0
    """How long a cache may keep the feed that was: hubs and directories are told no earlier after an episode."""

    @property
    def claim(self) -> float:
        """How long a claim lasts: a lookup of a name, which is not ours to bound, has its share."""
        return 2 * self.one + 60


@dataclass
class Delivery:
    """What one delivery did."""

    delivered: int = 0
    put_off: int = 0
    given_up: int = 0
    dropped: int = 0
    more: bool = False
    """Whether some may still be due."""
    answers: dict[str, str] = field(default_factory=dict)
    """By notice, what came of it."""

    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count(self, notice_id: str, outcome: str, answer: str) -> None:
        """Count one more; by several threads at once."""
        with self._lock:
            setattr(self, outcome, getattr(self, outcome) + 1)
            self.answers[notice_id] = answer

    @property
    def looked_at(self) -> int:
        """How many notices it had in hand."""
        return self.delivered + self.put_off + self.given_up + self.dropped


def deliver(
    studio: Studio,
    listeners: Listeners,
    pace: Pace,
    *,
    clock: Callable[[], float] = time.monotonic,
    jitter: Callable[[float, float], float] = random.uniform,
) -> Delivery:
    """Tell listeners what is due, oldest first, several at once. Two who deliver at once share the work.

    Never raises for a listener's trouble; that of the database is raised.
    """
    done = Delivery()
    ends = clock() + pace.seconds
    with ThreadPoolExecutor(pace.at_once, thread_name_prefix="listener") as pool:
        while clock() < ends and done.looked_at < pace.most:
            # No more than are told side by side: a claim must not run out while its notice waits for a thread.
            claimed = studio.database.notices.claim(studio.now(), seconds=pace.claim, limit=pace.at_once)
            telling = _Telling(studio, listeners, pace, done, jitter)
            running = [pool.submit(copy_context().run, telling.tell, notice) for notice in claimed]
            for each in running:
                each.result()
            if len(claimed) < pace.at_once:
                break
        else:
            done.more = True
    studio.database.notices.sweep(studio.now() - timedelta(seconds=KEPT))
    return done


@dataclass(frozen=True)
class _Telling:
    studio: Studio
    listeners: Listeners
    pace: Pace
    done: Delivery
    jitter: Callable[[float, float], float]

    def tell(self, notice: Notice) -> None:
        """Tell one, and write down what came of it."""
        try:
            podcast = self.studio.database.podcasts.get(notice.podcast_id)
        except UnknownPodcast as error:
            self._settle(notice, NoticeState.DROPPED, str(error))
            return
        target = targets_of(podcast.production.announcing, self.listeners.platform).get(notice.target)
        if target is None:
            self._settle(notice, NoticeState.DROPPED, "it is no longer among the settings")
            return
        if isinstance(target, Hub | Podping) and podcast.production.feed.private is not None:
            self._settle(notice, NoticeState.DROPPED, "the podcast is private: nobody is told where its feed is")
            return
        settled = notice.created_at + timedelta(seconds=self.pace.feed_settles)
        if isinstance(target, Hub | Podping) and self.studio.now() < settled:
            self._put_off(notice, settled, "waits until caches have the new feed", tried=False)
            return
        try:
            answer = tell(
                self.studio, self.listeners, target, notice.id, with_links(self.studio, podcast, notice.event)
            )
        except Gone as error:
            self._give_up(notice, reason(error))
        except ProviderPaused as error:
            self._paused(notice, error)
        except AirdateError as error:
            self._failed(notice, reason(error))
        except Exception as error:
            log.exception("a fault of Airdate's own: please report it", extra=_whose(notice))
            self.studio.observer.fault(error)
            self._failed(notice, reason(error))
        else:
            self._settle(notice, NoticeState.DELIVERED, answer)

    def _failed(self, notice: Notice, why: str) -> None:
        tries = notice.tries + 1
        if tries > len(WAITS):
            self._give_up(notice, why)
            return
        wait = WAITS[tries - 1] * self.jitter(1 - JITTER, 1 + JITTER)
        self._put_off(notice, self.studio.now() + timedelta(seconds=wait), why, tried=True)

    def _paused(self, notice: Notice, paused: ProviderPaused) -> None:
        now = self.studio.now()
        if now - notice.created_at > timedelta(seconds=LONGEST_HELD_UP):
            self._give_up(notice, reason(paused))
            return
        wait = paused.seconds * self.jitter(1, 1 + JITTER)
        self._put_off(notice, now + timedelta(seconds=wait), reason(paused), tried=False)

    def _give_up(self, notice: Notice, why: str) -> None:
        if self._settle(notice, NoticeState.GIVEN_UP, why):
            sound_alarm(self.studio, f"listeners of {notice.podcast_id}: {notice.target}", f"given up: {why}")

    def _settle(self, notice: Notice, state: NoticeState, answer: str) -> bool:
        tried = state in {NoticeState.DELIVERED, NoticeState.GIVEN_UP}
        mine = self.studio.database.notices.settle(notice, state, self.studio.now(), answer, tried=tried)
        counted = {NoticeState.DELIVERED: "delivered", NoticeState.GIVEN_UP: "given_up", NoticeState.DROPPED: "dropped"}
        self._told(notice, counted[state], state.value, answer)
        return mine

    def _put_off(self, notice: Notice, until: datetime, why: str, *, tried: bool) -> None:
        self.studio.database.notices.put_off(notice, until, why, tried=tried)
        self._told(notice, "put_off", f"told again at {until:%Y-%m-%d %H:%M:%S} UTC", why)

    def _told(self, notice: Notice, counted: str, how: str, answer: str) -> None:
        self.done.count(notice.id, counted, answer)
        level = logging.INFO if counted in {"delivered", "dropped"} else logging.WARNING
        said = (notice.id, notice.target, notice.episode_id, how, answer)
        log.log(level, "notice %s to %s of %s: %s: %s", *said, extra=_whose(notice))


def _whose(notice: Notice) -> dict[str, str]:
    """What a line in the log carries beside its words."""
    return {"podcast": notice.podcast_id, "episode": notice.episode_id}


def tell(studio: Studio, listeners: Listeners, target: Target, notice_id: str, event: Event) -> str:
    """Tell one target now, if its provider's breaker lets us; returns what it answered.

    Raises:
        AirdateError: as :meth:`podcasting.providers.listeners.Listener.tell`; or ProviderPaused.
    """
    listener = listeners.of(target)
    with Guard(studio).asking(listener.provider):
        return listener.tell(notice_id, event)


def with_links(studio: Studio, podcast: Podcast, event: Event) -> Event:
    """The event with the podcast's addresses as they are now; a private podcast's are told to nobody."""
    if podcast.production.feed.private is not None:
        return event
    links = {
        "feed_url": feed_url(podcast.id, studio.site_url),
        "page_url": f"{studio.site_url.rstrip('/')}/{podcast.id}/",
    }
    return event.model_copy(update={"data": event.data.model_copy(update=links)})

"""The simulation: discovery's ticks, claims that expire and double, two queues, workers that fail and are scaled.

Discrete events on a heap, exact to the message; seeded, so that a run can be had again. What it leaves out:
how SQS spreads messages over its servers, and that a database or a provider that is asked too much gets slower
(:mod:`bench.fleet.limits` says when they would be).
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterator, Sequence
from enum import IntEnum

import numpy as np

from bench.fleet.arrivals import DAY_SECONDS
from bench.fleet.policy import Scaler
from bench.fleet.world import Floats, Minutes, Outcome, Stage, World, spread

MINUTE = 60.0
MOST_DOUBLINGS = 10
"""As podcasting/database/claims.py has it."""
LONGEST_DELAY = 900.0
REPEATED = 0.1
"""Of what a try has done, so much is done again: the stage in hand."""
DRAWN_AT_ONCE = 65_536


class State(IntEnum):
    """Of an episode at one queue."""

    WAITING = 0
    RUNNING = 1
    BETWEEN = 2
    """Between two tries."""
    DONE = 3
    DEAD = 4


class Event(IntEnum):
    """What happens."""

    PUBLISHED = 0
    SENT_AGAIN = 1
    """A copy that found its work in other hands: for when they may have let go."""
    TRIED_AGAIN = 2
    FINISHED = 3
    FAILED = 4
    CRASHED = 5
    COPY_ENDED = 6
    TICK = 7
    LOOK = 8


class _Queue:
    """One queue's messages, and what its workers have in hand."""

    def __init__(self, stage: Stage, size: int, rng: np.random.Generator) -> None:
        self.stage = stage
        draw = stage.draw or spread(stage.service_seconds)
        self.left: list[float] = draw(rng, size).tolist()
        """Seconds of work, by episode."""
        self.state = bytearray(size)
        self.retries = bytearray(size)
        self.receives = bytearray(size)
        self.messages: deque[tuple[int, bool]] = deque()
        """An episode, and whether the message goes on with what was begun."""
        self.scaler = Scaler(stage.policy, stage.policy.least)
        self.busy = 0
        self.starts = 0
        self.dead = 0


class Simulation:
    """One run over ``due``, the sorted seconds after midnight at which episodes are due."""

    def __init__(self, world: World, due: Floats) -> None:
        self._world = world
        rng = np.random.default_rng(world.seed)
        self._due: list[float] = due.tolist()
        size = len(self._due)
        self._queues = (_Queue(world.generation, size, rng), _Queue(world.processing, size, rng))
        self._chances = _uniform(rng)
        self._events: list[tuple[float, int, Event, int, Sequence[int]]] = []
        """When, a number that keeps their order, what, at which queue, of which episodes."""
        self._number = 0
        self._expiring: dict[int, list[tuple[int, int, int]]] = {}
        """By tick: queue, episode, and how many claims of it there were."""
        self._expiries: list[int] = []
        """Its ticks, as a heap."""
        self._claimed = 0
        self._free_at = 0.0
        self._next_tick = math.inf
        self._copies = 0
        self._longest = 0.0
        self._sent = [math.nan] * size
        self._begun = [math.nan] * size
        self._published = [math.nan] * size
        self._generated = 0
        self._ended = 0
        self._seen = Minutes()

    def run(self, until: float = 3 * 86_400) -> Outcome:
        """Simulate a day, and on until all is done, or ``until``."""
        self._tick_for(self._due[0] if self._due else math.inf)
        self._at(0.0, Event.LOOK)
        now = 0.0
        while self._events:
            now, _, what, which, episodes = heapq.heappop(self._events)
            if now > until:
                break
            if what is Event.TICK:
                self._tick(now)
            elif what is Event.LOOK:
                self._look(now)
            else:
                self._happened(now, what, which, episodes)
                self._begin(now, which)
        return self._outcome()

    def _at(self, moment: float, what: Event, which: int = 0, episodes: Sequence[int] = ()) -> None:
        self._number += 1
        heapq.heappush(self._events, (moment, self._number, what, which, episodes))

    # Discovery ------------------------------------------------------------------------------------

    def _tick_for(self, moment: float) -> None:
        """See that there is a tick once ``moment`` is over; those that would find nothing are left out."""
        if moment == math.inf:
            return
        tick = math.ceil(moment / self._world.tick_seconds) * self._world.tick_seconds
        if tick < self._next_tick:
            self._next_tick = tick
            self._at(tick, Event.TICK)

    def _tick(self, now: float) -> None:
        if now != self._next_tick:  # an earlier one was put before it, and found what it was for
            return
        self._next_tick = math.inf
        found = self._due_now(now) + self._expired(now)
        at = max(now, self._free_at)
        for start in range(0, len(found), self._world.page):
            page = found[start : start + self._world.page]
            at += len(page) / self._world.claims_per_second
            for which in (0, 1):
                if episodes := [episode for of, episode, _ in page if of == which]:
                    self._at(at, Event.PUBLISHED, which, episodes)
            for which, episode, claims in page:
                self._claim(now, which, episode, claims)  # a claim lasts from its discovery's beginning
        self._free_at = at
        self._longest = max(self._longest, at - now)
        if self._claimed < len(self._due):
            self._tick_for(max(self._due[self._claimed], now + self._world.tick_seconds / 2))
        if self._expiries:
            self._tick_for(self._expiries[0] * self._world.tick_seconds)

    def _due_now(self, now: float) -> list[tuple[int, int, int]]:
        first = self._claimed
        while self._claimed < len(self._due) and self._due[self._claimed] <= now:
            self._claimed += 1
        return [(0, episode, 0) for episode in range(first, self._claimed)]

    def _expired(self, now: float) -> list[tuple[int, int, int]]:
        tick = round(now / self._world.tick_seconds)
        found: list[tuple[int, int, int]] = []
        while self._expiries and self._expiries[0] <= tick:
            found += [
                (which, episode, claims)
                for which, episode, claims in self._expiring.pop(heapq.heappop(self._expiries))
                if self._queues[which].state[episode] == State.WAITING
            ]
        self._copies += len(found)
        return found

    def _claim(self, now: float, which: int, episode: int, earlier: int) -> None:
        doublings = min(earlier, MOST_DOUBLINGS) if self._world.claims_double else 0
        tick = math.ceil((now + self._world.claim_seconds * 2**doublings) / self._world.tick_seconds)
        if tick not in self._expiring:
            self._expiring[tick] = []
            heapq.heappush(self._expiries, tick)
            self._tick_for(tick * self._world.tick_seconds)
        self._expiring[tick].append((which, episode, earlier + 1))

    # Workers --------------------------------------------------------------------------------------

    def _out(self, now: float) -> bool:
        outage = self._world.outage
        return outage is not None and outage[0] <= now < outage[1]

    def _begin(self, now: float, which: int) -> None:
        """Let free slots take messages."""
        queue = self._queues[which]
        if not queue.messages or self._out(now):
            return
        slots = queue.scaler.working * queue.stage.policy.slots
        while queue.busy < slots and queue.messages:
            episode, goes_on = queue.messages.popleft()
            queue.busy += 1
            state = queue.state[episode]
            if state == State.WAITING or (goes_on and state == State.BETWEEN):
                queue.state[episode] = State.RUNNING
                queue.starts += 1
                if not which and math.isnan(self._begun[episode]):
                    self._begun[episode] = now
                self._try(now, which, episode)
            else:
                self._at(now + self._world.copy_seconds, Event.COPY_ENDED, which, (episode,))

    def _try(self, now: float, which: int, episode: int) -> None:
        world, queue = self._world, self._queues[which]
        work, chance = queue.left[episode], next(self._chances)
        if chance >= world.retries_per_task + world.crashes_per_task:
            self._at(now + work, Event.FINISHED, which, (episode,))
            return
        done = next(self._chances) * work
        queue.left[episode] = work - (1 - REPEATED) * done
        failed = chance < world.retries_per_task
        self._at(now + done, Event.FAILED if failed else Event.CRASHED, which, (episode,))

    def _happened(self, now: float, what: Event, which: int, episodes: Sequence[int]) -> None:
        queue, world = self._queues[which], self._world
        if what is Event.PUBLISHED:
            queue.messages.extend((episode, False) for episode in episodes)
            if not which:
                for episode in episodes:
                    if math.isnan(self._sent[episode]):
                        self._sent[episode] = now
            return
        (episode,) = episodes
        if what in (Event.SENT_AGAIN, Event.TRIED_AGAIN):
            queue.messages.append((episode, what is Event.TRIED_AGAIN))
            return
        queue.busy -= 1
        if what is Event.FINISHED:
            self._finished(now, which, episode)
        elif what is Event.COPY_ENDED:
            if queue.state[episode] in (State.RUNNING, State.BETWEEN):
                self._at(now + world.lease_seconds, Event.SENT_AGAIN, which, episodes)
        elif what is Event.FAILED:
            queue.retries[episode] += 1
            longest = min(LONGEST_DELAY, world.retry_base * 2.0 ** (queue.retries[episode] - 1))
            given_up = queue.retries[episode] > world.max_retries
            self._leave(which, episode, now + next(self._chances) * longest, given_up=given_up)
        else:
            queue.receives[episode] += 1  # noticed when the visibility timeout is over
            given_up = queue.receives[episode] >= world.max_receives
            self._leave(which, episode, now + world.visibility_seconds, given_up=given_up)

    def _leave(self, which: int, episode: int, until: float, *, given_up: bool) -> None:
        queue = self._queues[which]
        if given_up:
            queue.state[episode] = State.DEAD
            queue.dead += 1
            self._ended += 1
        else:
            queue.state[episode] = State.BETWEEN
            self._at(until, Event.TRIED_AGAIN, which, (episode,))

    def _finished(self, now: float, which: int, episode: int) -> None:
        self._queues[which].state[episode] = State.DONE
        if which:
            self._published[episode] = now
            self._ended += 1
        else:
            self._generated += 1
            self._queues[1].messages.append((episode, False))
            self._claim(now, 1, episode, 0)
            self._begin(now, 1)

    # What is seen ---------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        for which, queue in enumerate(self._queues):
            if not self._out(now):
                queue.scaler.look(now, len(queue.messages) + queue.busy, queue.stage.service_seconds)
            self._begin(now, which)
        seen, queues = self._seen, self._queues
        seen.backlog.append(sum(len(queue.messages) for queue in queues))
        seen.in_flight.append(max(queue.busy for queue in queues))
        seen.workers.append(sum(queue.scaler.paid for queue in queues))
        seen.started.append(sum(queue.starts for queue in queues))
        seen.generated.append(self._generated)
        seen.ended.append(self._ended)
        if now < DAY_SECONDS or self._ended < len(self._due):
            self._at(now + MINUTE, Event.LOOK)

    def _outcome(self) -> Outcome:
        published = np.asarray(self._published)
        waits = np.asarray(self._begun) - np.asarray(self._sent)
        done = int(np.count_nonzero(~np.isnan(published)))
        dead = sum(queue.dead for queue in self._queues)
        last = float(np.nanmax(published)) if done else 0.0
        return Outcome(
            minutes=self._seen,
            latencies=(published - np.asarray(self._due))[~np.isnan(published)],
            waits=waits[~np.isnan(waits)],
            end=max(float(DAY_SECONDS), last),
            arrived=self._claimed,
            done=done,
            dead=dead,
            in_hand=sum(queue.state.count(State.RUNNING) + queue.state.count(State.BETWEEN) for queue in self._queues),
            waiting=self._queues[0].state.count(State.WAITING)
            - (len(self._due) - self._claimed)
            + sum(
                self._queues[0].state[episode] == State.DONE and self._queues[1].state[episode] == State.WAITING
                for episode in range(len(self._due))
            ),
            copies=self._copies,
            worker_seconds=(self._queues[0].scaler.worker_seconds, self._queues[1].scaler.worker_seconds),
            wanted=max(queue.scaler.most_wanted for queue in self._queues),
            longest_fan_out=self._longest,
        )


def _uniform(rng: np.random.Generator) -> Iterator[float]:
    while True:
        yield from rng.random(DRAWN_AT_ONCE).tolist()

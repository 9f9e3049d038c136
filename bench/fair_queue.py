"""A model of SQS's fair queues: who is handed the next message, when one tenant has a backlog.

No emulator models them, so this follows what AWS publishes (Amazon SQS Developer Guide, "How Amazon SQS fair
queues work", read in November 2026). A tenant is all messages of one MessageGroupId; a message without one is a
tenant of its own. A tenant is noisy while it has

* more than 10 % of the queue's messages in flight, and at least 30; or
* more than 10 % of the time that consumers spent lately.

Messages of quiet tenants are handed out first; among noisy ones, those of the tenant with the fewest in flight.
AWS calls its thresholds approximate and does not say how long "lately" is: here it is five minutes, the time after
which it says that a tenant who sends nothing is quiet again.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

SHARE = 0.1
LEAST_IN_FLIGHT = 30
RECENT_SECONDS = 300.0
ROUNDING = 1e-9
"""Seconds; what sums of fractions leave behind."""


@dataclass(frozen=True)
class Message:
    """One message; ``sent_at`` and ``seconds`` (of a consumer's time) are of the simulation's clock."""

    sent_at: float
    seconds: float
    tenant: str | None
    """Its MessageGroupId."""


class FairQueue:
    """Hands out messages; not fair, it hands out the oldest, as a standard queue without groups does at best."""

    def __init__(self, *, fair: bool = True) -> None:
        self._fair = fair
        self._waiting: dict[str, deque[tuple[int, Message]]] = defaultdict(deque)
        self._heads: list[tuple[int, str]] = []
        """The oldest waiting message of each tenant: when it was sent, in order, and whose it is."""
        self._order = 0
        self._in_flight: Counter[str] = Counter()
        self._spent: Counter[str] = Counter()
        self._recent: deque[tuple[float, str, float]] = deque()

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._waiting.values())

    def send(self, message: Message) -> None:
        """Put a message on it."""
        self._order += 1
        tenant = f"message {self._order}" if message.tenant is None else f"group {message.tenant}"
        waiting = self._waiting[tenant]
        if not waiting:
            heapq.heappush(self._heads, (self._order, tenant))
        waiting.append((self._order, message))

    def receive(self) -> tuple[str, Message] | None:
        """The next message and its tenant, by the name that :meth:`settle` wants; None when none waits."""
        passed: list[tuple[int, str]] = []
        while self._heads and self._fair and self.is_noisy(self._heads[0][1]):
            passed.append(heapq.heappop(self._heads))
        if self._heads:
            tenant = heapq.heappop(self._heads)[1]
        elif passed:
            chosen = min(passed, key=lambda head: (self._in_flight[head[1]], head[0]))
            passed.remove(chosen)
            tenant = chosen[1]
        else:
            return None
        for head in passed:
            heapq.heappush(self._heads, head)
        waiting = self._waiting[tenant]
        _, message = waiting.popleft()
        if waiting:
            heapq.heappush(self._heads, (waiting[0][0], tenant))
        else:
            del self._waiting[tenant]
        self._in_flight[tenant] += 1
        return tenant, message

    def settle(self, tenant: str, now: float, seconds: float) -> None:
        """A message of the tenant was deleted at ``now``, after so many seconds of a consumer's time."""
        self._in_flight[tenant] -= 1
        if not self._in_flight[tenant]:
            del self._in_flight[tenant]
        self._spent[tenant] += seconds  # type: ignore[assignment]  # a Counter counts seconds as well
        self._recent.append((now, tenant, seconds))
        while self._recent[0][0] < now - RECENT_SECONDS:
            _, whose, spent = self._recent.popleft()
            self._spent[whose] -= spent  # type: ignore[assignment]
            if self._spent[whose] <= ROUNDING:
                del self._spent[whose]

    def is_noisy(self, tenant: str) -> bool:
        """Whether others are served before this tenant."""
        in_flight = self._in_flight[tenant]
        if in_flight >= LEAST_IN_FLIGHT and in_flight > SHARE * self._in_flight.total():
            return True
        return self._spent[tenant] > SHARE * self._total_spent()

    def _total_spent(self) -> float:
        return float(self._spent.total())


def dwell_times(messages: Sequence[Message], *, slots: int, fair: bool = True) -> list[float]:
    """How many seconds each message waits before one of ``slots`` consumers takes it, in the messages' order.

    A consumer takes one at a time, as a Celery worker does that acknowledges late and prefetches nothing.
    """
    queue = FairQueue(fair=fair)
    places = {id(message): place for place, message in enumerate(messages)}
    waits = [0.0] * len(messages)
    coming = deque(sorted(messages, key=lambda message: message.sent_at))
    busy: list[tuple[float, int, str, float]] = []
    now, begun = 0.0, 0
    while coming or busy:
        now = min(
            coming[0].sent_at if coming else float("inf"),
            busy[0][0] if busy else float("inf"),
        )
        while busy and busy[0][0] <= now:
            _, _, tenant, seconds = heapq.heappop(busy)
            queue.settle(tenant, now, seconds)
        while coming and coming[0].sent_at <= now:
            queue.send(coming.popleft())
        while len(busy) < slots and (given := queue.receive()) is not None:
            tenant, message = given
            begun += 1
            waits[places[id(message)]] = now - message.sent_at
            heapq.heappush(busy, (now + message.seconds, begun, tenant, message.seconds))
    return waits

"""How a fleet is scaled: once a minute, to what its backlog asks for."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """Target tracking on the backlog per worker, as AWS advises for consumers of SQS.

    A worker may have as many messages before it as it does within the acceptable latency.
    """

    slots: int
    """Tasks that a worker runs at once."""
    acceptable_seconds: float = 300
    """From a message's arrival to the end of its work."""
    start_seconds: float = 63
    """From the decision to the first message: the platform starts a task (about a minute), the worker gets ready."""
    scale_in_seconds: float = 300
    """No worker is taken away sooner after the last change."""
    least: int = 1
    most: int = 500

    def backlog_per_worker(self, service_seconds: float) -> float:
        """Messages, waiting or in hand, for one worker."""
        return max(self.slots, self.acceptable_seconds / service_seconds * self.slots)

    def wanted(self, messages: float, service_seconds: float) -> int:
        """Workers for so many messages, were there no most."""
        return max(self.least, math.ceil(messages / self.backlog_per_worker(service_seconds)))


class Scaler:
    """The workers of one queue, as the policy has them come and go."""

    def __init__(self, policy: Policy, workers: int) -> None:
        self._policy = policy
        self.working = workers
        """Those that take messages."""
        self.most_wanted = workers
        """What the policy would have had at its busiest, were there no most."""
        self._starting: list[tuple[float, int]] = []
        self._changed = -math.inf
        self.worker_seconds = 0.0
        """Paid for: those that work and those that start."""
        self._at = 0.0

    @property
    def paid(self) -> int:
        """Those that work and those that start."""
        return self.working + sum(number for _, number in self._starting)

    def look(self, now: float, messages: int, service_seconds: float) -> None:
        """Once a minute: what came up works; what the backlog asks for is started, or taken away."""
        self.worker_seconds += self.paid * (now - self._at)
        self._at = now
        self.working += sum(number for ready, number in self._starting if ready <= now)
        self._starting = [(ready, number) for ready, number in self._starting if ready > now]
        wanted = self._policy.wanted(messages, service_seconds)
        self.most_wanted = max(self.most_wanted, wanted)
        wanted = min(wanted, self._policy.most)
        if wanted > self.paid:
            self._starting.append((now + self._policy.start_seconds, wanted - self.paid))
            self._changed = now
        elif wanted < self.working and not self._starting and now - self._changed >= self._policy.scale_in_seconds:
            self.working = wanted
            self._changed = now

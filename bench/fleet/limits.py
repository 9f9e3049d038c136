"""What a fleet meets first as it grows, and what to do then."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.fleet.measured import Measured
from bench.fleet.world import Minutes, Outcome, World

IN_FLIGHT = 120_000
"""Messages in flight of a standard queue (Amazon SQS quotas)."""
PROVIDER_CALLS_A_MINUTE = 10_000
"""What an outside voice allows: an assumption, since each provider and contract has a limit of its own."""
MINUTE = 60


@dataclass(frozen=True)
class Limit:
    """How near a day came to one limit."""

    name: str
    peak: float
    limit: float
    unit: str
    then: str
    """What to do when it is met."""

    @property
    def share(self) -> float:
        """More than 1: it was met."""
        return self.peak / self.limit


def met_at(shares: Mapping[int, float]) -> int:
    """At about how many podcasts a day a limit is met, from its shares at several sizes, the smallest first.

    Between two sizes the share is taken to grow by a power of the size, and beyond them as the size does. Two
    digits are given; one of them may be right.
    """
    sizes = list(shares)
    below = [size for size in sizes if shares[size] <= 1]
    if not below:
        estimate = sizes[0] / shares[sizes[0]]
    elif below[-1] == sizes[-1]:
        estimate = sizes[-1] / shares[sizes[-1]]
    else:
        low, high = below[-1], sizes[sizes.index(below[-1]) + 1]
        steepness = math.log(shares[high] / shares[low]) / math.log(high / low)
        estimate = low * (1 / shares[low]) ** (1 / steepness)
    return int(round(estimate, 1 - math.floor(math.log10(estimate))))


def limits(world: World, measured: Measured, outcome: Outcome) -> list[Limit]:
    """All of them, the nearest first."""
    seen = outcome.minutes
    database = measured.database_per_second.value
    writes = database_writes_per_second(world, measured, seen)
    voice = np.diff(seen.generated, prepend=0).max() * measured.voice_calls.value
    found = [
        Limit(
            "workers",
            outcome.wanted,
            world.generation.policy.most,
            "workers of one queue",
            "raise the platform's quota and the policy's most; or spread the slots over the hour, or accept a longer "
            "wait: what is late is only late",
        ),
        Limit(
            "database",
            writes,
            database,
            "writing transactions a second",
            "a larger machine first; then fewer writes: longer leases, and several stages to a transaction; then "
            "podcasts in several databases, each with its discovery",
        ),
        Limit(
            "discovery",
            outcome.longest_fan_out,
            world.tick_seconds,
            "seconds of work at one tick",
            "a second discovery worker: claims never overlap, and four at once were measured",
        ),
        Limit(
            "provider",
            voice,
            PROVIDER_CALLS_A_MINUTE,
            "calls a minute to an outside voice",
            "ask for more, or use the embedded voice: the breaker keeps a throttled provider from failing episodes, "
            "and the work waits",
        ),
        Limit(
            "in flight",
            max(seen.in_flight),
            IN_FLIGHT,
            "messages of one queue",
            "a second queue: with a prefetch of one, in flight is what workers have in hand",
        ),
    ]
    return sorted(found, key=lambda limit: -limit.share)


def database_writes_per_second(world: World, measured: Measured, seen: Minutes) -> float:
    """At the busiest minute: each episode's transactions, its leases' renewals, and claims a page at a time."""
    tasks = np.diff(seen.started, prepend=0) / MINUTE
    renewals = np.asarray(seen.in_flight) / (world.lease_seconds / 3)
    return float((tasks * measured.transactions.value / 2 + renewals).max())

"""What a fleet is told, and what is seen of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.fleet.policy import Policy

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]


def spread(mean: float, variation: float = 0.5) -> Draw:
    """Service times: lognormal, with their mean and their standard deviation as a part of it."""
    sigma = math.sqrt(math.log(1 + variation**2))
    return lambda rng, size: rng.lognormal(math.log(mean) - sigma**2 / 2, sigma, size)


@dataclass(frozen=True)
class Stage:
    """A queue and its workers."""

    service_seconds: float
    """The mean, of a slot's time."""
    policy: Policy
    draw: Draw | None = None
    """Draws service times; :func:`spread` unless told."""


@dataclass(frozen=True)
class World:
    """What holds for both queues; seconds."""

    generation: Stage
    processing: Stage
    tick_seconds: float = 60
    claims_per_second: float = 3000
    """How fast one discovery claims and publishes."""
    page: int = 500
    claim_seconds: float = 300
    claims_double: bool = True
    retries_per_task: float = 0.02
    retry_base: float = 10
    max_retries: int = 5
    crashes_per_task: float = 0.001
    visibility_seconds: float = 60
    max_receives: int = 3
    copy_seconds: float = 0.02
    """What a message costs whose work is done or in other hands."""
    lease_seconds: float = 60
    outage: tuple[float, float] | None = None
    """From when to when no worker works, while discovery goes on."""
    seed: int = 1


@dataclass
class Minutes:
    """What was seen once a minute."""

    backlog: list[int] = field(default_factory=list)
    """Messages that wait, copies among them, in both queues."""
    in_flight: list[int] = field(default_factory=list)
    """Of the queue that has more."""
    workers: list[int] = field(default_factory=list)
    started: list[int] = field(default_factory=list)
    """Tasks, since the beginning."""
    generated: list[int] = field(default_factory=list)
    """Episodes whose audio was made, since the beginning."""
    ended: list[int] = field(default_factory=list)
    """Episodes published or given up, since the beginning."""


@dataclass(frozen=True)
class Outcome:
    """Of a day, and of what it took to end its work."""

    minutes: Minutes
    latencies: Floats
    """Seconds from due to published, of each episode that was."""
    waits: Floats
    """Seconds from sent to begun, of each episode's generation."""
    end: float
    """Seconds after midnight: when all was done, a whole day at least."""
    arrived: int
    done: int
    dead: int
    in_hand: int
    """Begun and not ended, when the run was."""
    waiting: int
    """Claimed and not begun, or between the two queues. ``arrived = done + dead + in_hand + waiting``."""
    copies: int
    """Messages sent again since their claim had expired."""
    worker_seconds: tuple[float, float]
    """Paid for, of each queue."""
    wanted: int
    """The most workers of a queue that the policy asked for."""
    longest_fan_out: float
    """Seconds that discovery took for what was due at one tick."""

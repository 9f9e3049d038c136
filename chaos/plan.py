"""The plan: every trouble of a run, drawn from one seed before anything starts.

A trouble comes when so many episodes have ended, not at a time of day, so that a slow machine meets
the same ones in the same places as a fast one.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

from chaos.poison import NAMES

LONG_RUN = 500
"""Episodes from which on the outages have their full length, and the shows theirs."""
EPISODES_PER_PODCAST, EPISODES_PER_LONG_PODCAST = 5, 20

WORKERS = ("generator-1", "generator-2", "processor-1", "processor-2")
DISCOVERIES = ("discovery-1", "discovery-2")
BEATS = ("beat-1", "beat-2")
QUEUES = ("discovery", "podcast-generation", "episode-processing")


class Kind(StrEnum):
    """What a trouble is."""

    KILL = "killed"
    """SIGKILL to a process and all its children; the supervisor starts it again."""
    KILL_PARENT = "parent killed"
    """SIGKILL to a worker's main process alone; its pool lives on as orphans for a while."""
    KILL_CHILD = "child killed"
    """SIGKILL to one child of a worker's pool."""
    FREEZE = "frozen"
    """SIGSTOP to a worker and its children, past lease and visibility, then SIGCONT."""
    FREEZE_CHILD = "child frozen"
    """The same to one child: its parent goes on to keep the message."""
    REFUSE = "SQS refused"
    RESTART = "database crashed"
    """PostgreSQL stops at once, as in a crash, and comes back after so many seconds."""
    FULL = "disk full"
    CLOCK = "clock stepped"


@dataclass(frozen=True)
class Trouble:
    """One trouble: when, what, to whom, for how long."""

    after: int
    """Episodes that have ended before."""
    kind: Kind
    target: str = ""
    """A process of the fleet, where it befalls one."""
    seconds: float = 0
    """How long it lasts."""
    step: float = 0
    """By how many seconds the clock is off."""
    pick: int = 0
    """Which child, counted around."""


@dataclass(frozen=True)
class Poison:
    """One poisonous message: when, where, and which (see ``chaos.poison``)."""

    after: int
    queue: str
    name: str


@dataclass(frozen=True)
class Plan:
    """A whole run."""

    episodes: int
    seed: int
    slots: tuple[int, ...]
    """For each podcast, how many episodes it is due."""
    bad_slots: frozenset[tuple[int, int]]
    """(podcast, number of the slot) whose source is no feed: the episode must fail."""
    troubles: tuple[Trouble, ...]
    poison: tuple[Poison, ...]
    longest_delay: int
    """Seconds by which the storm delays a message at most."""

    @property
    def fingerprint(self) -> str:
        """Eight letters that tell two plans apart."""
        told = repr((asdict(self) | {"bad_slots": sorted(self.bad_slots)}).items())
        return hashlib.sha256(told.encode()).hexdigest()[:8]

    def lines(self) -> Iterator[str]:
        """The plan, for people."""
        kinds = Counter(trouble.kind for trouble in self.troubles)
        yield f"plan {self.fingerprint}: seed {self.seed}, {self.episodes} episodes of {len(self.slots)} podcasts"
        yield f"  every message doubled, some delayed up to {self.longest_delay} s"
        yield f"  {len(self.bad_slots)} slots whose source is no feed; {len(self.poison)} poisonous messages"
        yield "  " + ", ".join(f"{kind} ×{kinds[kind]}" for kind in Kind if kinds[kind])


def draw(episodes: int, seed: int) -> Plan:
    """The plan of a run of so many episodes; the same for the same seed.

    Raises:
        ValueError: fewer than ten episodes leave no room for trouble.
    """
    if episodes < 10:  # noqa: PLR2004 - said in the message
        raise ValueError(f"a run of {episodes} episodes has no room for trouble; ask for at least 10")
    chance = random.Random(f"{seed} {episodes}")  # noqa: S311 - to be repeated, no secret
    each = EPISODES_PER_LONG_PODCAST if episodes >= LONG_RUN else EPISODES_PER_PODCAST
    full, rest = divmod(episodes, each)
    slots = (each,) * full + ((rest,) if rest else ())
    every = [(podcast, number) for podcast, count in enumerate(slots) for number in range(count)]
    bad = frozenset(chance.sample(every, max(1, episodes // 100)))
    troubles = sorted(_troubles(episodes, chance), key=lambda trouble: trouble.after)
    places = [(queue, name) for queue in QUEUES for name in NAMES]
    poison = sorted(
        (
            Poison(_moment(episodes, chance), queue, name)
            for queue, name in chance.sample(places, min(len(places), max(8, episodes // 6)))
        ),
        key=lambda item: (item.after, item.queue, item.name),
    )
    longest_delay = 30 if episodes >= LONG_RUN else 6
    return Plan(episodes, seed, slots, bad, tuple(troubles), tuple(poison), longest_delay)


def _moment(episodes: int, chance: random.Random) -> int:
    return chance.randint(episodes // 20, episodes * 9 // 10)


def _troubles(episodes: int, chance: random.Random) -> Iterator[Trouble]:
    long = episodes >= LONG_RUN

    def at(kind: Kind, targets: tuple[str, ...] = ("",), **more: float) -> Trouble:
        moment, target, pick = _moment(episodes, chance), chance.choice(targets), chance.randrange(8)
        return Trouble(moment, kind, target, pick=pick, **more)

    for _ in range(max(2, episodes // 100)):
        yield at(Kind.KILL, WORKERS)
    for _ in range(max(3, episodes // 40)):
        yield at(Kind.KILL_CHILD, WORKERS)
    for _ in range(max(1, episodes // 400)):
        yield at(Kind.KILL_PARENT, WORKERS)
    for _ in range(max(1, episodes // 250)):
        yield at(Kind.FREEZE, WORKERS, seconds=chance.uniform(10, 16))
        yield at(Kind.FREEZE_CHILD, WORKERS, seconds=chance.uniform(10, 16))
    for _ in range(max(1, episodes // 500)):
        yield at(Kind.KILL, DISCOVERIES)
        yield at(Kind.KILL, BEATS)
        yield at(Kind.FREEZE, DISCOVERIES, seconds=chance.uniform(8, 12))
    for _ in range(max(1, episodes // 400)):
        step = chance.choice((-1, 1)) * chance.uniform(*((20, 120) if long else (5, 15)))
        yield at(Kind.CLOCK, WORKERS + DISCOVERIES, seconds=chance.uniform(5, 40 if long else 10), step=step)
    for _ in range(2 if long else 1):
        yield at(Kind.RESTART, seconds=chance.uniform(1, 4))
    yield at(Kind.REFUSE, seconds=60 if long else 8)
    yield at(Kind.FULL, seconds=chance.uniform(4, 8))

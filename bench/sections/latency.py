"""Latency: from the moment an episode is due to the feed that lists it, hop by hop; and who waits behind a backlog."""

from __future__ import annotations

import random
import statistics
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes

from bench.fair_queue import Message, dwell_times
from bench.measuring import Sample, percentiles, rounded
from bench.moments import Taken
from bench.paced import SECONDS
from bench.platform import GENERATORS, TICK_SECONDS, WORKERS, Made, Platform, platform, until
from bench.section import Figures, Section, markdown_table
from publishers.queues import Task

Say = Callable[[str], None]
Arrival = tuple[float, str]
"""When an episode is due (seconds since 1970), and of which owner."""

SHOWS = 120
QUICK_BACKLOG = 40
OWNER, OTHER = "ann", "ben"
OTHERS_SHOWS = 3
LOADS = {"light": 0.1, "heavy": 0.8}
"""Of the capacity that was measured first."""
LOAD_SECONDS = {"light": 95, "heavy": 65}
QUICK_SECONDS = {"light": 20, "heavy": 15}
WARM_UP = 12
"""Episodes that make each process of the pools ready: the first one that it makes is not replayed."""
AHEAD_SECONDS = 2.0
LONGEST_SECONDS = 120.0

HOPS = {
    "due → tick": "beat's interval, 0 to {tick:g} s",
    "tick → message": "claim and publish",
    "message → started": "SQS, and the generators' queue",
    "started → completed": "generation, {speech:g} s of it the fake voice's",
    "completed → started": "the second message, and the processors' queue",
    "started → published": "processing, {check:g} s of it the fake check's",
    "due → published": "all",
    "tick → published": "all but beat's interval",
}

BACKLOG = 10_000
EPISODE_SECONDS = 10.0
"""What an episode of two minutes of sound takes of a worker's slot, about; see the section on making one."""
QUIET_MESSAGES = 30
SEEDS = (1, 2, 3)
SLOTS = (4, 40)
MANY_SECONDS = 100
WAYS = {"oldest first": (False, True), "fair, by podcast": (True, False), "fair, by owner": (True, True)}
"""Whether the queue is fair, and whether the group is the owner."""


def measure(quick: bool, say: Say) -> Figures:  # noqa: FBT001 - the section's signature
    """All of it; ``quick`` takes fewer episodes."""
    behind = QUICK_BACKLOG if quick else SHOWS
    with platform() as made:
        say("starting PostgreSQL, SQS and the Procfile's workers")
        made.start(*WORKERS, "beat-1")
        made.add_podcasts([f"show-{number:03}" for number in range(SHOWS)], OWNER)
        made.add_podcasts([f"other-{number}" for number in range(OTHERS_SHOWS)], OTHER)
        _published(made, [(time.time(), OWNER)] * WARM_UP)

        say(f"a backlog of {behind} episodes of one owner, and then {OTHERS_SHOWS} of another")
        now = time.time()
        fresh = [(now + 2 + number, OTHER) for number in range(OTHERS_SHOWS)]
        backlog = _published(made, [(now, OWNER)] * behind + fresh)
        drained = time.time()
        capacity = _rate([each.published or 0 for each in backlog])

        loads: dict[str, Any] = {}
        began: dict[str, float] = {}
        for name, share in LOADS.items():
            seconds = (QUICK_SECONDS if quick else LOAD_SECONDS)[name]
            say(f"{share:.0%} of {capacity:.1f} episodes a second, for {seconds} s")
            began[name] = time.time()
            chance = random.Random(name)  # noqa: S311 - to be repeated, no secret
            episodes = _published(made, _arrivals(chance, share * capacity, seconds))
            taken = made.taken()
            loads[name] = {
                "share": share,
                "episodes": len(episodes),
                "busy": rounded(_busy(taken, episodes[0].due, episodes[-1].due)),
                "hops": _hops(episodes, taken),
            }
    say("the model of fair queues")
    return {
        "tick_seconds": TICK_SECONDS,
        "service_seconds": SECONDS,
        "capacity_per_second": rounded(capacity),
        "loads": loads,
        "backlog": behind,
        "waits": _starving(taken, (began["light"], began["heavy"]), (now, drained)),
        "groups": _groups(taken),
        "fair_queues": _fair_queues(SEEDS[:1] if quick else SEEDS),
    }


# Real workers -------------------------------------------------------------------------------------


def _published(made: Platform, arrivals: Sequence[Arrival]) -> list[Made]:
    """Have episodes due at these moments, and wait until all are published.

    Raises:
        TimeoutError: they are not within two minutes after the last, or no show is free for one when it is due:
            the machine does much less now than when its capacity was measured.
    """
    ordered = sorted(arrivals)
    first, last = ordered[0][0] - 0.001, ordered[-1][0]
    while ordered:
        soon = [each for each in ordered if each[0] < time.time() + AHEAD_SECONDS]
        ordered = ordered[len(soon) :]
        for owner in {owner for _, owner in soon}:
            moments = [at for at, whose in soon if whose == owner]
            idle = made.idle(owner)
            if len(idle) < len(moments):
                raise TimeoutError(
                    f"all shows of {owner} have an episode under way; the load is more than it should be"
                )
            made.make_due(dict(zip(idle, moments, strict=False)))
        time.sleep(0.25)
    until(
        lambda: made.published(first) >= len(arrivals),
        last - time.time() + LONGEST_SECONDS,
        f"{len(arrivals)} published episodes",
    )
    return made.made(first)


def _arrivals(chance: random.Random, rate: float, seconds: float) -> list[Arrival]:
    """At random, as many a second on average, from a moment on that leaves time to prepare them."""
    at = time.time() + AHEAD_SECONDS
    end = at + seconds
    arrivals: list[Arrival] = []
    while (at := at + chance.expovariate(rate)) < end:
        arrivals.append((at, OWNER))
    return arrivals


def _rate(moments: Sequence[float]) -> float:
    """Per second, between the first and the last tenth."""
    ordered = sorted(moments)
    first, last = len(ordered) // 10, len(ordered) * 9 // 10
    return (last - first) / (ordered[last] - ordered[first])


def _busy(taken: Sequence[Taken], began: float, ended: float) -> float:
    """The share of the generators' time from ``began`` to ``ended`` that they spent on messages."""
    spent = sum(
        max(0.0, min(ended, each.done or ended) - max(began, each.begun))
        for each in taken
        if each.task == Task.GENERATE_PODCAST
    )
    return spent / (GENERATORS * (ended - began))


def _hops(episodes: Sequence[Made], taken: Sequence[Taken]) -> dict[str, Any]:
    """Seconds of each hop: percentiles, and for the plot every hundredth of all episodes."""
    ticks = [each for each in taken if each.task == Task.SCHEDULE_PODCASTS]
    beginnings = [each.begun for each in ticks]
    generations: dict[str | None, list[Taken]] = {}
    for each in taken:
        if each.task == Task.GENERATE_PODCAST:
            generations.setdefault(each.subject, []).append(each)
    processings = {each.subject: each for each in taken[::-1] if each.task == Task.PROCESS_EPISODE}
    hops: dict[str, list[float]] = {name: [] for name in HOPS}
    for episode in episodes:
        if episode.completed is None or episode.published is None:
            raise ValueError(f"{episode.episode} is not published")
        # SQS tells when a message was sent to the millisecond, the others to the microsecond.
        generation = next(each for each in generations[episode.podcast] if each.begun > episode.due)
        processing = processings[episode.episode]
        tick = max(ticks[bisect_right(beginnings, generation.sent + 0.001) - 1].sent, episode.due)
        moments = [
            *(episode.due, tick, max(generation.sent, tick), generation.begun),
            *(episode.completed, processing.begun, episode.published),
        ]
        for name, begin, end in zip(HOPS, moments, moments[1:], strict=False):
            hops[name].append(end - begin)
        hops["due → published"].append(episode.published - episode.due)
        hops["tick → published"].append(episode.published - tick)
    return {name: percentiles(values) | {"curve": _curve(values)} for name, values in hops.items()}


def _curve(values: Sequence[float]) -> list[float]:
    return [rounded(each) for each in statistics.quantiles(values, n=100, method="inclusive")]


def _waits(taken: Sequence[Taken], period: tuple[float, float], kind: Callable[[Taken], bool]) -> dict[str, float]:
    """Seconds from a message's sending to its start, of those of this kind that were sent in this time."""
    began, ended = period
    return percentiles(
        [max(0.0, each.begun - each.sent) for each in taken if began <= each.sent < ended and kind(each)]
    )


def _starving(taken: Sequence[Taken], alone: tuple[float, float], behind: tuple[float, float]) -> dict[str, Any]:
    """How messages of each kind wait under light load, and while one owner's backlog is worked off."""

    def is_tick(each: Taken) -> bool:
        return each.task in {Task.SCHEDULE_PODCASTS, Task.CHECK_EPISODES}

    def is_generation(each: Taken) -> bool:
        return each.task == Task.GENERATE_PODCAST

    def is_processing(each: Taken) -> bool:
        return each.task == Task.PROCESS_EPISODE

    return {
        "a discovery tick": [_waits(taken, alone, is_tick), _waits(taken, behind, is_tick)],
        "an episode to process": [_waits(taken, alone, is_processing), _waits(taken, behind, is_processing)],
        "another owner's episode to make": [
            _waits(taken, alone, is_generation),
            _waits(taken, behind, lambda each: is_generation(each) and each.group == OTHER),
        ],
    }


def _groups(taken: Sequence[Taken]) -> dict[str, int]:
    """How many of the messages that real workers received carried the group of their podcast's owner."""
    ours = [each for each in taken if each.subject is not None]
    owners = {each.subject: OTHER if each.subject and each.subject.startswith("other-") else OWNER for each in ours}
    return {"messages": len(ours), "with_owner": sum(each.group == owners[each.subject] for each in ours)}


# A model of what no emulator has --------------------------------------------------------------------


def _fair_queues(seeds: Sequence[int]) -> dict[str, Any]:
    """Seconds that quiet owners' messages wait behind one owner's backlog, by slots of the fleet and kind of queue."""
    found: dict[str, Any] = {}
    for slots in SLOTS:
        found[str(slots)] = {}
        for way, (fair, by_owner) in WAYS.items():
            runs = [_dwells(seed, slots, fair=fair, by_owner=by_owner) for seed in seeds]
            found[str(slots)][way] = {
                "p50": Sample(tuple(statistics.median(run) for run in runs)).figures(),
                "p95": Sample(tuple(percentiles(run)["p95"] for run in runs)).figures(),
            }
    return found


def _dwells(seed: int, slots: int, *, fair: bool, by_owner: bool) -> list[float]:
    chance = random.Random(seed)  # noqa: S311 - to be repeated, no secret

    def message(at: float, owner: str, podcast: str) -> Message:
        return Message(at, chance.expovariate(1 / EPISODE_SECONDS), owner if by_owner else podcast)

    backlog = [message(0, "noisy", f"noisy-{number}") for number in range(BACKLOG)]
    # Others come while the backlog lasts, in its first half, each of an owner of its own.
    lasts = BACKLOG * EPISODE_SECONDS / slots
    fresh = [message(chance.uniform(0, lasts / 2), f"quiet-{n}", f"quiet-{n}") for n in range(QUIET_MESSAGES)]
    return dwell_times([*backlog, *fresh], slots=slots, fair=fair)[BACKLOG:]


# Tables and plot ------------------------------------------------------------------------------------


def _hops_table(figures: Figures) -> str:
    light, heavy = figures["loads"]["light"]["hops"], figures["loads"]["heavy"]["hops"]
    words = {"tick": figures["tick_seconds"], **figures["service_seconds"]}
    parts = ("p50", "p95", "p99")
    head = ["s", *(f"light {part}" for part in parts), *(f"80 % {part}" for part in parts), "× p50"]
    rows = [
        [
            f"{name} ({what.format(**words)})",
            *(_seconds(light[name][part]) for part in parts),
            *(_seconds(heavy[name][part]) for part in parts),
            f"{heavy[name]['p50'] / light[name]['p50']:.1f}" if light[name]["p50"] else "–",
        ]
        for name, what in HOPS.items()
    ]
    told = "; ".join(
        f"{load['episodes']} episodes at {load['share']:.0%} of {figures['capacity_per_second']} a second, "
        f"the generators busy {load['busy']:.0%} of the time"
        for load in (figures["loads"][name] for name in LOADS)
    )
    return f"{markdown_table(head, rows)}\n\n{told}."


def _waits_table(figures: Figures) -> str:
    head = ["sent → started, s", "light p50", "light p95", f"behind {figures['backlog']} p50", "p95", "× p50"]
    rows = [
        [
            name,
            *(_seconds(each[part]) for each in (light, behind) for part in ("p50", "p95")),
            f"{behind['p50'] / light['p50']:.1f}",
        ]
        for name, (light, behind) in figures["waits"].items()
    ]
    groups = figures["groups"]
    told = (
        f"{groups['with_owner']} of {groups['messages']} messages reached their worker with the owner as their group."
    )
    return f"{markdown_table(head, rows)}\n\n{told}"


def _fair_queues_table(figures: Figures) -> str:
    head = ["a quiet owner's message waits, s", *(f"{way} {part}" for way in WAYS for part in ("p50", "p95"))]
    rows = [
        [f"{slots} slots", *(_spread(ways[way][part]) for way in WAYS for part in ("p50", "p95"))]
        for slots, ways in figures["fair_queues"].items()
    ]
    return markdown_table(head, rows)


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.2f}"


def _spread(sample: dict[str, float]) -> str:
    digits = ",.0f" if sample["median"] >= MANY_SECONDS else ".1f"
    return f"{sample['median']:{digits}} ({sample['low']:{digits}}–{sample['high']:{digits}})"


def _curves(figures: Figures, axes: Axes) -> None:
    colours = {"light": "tab:blue", "heavy": "tab:orange"}
    lines = {"due → published": "-", "tick → published": "--"}
    for name, load in figures["loads"].items():
        for hop, line in lines.items():
            label = f"{load['share']:.0%} of capacity, {hop}"
            axes.plot(load["hops"][hop]["curve"], range(1, 100), line, color=colours[name], label=label)
    axes.set_xlabel("seconds")
    axes.set_ylabel("% of the episodes")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 100)
    axes.legend(frameon=False)


SECTION = Section(
    name="latency",
    title="from due to published, hop by hop, and who waits behind a backlog",
    measure=measure,
    tables={"latency": _hops_table, "latency-backlog": _waits_table, "latency-fair": _fair_queues_table},
    plots={"latency": _curves},
)

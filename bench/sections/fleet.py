"""A model of scale: a fleet over a day at 10³ to 10⁶ podcasts, its cost, and the first limit that it meets."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bench.fleet import measured, plots, tables
from bench.fleet.arrivals import DAY_SECONDS, ON_THE_HOUR, PEAK_HOUR, due_times
from bench.fleet.limits import Limit, database_writes_per_second, limits
from bench.fleet.measured import MINUTES, Measured
from bench.fleet.policy import Policy
from bench.fleet.simulation import Simulation
from bench.fleet.world import Outcome, Stage, World
from bench.measuring import percentiles, rounded
from bench.section import Figures, Section
from operations.cost.bill import Bill, Load, Workers, bill
from operations.cost.prices import Prices

SIZES = (1_000, 10_000, 100_000, 1_000_000)
SLOTS = 2
SEED = 7
CHANGED_PODCASTS = 100_000
"""At which other policies are tried, and the outage."""
OUTAGE_HOURS = 2
SHOWN_EVERY = 5
"""Minutes, in the results."""
ROUNDING = 0.01
"""Of a worker: what a run that ends a moment after midnight has too many."""


def measure(quick: bool, say: Callable[[str], None]) -> Figures:  # noqa: FBT001 - as every section's
    """Measure what the simulation goes by, then simulate."""
    found = measured.measure(quick=quick, say=say)
    world = world_of(found)
    sizes = {}
    for podcasts in SIZES[:-1] if quick else SIZES:
        say(f"{podcasts:,} podcasts a day")
        began = time.process_time()
        outcome = Simulation(world, due_times(podcasts, np.random.default_rng(SEED))).run()
        sizes[str(podcasts)] = _told(podcasts, world, found, outcome) | {
            "simulated_in_seconds": rounded(time.process_time() - began)
        }
    say(f"other policies, and an outage of {OUTAGE_HOURS} hours at the peak, at {CHANGED_PODCASTS:,} podcasts a day")
    return {
        "measured": found.figures(),
        "assumed": {
            "acceptable_seconds": world.generation.policy.acceptable_seconds,
            "start_seconds": world.generation.policy.start_seconds,
            "most_workers": world.generation.policy.most,
            "slots": SLOTS,
            "retries_per_task": world.retries_per_task,
            "crashes_per_task": world.crashes_per_task,
            "tick_seconds": world.tick_seconds,
            "minutes": MINUTES,
            "shown_every_minutes": SHOWN_EVERY,
        },
        "sizes": sizes,
        "changed": _changes(world, found),
        "outage": _outages(world),
    }


def world_of(found: Measured) -> World:
    """The simulation's world, by measured figures."""
    policy = Policy(SLOTS, start_seconds=60 + measured.READY_SECONDS)
    return World(
        generation=Stage(found.generation_seconds.value, policy),
        processing=Stage(found.processing_seconds.value, policy),
        claims_per_second=found.claims_per_second.value,
        seed=SEED,
    )


def monthly(podcasts: int, world: World, outcome: Outcome) -> Bill:
    """The bill of a month of such days, by the model of ``airdate cost``, with the mean of the workers paid for."""
    generators, processors = (
        Workers(math.ceil(seconds / outcome.end - ROUNDING), SLOTS) for seconds in outcome.worker_seconds
    )
    load = Load(
        episodes_per_day=podcasts,
        generators=generators,
        processors=processors,
        minutes=MINUTES,
        generation_seconds=world.generation.service_seconds,
        processing_seconds=world.processing.service_seconds,
        retries_per_task=world.retries_per_task,
        tick_seconds=world.tick_seconds,
        visibility_seconds=world.visibility_seconds,
        clip_months_kept=0.5,
    )
    return bill(load, Prices())


def _told(podcasts: int, world: World, found: Measured, outcome: Outcome) -> Figures:
    month = monthly(podcasts, world, outcome)
    parts = {line.part: line.dollars for line in month.lines()}
    seen = outcome.minutes
    return {
        "arrived": outcome.arrived,
        "done": outcome.done,
        "dead": outcome.dead,
        "copies": outcome.copies,
        "backlog": {"mean": rounded(float(np.mean(seen.backlog))), "peak": max(seen.backlog)},
        "backlog_over_day": _shown(seen.backlog),
        "in_flight_peak": max(seen.in_flight),
        "latency": percentiles(outcome.latencies.tolist()),
        "worker_hours": rounded(sum(outcome.worker_seconds) / 3600),
        "workers_wanted": outcome.wanted,
        "database": {
            "writes_per_second_peak": rounded(database_writes_per_second(world, found, seen)),
            "claims_at_once_seconds": rounded(outcome.longest_fan_out),
        },
        "dollars": {
            "total": rounded(month.total),
            "sqs_and_sns": rounded(month.messaging),
            "fargate": rounded(parts["Fargate"]),
            "s3": rounded(sum(dollars for part, dollars in parts.items() if part.startswith("S3"))),
        },
        "sqs_idle_share": rounded(month.requests.idle / month.requests.sqs),
        "upkeep_share": rounded(month.requests.housekeeping / month.requests.sqs),
        "limits": [_limit(limit) for limit in limits(world, found, outcome)],
    }


def _shown(by_minute: list[int]) -> list[int]:
    """The highest of each ``SHOWN_EVERY`` minutes of the day."""
    day = by_minute[: DAY_SECONDS // 60]
    return [max(day[start : start + SHOWN_EVERY]) for start in range(0, len(day), SHOWN_EVERY)]


def _limit(limit: Limit) -> dict[str, Any]:
    return {
        "name": limit.name,
        "peak": rounded(limit.peak),
        "limit": rounded(limit.limit),
        "unit": limit.unit,
        "share": rounded(limit.share),
        "then": limit.then,
    }


def _changes(world: World, found: Measured) -> Figures:
    """What may be done at a limit, one at a time, on one day."""
    clustered, spread = (
        due_times(CHANGED_PODCASTS, np.random.default_rng(SEED), on_the_hour=share) for share in (ON_THE_HOUR, 0.0)
    )
    changed = {
        "as above": (world, clustered),
        "slots spread over their hour": (world, spread),
        "acceptable wait of 1 min": (_with_policy(world, acceptable_seconds=60), clustered),
        "acceptable wait of 15 min": (_with_policy(world, acceptable_seconds=900), clustered),
        "50 workers at most": (_with_policy(world, most=50), clustered),
    }
    told = {}
    for name, (other, due) in changed.items():
        outcome = Simulation(other, due).run()
        month = monthly(CHANGED_PODCASTS, other, outcome)
        told[name] = {
            "backlog_peak": max(outcome.minutes.backlog),
            "workers_peak": max(outcome.minutes.workers),
            "latency": percentiles(outcome.latencies.tolist()),
            "worker_hours": rounded(sum(outcome.worker_seconds) / 3600),
            "fargate": rounded(next(line.dollars for line in month.lines() if line.part == "Fargate")),
            "writes_per_second_peak": rounded(database_writes_per_second(other, found, outcome.minutes)),
            "copies": outcome.copies,
        }
    return told


def _with_policy(world: World, **changes: Any) -> World:
    stages = (replace(stage, policy=replace(stage.policy, **changes)) for stage in (world.generation, world.processing))
    generation, processing = stages
    return replace(world, generation=generation, processing=processing)


def _outages(world: World) -> Figures:
    """No worker for two hours at the busiest time, with claims that double and with claims that do not."""
    began = (PEAK_HOUR - 1) * 3600.0
    until = began + OUTAGE_HOURS * 3600.0
    due = due_times(CHANGED_PODCASTS, np.random.default_rng(SEED))
    usual = Simulation(world, due).run()
    told: Figures = {"podcasts": CHANGED_PODCASTS, "hours": OUTAGE_HOURS, "began_hour": began / 3600}
    told["usual"] = _shown(usual.minutes.backlog)
    for name, double in (("doubling", True), ("flat", False)):
        outcome = Simulation(replace(world, outage=(began, until), claims_double=double), due).run()
        caught_up = _caught_up(usual, outcome, until)
        told[name] = {
            "copies": outcome.copies,
            "copies_per_episode": rounded(outcome.copies / outcome.arrived),
            "backlog_peak": max(outcome.minutes.backlog),
            "caught_up_minutes": None if caught_up is None else caught_up,
            "latency": percentiles(outcome.latencies.tolist()),
            "done": outcome.done,
            "dead": outcome.dead,
            "backlog_over_day": _shown(outcome.minutes.backlog),
        }
    told["usual_copies"] = usual.copies
    return told


def _caught_up(usual: Outcome, outcome: Outcome, until: float) -> int | None:
    """Minutes after the outage until as many episodes have ended as on a day without."""
    first = round(until / 60)
    for minute in range(first, min(len(usual.minutes.ended), len(outcome.minutes.ended))):
        if outcome.minutes.ended[minute] >= usual.minutes.ended[minute]:
            return minute - first
    return None


SECTION = Section(
    name="fleet",
    title="A model of scale: a fleet over a day, its cost and its first limit",
    measure=measure,
    tables={
        "fleet": tables.fleet_table,
        "fleet-limits": tables.limits_table,
        "fleet-changed": tables.changed_table,
        "fleet-outage": tables.outage_table,
        "fleet-measured": tables.measured_table,
    },
    plots={"fleet-backlog": plots.backlog_plot, "fleet-cost": plots.cost_plot, "fleet-outage": plots.outage_plot},
)

"""A model of scale: a fleet over a day at 10³ to 10⁶ podcasts, its cost, and the first limit that it meets."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bench.fleet import measured
from bench.fleet.arrivals import DAY_SECONDS, ON_THE_HOUR, PEAK_HOUR, due_times
from bench.fleet.limits import Limit, database_writes_per_second, limits, met_at
from bench.fleet.measured import MINUTES, Measured
from bench.fleet.policy import Policy
from bench.fleet.simulation import Simulation
from bench.fleet.world import Outcome, Stage, World
from bench.measuring import percentiles, rounded
from bench.section import Figures, Section, markdown_table
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


# Tables and plots ---------------------------------------------------------------------------------


def fleet_table(figures: Figures) -> str:
    """A row a size."""
    head = (
        "podcasts a day",
        "backlog, mean / peak",
        "in flight, peak",
        "due → published, p50 / p95",
        "worker-hours a day",
        "US$ a month (SQS and SNS)",
        "database writes/s, peak",
        "limits met",
    )
    rows = []
    for podcasts, told in figures["sizes"].items():
        met = [limit["name"] for limit in told["limits"] if limit["share"] > 1]
        nearest = told["limits"][0]
        rows.append(
            (
                f"{int(podcasts):,}",
                f"{told['backlog']['mean']:,.0f} / {told['backlog']['peak']:,}",
                f"{told['in_flight_peak']:,}",
                f"{_minutes(told['latency']['p50'])} / {_minutes(told['latency']['p95'])}",
                f"{told['worker_hours']:,.0f}",
                f"{told['dollars']['total']:,.0f} ({told['dollars']['sqs_and_sns']:,.2f})",
                f"{told['database']['writes_per_second_peak']:,.1f}",
                ", then ".join(met) if met else f"none; nearest: {nearest['name']}, {nearest['share']:.0%} of it",
            )
        )
    return markdown_table(head, rows)


def limits_table(figures: Figures) -> str:
    """The limits as the largest size came to them, the one that is met first first."""
    sizes = {int(podcasts): told for podcasts, told in figures["sizes"].items()}
    shares = {
        name: {
            podcasts: next(limit["share"] for limit in told["limits"] if limit["name"] == name)
            for podcasts, told in sizes.items()
        }
        for name in (limit["name"] for limit in sizes[max(sizes)]["limits"])
    }
    met = {name: met_at(of_name) for name, of_name in shares.items()}
    head = ("limit", "met at about … podcasts a day", f"peak at {max(sizes):,} a day", "of", "what to do then")
    rows = [
        (limit["name"], f"{met[limit['name']]:,}", f"{limit['peak']:,.0f}", _of(limit), limit["then"])
        for limit in sorted(sizes[max(sizes)]["limits"], key=lambda limit: met[limit["name"]])
    ]
    return markdown_table(head, rows)


def _of(limit: dict[str, Any]) -> str:
    return f"{limit['limit']:,.0f} {limit['unit']}"


def changed_table(figures: Figures) -> str:
    """What each change does to the same day."""
    head = (
        f"at {CHANGED_PODCASTS:,} a day",
        "backlog, peak",
        "workers, peak",
        "due → published, p50 / p95",
        "worker-hours",
        "Fargate, US$ a month",
        "database writes/s, peak",
        "copies",
    )
    rows = [
        (
            name,
            f"{told['backlog_peak']:,}",
            f"{told['workers_peak']:,}",
            f"{_minutes(told['latency']['p50'])} / {_minutes(told['latency']['p95'])}",
            f"{told['worker_hours']:,.0f}",
            f"{told['fargate']:,.0f}",
            f"{told['writes_per_second_peak']:,.0f}",
            f"{told['copies']:,}",
        )
        for name, told in figures["changed"].items()
    ]
    return markdown_table(head, rows)


def outage_table(figures: Figures) -> str:
    """Claims that double beside claims that do not."""
    outage = figures["outage"]
    head = ("claims", "copies sent", "copies an episode", "backlog, peak", "caught up after", "due → published, p95")
    rows = []
    for name, title in (("doubling", "each twice as long as the last (ours)"), ("flat", "all of the same length")):
        told = outage[name]
        caught_up = told["caught_up_minutes"]
        rows.append(
            (
                title,
                f"{told['copies']:,}",
                told["copies_per_episode"],
                f"{told['backlog_peak']:,}",
                "not that day" if caught_up is None else f"{caught_up} min",
                _minutes(told["latency"]["p95"]),
            )
        )
    return markdown_table(head, rows)


def measured_table(figures: Figures) -> str:
    """What the simulation goes by."""
    rows = [
        (f"{figure['meaning']} ({figure['source']})", f"{figure['value']:,g}")
        for figure in figures["measured"].values()
    ]
    assumed = figures["assumed"]
    rows += [
        ("acceptable wait that the scaling policy aims at, s (assumed)", f"{assumed['acceptable_seconds']:g}"),
        ("from the decision to a worker's first message, s (assumed)", f"{assumed['start_seconds']:g}"),
        ("most workers of one queue (assumed)", f"{assumed['most_workers']:,}"),
        ("retries, crashes a task (assumed)", f"{assumed['retries_per_task']:g}, {assumed['crashes_per_task']:g}"),
    ]
    return markdown_table(("figure", "value"), rows)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"  # noqa: PLR2004 - as people say it


def backlog_plot(figures: Figures, axes: Axes) -> None:
    """The backlog over the day, a line a size."""
    for podcasts, told in figures["sizes"].items():
        series = told["backlog_over_day"]
        axes.plot(
            [SHOWN_EVERY * place / 60 for place in range(len(series))],
            [max(0.5, each) for each in series],
            label=f"{int(podcasts):,} a day",
            linewidth=1,
        )
    axes.set(yscale="log", xlabel="hour of the day", ylabel="messages that wait", xlim=(0, 24))
    axes.set_xticks(range(0, 25, 3))
    axes.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.12))


def cost_plot(figures: Figures, axes: Axes) -> None:
    """The bill over the size of the fleet."""
    sizes = [int(podcasts) for podcasts in figures["sizes"]]
    for part, title in (("total", "all"), ("fargate", "Fargate"), ("s3", "S3"), ("sqs_and_sns", "SQS and SNS")):
        axes.plot(
            sizes, [told["dollars"][part] for told in figures["sizes"].values()], marker="o", markersize=3, label=title
        )
    axes.set(xscale="log", yscale="log", xlabel="podcasts a day", ylabel="US$ a month")
    axes.legend(frameon=False)


def outage_plot(figures: Figures, axes: Axes) -> None:
    """How the backlog of an outage is worked off."""
    outage = figures["outage"]
    series = {
        "usual day": outage["usual"],
        "outage, claims that double": outage["doubling"]["backlog_over_day"],
        "outage, claims of one length": outage["flat"]["backlog_over_day"],
    }
    for label, values in series.items():
        axes.plot([SHOWN_EVERY * place / 60 for place in range(len(values))], values, label=label, linewidth=1)
    axes.axvspan(outage["began_hour"], outage["began_hour"] + outage["hours"], alpha=0.1, color="black")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set(xlabel="hour of the day", ylabel="messages that wait, copies too", xlim=(outage["began_hour"] - 1, 14))
    axes.legend(frameon=False)


SECTION = Section(
    name="fleet",
    title="A model of scale: a fleet over a day, its cost and its first limit",
    measure=measure,
    tables={
        "fleet": fleet_table,
        "fleet-limits": limits_table,
        "fleet-changed": changed_table,
        "fleet-outage": outage_table,
        "fleet-measured": measured_table,
    },
    plots={"fleet-backlog": backlog_plot, "fleet-cost": cost_plot, "fleet-outage": outage_plot},
)

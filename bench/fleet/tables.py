"""What the simulated fleet did, as tables."""

from __future__ import annotations

from typing import Any

from bench.fleet.limits import met_at
from bench.section import Figures, markdown_table


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
        f"at {figures['outage']['podcasts']:,} a day",
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

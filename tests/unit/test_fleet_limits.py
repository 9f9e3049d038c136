"""Which limit a fleet meets first."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from bench.fleet.arrivals import due_times
from bench.fleet.limits import Limit, limits, met_at
from bench.fleet.measured import CLAIMS_PER_SECOND, Figure, Measured, _claims
from bench.fleet.policy import Policy
from bench.fleet.simulation import Simulation
from bench.fleet.world import Outcome, Stage, World
from bench.sections.fleet import monthly

WORLD = World(Stage(28, Policy(2, most=50)), Stage(4.5, Policy(2, most=50)))
MEASURED = Measured(**{each.name: Figure(10.0, "a test", "a figure") for each in fields(Measured)})


def a_day(podcasts: int) -> Outcome:
    return Simulation(WORLD, due_times(podcasts, np.random.default_rng(1))).run()


def by_name(found: list[Limit]) -> dict[str, Limit]:
    return {limit.name: limit for limit in found}


def test_the_nearest_limit_comes_first() -> None:
    found = limits(WORLD, MEASURED, a_day(2000))

    assert [limit.share for limit in found] == sorted((limit.share for limit in found), reverse=True)


def test_a_smaller_database_is_met_sooner() -> None:
    outcome = a_day(2000)
    large = by_name(limits(WORLD, replace(MEASURED, database_per_second=Figure(1e6, "", "")), outcome))["database"]
    small = by_name(limits(WORLD, replace(MEASURED, database_per_second=Figure(1.0, "", "")), outcome))["database"]

    assert large.share < 1 < small.share


@pytest.mark.parametrize(
    ("shares", "met"),
    [
        ({1000: 0.01, 10_000: 0.1, 100_000: 1.25}, 81_000),  # between the last two
        ({1000: 0.02, 10_000: 0.2}, 50_000),  # beyond the last
        ({1000: 4.0, 10_000: 40.0}, 250),  # before the first
    ],
)
def test_where_a_limit_is_met_is_told_from_its_shares(shares: dict[int, float], met: int) -> None:
    assert met_at(shares) == pytest.approx(met, rel=0.02)


def test_more_workers_wanted_than_there_may_be_is_a_limit_met() -> None:
    few, many = (by_name(limits(WORLD, MEASURED, a_day(podcasts)))["workers"] for podcasts in (500, 50_000))

    assert few.share < 1 < many.share


def test_in_flight_is_what_workers_have_in_hand() -> None:
    found = by_name(limits(WORLD, MEASURED, a_day(50_000)))["in flight"]

    assert found.peak == 50 * 2


def test_a_month_of_the_fleet_pays_for_the_hours_that_its_workers_were_there() -> None:
    outcome = a_day(5000)
    made = monthly(5000, WORLD, outcome)
    workers = (made.load.generators.processes, made.load.processors.processes)

    for seconds, paid in zip(outcome.worker_seconds, workers, strict=True):
        assert seconds / outcome.end <= paid + 0.02 <= seconds / outcome.end + 1.02


def test_the_claims_of_the_section_discovery_are_taken_where_it_has_run(tmp_path: Path) -> None:
    assert _claims(tmp_path).value == CLAIMS_PER_SECOND
    figures = {"due": {"500": {}, "5000": {}}, "podcasts_due": {"seconds": {"median": 2.0}}}
    (tmp_path / "discovery.json").write_text(json.dumps({"figures": figures}))

    assert _claims(tmp_path).value == 2500
    assert "discovery" in _claims(tmp_path).source

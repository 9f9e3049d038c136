"""The simulated fleet against theory: what queues are known to do, ours must do too."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bench.fleet.arrivals import DAY_SECONDS, ON_THE_HOUR, due_times
from bench.fleet.policy import Policy, Scaler
from bench.fleet.simulation import Simulation
from bench.fleet.world import Outcome, Stage, World

SERVICE = 28.0
WORLD = World(Stage(SERVICE, Policy(2)), Stage(4.5, Policy(2)))


def erlang_c(servers: int, load: float) -> float:
    """The probability that a job waits, of M/M/c with ``load`` erlangs (A. K. Erlang, 1917)."""
    waiting = load**servers / math.factorial(servers) * servers / (servers - load)
    return waiting / (sum(load**each / math.factorial(each) for each in range(servers)) + waiting)


def a_queue_alone(servers: int, load: float, jobs: int) -> tuple[Outcome, float]:
    """Poisson arrivals, exponential service, a fixed number of servers, nothing else; and the rate of arrivals."""
    fixed = Policy(servers, least=1, most=1)
    world = World(
        generation=Stage(SERVICE, fixed, draw=lambda rng, size: rng.exponential(SERVICE, size)),
        processing=Stage(0.001, Policy(10_000, least=1, most=1)),
        tick_seconds=0.001,
        claims_per_second=math.inf,
        claim_seconds=1e9,
        retries_per_task=0,
        crashes_per_task=0,
    )
    rate = load / SERVICE
    due = np.cumsum(np.random.default_rng(3).exponential(1 / rate, jobs))
    return Simulation(world, due).run(until=float(due[-1])), rate


@pytest.mark.parametrize(("servers", "load"), [(1, 0.6), (5, 3.5), (20, 17.0)])
def test_waiting_is_what_erlang_says(servers: int, load: float) -> None:
    outcome, _ = a_queue_alone(servers, load, jobs=100_000)

    assert outcome.waits.mean() == pytest.approx(erlang_c(servers, load) * SERVICE / (servers - load), rel=0.08)
    assert np.mean(outcome.waits > 0.01) == pytest.approx(erlang_c(servers, load), rel=0.05)


def test_littles_law_holds() -> None:
    # What waits on average is what comes in a second times how long each waits.
    outcome, rate = a_queue_alone(5, 4.0, jobs=80_000)

    assert np.mean(outcome.minutes.backlog) == pytest.approx(rate * outcome.waits.mean(), rel=0.05)
    assert np.mean(outcome.minutes.in_flight) == pytest.approx(4.0, rel=0.02)


def day(podcasts: int = 3000, **changes: object) -> Outcome:
    return Simulation(replace(WORLD, **changes), due_times(podcasts, np.random.default_rng(1))).run()  # type: ignore[arg-type]


@pytest.mark.parametrize("hours", [1, 7.2, 13, 24, 48])
def test_nothing_is_lost_and_nothing_is_done_twice(hours: float) -> None:
    world = replace(WORLD, retries_per_task=0.3, crashes_per_task=0.1)
    outcome = Simulation(world, due_times(3000, np.random.default_rng(1))).run(until=hours * 3600)

    assert outcome.arrived == outcome.done + outcome.dead + outcome.in_hand + outcome.waiting
    if hours == 48:
        assert outcome.arrived == 3000
        assert outcome.in_hand + outcome.waiting == 0
        assert outcome.dead > 0


def test_the_same_seed_is_the_same_day() -> None:
    first, again, other = day(), day(), day(seed=2)

    assert np.array_equal(first.latencies, again.latencies)
    assert not np.array_equal(first.latencies, other.latencies)


@pytest.mark.parametrize(("double", "copies"), [(True, 4), (False, 23)])
def test_a_claim_that_doubles_sends_a_logarithm_of_copies(double: bool, copies: int) -> None:  # noqa: FBT001
    # For two hours nobody works: copies after 5, 15, 35 and 75 minutes, or every five.
    world = replace(WORLD, outage=(0.0, 7200.0 - 1), claims_double=double, retries_per_task=0, crashes_per_task=0)
    outcome = Simulation(world, np.full(10, 30.0)).run()

    assert outcome.copies == pytest.approx(10 * copies, abs=10)
    assert outcome.done == 10


def test_copies_start_nothing_anew() -> None:
    outcome = day(outage=(6 * 3600.0, 8 * 3600.0), retries_per_task=0, crashes_per_task=0)

    assert outcome.copies > 100
    assert outcome.done == 3000
    assert outcome.minutes.started[-1] == 2 * 3000


def test_nothing_is_done_in_an_outage_and_all_of_it_after() -> None:
    outcome = day(outage=(6 * 3600.0, 8 * 3600.0))
    ended = outcome.minutes.ended

    assert ended[7 * 60] == ended[8 * 60 - 1]
    assert max(outcome.minutes.backlog) > max(day().minutes.backlog)
    assert outcome.done + outcome.dead == 3000


def test_due_times_cluster_on_the_hour_and_fill_a_day() -> None:
    due = due_times(20_000, np.random.default_rng(1))

    assert np.all(np.diff(due) >= 0)
    assert 0 <= due[0] <= due[-1] < DAY_SECONDS
    assert np.mean(due % 3600 == 0) == pytest.approx(ON_THE_HOUR, abs=0.02)
    by_hour = np.bincount((due // 3600).astype(int), minlength=24)
    assert by_hour.argmax() in (6, 7, 8)


def test_retries_and_crashes_make_a_day_longer() -> None:
    calm, troubled = day(retries_per_task=0, crashes_per_task=0), day(retries_per_task=0.2, crashes_per_task=0.05)

    assert troubled.minutes.started[-1] > 1.2 * calm.minutes.started[-1]
    assert troubled.latencies.mean() > calm.latencies.mean()


# The scaling policy -------------------------------------------------------------------------------


def test_a_worker_may_have_before_it_what_it_does_in_the_acceptable_time() -> None:
    policy = Policy(slots=2, acceptable_seconds=300)

    assert policy.backlog_per_worker(30) == 20
    assert policy.wanted(100, 30) == 5
    assert policy.wanted(0, 30) == 1


def test_workers_come_after_their_start_and_go_after_the_cooldown() -> None:
    scaler = Scaler(Policy(2, acceptable_seconds=60, start_seconds=63, scale_in_seconds=300, most=10), workers=1)
    scaler.look(0, 1000, 30)
    assert (scaler.working, scaler.paid, scaler.most_wanted) == (1, 10, 250)
    scaler.look(60, 1000, 30)
    assert scaler.working == 1
    scaler.look(120, 0, 30)
    assert scaler.working == 10
    scaler.look(240, 0, 30)
    assert scaler.working == 10
    scaler.look(300, 0, 30)
    assert scaler.working == 1
    assert scaler.worker_seconds == 10 * 300

"""The cost model: what it says where the answer is known beforehand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from broker.ephemeral import SWEPT_AT_ONCE
from operations.cost.advice import advice
from operations.cost.bill import Load, Workers, bill
from operations.cost.prices import Prices
from operations.cost.requests import (
    Requests,
    empty_polls,
    housekeeping_requests,
    predicted_requests,
    watching_requests,
)
from publishers.queues import Queue
from tests.fakes.environment import load_celeryconfig

MONTH = 2_592_000
LOAD = Load(episodes_per_day=1000, generators=Workers(2, 2), processors=Workers(1, 2))


def test_idle_workers_ask_once_a_long_poll_and_queue() -> None:
    asked = predicted_requests(tasks=0, seconds=MONTH, service_seconds=1, workers=3, remote_control=True)

    assert asked.empty_receives == pytest.approx(3 * MONTH / 20)
    assert asked.control_polls == pytest.approx(3 * MONTH / 20)
    assert asked.work == 0


def test_a_deep_backlog_of_short_tasks_is_settled_ten_a_request() -> None:
    asked = predicted_requests(
        tasks=10_000, seconds=100, service_seconds=0.01, slots=2, prefetch_multiplier=16, arriving_together=10_000
    )

    assert asked.send_batches == 1000
    assert asked.receives == pytest.approx(1000, rel=0.01)
    assert asked.deletes == 1000


def test_long_tasks_one_by_one_cost_a_request_each_to_send_receive_and_delete() -> None:
    asked = predicted_requests(tasks=1000, seconds=MONTH, service_seconds=30, slots=2, published_together=1)

    assert (asked.send_batches, asked.receives) == (1000, 1000)
    assert asked.deletes == pytest.approx(1000, rel=0.001)


def test_work_is_kept_invisible_thrice_a_visibility_timeout() -> None:
    # One task after another, all the time.
    asked = predicted_requests(
        tasks=100, seconds=6000, service_seconds=60, arriving_together=100, visibility_seconds=60
    )

    assert asked.heartbeats == pytest.approx(6000 / 20)


def test_a_retry_is_one_more_message_sent_alone() -> None:
    without = predicted_requests(tasks=100, seconds=MONTH, service_seconds=1)
    asked = predicted_requests(tasks=100, seconds=MONTH, service_seconds=1, retries_per_task=0.5)

    assert asked.single_sends == 50
    assert asked.receives == pytest.approx(1.5 * without.receives)


def test_work_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="keep 20 slots busy; 2 workers × 4 slots are 8"):
        predicted_requests(tasks=200, seconds=100, service_seconds=10, workers=2, slots=4)


def test_a_poll_ends_empty_only_when_nothing_came_for_as_long_as_it_waits() -> None:
    # Arrivals at random, one a second, polls of a second: of each poll, e⁻¹ are empty and 1 − e⁻¹ are not.
    empty = empty_polls(1000, interruptions=1000, wait_seconds=1)

    assert empty / (empty + 1000) == pytest.approx(math.exp(-1))
    assert empty_polls(1000, interruptions=0, wait_seconds=20) == 50
    assert empty_polls(1, interruptions=10**6, wait_seconds=20) == 0


def test_the_upkeep_of_remote_control_grows_as_the_fleet_does() -> None:
    assert housekeeping_requests(control_queues=10, seconds=300).sqs == 10 * (1 + 1 + 9)
    assert housekeeping_requests(control_queues=100, seconds=300).sqs == 100 * (1 + 1 + SWEPT_AT_ONCE)
    assert housekeeping_requests(control_queues=0, seconds=300).sqs == 0


def test_who_watches_polls_every_second() -> None:
    assert watching_requests(event_publishes=0, seconds=3600).sqs == 3600


def test_all_parts_add_up() -> None:
    made = bill(LOAD, Prices())
    lines = list(made.lines())

    assert made.total == pytest.approx(sum(line.dollars for line in lines))
    assert sum(line.requests or 0 for line in lines if line.part.startswith("SQS")) == pytest.approx(made.requests.sqs)
    assert sum(line.dollars for line in lines if line.part.startswith(("SQS", "SNS"))) == pytest.approx(made.messaging)
    assert made.requests.work + made.requests.idle == pytest.approx(made.requests.sqs)


def test_a_million_requests_are_free_and_the_next_costs_forty_cents() -> None:
    prices = Prices()

    assert prices.sqs(1_000_000, 0) == 0
    assert prices.sqs(2_000_000, 0) == pytest.approx(0.40)
    assert prices.sqs(2_000_000, 1_000_000) == pytest.approx(0.50)
    assert prices.sns(3_000_000) == pytest.approx(1.00)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        (replace(LOAD, generators=Workers(40, 2)), "40 generators"),
        (replace(LOAD, clip_months_kept=12), "clips/"),
        (replace(LOAD, vcpu_per_slot=0, clip_months_kept=0, months_kept=0, wait_seconds=1, events=False), "long polls"),
    ],
)
def test_what_saves_most_is_advised(changed: Load, word: str) -> None:
    assert word in advice(bill(changed, Prices()))


def test_where_nothing_is_to_be_saved_nothing_is_advised() -> None:
    bare = replace(LOAD, events=False, watchers=0, clip_months_kept=0, generators=Workers(1, 2))

    assert "nothing here" in advice(bill(bare, Prices()))


def test_more_to_do_never_costs_less() -> None:
    totals = [bill(replace(LOAD, episodes_per_day=number).enough(), Prices()).total for number in (0, 10, 10**4, 10**6)]

    assert totals == sorted(totals)


def test_the_model_assumes_what_celery_is_configured_to(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_celeryconfig(monkeypatch, AIRDATE_AWS_ENDPOINT="http://127.0.0.1:5000")

    assert LOAD.wait_seconds == config.broker_transport_options["wait_time_seconds"]
    assert LOAD.prefetch_multiplier == config.worker_prefetch_multiplier
    assert config.broker_transport_options["supports_fanout"], "each worker has a queue of remote control"


def test_requests_add_up_part_by_part() -> None:
    assert Requests(receives=1, deletes=2) + Requests(deletes=3) == Requests(receives=1, deletes=5)


def test_each_queue_is_in_the_bill() -> None:
    assert set(bill(LOAD, Prices()).by_queue) == set(Queue)

"""The model of SQS's fair queues hands messages out as AWS says that they are."""

from __future__ import annotations

import random

import pytest

from bench.fair_queue import LEAST_IN_FLIGHT, RECENT_SECONDS, FairQueue, Message, dwell_times


def message(tenant: str | None, *, sent_at: float = 0.0, seconds: float = 1.0) -> Message:
    return Message(sent_at, seconds, tenant)


def received(queue: FairQueue, count: int) -> list[str | None]:
    """Whose messages the next so many are; none is settled."""
    taken = [queue.receive() for _ in range(count)]
    return [given[1].tenant if given else None for given in taken]


def filled(*tenants: str | None, fair: bool = True) -> FairQueue:
    queue = FairQueue(fair=fair)
    for tenant in tenants:
        queue.send(message(tenant))
    return queue


def test_quiet_tenants_are_served_in_the_order_of_sending() -> None:
    assert received(filled("a", "b", "a", None, "c"), 6) == ["a", "b", "a", None, "c", None]


def test_a_tenant_with_thirty_in_flight_waits_for_the_others() -> None:
    queue = filled(*["noisy"] * 40, "quiet", "quiet")

    assert received(queue, LEAST_IN_FLIGHT) == ["noisy"] * LEAST_IN_FLIGHT
    assert received(queue, 3) == ["quiet", "quiet", "noisy"]


def test_thirty_in_flight_among_three_hundred_are_not_noisy() -> None:
    queue = filled(*[f"tenant-{number}" for number in range(300)], *["busy"] * 31, "late")

    received(queue, 300 + LEAST_IN_FLIGHT)

    assert received(queue, 2) == ["busy", "late"]


def test_a_tenant_that_took_a_tenth_of_the_time_lately_waits_for_the_others_and_is_forgiven() -> None:
    queue = filled("slow", *[f"tenant-{number}" for number in range(10)])
    for _ in range(11):
        given = queue.receive()
        assert given is not None
        queue.settle(given[0], 10.0, 2.0 if given[1].tenant == "slow" else 1.0)
    for tenant in ("slow", "quiet"):
        queue.send(message(tenant))

    assert received(queue, 2) == ["quiet", "slow"]

    queue.settle("group quiet", 11.0 + RECENT_SECONDS, 1.0)
    for tenant in ("slow", "new"):
        queue.send(message(tenant))
    assert received(queue, 2) == ["slow", "new"]


def test_of_two_noisy_tenants_the_one_with_fewer_in_flight_is_served() -> None:
    queue = filled(*["first"] * 32, *["second"] * 40)
    assert received(queue, 32) == ["first"] * 30 + ["second"] * 2, "the second is quiet yet"
    assert received(queue, 29) == ["second"] * 28 + ["first"], "both are noisy, with thirty each"
    assert received(queue, 1) == ["second"], "which has thirty to the other's thirty-one"


def test_a_message_without_a_group_is_a_tenant_of_its_own() -> None:
    assert received(filled(*[None] * 60, "late"), 61) == [None] * 60 + ["late"]


@pytest.mark.parametrize("slots", [4, 40])
def test_a_fresh_message_passes_the_backlog_of_an_owner_and_not_that_of_ungrouped_podcasts(slots: int) -> None:
    chance = random.Random(1)
    seconds = [chance.expovariate(1.0) for _ in range(1000)]
    fresh = message("quiet", sent_at=100 / slots)

    by_owner = [message("owner", seconds=each) for each in seconds]
    by_podcast = [message(f"podcast-{number}", seconds=each) for number, each in enumerate(seconds)]
    drained = sum(seconds) / slots

    assert dwell_times([*by_owner, fresh], slots=slots)[-1] < 5
    assert dwell_times([*by_podcast, fresh], slots=slots)[-1] > 0.8 * drained
    assert dwell_times([*by_owner, fresh], slots=slots, fair=False)[-1] > 0.8 * drained
    assert sum(dwell_times([*by_owner, fresh], slots=slots)) == pytest.approx(
        sum(dwell_times([*by_owner, fresh], slots=slots, fair=False)), rel=0.05
    ), "nobody's messages are lost or held back for nothing"

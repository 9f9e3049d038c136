"""Outages: told once per change, and waited out without hammering."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from broker.receiver import LONGEST_BACKOFF_SECONDS, Outages

QUEUE = "work"


@pytest.fixture
def outages() -> Outages:
    return Outages()


@pytest.fixture(autouse=True)
def warnings_are_seen(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.WARNING, logger="broker.receiver"):
        yield


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_an_outage_is_told_once_and_its_end_too(outages: Outages, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        outages.began(QUEUE, "connection refused", quiet=False)
    for _ in range(2):
        outages.ended(QUEUE, quiet=False)

    assert said(caplog) == [
        "cannot receive from work: connection refused; trying again until it answers",
        "receiving from work again",
    ]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (
            "Failed to connect to sqs port 443 after 5 ms: refused",
            "Failed to connect to sqs port 443 after 17 ms: refused",
        ),
        (
            "Operation timed out after 35001 milliseconds with 0 out of 0 bytes received",
            "Operation timed out after 35002 milliseconds with 12 out of 90 bytes received",
        ),
        ("ExpiredToken: Signature expired: 20261124T190000Z", "ExpiredToken: Signature expired: 20261124T190007Z"),
    ],
)
def test_the_same_trouble_in_other_figures_is_told_once(
    outages: Outages, caplog: pytest.LogCaptureFixture, first: str, then: str
) -> None:
    outages.began("work", first, quiet=False)
    outages.began("work", then, quiet=False)

    assert len(caplog.records) == 1


def test_another_trouble_is_told(outages: Outages, caplog: pytest.LogCaptureFixture) -> None:
    for trouble in ("connection refused", "connection refused", "AccessDenied: not allowed"):
        outages.began(QUEUE, trouble, quiet=False)

    assert len(said(caplog)) == 2


def test_the_next_outage_is_told(outages: Outages, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        outages.began(QUEUE, "connection refused", quiet=False)
        outages.ended(QUEUE, quiet=False)

    assert len(said(caplog)) == 4


def test_each_queue_has_its_own(outages: Outages, caplog: pytest.LogCaptureFixture) -> None:
    outages.began(QUEUE, "connection refused", quiet=False)
    outages.began("other", "connection refused", quiet=False)
    outages.ended("other", quiet=False)

    assert len(said(caplog)) == 3
    assert outages.pause(QUEUE) > 0
    assert outages.pause("other") == 0


def test_an_answer_without_an_outage_is_nothing_to_tell(outages: Outages, caplog: pytest.LogCaptureFixture) -> None:
    outages.ended(QUEUE, quiet=False)

    assert said(caplog) == []


def test_a_quiet_queue_is_waited_for_and_not_told_of(outages: Outages, caplog: pytest.LogCaptureFixture) -> None:
    outages.began(QUEUE, "connection refused", quiet=True)
    assert outages.pause(QUEUE) > 0
    outages.ended(QUEUE, quiet=True)

    assert outages.pause(QUEUE) == 0
    assert said(caplog) == []


def test_without_an_outage_there_is_no_pause(outages: Outages) -> None:
    assert outages.pause(QUEUE) == 0


def longest_pauses(outages: Outages, failures: int) -> list[float]:
    """After each failure, the longest of many."""
    longest = []
    for _ in range(failures):
        outages.began(QUEUE, "connection refused", quiet=False)
        pauses = [outages.pause(QUEUE) for _ in range(300)]
        assert min(pauses) >= 0.1
        longest.append(max(pauses))
    return longest


def test_the_pause_grows_with_each_failure_up_to_a_limit(outages: Outages) -> None:
    first, second, third, *later = longest_pauses(outages, 20)

    assert first <= 1 < second <= 2 < third <= 4
    assert max(later) <= LONGEST_BACKOFF_SECONDS


def test_a_fleet_does_not_come_back_at_once(outages: Outages) -> None:
    for _ in range(10):
        outages.began(QUEUE, "connection refused", quiet=False)
    pauses = sorted(outages.pause(QUEUE) for _ in range(300))

    assert pauses[75] < LONGEST_BACKOFF_SECONDS / 2 < pauses[225]


def test_after_thousands_of_failures_there_is_still_a_pause(outages: Outages) -> None:
    for _ in range(5000):
        outages.began(QUEUE, "connection refused", quiet=False)

    assert 0 < outages.pause(QUEUE) <= LONGEST_BACKOFF_SECONDS


def test_after_an_answer_the_pause_begins_anew(outages: Outages) -> None:
    longest_pauses(outages, 10)
    outages.ended(QUEUE, quiet=False)

    assert longest_pauses(outages, 1)[0] <= 1

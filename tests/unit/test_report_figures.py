"""A report's figures and words: what an episode cost, which reasons are of a kind, how numbers are said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.figure import Figure

from operations.cost.bill import DAYS_A_MONTH, Load, Workers, bill
from operations.cost.prices import Prices
from operations.report.axes import LIGHT, bars
from operations.report.figures import MOST_REASONS, kinds
from operations.report.spending import MEASURED, UNPRICED, Part, Rates, spending
from operations.report.wording import dollars, share, span
from podcasting.database.history import Happened
from podcasting.database.reporting import Happening, InAll, ProviderSpend
from publishers.queues import Queue

SLOTS = {Queue.DISCOVERY: 1, Queue.GENERATION: 2, Queue.PROCESSING: 2}
WORK = [InAll("speech", 10, 500.0), InAll("master", 10, 300.0), InAll("check", 10, 100.0)]


def cost(
    work: list[InAll] = WORK,
    *,
    episodes: int = 10,
    rates: Rates | None = None,
    per_day: float = 100,
    providers: tuple[ProviderSpend, ...] = (),
) -> list[Part]:
    return spending(
        work,
        episodes=episodes,
        audio_seconds=600,
        episodes_per_day=per_day,
        slots=SLOTS,
        tick_seconds=60,
        events=True,
        rates=rates or Rates(Prices()),
        providers=providers,
    )


def test_compute_is_the_seconds_that_were_measured_at_the_price_of_a_slot() -> None:
    rates = Rates(Prices(vcpu_hour=3.6, gb_hour=0.36), vcpu_per_slot=0.5, gb_per_vcpu=4)

    found = {part.part: part for part in cost(rates=rates)}

    # Half a vCPU and two GB: 0.5 × 3.6 + 2 × 0.36 dollars an hour, 0.0007 a second.
    assert found["compute: speech"].dollars == pytest.approx(50 * 0.0007)
    assert found["compute: check"].dollars == pytest.approx(10 * 0.0007)
    assert {part.known for part in cost() if part.part.startswith("compute: ")} == {MEASURED}


def test_the_parts_of_an_episode_are_its_share_of_the_months_bill() -> None:
    load = Load(100, Workers(1, 2), Workers(1, 2), 10, 80, 10, retries_per_task=0, tick_seconds=60)

    month = bill(load.enough(), Prices())

    assert sum(part.dollars for part in cost()) == pytest.approx(month.total / (100 * DAYS_A_MONTH))


def test_what_providers_asked_for_is_a_part_and_an_unknown_price_is_told() -> None:
    known = ProviderSpend("script", "writer openai:gpt-5-mini", 20, 40_000, 10_000, 0, 0.5)
    unknown = ProviderSpend("speech", "voice local", 100, 0, 0, 8000, None)

    found = {part.part: part for part in cost(providers=(known, unknown))}

    writer = found["provider: writer openai:gpt-5-mini"]
    assert writer == Part(writer.part, 0.05, MEASURED, "2.0 requests, 4,000 tokens in, 1,000 tokens out")
    voice = found["provider: voice local"]
    assert voice == Part(voice.part, 0, UNPRICED, "10.0 requests, 800 characters")
    assert sum(part.dollars for part in found.values()) == pytest.approx(sum(part.dollars for part in cost()) + 0.05)


def test_without_episodes_nothing_has_a_cost() -> None:
    assert cost(episodes=0) == cost([]) == cost(per_day=0) == []


def test_free_compute_leaves_requests_and_storage() -> None:
    found = cost(rates=Rates(Prices(), vcpu_per_slot=0))

    assert sum(part.dollars for part in found if part.part.startswith("compute")) == 0
    assert {part.part for part in found if part.dollars} == {"SQS and SNS", "S3 requests", "S3 storage"}


def test_reasons_that_differ_in_particulars_are_of_a_kind() -> None:
    found = kinds(
        [
            Happening(Happened.GIVEN_BACK, 5, stage="collect", reason="https://a.example.org/ answered 503"),
            Happening(Happened.GIVEN_BACK, 2, stage="collect", reason="https://b.example.org/x answered 502"),
            Happening(Happened.FAILED, 1, stage="speech", reason="no voice for 'klingon'"),
            Happening(Happened.FAILED, 2, stage="master", reason=None),
        ]
    )

    assert [(each.what, each.count, each.reason) for each in found] == [
        (Happened.FAILED, 2, ""),
        (Happened.FAILED, 1, "no voice for …"),
        (Happened.GIVEN_BACK, 7, "… answered …"),
    ]


def test_many_kinds_of_failures_leave_room_for_tries() -> None:
    words = [chr(97 + a) + chr(97 + b) for a in range(5) for b in range(5)]
    found = kinds(
        [Happening(what, 1, reason=word) for what in (Happened.FAILED, Happened.GIVEN_BACK) for word in words]
    )

    assert [each.what for each in found] == [Happened.FAILED] * MOST_REASONS + [Happened.GIVEN_BACK] * MOST_REASONS


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.034, "0.03 s"),
        (0.4, "0.4 s"),
        (9.94, "9.9 s"),
        (45.4, "45 s"),
        (60, "1 min"),
        (150, "2.5 min"),
        (3600, "1 h"),
        (86_400 * 12, "12 d"),
    ],
)
def test_spans_are_said_as_people_do(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_money_and_shares() -> None:
    assert (dollars(0), dollars(12.3456), dollars(0.003124), dollars(1234.56)) == (
        "$0.00",
        "$12.35",
        "$0.0031",
        "$1,235",
    )
    assert (share(1, 3), share(0, 0)) == ("33.3%", "–")


@pytest.mark.parametrize("narrow", [False, True])
def test_under_bars_of_counts_stand_whole_numbers(*, narrow: bool) -> None:
    axes = Figure().subplots()

    bars(axes, {"published": 3, "failed": 1}, replace(LIGHT, narrow=narrow), ["#000000"], "episodes", str)

    ticks = [float(tick) for tick in axes.get_xticks()]
    assert 2 <= len(ticks) <= 6
    assert ticks == [round(tick) for tick in ticks]

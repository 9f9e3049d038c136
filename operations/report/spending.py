"""What an episode cost: the processor time that it was measured to take, what outside providers asked for, and what
the cost model adds to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from operations.cost.bill import DAYS_A_MONTH, Bill, Load, Workers, bill
from operations.cost.prices import Prices
from podcasting.database.reporting import InAll, ProviderSpend
from podcasting.models import STAGES
from publishers.queues import Queue

GENERATION = STAGES[: STAGES.index("master") + 1]
MEASURED, MODELLED, UNPRICED = "measured", "by the model", "no price known"


@dataclass(frozen=True)
class Rates:
    """What is paid for a slot, and for how long what is made is kept."""

    prices: Prices
    vcpu_per_slot: float = 1
    gb_per_vcpu: float = 2
    months_kept: float = 12

    @property
    def slot_second(self) -> float:
        """Dollars for a second of a slot."""
        hour = self.vcpu_per_slot * (self.prices.vcpu_hour + self.gb_per_vcpu * self.prices.gb_hour)
        return hour / 3600


@dataclass(frozen=True)
class Part:
    """A part of what an episode cost."""

    part: str
    dollars: float
    """For one episode."""
    known: str
    """``MEASURED`` here, ``MODELLED``, or ``UNPRICED``: it may cost something, and nobody knows what."""
    about: str


def spending(
    work: Sequence[InAll],
    *,
    episodes: int,
    audio_seconds: float | None,
    episodes_per_day: float,
    slots: dict[Queue, int],
    tick_seconds: float,
    events: bool,
    rates: Rates,
    providers: Sequence[ProviderSpend] = (),
) -> list[Part]:
    """What one of ``episodes`` cost on average, part by part; nothing when there are none.

    Args:
        work: what their stages took.
        episodes: how many that were.
        audio_seconds: the mean length of one.
        episodes_per_day: of the whole installation, whose requests and waiting slots they share.
        slots: tasks that a worker of each queue runs at once.
        tick_seconds: between two ticks of each discovery.
        events: whether workers tell Flower what they do.
        rates: what is paid.
        providers: what outside writers and voices were asked for meanwhile; of episodes that failed too.
    """
    if not episodes or not work or not episodes_per_day:
        return []
    parts = [
        Part(f"compute: {of.stage}", of.seconds / episodes * rates.slot_second, MEASURED, _seconds(of, episodes))
        for of in work
    ]
    parts += [_provider(spent, episodes) for spent in providers]
    generation = sum(of.seconds for of in work if of.stage in GENERATION) / episodes
    processing = sum(of.seconds for of in work if of.stage not in GENERATION) / episodes
    load = Load(
        episodes_per_day=episodes_per_day,
        generators=Workers(1, slots[Queue.GENERATION]),
        processors=Workers(1, slots[Queue.PROCESSING]),
        minutes=(audio_seconds or 600) / 60,
        generation_seconds=max(generation, 1e-3),
        processing_seconds=max(processing, 1e-3),
        tick_seconds=tick_seconds,
        events=events,
        watchers=1 if events else 0,
        vcpu_per_slot=rates.vcpu_per_slot,
        gb_per_vcpu=rates.gb_per_vcpu,
        months_kept=rates.months_kept,
        clip_months_kept=rates.months_kept,
    )
    made = bill(replace(load.enough(), retries_per_task=0), rates.prices)
    return parts + _shared(made, busy=(generation + processing) * rates.slot_second)


def _shared(made: Bill, *, busy: float) -> list[Part]:
    """Each episode's share of what a month of the whole installation costs; ``busy`` is what its stages cost."""
    by_part = {line.part: line for line in made.lines()}
    each = made.load.episodes_per_day * DAYS_A_MONTH
    parts = [
        Part("SQS and SNS", made.messaging / each, MODELLED, f"{made.requests.sqs / each:,.1f} requests to SQS"),
        Part("S3 requests", by_part["S3 requests"].dollars / each, MODELLED, _requests(by_part["S3 requests"], each)),
    ]
    kept = [line for name, line in by_part.items() if name.startswith("S3 storage")]
    about = f"after {made.load.months_kept:g} months"
    parts.append(Part("S3 storage", sum(line.dollars for line in kept) / each, MODELLED, about))
    if "Fargate" in by_part:
        waiting = max(0.0, by_part["Fargate"].dollars / each - busy)
        parts.append(Part("compute that waits", waiting, MODELLED, f"of {by_part['Fargate'].about}"))
    return parts


def _requests(line: object, each: float) -> str:
    return f"{(getattr(line, 'requests', None) or 0) / each:,.0f} requests"


def _provider(spent: ProviderSpend, episodes: int) -> Part:
    used = [
        f"{amount / episodes:,.0f} {unit}"
        for amount, unit in (
            (spent.input_tokens, "tokens in"),
            (spent.output_tokens, "tokens out"),
            (spent.characters, "characters"),
        )
        if amount
    ]
    known = UNPRICED if spent.dollars is None else MEASURED
    about = ", ".join((f"{spent.calls / episodes:.1f} requests", *used))
    return Part(f"provider: {spent.provider}", (spent.dollars or 0) / episodes, known, about)


def _seconds(of: InAll, episodes: int) -> str:
    return f"{of.seconds / episodes:.1f} s"

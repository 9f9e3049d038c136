"""All that a report says, gathered from the database once; what draws it computes no figure of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import Engine

from operations.report.spending import Part, Rates, spending
from podcasting.alarm import PARTICULARS
from podcasting.database.alarms import Alarm
from podcasting.database.history import Happened
from podcasting.database.percentiles import Spread
from podcasting.database.reporting import (
    Busy,
    Happening,
    InStage,
    Late,
    ProviderSpend,
    Reporting,
    Standing,
    Window,
)
from podcasting.models import STAGES
from publishers.queues import Queue

LATE_BOUNDS = (60, 120, 300, 600, 1800, 3600, 6 * 3600, 86_400)
"""Seconds: 1, 2, 5, 10, 30 min; 1, 6, 24 h."""
MOST_TRIES = 4
"""Failed tries that are told apart; more are one group."""
MOST_REASONS = 10
"""Kinds of reasons that are told, of episodes that failed and of tries that did each."""


@dataclass(frozen=True)
class Figures:
    """Everything of one window."""

    window: Window
    made_at: datetime
    standing: Standing
    published: int
    """Episodes whose files came onto the site in the window, and that are published now."""
    happened: list[Happening]
    happened_by_step: list[Happening]
    lateness: Spread | None
    lateness_by_step: list[Late]
    lateness_within: list[tuple[int | None, int]]
    """(Seconds, how many were on the site within them and not within those before); None: how many later."""
    stages: list[InStage]
    stages_by_step: list[InStage]
    failed_tries: list[int]
    """By number of failed tries, how many published episodes had so many; the last: so many or more."""
    reasons: list[Happening]
    """Of a kind each: without what differs from case to case."""
    busiest: list[Busy]
    audio_seconds: float | None
    spending: list[Part]
    """Of an episode."""
    provider_spend: list[ProviderSpend]
    """In all, in the window: of episodes that failed too."""
    alarms: list[Alarm]

    def count(self, what: Happened) -> int:
        """How often that happened."""
        return sum(each.count for each in self.happened if each.what is what)

    @property
    def dollars(self) -> float:
        """What an episode cost."""
        return sum(part.dollars for part in self.spending)

    @property
    def nothing_yet(self) -> bool:
        """Whether nothing happened in the window."""
        return not (self.happened or self.stages or self.published)

    def plain(self) -> dict[str, Any]:
        """All of it for programs: seconds, US dollars, moments in ISO 8601."""
        found: dict[str, Any] = _plain(asdict(self))
        found["window"] |= {"step_seconds": self.window.step}
        found["lateness_within"] = [
            {"within_seconds": bound, "episodes": count} for bound, count in self.lateness_within
        ]
        found["usd_per_thousand_episodes"] = self.dollars * 1000 if self.spending else None
        return found


def gathered(
    engine: Engine, window: Window, now: datetime, *, rates: Rates, slots: dict[Queue, int], tick: float, events: bool
) -> Figures:
    """Ask the database. ``slots``, ``tick`` and ``events`` are as :func:`spending` takes them."""
    report = Reporting(engine, window)
    everywhere = Reporting(engine, Window(window.since, window.until))
    published, audio, spent = report.published(), report.seconds_of_audio(), report.provider_spend()
    return Figures(
        window=window,
        made_at=now,
        standing=report.standing(),
        published=published,
        happened=report.happened(),
        happened_by_step=report.happened_by_step(),
        lateness=report.lateness(),
        lateness_by_step=report.lateness_by_step(),
        lateness_within=list(zip((*LATE_BOUNDS, None), report.lateness_below(LATE_BOUNDS), strict=True)),
        stages=in_order(report.stages()),
        stages_by_step=in_order(report.stages_by_step()),
        failed_tries=report.failed_tries(MOST_TRIES),
        reasons=kinds(report.reasons()),
        busiest=report.busiest(),
        audio_seconds=audio,
        spending=spending(
            sorted(report.work(), key=lambda of: place(of.stage)),
            episodes=published,
            audio_seconds=audio,
            episodes_per_day=(everywhere.published() if window.podcast_id else published) / window.days,
            slots=slots,
            tick_seconds=tick,
            events=events,
            rates=rates,
            providers=spent,
        ),
        provider_spend=spent,
        alarms=report.alarms(),
    )


def place(stage: str) -> tuple[int, str]:
    """Where a stage comes; those of another release last."""
    return (STAGES.index(stage) if stage in STAGES else len(STAGES), stage)


def in_order(stages: Sequence[InStage]) -> list[InStage]:
    """As episodes go through them, earlier steps of time first."""
    return sorted(stages, key=lambda each: (place(each.stage), each.step.timestamp() if each.step else 0))


def kinds(reasons: Sequence[Happening]) -> list[Happening]:
    """Those that differ only in ids, numbers and addresses as one, as alarms count them; the most frequent first.

    Failures before tries: each is an episode that nobody hears.
    """
    counted: Counter[tuple[Happened, str | None, str]] = Counter()
    for each in reasons:
        counted[each.what, each.stage, PARTICULARS.sub("…", each.reason or "")] += each.count
    ranked = sorted(counted.items(), key=lambda one: (-one[1], one[0][2], one[0][1] or ""))
    return [
        Happening(what, count, stage=stage, reason=kind)
        for wanted in (Happened.FAILED, Happened.GIVEN_BACK)
        for (what, stage, kind), count in [one for one in ranked if one[0][0] is wanted][:MOST_REASONS]
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {(key.value if isinstance(key, Enum) else key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value

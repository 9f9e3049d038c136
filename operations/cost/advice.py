"""What to change to pay less, and how much less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from operations.cost.bill import Bill, Load, bill, needed

WORTH_SHARE = 0.05
"""Of the bill: below it nothing is said."""
WORTH_DOLLARS = 0.5
"""A month."""
LONGEST_POLL_SECONDS = 20
"""That SQS allows."""
CLIP_MONTHS = 0.5
"""Longer than a message lives, so that no episode is begun anew without its clips."""


def advice(made: Bill) -> str:
    """The one change that saves most, in a sentence; or that nothing is worth it."""
    found = [(made.total - bill(load, made.prices).total, told) for load, told in _changes(made.load)]
    saved, told = max(found, default=(0.0, ""), key=lambda each: each[0])
    if saved < max(WORTH_DOLLARS, WORTH_SHARE * made.total):
        return f"To pay less: nothing here saves as much as {WORTH_SHARE:.0%}; SQS and SNS are {_share(made)} of it."
    return f"To pay less: {told}; that saves ${saved:,.2f} a month of ${made.total:,.2f}."


def _share(made: Bill) -> str:
    return f"{made.messaging / made.total:.2%}" if made.total else "nothing"


def _changes(load: Load) -> Iterator[tuple[Load, str]]:
    """Each a load that does the same work, and what makes it so."""
    enough = needed(load.episodes_per_day, load.generation_seconds, load.generators.slots)
    if enough < load.generators.processes:
        changed = replace(load, generators=replace(load.generators, processes=enough))
        yield changed, f"{enough} of the {load.generators.processes} generators can do this work"
    enough = needed(load.episodes_per_day, load.processing_seconds, load.processors.slots)
    if enough < load.processors.processes:
        changed = replace(load, processors=replace(load.processors, processes=enough))
        yield changed, f"{enough} of the {load.processors.processes} processors can do this work"
    if load.events and load.watchers:
        yield replace(load, events=False, watchers=0), "no events and no Flower (AIRDATE_EVENTS=false)"
    elif load.events:
        yield replace(load, events=False), "no events (AIRDATE_EVENTS=false), for nobody watches them"
    elif load.watchers:
        yield replace(load, watchers=0), "no Flower, for there are no events to watch"
    if load.wait_seconds < LONGEST_POLL_SECONDS:
        yield replace(load, wait_seconds=LONGEST_POLL_SECONDS), f"long polls of {LONGEST_POLL_SECONDS:g} s"
    if load.clip_months_kept > CLIP_MONTHS:
        yield (
            replace(load, clip_months_kept=CLIP_MONTHS),
            "a lifecycle rule by which S3 deletes what lies under work/clips/ after two weeks",
        )

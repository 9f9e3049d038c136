"""The auditor: says after a run whether anything was lost, made twice, or written by the wrong hand.

Written apart from what it judges: it imports nothing of Airdate, reads the tables with SQL of its own,
the feeds with its own XML, the sound with another decoder, the dead letters with its own client. Before
a run it puts triggers into the database that log each write of the pipeline as it happens.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from chaos.auditor.dead_letters import dead_letters, judge_dead_letters
from chaos.auditor.feeds import judge_feeds
from chaos.auditor.triggers import Tables, install
from chaos.auditor.verdict import DeadLetter, Slot, Verdict

__all__ = ["DeadLetter", "Slot", "Verdict", "audit", "dead_letters", "install"]


def audit(
    url: str,
    *,
    episodes: int,
    slots: Sequence[Slot],
    site: Path,
    workspace: Path,
    site_url: str,
    poison: Collection[tuple[str, str]],
    dead: Sequence[DeadLetter],
    exits: Sequence[str] = (),
    excuses: Collection[str] = (),
    seconds: float = 0,
) -> Verdict:
    """Judge a run that has ended.

    Args:
        url: the PostgreSQL database, with the auditor's triggers since before the run.
        episodes: how many were to be due; those that never came to it are lost.
        slots: every episode that was due.
        site: the folder that listeners are served from.
        workspace: the folder of the artefacts.
        site_url: where ``site`` is served, as the feeds say it.
        poison: (queue, SHA-256 of the body) of each poisonous message sent.
        dead: what the dead-letter queues hold.
        exits: a line for each process that exited by itself.
        excuses: patterns of the reasons for which a good slot may have failed, given what was done to it.
        seconds: how long the run took.
    """
    verdict = Verdict(episodes, lost=episodes - len(slots), poison_sent=len(poison), exits=len(exits), seconds=seconds)
    verdict.complaints += exits
    if verdict.lost:
        verdict.complaints.append(f"{verdict.lost} episodes never became due: the run stood still")
    tables = Tables(url)
    published = _judge_slots(verdict, slots, tables, excuses)
    heard = judge_feeds(verdict, slots, tables, site, workspace, site_url)
    for episode in sorted(published - heard):
        verdict.lost += 1
        verdict.complaints.append(f"{episode} is published, but its listeners don't get it as they should")
    verdict.published_once = len(published & heard)
    _judge_writes(verdict, tables)
    judge_dead_letters(verdict, poison, dead, tables)
    return verdict


def _judge_slots(verdict: Verdict, slots: Sequence[Slot], tables: Tables, excuses: Collection[str]) -> set[str]:
    """The episodes that are published, one for a slot; everything else is counted here."""
    published: set[str] = set()
    known: set[str] = set()
    for slot in slots:
        rows = [row for row in tables.by_podcast[slot.podcast] if row["slot"] == slot.due]
        known |= {row["id"] for row in rows}
        shown = f"slot {slot.due:%H:%M:%S.%f} of {slot.podcast}"
        if not rows:
            verdict.lost += 1
            verdict.complaints.append(f"{shown} has no episode")
            continue
        done = [row for row in rows if row["status"] == "published"]
        if len(rows) > 1:
            verdict.doubled += len(rows) - 1
            verdict.complaints.append(f"{shown} has {len(rows)} episodes: {', '.join(row['id'] for row in rows)}")
        row = (done or rows)[0]
        if done:
            published.add(row["id"])
            if slot.story is None:
                verdict.complaints.append(f"{row['id']} is published, and its source is no feed")
        elif _is_explained(row, slot, excuses):
            verdict.explained_failures += 1
            if slot.story is not None:
                verdict.notes.append(f"{row['id']} failed at {row['failure_stage']}: {row['failure_reason']}")
        else:
            verdict.lost += 1
            verdict.complaints.append(
                f"{row['id']} is {row['status']}, stage {row['failure_stage']}, reason {row['failure_reason']!r}"
            )
    for row in tables.episodes:
        if row["id"] not in known:
            verdict.doubled += 1
            verdict.complaints.append(f"{row['id']} is an episode of no slot")
    return published


def _is_explained(row: dict[str, Any], slot: Slot, excuses: Collection[str]) -> bool:
    if row["status"] != "failed" or not row["failure_stage"] or not row["failure_reason"]:
        return False
    if slot.story is None:
        return bool(row["failure_stage"] == "collect")
    return any(re.search(excuse, row["failure_reason"]) for excuse in excuses)


def _judge_writes(verdict: Verdict, tables: Tables) -> None:
    publications: Counter[str] = Counter()
    for row in tables.writes:
        shown = f"{row['episode_id']} at {row['at']:%H:%M:%S}"
        if row["by_lease"] is not None and row["by_lease"] != row["current_lease"]:
            verdict.stale_writes += 1
            verdict.complaints.append(
                f"{shown}: {row['what']} by lease {row['by_lease']}, when {row['current_lease']} was the current one"
            )
        if row["what"] == "status":
            publications[row["episode_id"]] += row["after"] == "published"
            if row["before"] in {"published", "failed", "skipped"}:
                verdict.stale_writes += 1
                verdict.complaints.append(f"{shown}: was {row['before']}, an end, and became {row['after']}")
    for episode, count in publications.items():
        if count > 1:
            verdict.doubled += count - 1
            verdict.complaints.append(f"{episode} was published {count} times")
    for row in tables.episodes:
        if row["status"] == "published" and not publications[row["id"]]:
            verdict.complaints.append(f"{row['id']} is published, and nobody saw it become so")

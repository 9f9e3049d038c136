"""The shows of a run: each has a slot due as soon as its last episode ended, and a source that tells one story more."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from sqlalchemy.exc import DBAPIError

from chaos.auditor import Slot
from chaos.plan import Plan
from podcasting.database import Database
from podcasting.models import Podcast

TITLE = "Chaos"
AT_ONCE = 20
"""Episodes under way: enough to keep every worker busy, few enough that none waits for minutes."""
SECONDS_BETWEEN_SLOTS = 2
"""An episode's id holds its slot to the second."""
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
NO_FEED = "<html><body><p>The feed has moved.</p></body></html>"
WORDS = [
    "harbour",
    "council",
    "river",
    "winter",
    "bridge",
    "market",
    "teacher",
    "engine",
    "garden",
    "letter",
    "mountain",
    "window",
    "village",
    "doctor",
    "summer",
    "forest",
    "machine",
    "island",
    "museum",
    "railway",
    "kitchen",
    "lantern",
    "valley",
    "painter",
    "station",
    "orchard",
    "captain",
    "library",
    "thunder",
]


@dataclass
class Show:
    """One podcast, and how far it is."""

    id: str
    source: Path
    slots: int
    opened: int = 0
    due: datetime = LONG_AGO
    ended: int = 0


class Shows:
    """All of them. Writes down each slot that it makes due, for the auditor."""

    def __init__(self, plan: Plan, database: Database, url: str, folder: Path) -> None:
        self._plan = plan
        self._database = database
        self._url = url
        self._ledger = folder / "slots.jsonl"
        sources = folder / "sources"
        sources.mkdir()
        self._shows = [
            Show(f"show-{number:04}", sources / f"show-{number:04}.xml", slots)
            for number, slots in enumerate(plan.slots)
        ]
        self.slots: list[Slot] = []
        self.counts: dict[str, int] = {}
        """Episodes by status, when last looked."""

    def add(self) -> None:
        """Add the podcasts; nothing is due yet."""
        now = datetime.now(UTC)
        first = now + timedelta(days=30)
        for show in self._shows:
            self._database.podcasts.add(
                Podcast(
                    id=show.id,
                    title=TITLE,
                    sources=(str(show.source),),
                    frequency_days=30,
                    first_slot=first,
                    next_episode_at=first,
                ),
                now,
            )

    @property
    def ended(self) -> int:
        """How many episodes ended."""
        return sum(show.ended for show in self._shows)

    def look(self) -> None:
        """Ask the database how far each is.

        Raises:
            psycopg.OperationalError: it does not answer.
        """
        counts: dict[str, int] = {}
        ended: dict[str, int] = {}
        with psycopg.connect(self._url, connect_timeout=5) as connection:
            for podcast, status, number in connection.execute(
                "SELECT podcast_id, status, count(*) FROM episodes GROUP BY podcast_id, status"
            ):
                counts[status] = counts.get(status, 0) + number
                if status in {"published", "failed", "skipped"}:
                    ended[podcast] = ended.get(podcast, 0) + number
        self.counts = counts
        for show in self._shows:
            show.ended = ended.get(show.id, 0)

    def open_slots(self) -> None:
        """Make the next slot of each show due whose last episode has ended, while few enough are under way.

        Raises:
            DBAPIError: the database does not answer; what is written down is true all the same.
        """
        under_way = sum(show.opened - show.ended for show in self._shows)
        # Whoever rested longest comes first: late copies of a show's messages find it at rest.
        for number, show in sorted(enumerate(self._shows), key=lambda each: each[1].due):
            if under_way >= AT_ONCE:
                return
            now = datetime.now(UTC)
            rested = now - show.due > timedelta(seconds=SECONDS_BETWEEN_SLOTS)
            if show.opened < show.slots and show.ended >= show.opened and rested:
                self._open(number, show, now)
                under_way += 1

    def _open(self, number: int, show: Show, now: datetime) -> None:
        bad = (number, show.opened) in self._plan.bad_slots
        good_before = [each for each in range(show.opened + 1) if (number, each) not in self._plan.bad_slots]
        content = NO_FEED if bad else feed(show.id, good_before)
        replacement = show.source.with_suffix(".new")
        replacement.write_text(content)
        replacement.replace(show.source)
        try:
            self._database.podcasts.make_due(show.id, now)
        except DBAPIError:
            if not self._is_due(show.id, now):
                raise
        slot = Slot(show.id, now, None if bad else story_title(show.id, show.opened))
        self.slots.append(slot)
        with self._ledger.open("a") as ledger:
            ledger.write(json.dumps([slot.podcast, slot.due.isoformat(), slot.story]) + "\n")
        show.due = now
        show.opened += 1

    def _is_due(self, podcast: str, now: datetime) -> bool:
        # A commit whose answer was lost may have been made.
        with psycopg.connect(self._url, connect_timeout=5) as connection:
            found = connection.execute(
                "SELECT 1 FROM podcasts WHERE id = %(id)s AND next_episode_at = %(due)s "
                "UNION ALL SELECT 1 FROM episodes WHERE podcast_id = %(id)s AND slot = %(due)s",
                {"id": podcast, "due": now},
            ).fetchone()
        return found is not None


def story_title(podcast: str, number: int) -> str:
    """No two are alike, nor alike enough for the pipeline to take them for one."""
    chance = random.Random(f"{podcast} {number}")  # noqa: S311 - to be repeated, no secret
    return " ".join(chance.sample(WORDS, 3)).capitalize() + f" {podcast[-4:]}{number:02}"


def feed(podcast: str, numbers: list[int]) -> str:
    """A feed with these stories, newest first, and a few seconds to tell in each."""
    return (
        f'<?xml version="1.0"?><rss version="2.0"><channel><title>Wire</title><link>https://example.org/</link>'
        f"<description>News</description>{''.join(_items(podcast, reversed(numbers)))}</channel></rss>"
    )


def _items(podcast: str, numbers: Iterator[int]) -> Iterator[str]:
    for number in numbers:
        chance = random.Random(f"{podcast} {number} text")  # noqa: S311 - to be repeated, no secret
        text = " ".join(chance.sample(WORDS, 8)).capitalize() + "."
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
        yield (
            f"<item><guid>{podcast}-{number}</guid><title>{story_title(podcast, number)}</title>"
            f"<pubDate>{moment:%a, %d %b %Y %H:%M:%S} +0000</pubDate><description>{text}</description></item>"
        )

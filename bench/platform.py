"""A platform to measure: PostgreSQL, an SQS over HTTP, and the Procfile's real processes, observed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from bench import moments
from bench.measuring import seconds_until
from bench.surroundings import Surroundings, surroundings
from chaos import queues
from chaos.shows import feed
from podcasting.models import Podcast

TICK_SECONDS = 2.0
"""Between two ticks of beat; production has a minute, and the bench not the time for it."""
VISIBILITY_SECONDS = 30
GENERATORS = 2
START_SECONDS = 60

SETTINGS = {
    "AIRDATE_STUDIO": "bench.paced:paced",
    "AIRDATE_VISIBILITY_TIMEOUT": str(VISIBILITY_SECONDS),
    "AIRDATE_LEASE_SECONDS": str(VISIBILITY_SECONDS),  # as long as each other, as they are by default
    "AIRDATE_SCHEDULE_PODCASTS_EVERY": f"{TICK_SECONDS:g}",
    "AIRDATE_CHECK_EPISODES_EVERY": f"{TICK_SECONDS:g}",
    "AIRDATE_GENERATORS": str(GENERATORS),
    "AIRDATE_LOG_FORMAT": "json",
}
WORKERS = ("discovery-1", "generator-1", "processor-1")


@dataclass(frozen=True)
class Made:
    """One episode's way; times are seconds since 1970, None for what has not happened."""

    podcast: str
    episode: str
    due: float
    completed: float | None
    published: float | None


class Platform:
    """One that runs; made by :func:`platform`."""

    def __init__(self, around: Surroundings) -> None:
        self.postgres = around.postgres
        self.sqs = queues.client(around.endpoint)
        self.fleet = around.fleet
        self.database = around.database
        self._url = around.database_url
        self._folder = around.folder

    def start(self, *names: str) -> None:
        """Start these processes of the Procfile, and wait until the workers among them consume.

        Raises:
            TimeoutError: one does not.
        """
        for name in names:
            self.fleet.add(name)
        until(lambda: all(self._is_ready(name) for name in names if name in WORKERS), START_SECONDS, "ready workers")

    def _is_ready(self, name: str) -> bool:
        return " ready." in (self._folder / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def add_podcasts(self, ids: Sequence[str], owner: str | None = None) -> None:
        """Add shows that read one feed of one story; none is due."""
        source = self._folder / "feed.xml"
        source.write_text(feed("bench", [0]), encoding="utf-8")
        now = datetime.now(UTC)
        far = now + timedelta(days=300)
        for each in ids:
            show = Podcast(
                id=each,
                title="Bench",
                owner=owner,
                sources=(str(source),),
                frequency_days=366,
                first_slot=far,
                next_episode_at=far,
            )
            self.database.podcasts.add(show, now)

    def make_due(self, slots: Mapping[str, float]) -> None:
        """Have each podcast's next episode due at this moment (seconds since 1970), which may be one to come."""
        with psycopg.connect(self._url) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE podcasts SET next_episode_at = %(at)s, claimable_at = %(at)s, claim_count = 0 "
                "WHERE id = %(id)s",
                [{"id": podcast, "at": datetime.fromtimestamp(at, UTC)} for podcast, at in slots.items()],
            )

    def idle(self, owner: str) -> list[str]:
        """The owner's podcasts that have no episode due or under way, the longest idle first."""
        rows = self.ask(
            "SELECT id FROM podcasts WHERE owner = %s AND next_episode_at > now() + interval '1 day' AND id NOT IN "
            "(SELECT podcast_id FROM episodes WHERE status NOT IN ('published', 'failed', 'skipped')) "
            "ORDER BY latest_episode_at NULLS FIRST, id",
            owner,
        )
        return [str(row[0]) for row in rows]

    def made(self, since: float = 0) -> list[Made]:
        """The episodes whose slots are at or after ``since``, in their order."""
        rows = self.ask(
            "SELECT e.podcast_id, e.id, e.slot, s.finished_at, "
            "(SELECT min(at) FROM history h WHERE h.episode_id = e.id AND h.event = 'published') "
            "FROM episodes e LEFT JOIN stages s ON s.episode_id = e.id AND s.name = 'master' "
            "WHERE e.slot >= %s ORDER BY e.slot",
            datetime.fromtimestamp(since, UTC),
        )
        return [
            Made(podcast, episode, slot.timestamp(), done and done.timestamp(), published and published.timestamp())
            for podcast, episode, slot, done, published in rows
        ]

    def published(self, since: float = 0) -> int:
        """How many episodes with slots at or after ``since`` are published."""
        statement = "SELECT count(*) FROM episodes WHERE status = 'published' AND slot >= %s"
        return int(self.ask(statement, datetime.fromtimestamp(since, UTC))[0][0])

    def taken(self) -> list[moments.Taken]:
        """The messages that were begun, oldest first."""
        return moments.taken(self._folder / "moments")

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database answers."""
        with psycopg.connect(self._url, connect_timeout=5) as connection:
            return connection.execute(statement, values).fetchall()


@contextmanager
def platform() -> Iterator[Platform]:
    """A platform whose tables and queues are there; :meth:`Platform.start` starts its processes."""

    def settings(folder: Path) -> dict[str, str]:
        (folder / "home").mkdir()
        return SETTINGS | {"AIRDATE_HOME": str(folder / "home"), moments.FILE: str(folder / "moments")}

    def observed(procfile: str) -> str:
        # The Procfile's lines, word for word, but for the application: the same, observed.
        return procfile.replace("celery -A tasks worker", "celery -A bench.observed worker")

    with surroundings(settings, observed, visibility_seconds=VISIBILITY_SECONDS) as around:
        yield Platform(around)


def until(true: Callable[[], Any], seconds: float, what: str) -> None:
    """Wait until something is true.

    Raises:
        TimeoutError: it is not within ``seconds``.
    """
    if seconds_until(true, seconds) is None:
        raise TimeoutError(f"{what}: not within {seconds:g} s")

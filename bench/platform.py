"""A platform to measure: PostgreSQL, an SQS over HTTP, and the Procfile's real processes, observed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from bench import moments
from bench.measuring import seconds_until
from chaos import queues
from chaos.fleet import REPOSITORY, Fleet, plain_environment
from chaos.shows import feed
from podcasting.database import Database
from podcasting.database.revisions import migrate
from podcasting.models import Podcast
from tests.fakes.postgres import Postgres, postgres_server
from tests.fakes.sqs_servers import server

TICK_SECONDS = 2.0
"""Between two ticks of beat; production has a minute, and the bench not the time for it."""
VISIBILITY_SECONDS = 30
GENERATORS = 2
START_SECONDS = 60

SETTINGS = {
    "AIRDATE_STUDIO": "bench.paced:paced",
    "AIRDATE_PUBLIC_URL": "https://bench.example",
    "AIRDATE_ALLOW_FILE_SOURCES": "true",
    "AIRDATE_VISIBILITY_TIMEOUT": str(VISIBILITY_SECONDS),
    "AIRDATE_LEASE_SECONDS": str(VISIBILITY_SECONDS),  # as long as each other, as they are by default
    "AIRDATE_SCHEDULE_PODCASTS_EVERY": f"{TICK_SECONDS:g}",
    "AIRDATE_CHECK_EPISODES_EVERY": f"{TICK_SECONDS:g}",
    "AIRDATE_GENERATORS": str(GENERATORS),
    "AIRDATE_LOG_FORMAT": "json",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
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

    def __init__(self, folder: Path, postgres: Postgres, url: str, sqs: Any, fleet: Fleet) -> None:
        self.postgres = postgres
        self.sqs = sqs
        self.fleet = fleet
        self._url = url
        self._folder = folder
        self.database = Database.at(url)

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
def platform(**settings: str) -> Iterator[Platform]:
    """A platform whose tables and queues are there; :meth:`Platform.start` starts its processes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="airdate-bench-")))
        (folder / "logs").mkdir()
        postgres = stack.enter_context(postgres_server())
        with psycopg.connect(postgres.uri, autocommit=True) as connection:
            connection.execute("CREATE DATABASE airdate")
        url = postgres.uri.replace("/postgres?", "/airdate?")
        endpoint = stack.enter_context(server("ministack")).endpoint
        sqs = queues.client(endpoint)
        urls = queues.create(sqs, visibility_seconds=VISIBILITY_SECONDS)
        # The Procfile's lines, word for word, but for the application: the same, observed.
        procfile = folder / "Procfile"
        lines = (REPOSITORY / "Procfile").read_text(encoding="utf-8")
        lines = lines.replace("celery -A tasks worker", "celery -A bench.observed worker")
        procfile.write_text(lines, encoding="utf-8")
        environment = (
            plain_environment()
            | SETTINGS
            | {
                "AIRDATE_HOME": str(folder / "home"),
                "AIRDATE_DATABASE_URL": url,
                "AIRDATE_AWS_ENDPOINT": endpoint,
                "AIRDATE_DISCOVERY_QUEUE_URL": urls["discovery"],
                "PODCAST_GENERATION_QUEUE_URL": urls["podcast-generation"],
                "EPISODE_PROCESSING_QUEUE_URL": urls["episode-processing"],
                moments.FILE: str(folder / "moments"),
            }
            | settings
        )
        (folder / "home").mkdir()
        fleet = Fleet(environment, folder / "logs", procfile=procfile)
        made = Platform(folder, postgres, url, sqs, fleet)
        stack.callback(made.database.engine.dispose)
        migrate(made.database.engine)
        stack.callback(fleet.stop)
        yield made


def until(true: Callable[[], Any], seconds: float, what: str) -> None:
    """Wait until something is true.

    Raises:
        TimeoutError: it is not within ``seconds``.
    """
    if seconds_until(true, seconds) is None:
        raise TimeoutError(f"{what}: not within {seconds:g} s")

"""What the Procfile's real processes stand in while they are measured: PostgreSQL, an SQS over HTTP, a folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from chaos import queues
from chaos.fleet import REPOSITORY, Fleet, plain_environment
from podcasting.database import Database
from podcasting.database.revisions import migrate
from tests.fakes.postgres import Postgres, postgres_server
from tests.fakes.sqs_servers import server


@dataclass(frozen=True)
class Surroundings:
    """Tables and queues are there; no process runs yet."""

    folder: Path
    """Gone afterwards; the processes' logs are in ``logs/``."""
    postgres: Postgres
    database_url: str
    database: Database
    endpoint: str
    queue_urls: Mapping[str, str]
    fleet: Fleet


@contextmanager
def surroundings(
    settings: Callable[[Path], Mapping[str, str]], procfile: Callable[[str], str], *, visibility_seconds: int
) -> Iterator[Surroundings]:
    """Make them, and end with them whatever processes were started.

    ``settings`` are Airdate's variables, given the folder; ``procfile`` is what is made of the Procfile's text.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="airdate-bench-")))
        (folder / "logs").mkdir()
        postgres = stack.enter_context(postgres_server())
        with psycopg.connect(postgres.uri, autocommit=True) as connection:
            connection.execute("CREATE DATABASE airdate")
        url = postgres.uri.replace("/postgres?", "/airdate?")
        endpoint = stack.enter_context(server("ministack")).endpoint
        urls = queues.create(queues.client(endpoint), visibility_seconds=visibility_seconds)
        lines = folder / "Procfile"
        lines.write_text(procfile((REPOSITORY / "Procfile").read_text(encoding="utf-8")), encoding="utf-8")
        environment = {
            **plain_environment(),
            "AIRDATE_DATABASE_URL": url,
            "AIRDATE_AWS_ENDPOINT": endpoint,
            "AIRDATE_DISCOVERY_QUEUE_URL": urls["discovery"],
            "PODCAST_GENERATION_QUEUE_URL": urls["podcast-generation"],
            "EPISODE_PROCESSING_QUEUE_URL": urls["episode-processing"],
            "AIRDATE_PUBLIC_URL": "https://bench.example",
            "AIRDATE_ALLOW_FILE_SOURCES": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            **settings(folder),
        }
        database = Database.at(url)
        stack.callback(database.engine.dispose)
        migrate(database.engine)
        fleet = Fleet(environment, folder / "logs", procfile=lines)
        stack.callback(fleet.stop)
        yield Surroundings(folder, postgres, url, database, endpoint, urls, fleet)

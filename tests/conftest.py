"""What many tests need: a database of each kind, a clock, a studio of fakes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings

from podcasting.database import Database
from podcasting.database.revisions import migrate
from podcasting.models import Podcast
from podcasting.studio import Limits, Studio
from tests.fakes.clock import Clock
from tests.fakes.pgbouncer import PgBouncer, binary, pgbouncer_before
from tests.fakes.postgres import postgres_server

# The same examples each time, however busy the machine; `pytest --hypothesis-profile=explore` looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("same")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URI of a real PostgreSQL server, of this test run only."""
    with postgres_server(outlives_power_cuts=False) as server:
        yield server.uri


@pytest.fixture(scope="session")
def sqlite_with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of this release's tables, to be copied: to migrate one takes a hundred times as long."""
    path = tmp_path_factory.mktemp("with-tables") / "airdate.db"
    opened = Database.at(f"sqlite:///{path}")
    migrate(opened.engine)
    opened.engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_with_tables(postgres: str) -> str:
    """The name of a database of this release's tables, to be copied likewise."""
    name = "airdate_with_tables"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    opened = Database.at(postgres.replace("/postgres?", f"/{name}?"))
    migrate(opened.engine)
    opened.engine.dispose()
    return name


@pytest.fixture(scope="session")
def pgbouncer(postgres: str) -> Iterator[PgBouncer]:
    """A PgBouncer before it; skips without the program, and fails where ``AIRDATE_TEST_PGBOUNCER`` is ``required``."""
    if binary() is None:
        missing = "no pgbouncer on this machine: `apt-get install pgbouncer` brings it"
        if os.environ.get("AIRDATE_TEST_PGBOUNCER") == "required":
            pytest.fail(missing)
        pytest.skip(missing)
    with pgbouncer_before(postgres) as proxy:
        yield proxy


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'airdate.db'}"


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest, postgres: str) -> Iterator[str]:
    """A database of its own, on the real server: empty, unless the test asks for ``database``."""
    name = f"airdate_{uuid4().hex[:12]}"
    wanted = "database" in request.fixturenames
    template = request.getfixturevalue("postgres_with_tables") if wanted else "template1"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield postgres.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def pgbouncer_url(postgres_url: str, pgbouncer: PgBouncer) -> str:
    """The same, through PgBouncer."""
    return pgbouncer.before(postgres_url)


@pytest.fixture(params=["sqlite", "postgres", "pgbouncer"])
def database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(database_url: str, sqlite_with_tables: Path) -> Iterator[Database]:
    """The same contract, on SQLite, on PostgreSQL, and on PostgreSQL behind PgBouncer."""
    opened = Database.at(database_url)
    if opened.engine.dialect.name == "sqlite":
        shutil.copyfile(sqlite_with_tables, str(opened.engine.url.database))
    yield opened
    opened.engine.dispose()


@pytest.fixture
def sqlite(sqlite_url: str, sqlite_with_tables: Path) -> Iterator[Database]:
    opened = Database.at(sqlite_url)
    shutil.copyfile(sqlite_with_tables, str(opened.engine.url.database))
    yield opened
    opened.engine.dispose()


@pytest.fixture
def add_podcast(clock: Clock) -> Callable[..., Podcast]:
    """Adds a podcast that is due now, unless told otherwise."""

    def add(database: Database, podcast_id: str = "my-show", **changes: object) -> Podcast:
        fields: dict[str, object] = {
            "id": podcast_id,
            "title": podcast_id.replace("-", " ").title(),
            "sources": ("https://example.org/feed.xml",),
            "frequency_days": 1,
            "first_slot": clock.now,
            "next_episode_at": changes.get("first_slot", clock.now),
        }
        podcast = Podcast.model_validate(fields | changes)
        database.podcasts.add(podcast, clock.now)
        return podcast

    return add


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
def studio(sqlite: Database, clock: Clock, limits: Limits) -> Studio:
    """A studio of fakes over a real database."""
    from podcasting.providers.writers.extractive import ExtractiveWriter
    from tests.fakes.sources import FakeSources
    from tests.fakes.storage import MemoryStorage
    from tests.fakes.voices import ToneVoice

    return Studio(
        database=sqlite,
        workspace=MemoryStorage(),
        site=MemoryStorage(),
        site_url="http://127.0.0.1:8417",
        sources=FakeSources(),
        writer=ExtractiveWriter(),
        voice=ToneVoice(seconds_per_character=0.04),
        limits=limits,
        now=clock,
    )

"""Migrations from what release 0.1.0 left, and back, on every database; and beside workers at work."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Engine, inspect, select, text, update

from podcasting.database import Database
from podcasting.database.checkpoints import Checkpoint
from podcasting.database.history import Happened
from podcasting.database.leases import Lease
from podcasting.database.revisions import Migration, OlderRevision, is_migrated, migrate, would_drop
from podcasting.database.schema import episodes, podcasts
from podcasting.errors import Permanent, Retryable
from podcasting.models import EpisodeStatus, PodcastState
from tests.fakes.shell import Shell

Airdate = Callable[..., Result]

RELEASE = Path(__file__).parent / "data" / "release_0_1_0.sql"
OLD = "0001"
OLD_TABLES = ("podcasts", "episodes", "source_validators", "seen_entries", "stages")
NEW_COLUMNS = {"owner", "production", "approved_at"}
MADE_AT = datetime(2026, 11, 20, 6, 0, 0, 123456, tzinfo=UTC)
"""When the release's code ran."""
LATER = MADE_AT + timedelta(hours=1)
HEAD = Path(__file__).parents[2] / "podcasting" / "database" / "migrations" / "versions"
REVISIONS = sorted(path.name[:4] for path in HEAD.glob("[0-9]*.py"))
NEWEST = REVISIONS[-1]


@pytest.fixture
def old(database_url: str) -> Iterator[Database]:
    """A database as release 0.1.0 left it."""
    opened = Database.at(database_url)
    migrate(opened.engine, OLD)
    with opened.engine.begin() as connection:
        if opened.engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
        for statement in RELEASE.read_text(encoding="utf-8").splitlines()[1:]:
            connection.exec_driver_sql(statement)
    yield opened
    opened.engine.dispose()


def rows(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """All that the old tables hold in their old columns, as it is stored."""
    with engine.connect() as connection:
        return {
            name: sorted(
                (
                    tuple(value for column, value in row.items() if column not in NEW_COLUMNS)
                    for row in connection.execute(text(f"SELECT * FROM {name}")).mappings()  # noqa: S608 - our own names
                ),
                key=repr,
            )
            for name in OLD_TABLES
        }


class TestRelease010:
    def test_up_down_and_up_again_keep_every_row(self, old: Database) -> None:
        before = rows(old.engine)
        assert [len(before[name]) for name in OLD_TABLES] == [6, 4, 1, 3, 6]

        assert migrate(old.engine) == Migration(OLD, NEWEST)
        assert is_migrated(old.engine)
        assert rows(old.engine) == before
        assert migrate(old.engine, OLD, down=True) == Migration(NEWEST, OLD)
        assert not is_migrated(old.engine)
        assert rows(old.engine) == before
        assert migrate(old.engine) == Migration(OLD, NEWEST)
        assert rows(old.engine) == before

    def test_everything_reads_as_it_was(self, old: Database) -> None:
        migrate(old.engine)

        shows = {podcast.id: podcast for podcast in old.podcasts.all()}
        assert shows["paused-show"].state is PodcastState.PAUSED
        assert shows["due-show"].frequency_days == 0.5
        assert shows["due-show"].title == "Due Show – Ökologie’s"
        statuses = {episode.podcast_id: episode for episode in old.episodes.newest()}
        assert {name: str(episode.status) for name, episode in statuses.items()} == {
            "published-show": "published",
            "failed-show": "failed",
            "skipped-show": "skipped",
            "unfinished-show": "script_ready",
        }
        published = statuses["published-show"]
        assert published.released_at == MADE_AT + timedelta(seconds=4)
        assert [each.id for each in old.episodes.released("published-show")] == [published.id]
        failure = statuses["failed-show"].failure
        assert failure is not None
        assert (failure.stage, failure.reason) == ("script", "no writer would")
        stages = old.checkpoints.of(published.id)
        assert list(stages) == ["collect", "script", "master"]
        assert stages["script"].output == {"made": "script", "words": ["naïve", 1.5, None]}
        keys, validators = old.checkpoints.known_entries("published-show")
        assert keys == {"a" * 64, "b" * 64}
        assert validators["https://example.org/feed.xml"].etag == '"1"'
        assert old.history.of(published.id) == []

    def test_its_work_goes_on(self, old: Database) -> None:
        migrate(old.engine)

        claims = old.claims.episodes(LATER, seconds=300, limit=10)
        assert [claim.subject.podcast_id for claim in claims] == ["unfinished-show"]
        due = old.claims.podcasts(LATER, seconds=300, limit=10)
        assert [claim.subject.id for claim in due] == ["due-show"]
        assert due[0].count == 2  # its first was the old release's

        taken = old.leases.take(claims[0].subject.id, holder="new", now=LATER, seconds=60, stuck_after=1800)
        assert taken is not None
        lease, episode = taken
        assert lease.number == 2
        assert list(old.checkpoints.of(episode.id)) == ["collect", "script"]
        master = Checkpoint("master", "k" * 64, {"made": "master"}, 1.0, LATER)
        old.checkpoints.record(lease, master, stuck_after=1800, status=EpisodeStatus.COMPLETED)
        old.episodes.release(lease, LATER)
        old.episodes.publish(lease, LATER)

        assert old.episodes.get(episode.id).status is EpisodeStatus.PUBLISHED
        assert [line.what for line in old.history.of(episode.id)] == [Happened.STARTED, Happened.PUBLISHED]

    def test_its_failures_are_set_going_again(self, old: Database) -> None:
        migrate(old.engine)

        (failed,) = old.episodes.newest(podcast_id="failed-show")
        assert old.episodes.retry(failed.id, EpisodeStatus.CONTENT_COLLECTED, LATER).attempts == 0
        assert old.checkpoints.known_entries("failed-show")[0] == {"d" * 64, "e" * 64}
        assert old.leases.take(failed.id, holder="new", now=LATER, seconds=60, stuck_after=1800) is not None

    def test_a_worker_of_the_old_release_may_go_on_writing_meanwhile(self, old: Database) -> None:
        with old.engine.begin() as connection:
            unfinished = connection.scalar(select(episodes.c.id).where(episodes.c.podcast_id == "unfinished-show"))
            connection.execute(update(episodes).where(episodes.c.id == unfinished).values(lease_number=2))
        lease = Lease(unfinished, 2)
        columns = [column for column in podcasts.c if column.name not in NEW_COLUMNS]
        an_old_podcast = select(*columns).where(podcasts.c.id == "unfinished-show")
        ended, written, errors = threading.Event(), [0], []

        def write() -> None:
            # What these write is what the old release wrote, statement by statement: nothing of what is new.
            try:
                while not ended.is_set():
                    done = Checkpoint("speech", f"clip {written[0]}", {"clip": written[0]}, 1.0, LATER)
                    old.checkpoints.record(lease, done, stuck_after=1800)
                    old.leases.renew(lease, LATER, seconds=60)
                    with old.engine.connect() as connection:
                        connection.execute(an_old_podcast).one()
                    written[0] += 1
            except Exception as error:  # noqa: BLE001 - the test tells
                errors.append(error)

        worker = threading.Thread(target=write)
        worker.start()
        counts = []
        for to, down in (("head", False), (OLD, True), ("head", False)):
            migrate(old.engine, to, down=down)
            counts.append(wait_for_more(written, errors))
        ended.set()
        worker.join(30)

        assert errors == []
        assert counts == sorted(set(counts))  # it wrote after each
        assert old.checkpoints.of(unfinished)["speech"].output == {"clip": written[0] - 1}


def wait_for_more(written: list[int], errors: list[Exception]) -> int:
    before, waited = written[0], threading.Event()
    for _ in range(1000):
        if errors or written[0] > before + 1:
            break
        waited.wait(0.02)
    return written[0]


class TestRefusals:
    def test_an_unknown_revision(self, old: Database) -> None:
        with pytest.raises(Permanent, match=rf"no revision '0815'; there are {OLD}, .*{NEWEST}, and base and head"):
            migrate(old.engine, "0815")
        assert not is_migrated(old.engine)

    def test_a_database_of_a_newer_release(self, old: Database) -> None:
        with old.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

        for to in ("head", OLD, "base"):
            with pytest.raises(Permanent, match=f"at revision 9999, which this release does not know.*--to {NEWEST}"):
                migrate(old.engine, to, down=True)
        assert set(rows(old.engine)) == set(OLD_TABLES)

    def test_going_back_unasked(self, old: Database) -> None:
        migrate(old.engine)

        for to in (OLD, "base"):
            with pytest.raises(OlderRevision, match=f"revision {to} is older than the database's, {NEWEST}"):
                migrate(old.engine, to)
        assert is_migrated(old.engine)

    def test_what_would_be_dropped_is_told_and_stays(self, old: Database) -> None:
        migrate(old.engine)
        (failed,) = old.episodes.newest(podcast_id="failed-show")
        for number in range(3):
            old.history.note(failed.id, Happened.REDRIVEN, LATER + timedelta(seconds=number), detail="somebody")
        before = rows(old.engine)

        loss = would_drop(old.engine, OLD)

        assert loss["history"] == 3
        assert loss["breakers"] == 0
        assert "podcasts.owner" in loss
        assert not set(loss) & set(OLD_TABLES)
        assert would_drop(old.engine, "base")["podcasts"] == 6
        assert rows(old.engine) == before
        assert len(old.history.of(failed.id)) == 3
        assert is_migrated(old.engine)

    def test_back_to_nothing(self, old: Database) -> None:
        assert migrate(old.engine, "base", down=True) == Migration(OLD, None)
        assert set(inspect(old.engine).get_table_names()) <= {"alembic_version"}
        assert migrate(old.engine) == Migration(None, NEWEST)


class TestTablesInUse:
    @pytest.fixture
    def database_url(self, postgres_url: str) -> str:
        return postgres_url

    def test_it_does_not_make_a_live_platform_wait(self, old: Database) -> None:
        before = rows(old.engine)
        with old.engine.begin() as connection:
            connection.execute(update(episodes).values(title="busy"))

            with pytest.raises(Retryable, match=r"nothing was migrated: others use the tables .* in 0.3 s"):
                migrate(old.engine, lock_seconds=0.3)
            assert migrate(old.engine, OLD) == Migration(OLD, OLD)
            connection.rollback()

        assert rows(old.engine) == before
        assert migrate(old.engine, lock_seconds=0.3) == Migration(OLD, NEWEST)

    def test_the_limit_ends_with_it(self, old: Database) -> None:
        migrate(old.engine)

        with old.engine.connect() as connection:
            assert connection.scalar(text("SHOW lock_timeout")) == "0"


class TestCommand:
    @pytest.fixture
    def database_url(self, postgres_url: str) -> str:
        return postgres_url

    @pytest.fixture
    def airdate(self, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Airdate]:
        def run(*arguments: str) -> Result:
            return shell.run(*arguments, AIRDATE_DATABASE_URL=database_url)

        shell = Shell(monkeypatch, tmp_path)
        yield run
        shell.forget()

    def test_it_says_from_where_to_where(self, airdate: Airdate, old: Database) -> None:
        address = old.engine.url.set(drivername="postgresql+psycopg").render_as_string()

        assert airdate("migrate").stdout == f"{address}: from revision {OLD} to {NEWEST}\n"
        assert airdate("migrate").stdout == f"{address}: up to date, at revision {NEWEST}\n"
        back = json.loads(airdate("migrate", "--to", OLD, "--down", "--json").stdout)
        assert back == {"database": address, "from": NEWEST, "to": OLD}

    def test_what_it_cannot_do_is_one_line(self, airdate: Airdate, old: Database) -> None:
        migrate(old.engine)

        unknown, back = airdate("migrate", "--to", "9"), airdate("migrate", "--to", OLD)
        known = ", ".join(REVISIONS)

        assert (unknown.exit_code, back.exit_code) == (1, 1)
        assert unknown.stderr == f"Error: there is no revision '9'; there are {known}, and base and head\n"
        assert back.stderr.startswith(f"Error: revision {OLD} is older than the database's, {NEWEST}, and going back")
        assert is_migrated(old.engine)

    def test_at_a_terminal_it_asks_before_it_drops(self, old: Database, database_url: str, tmp_path: Path) -> None:
        migrate(old.engine)
        old.history.note("failed-show-20261120t060000", Happened.REDRIVEN, LATER, detail="somebody")

        code, said = at_a_terminal("n\n", database_url, tmp_path)
        assert code == 1
        assert "history (1 row)" in said
        assert is_migrated(old.engine)

        code, said = at_a_terminal("y\n", database_url, tmp_path)
        assert code == 0, said
        assert said.endswith(f": from revision {NEWEST} to {OLD}\n")


def at_a_terminal(typed: str, database_url: str, home: Path) -> tuple[int, str]:
    """Go back there; the exit code, and all that is said."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRDATE_", "AWS_"))}
    controlling, terminal = pty.openpty()
    try:
        os.write(controlling, typed.encode())
        done = subprocess.run(
            [sys.executable, "-m", "operations.command", "migrate", "--to", OLD],
            env=clean
            | {"AIRDATE_ENV_FILE": os.devnull, "AIRDATE_HOME": str(home), "AIRDATE_DATABASE_URL": database_url},
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.close(controlling)
        os.close(terminal)
    return done.returncode, done.stdout

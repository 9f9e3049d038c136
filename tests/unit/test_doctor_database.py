"""The database as the doctor finds it: real SQLite and PostgreSQL, well and broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, make_url, select, text

from operations.doctor import database as examination
from operations.doctor.database import NETWORK_FILE_SYSTEMS, file_system
from podcasting.database import Database, schema
from podcasting.database.revisions import migrate
from settings import settings
from tasks.readiness.findings import Finding, Level
from tests.fakes.environment import set_environment
from tests.unit.test_settings import PRODUCTION

Look = Callable[..., list[Finding]]


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Look]:
    def examine(url: str, **variables: str) -> list[Finding]:
        home = {"AIRDATE_HOME": str(tmp_path), "AIRDATE_DATABASE_URL": url}
        set_environment(monkeypatch, **variables | home)
        return list(examination.findings())

    yield examine
    settings.cache_clear()


def url_of(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


def troubles(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.level is not Level.OK]


def test_a_database_of_this_release_is_well(database: Database, look: Look) -> None:
    found = look(url_of(database))

    assert troubles(found) == []
    assert f"{database.engine.dialect.name} is reached in " in found[1].found


def test_the_probe_leaves_no_row(database: Database, look: Look) -> None:
    look(url_of(database))

    with database.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(schema.alarms)).scalar_one() == 0


def test_tables_of_another_release_fail(database: Database, look: Look) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    [finding] = troubles(look(url_of(database)))

    assert finding.level is Level.FAIL
    assert "revision 0001" in finding.found
    assert finding.fix.startswith("airdate migrate")


def test_a_database_that_only_reads_fails(postgres: str, postgres_url: str, look: Look) -> None:
    database = Database.at(postgres_url)
    migrate(database.engine)
    database.engine.dispose()
    name = make_url(postgres_url).database
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    [finding] = troubles(look(postgres_url))

    assert finding.level is Level.FAIL
    assert "read-only transaction" in finding.found


def test_a_server_that_is_away_fails_once_and_tells_no_password(look: Look) -> None:
    [finding] = look("postgresql://airdate:secret@127.0.0.1:9/airdate")

    assert finding.level is Level.FAIL
    assert "cannot be used" in finding.found
    assert "secret" not in finding.found


@pytest.mark.parametrize("url", ["nonsense", "mysql://airdate@db.example.org/airdate"])
def test_an_address_that_names_no_database_of_ours_fails(look: Look, url: str) -> None:
    [finding] = look(url)

    assert (finding.level, "AIRDATE_DATABASE_URL" in finding.fix) == (Level.FAIL, True)


@pytest.mark.parametrize(("production", "level"), [(False, Level.WARN), (True, Level.FAIL)])
def test_a_file_that_is_not_there_is_told_and_not_made(
    look: Look, tmp_path: Path, level: Level, *, production: bool
) -> None:
    [finding] = look(f"sqlite:///{tmp_path / 'none.db'}", **(PRODUCTION if production else {}))

    assert (finding.level, "airdate migrate" in finding.fix) == (level, True)
    assert not list(tmp_path.iterdir())


def test_sqlite_in_production_is_a_warning(sqlite: Database, look: Look) -> None:
    [finding] = troubles(look(url_of(sqlite), **PRODUCTION))

    assert finding.level is Level.WARN
    assert finding.found.startswith("SQLite in production")


def test_more_processes_than_connections_are_a_warning(postgres_url: str, look: Look) -> None:
    found = look(postgres_url, AIRDATE_GENERATORS="500")
    [finding] = [each for each in found if "connections" in each.found]

    assert finding.level is Level.WARN
    assert "AIRDATE_GENERATORS" in finding.fix
    assert "keep 1010 connections" in finding.found


def test_a_network_file_system_is_known_by_its_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/vda / ext4 rw 0 0\nnas:/a /srv/share nfs4 rw 0 0\nproc /proc proc rw 0 0\n")

    assert file_system(Path("/srv/share/var/airdate.db"), mounts) == "nfs4"
    assert file_system(Path("/srv/shared/airdate.db"), mounts) == "ext4"
    assert file_system(Path("/srv"), tmp_path / "none") is None


def test_sqlite_on_a_network_file_system_is_a_warning(
    sqlite: Database, look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nnas:/a {tmp_path} nfs4 rw 0 0\n")
    monkeypatch.setattr(examination, "MOUNTS", mounts)
    [finding] = troubles(look(url_of(sqlite)))

    assert finding.level is Level.WARN
    assert "network file system (nfs4)" in finding.found


@pytest.mark.parametrize(("kind", "network"), [("cifs", True), ("fuse.sshfs", True), ("ext4", False), ("xfs", False)])
def test_file_systems_of_one_machine_and_of_a_network_are_told_apart(kind: str, *, network: bool) -> None:
    assert bool(NETWORK_FILE_SYSTEMS.fullmatch(kind)) is network

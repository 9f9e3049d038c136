"""The database: reached, of this release, writable, quick, and with room for all our processes."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from operations.doctor.procfile import processes
from operations.platform import PROCFILE
from podcasting.errors import Permanent
from settings import settings
from tasks.readiness.findings import Finding, Level, fail, ok, warn
from tasks.readiness.tables import AREA, Missing, no_database, opened, tables_agree

SLOW_SECONDS = 0.1
"""For the shortest query: an episode takes dozens."""
NETWORK_FILE_SYSTEMS = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|afs|ceph|lustre|glusterfs|ocfs2|gfs2|fuse\.(sshfs|glusterfs\w*|s3fs|rclone|gcsfuse)"
)
"""Types in /proc/mounts. SQLite's write-ahead log needs memory shared by all its users (sqlite.org/wal.html)."""
MOUNTS = Path("/proc/self/mounts")
PROBE = "airdate-doctor"


def findings() -> Iterator[Finding]:
    """About the database that the environment names."""
    url = settings().database
    try:
        with opened(url) as engine:
            yield from _kind(engine)
            try:
                yield from _reached(engine)
            except SQLAlchemyError as error:
                said = " ".join(str(getattr(error, "orig", error)).split())
                yield fail(
                    AREA,
                    f"{make_url(url).render_as_string()} cannot be used: {said}",
                    "see that it runs, and that AIRDATE_DATABASE_URL has its host, name, user and password",
                )
    except Missing as missing:
        if settings().embedded:
            yield warn(AREA, f"there is no file {missing} yet", "airdate run   (or `airdate migrate`: either makes it)")
        else:
            yield no_database(missing)
    except Permanent as problem:
        yield no_database(problem)


def _kind(engine: Engine) -> Iterator[Finding]:
    if engine.dialect.name != "sqlite":
        return
    if not settings().embedded:
        yield warn(
            AREA,
            "SQLite in production: all workers must run on this one machine, and wait for each other's writes",
            "set AIRDATE_DATABASE_URL=postgresql://… and run `airdate migrate`",
        )
    file = Path(engine.url.database or ".").absolute()
    kind = file_system(file, MOUNTS)
    if kind is not None and NETWORK_FILE_SYSTEMS.fullmatch(kind):
        yield warn(
            AREA,
            f"{file} is on a network file system ({kind}), where SQLite's write-ahead log does not work",
            "set AIRDATE_HOME or AIRDATE_DATABASE_URL to a local disk, or use PostgreSQL",
        )


def _reached(engine: Engine) -> Iterator[Finding]:
    with engine.connect() as connection:
        began = time.perf_counter()
        connection.execute(text("SELECT 1"))
        seconds = time.perf_counter() - began
    tables = tables_agree(engine)
    yield tables
    if seconds > SLOW_SECONDS:
        yield warn(
            AREA,
            f"the shortest query takes {seconds * 1000:.0f} ms; an episode takes dozens",
            "put the workers into the database's region, or see what keeps it busy",
        )
    if tables.level is Level.OK:
        yield _written(engine, seconds)
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            yield from _room(connection)


def _written(engine: Engine, seconds: float) -> Finding:
    try:
        with engine.connect() as connection:
            connection.execute(
                text(
                    "INSERT INTO alarms (key, about, count, opened_at, last_at) "
                    "VALUES (:key, 'a probe', 0, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)"
                ),
                {"key": f"{PROBE}-{os.getpid()}"},
            )
            connection.rollback()
    except SQLAlchemyError as error:
        said = " ".join(str(getattr(error, "orig", error)).split())
        return fail(
            AREA,
            f"it cannot be written: {said}",
            "set AIRDATE_DATABASE_URL to the primary, and a user who may write; for SQLite see the file and its disk",
        )
    return ok(AREA, f"{engine.dialect.name} is reached in {seconds * 1000:.1f} ms, and can be written")


def _room(connection: Connection) -> Iterator[Finding]:
    most = int(connection.execute(text("SHOW max_connections")).scalar_one())
    reserved = int(connection.execute(text("SHOW superuser_reserved_connections")).scalar_one())
    found = processes(PROCFILE, os.environ)
    if found is None:
        return
    if found.database_connections > most - reserved:
        yield warn(
            AREA,
            f"the Procfile's processes keep {found.database_connections} connections, and PostgreSQL has "
            f"{most - reserved} (max_connections {most}, {reserved} reserved)",
            f"ALTER SYSTEM SET max_connections = {found.database_connections * 2};   (and restart it), "
            "or AIRDATE_GENERATORS and AIRDATE_PROCESSORS lower, or a pooling proxy (PgBouncer)",
        )
    else:
        yield ok(AREA, f"{found.database_connections} connections of this machine's processes fit in {most - reserved}")


def file_system(path: Path, mounts: Path) -> str | None:
    """The type of the file system that ``path`` is on, as ``mounts`` (a file like /proc/mounts) tells; None unknown."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    points = [(fields[1], fields[2]) for fields in (line.split() for line in lines) if len(fields) > 2]  # noqa: PLR2004 - device, point, type
    holding = [(point, kind) for point, kind in points if path.is_relative_to(point)]
    return max(holding, key=lambda each: len(each[0]))[1] if holding else None

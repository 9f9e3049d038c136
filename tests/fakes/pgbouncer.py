"""A real PgBouncer that pools transactions, as hosted databases put before themselves; Debian's package has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.fakes.ports import free_port
from tests.fakes.postgres import PORT, socket_of

SERVERS = 3
"""Connections to the server a database, which all clients share."""
CONFIGURATION = """\
[databases]
* = host={socket} port={server_port} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {servers}
max_client_conn = 200
server_login_retry = 0.5
"""


class PgBouncer:
    """Where it listens."""

    def __init__(self, port: int) -> None:
        self.port = port

    def before(self, uri: str) -> str:
        """The URI of the same database, through it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}{urlsplit(uri).path}"


def binary() -> str | None:
    """The program, where there is one."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")


@contextmanager
def pgbouncer_before(uri: str) -> Iterator[PgBouncer]:
    """Start it before a server that listens on a Unix socket; ends it afterwards."""
    program = binary()
    assert program is not None
    folder = Path(tempfile.mkdtemp(prefix="airdate-pgbouncer-"))
    folder.chmod(0o755)
    port = free_port()
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        CONFIGURATION.format(socket=socket_of(uri), server_port=PORT, port=port, servers=SERVERS), encoding="utf-8"
    )
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, str(configuration)],
            stdout=output,
            stderr=output,
            cwd="/",
            user=socket_of(uri).owner() if os.geteuid() == 0 else None,  # it refuses to run as root
        )
    try:
        _wait_for(process, port, log)
        yield PgBouncer(port)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    last = time.monotonic() + 10
    while True:
        try:
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > last:
                raise AssertionError(log.read_text()) from None
            time.sleep(0.05)
        else:
            return

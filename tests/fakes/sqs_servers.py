"""Two SQS by different authors, each in a process of its own, that go and come back at the same address."""

from __future__ import annotations

import http.client
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from types import TracebackType
from typing import Any

from tests.fakes.environment import ROOT
from tests.fakes.ports import free_port

SERVERS = ("moto", "ministack")
START_SECONDS = 60


class Server:
    """One of ``SERVERS``. It keeps everything in memory: what it held is gone after :meth:`stop`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._port = free_port()
        self.endpoint = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return once it answers."""
        assert self._process is None, f"{self.name} runs already"
        with tempfile.TemporaryFile() as said:
            # It ends when its standard input does: with us, however we end.
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, self.name, str(self._port)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
            last = time.monotonic() + START_SECONDS
            while not self._answers():
                if self._process.poll() is not None or time.monotonic() > last:
                    self.stop()
                    said.seek(0)
                    raise AssertionError(f"{self.name} did not start: {said.read().decode()[-3000:]}")
                time.sleep(0.02)

    @property
    def pid(self) -> int:
        """Of its process, which runs."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    def stop(self) -> None:
        """Kill it; does nothing when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse()
        except OSError:
            return False
        finally:
            connection.close()
        return True

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def server(name: str) -> Server:
    """One of ``SERVERS``, not started yet."""
    assert name in SERVERS, f"{name!r} is none of {SERVERS}"
    return Server(name)


def _serve_moto(port: int) -> None:
    from moto.server import ThreadedMotoServer
    from moto.sqs.models import Message, SQSBackend

    receive, one_at_a_time = SQSBackend.receive_message, threading.Lock()

    def received(backend: SQSBackend, queue: str, count: int, wait: int, *more: Any, **named: Any) -> list[Message]:
        # moto looks whether a message is visible, then hides it: two calls at once may be handed the same one.
        until = time.monotonic() + wait
        while True:
            with one_at_a_time:
                found = receive(backend, queue, count, 0, *more, **named)
            left = until - time.monotonic()
            if found or left <= 0:
                return found
            backend.get_queue(queue).wait_for_messages(1)

    SQSBackend.receive_message = received  # type: ignore[method-assign, assignment]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False).start()
    threading.Event().wait()


def _serve_ministack(port: int) -> None:
    # Its own command listens on every interface, and leaves a pid file behind when it is killed.
    os.environ |= {
        "GATEWAY_PORT": str(port),
        "SERVICES": "cloudformation,cloudwatch,ecs,iam,logs,s3,sns,sqs,sts",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "ERROR",
    }
    import asyncio

    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app  # type: ignore[import-untyped]
    from ministack.services.cloudformation import changesets, handlers  # type: ignore[import-untyped]

    # Its answer to DeleteChangeSet lacks the element that boto3 looks for.
    delete = changesets._delete_change_set

    def deleted(params: object) -> tuple[int, object, bytes]:
        status, headers, body = delete(params)
        return status, headers, body.replace(b"<ResponseMetadata>", b"<DeleteChangeSetResult/><ResponseMetadata>", 1)

    handlers._ACTION_HANDLERS["DeleteChangeSet"] = deleted
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75  # as its own command
    config.loglevel = "ERROR"
    asyncio.run(serve(app, config))


def _end_with_the_starter() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    {"moto": _serve_moto, "ministack": _serve_ministack}[sys.argv[1]](int(sys.argv[2]))

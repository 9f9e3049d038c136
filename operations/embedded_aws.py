"""The embedded AWS: moto's server, in a process of its own, on loopback.

It keeps everything in memory. What it forgets when it stops are messages only, and discovery finds
their work again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from podcasting.errors import Permanent

START_SECONDS = 60


class EmbeddedAws:
    """Starts the server, tells others on this machine where it is, and stops it."""

    def __init__(self, address_file: Path) -> None:
        self._address_file = address_file
        self._process: subprocess.Popen[str] | None = None
        self.endpoint = ""

    def start(self) -> None:
        """Start on a free port, and return once it answers.

        Raises:
            Permanent: it did not start; says what it printed.
        """
        # A session of its own, so that Ctrl-C reaches it only after the workers that need it.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "operations.embedded_aws"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        if self._process.stdout is None:
            raise AssertionError("stdout is a pipe")
        watchdog = threading.Timer(START_SECONDS, self._process.kill)
        watchdog.start()
        self.endpoint = self._process.stdout.readline().strip()
        watchdog.cancel()
        if not self.endpoint:
            _, said = self._process.communicate()
            raise Permanent(f"the embedded AWS did not start: {said.strip()[-500:]}")
        self._address_file.parent.mkdir(parents=True, exist_ok=True)
        self._address_file.write_text(json.dumps({"endpoint": self.endpoint, "pid": os.getpid()}))

    def stop(self) -> None:
        """Stop it, and forget its address."""
        self._address_file.unlink(missing_ok=True)
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                if pipe is not None:
                    pipe.close()


def _serve() -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    _say(f"http://{host}:{port}")
    # The pipe ends when the process that started us does, however it ended.
    sys.stdin.read()


def _say(line: Any) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve()

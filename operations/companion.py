"""A companion: a module of ours in a process of its own, which serves as long as we live."""

from __future__ import annotations

import subprocess
import sys
import threading

from podcasting.errors import Permanent

START_SECONDS = 60


class Companion:
    """Starts ``python -m module arguments`` and ends it.

    The module prints its address once it answers, then serves until its standard input ends: so it
    ends with us, however we end. What it prints on stderr instead is why it could not start.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._module = module
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start; returns the address it serves at, once it answers.

        Raises:
            Permanent: it did not start within a minute; says what it printed.
        """
        # A session of its own, so that Ctrl-C reaches it only after the workers that need it.
        process = subprocess.Popen(
            [sys.executable, "-m", self._module, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._process = process
        if process.stdout is None:
            raise AssertionError("stdout is a pipe")
        watchdog = threading.Timer(START_SECONDS, process.kill)
        watchdog.start()
        address = process.stdout.readline().strip()
        watchdog.cancel()
        if not address:
            _, said = process.communicate()
            why = (said.strip() or "it said nothing").splitlines()[-1]
            raise Permanent(f"{self._module} did not start: {why}")
        # Its log is nobody's, but a full pipe would stop it.
        threading.Thread(target=_drain, args=(process,), daemon=True).start()
        return address

    def stop(self) -> None:
        """End it; does nothing when it has ended."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None


def serve_until_left(address: str) -> None:
    """Called by a companion once it answers: tells its address, and returns when its starter is gone."""
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
    sys.stdin.read()


def _drain(process: subprocess.Popen[str]) -> None:
    if process.stderr is not None:
        with process.stderr as lines:
            for _ in lines:
                pass

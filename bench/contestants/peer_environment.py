"""The peers' environment: made by the bench, apart from Airdate's own, from ``bench/peers/requirements.lock``.

What runs in it lies beside that file: one module a peer, configured as the peer's documentation says, and
``workload.py``, which all of them send. Each takes ``publish COUNT`` and prints the seconds that took.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).parents[1] / "peers"
LOCK = PEERS / "requirements.lock"
FOLDER = Path("var/bench/peers")


def peer_command(name: str) -> str:
    """Where a command of the peers' environment is, which is made first if it is missing or the lock has changed.

    Raises:
        subprocess.CalledProcessError: it cannot be made; pip has said why.
    """
    made_from = FOLDER / "made-from"
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if not made_from.exists() or made_from.read_text(encoding="ascii") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
        pip: list[str | Path] = [
            FOLDER / "bin" / "python",
            "-m",
            "pip",
            "install",
            "-qq",
            "--disable-pip-version-check",
        ]
        subprocess.run([*pip, "--require-hashes", "-r", LOCK], check=True)
        made_from.write_text(wanted, encoding="ascii")
    return str((FOLDER / "bin" / name).absolute())


def peer_variables(endpoint: str, queue: str, queue_url: str, *, batch: bool = False) -> dict[str, str]:
    """The environment of a peer's process: where it sends and receives."""
    told = {"PEER_ENDPOINT": endpoint, "PEER_QUEUE": queue, "PEER_QUEUE_URL": queue_url, "PEER_BATCH": str(int(batch))}
    return dict(os.environ) | told

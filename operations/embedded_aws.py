"""The embedded AWS: moto's server, in a process of its own, on loopback.

It keeps everything in memory. What it forgets when it stops are messages only, and discovery finds
their work again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from operations.companion import Companion, serve_until_left


class EmbeddedAws:
    """Starts the server, tells others on this machine where it is, and stops it."""

    def __init__(self, address_file: Path) -> None:
        self._address_file = address_file
        self._server = Companion("operations.embedded_aws")
        self.endpoint = ""

    def start(self) -> None:
        """Start on a free port, and return once it answers.

        Raises:
            Permanent: it did not start; says what it printed.
        """
        self.endpoint = self._server.start()
        self._address_file.parent.mkdir(parents=True, exist_ok=True)
        self._address_file.write_text(json.dumps({"endpoint": self.endpoint, "pid": os.getpid()}))

    def stop(self) -> None:
        """Stop it, and forget its address."""
        self._address_file.unlink(missing_ok=True)
        self._server.stop()


def _serve() -> None:
    from moto.server import ThreadedMotoServer

    import operations.embedded_metrics  # noqa: F401 - moto finds the metrics in it

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    serve_until_left(f"http://{host}:{port}")


if __name__ == "__main__":
    _serve()

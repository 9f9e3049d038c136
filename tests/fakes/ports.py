"""Ports that a server can come back to."""

from __future__ import annotations

import random
import socket

CHOICE = range(20_000, 32_000)
"""Below every system's ephemeral ports: a client that keeps trying a closed ephemeral port is given that
very port as its own in the end, connects to itself, and the server cannot come back."""


def free_port() -> int:
    """A port of loopback on which nothing listens."""
    for port in random.sample(CHOICE, k=100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"of 100 ports in {CHOICE} none is free")

"""Who this process is, in its logs, metrics and traces."""

from __future__ import annotations

import os
import socket

_name = ""
_main_process = 0


def become(name: str) -> None:
    """Name this process, and those it forks: ``generator@host``, as Celery names a worker."""
    global _name, _main_process
    _name, _main_process = name, os.getpid()


def is_main_process() -> bool:
    """Whether this process was named itself, and not the one that forked it."""
    return os.getpid() == _main_process


def name() -> str:
    """The process's name; that of its program and host where it is no worker and no beat."""
    return _name or f"airdate@{socket.gethostname()}"


def kind() -> str:
    """What kind of process it is, by the Procfile: ``discovery``, ``generator``, ``processor``, ``beat``."""
    return name().partition("@")[0]


def instance() -> str:
    """The name with the process id, for it is unlike any other's."""
    return f"{name()}/{os.getpid()}"

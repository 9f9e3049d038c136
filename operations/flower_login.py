"""Who may look at Flower: the user and password that it asks for.

Production says the password; on one's own machine it is made once and kept in the home, for its owner alone.
"""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from settings import SettingsError, settings

KEPT_IN = "flower-password"
PASSWORD_BYTES = 12
"""Of randomness: 16 characters to copy from a terminal, and more than anybody can try."""


class FlowerLogin(NamedTuple):
    """What a browser asks for, and how a program says it (RFC 7617)."""

    user: str
    password: str

    @property
    def pair(self) -> str:
        """As Flower's ``basic_auth`` has it."""
        return f"{self.user}:{self.password}"

    @property
    def header(self) -> dict[str, str]:
        """The request header."""
        return {"Authorization": f"Basic {base64.b64encode(self.pair.encode()).decode()}"}


def flower_login() -> FlowerLogin:
    """The login; makes the password of this machine if there is none yet.

    Raises:
        SettingsError: production, and no password is set; or the file of this machine cannot be read or written.
    """
    chosen = settings()
    said = chosen.flower_password.get_secret_value()
    if said:
        return FlowerLogin(chosen.flower_user, said)
    if not chosen.embedded:
        raise SettingsError(
            "AIRDATE_FLOWER_PASSWORD is not set: Flower shows every message and is not started without a login; "
            "set it, and AIRDATE_FLOWER_USER if you like (see .env.example)"
        )
    return FlowerLogin(chosen.flower_user, _of_this_machine(chosen.home / KEPT_IN))


def _of_this_machine(path: Path) -> str:
    try:
        if not path.exists():
            _make(path)
        password = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{path}, Flower's password, can't be read: {error}; delete it, or mend it") from error
    if not password:
        raise SettingsError(f"{path} is empty: delete it, and a password is made anew")
    return password


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written whole before it has its name: two processes may come to this at once, and one password holds.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{secrets.token_urlsafe(PASSWORD_BYTES)}\n")
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()

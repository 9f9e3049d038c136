"""A shell for the commands, and the database of its home."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podcasting.database import Database
from podcasting.database.revisions import migrate
from tests.fakes.shell import Shell


@pytest.fixture
def airdate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(monkeypatch, tmp_path / "home")
    yield shell
    shell.forget()


@pytest.fixture
def database(airdate: Shell) -> Iterator[Database]:
    """The database of the shell's home."""
    made = Database.at(f"sqlite:///{airdate.home / 'airdate.db'}")
    migrate(made.engine)
    yield made
    made.engine.dispose()

"""A shell for the commands, and the database of its home."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from podcasting.database import Database
from tests.fakes.shell import Shell


@pytest.fixture
def airdate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(monkeypatch, tmp_path / "home")
    yield shell
    shell.forget()


@pytest.fixture
def database(airdate: Shell, sqlite_with_tables: Path) -> Iterator[Database]:
    """The database of the shell's home."""
    path = airdate.home / "airdate.db"
    made = Database.at(f"sqlite:///{path}")
    shutil.copyfile(sqlite_with_tables, path)
    yield made
    made.engine.dispose()

"""``airdate``, run in this process, with an environment and a home of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from operations import opened
from operations.command import main
from settings import settings
from tasks import wiring
from tests.fakes.environment import set_environment


class Shell:
    """Runs the command; ``variables`` hold for every run."""

    group: tuple[str, ...] = ()
    """What every command begins with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, home: Path, **variables: str) -> None:
        self._monkeypatch = monkeypatch
        self._variables = {"AIRDATE_HOME": str(home)} | variables
        self.home = home

    def run(self, *arguments: str, answer: str | None = None, **variables: str) -> Result:
        set_environment(self._monkeypatch, **(self._variables | variables))
        self.forget()
        return CliRunner().invoke(main, [*self.group, *arguments], input=answer)

    def ok(self, *arguments: str, **how: Any) -> str:
        """What a command prints that succeeds, and says nothing else."""
        result = self.run(*arguments, **how)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return result.stdout

    def json(self, *arguments: str, **how: Any) -> Any:
        return json.loads(self.ok(*arguments, "--json", **how))

    def mistake(self, *arguments: str, code: int = 1, **how: Any) -> str:
        """The one line by which a command that fails says why."""
        result = self.run(*arguments, **how)
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == code, result.output
        return the_error(result.stderr, code)

    def forget(self) -> None:
        """What a process keeps, the next one does not have."""
        if wiring.database.cache_info().currsize:
            wiring.database().engine.dispose()
        for kept in (opened.database, wiring.database, wiring.studio, settings):
            kept.cache_clear()


def the_error(stderr: str, code: int) -> str:
    """The message of an error that is one line, and all that is said unless the usage was wrong."""
    lines = stderr.splitlines()
    errors = [line for line in lines if line.startswith("Error: ")]
    assert len(errors) == 1, stderr
    if code != 2:  # wrong usage shows the usage too
        assert lines == errors
    return errors[0].removeprefix("Error: ")

"""What a process loads: heavy libraries only where they are used."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from operations.command import COMMANDS, Placeholder, main
from tests.fakes.environment import ROOT

HEAVY = ("PIL", "alembic", "av", "feedparser", "flower", "honcho", "httpx", "hibari", "jinja2", "lxml", "moto", "numpy")
HEAVY += ("onnxruntime", "trafilatura")
DISCOVERY = """
import tasks
tasks.app.loader.import_default_modules()
from tasks import wiring
wiring.discovery()
"""
HELP = """
from click.testing import CliRunner
from operations.command import main
assert "dead-letters" in CliRunner().invoke(main, ["--help"]).stdout
"""


def loaded_by(program: str, home: Path) -> set[str]:
    """The heavy ones that a new process has loaded once it ran ``program``."""
    told = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules)"],
        cwd=ROOT,
        env={
            "PATH": "",
            "AIRDATE_ENV_FILE": "/dev/null",
            "AIRDATE_HOME": str(home),
            "AIRDATE_AWS_ENDPOINT": "http://127.0.0.1:1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return {module for module in told.stdout.splitlines()[-1].split() if "." not in module} & {
        *HEAVY,
        "celery",
        "sqlalchemy",
    }


def test_the_discovery_worker_loads_nothing_that_makes_episodes(tmp_path: Path) -> None:
    assert loaded_by(DISCOVERY, tmp_path) == {"celery", "sqlalchemy"}


@pytest.mark.parametrize("task", ["tasks.podcasts", "tasks.episodes"])
def test_a_worker_that_makes_episodes_loads_them_with_its_first(task: str, tmp_path: Path) -> None:
    assert loaded_by(f"import {task}", tmp_path) == {"celery", "sqlalchemy"}
    used = {"tasks.podcasts": "podcasting.generation", "tasks.episodes": "podcasting.processing"}[task]
    assert {"av", "numpy"} <= loaded_by(f"import {task}, {used}", tmp_path)


def test_the_voice_loads_its_engine_with_its_first_word(tmp_path: Path) -> None:
    voice = "from podcasting.providers.voices.hibari import HibariVoice\nvoice = HibariVoice()\n"

    assert "onnxruntime" not in loaded_by(voice, tmp_path)
    assert {"hibari", "onnxruntime"} <= loaded_by(f"{voice}voice.speak('Hello.', 0)", tmp_path)


def test_celery_loads_no_command_of_ours_to_list_them(tmp_path: Path) -> None:
    assert loaded_by("import operations.command", tmp_path) == set()
    assert loaded_by(HELP, tmp_path) == set()


@pytest.mark.parametrize("name", main.commands)
def test_the_help_says_of_each_command_what_the_command_says(name: str) -> None:
    placeholder = main.commands[name]
    assert isinstance(placeholder, Placeholder)
    command = placeholder.imported()

    assert placeholder.hidden == command.hidden
    if not command.hidden:
        assert placeholder.get_short_help_str(500) == command.get_short_help_str(500)


def test_every_command_can_be_called() -> None:
    # The modules with commands, by their text: what no table names is what this looks for.
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "operations").rglob("*.py")
        if re.search(r"^COMMANDS = \(", path.read_text(), re.MULTILINE)
    }

    assert modules == set(COMMANDS)
    for module in modules:
        assert {command.name for command in importlib.import_module(module).COMMANDS} == set(COMMANDS[module])

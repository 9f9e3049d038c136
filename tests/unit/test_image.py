"""The image runs a process of the Procfile by its name, and holds all that the processes need."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from honcho.environ import parse_procfile

from tests.fakes.environment import ROOT

PROCESSES = parse_procfile((ROOT / "Procfile").read_text()).processes
IMAGE = (ROOT / "infrastructure" / "Containerfile").read_text()


def run(*arguments: str, path: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "operations.process", *arguments],
        cwd=ROOT,
        env={"PATH": path, "AIRDATE_HOME": "/home-of-a-test"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("name", PROCESSES)
def test_it_becomes_the_process_so_that_signals_reach_it(name: str, tmp_path: Path) -> None:
    celery = tmp_path / "celery"
    celery.write_text('#!/bin/sh\necho $$ "$FLOWER_CONF" "$@"\n')
    celery.chmod(0o755)

    process = run(name, path=f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin")
    said, _ = process.communicate(timeout=30)
    pid, configuration, *arguments = said.split()

    assert int(pid) == process.pid
    assert configuration == str(ROOT / "flowerconfig.py")
    assert "$" not in said
    assert arguments[:2] == PROCESSES[name].split()[1:3]


@pytest.mark.parametrize("names", [(), ("nobody",), ("beat", "flower")])
def test_an_unknown_name_is_one_line_with_those_there_are(names: tuple[str, ...]) -> None:
    process = run(*names, path="/bin")
    _, said = process.communicate(timeout=30)

    assert process.returncode == 2
    assert said.startswith("Error: ")
    assert said.rstrip().endswith("is none of the Procfile's processes: discovery, generator, processor, beat, flower")
    assert said.count("\n") == 1


def test_the_image_is_given_every_package_and_module_and_nothing_that_is_not_named() -> None:
    [everything, *allowed] = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")
    ]
    given = {line.removeprefix("!") for line in allowed if line.startswith("!")}
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {package.partition(".")[0] for package in setuptools["packages"]}
    modules = {f"{module}.py" for module in setuptools["py-modules"]}

    assert everything == "*"
    assert given == packages | modules | {
        "Procfile", "flowerconfig.py", "infrastructure/*.yaml",
        "pyproject.toml", "README.md", "LICENSE", "requirements.lock", "requirements-dev.lock",
    }  # fmt: skip


def test_the_image_installs_by_the_lock_with_hashes() -> None:
    [install] = [line for line in IMAGE.splitlines() if "requirements.lock" in line and "pip install" in line]

    assert "--require-hashes" in install


def test_the_image_names_no_registry_and_no_newest_anything() -> None:
    bases = {line.split()[1] for line in IMAGE.splitlines() if line.startswith("FROM")}

    assert bases == {"python:3.13-slim"}


def test_the_image_runs_as_nobody_in_particular() -> None:
    users = [line for line in IMAGE.splitlines() if line.startswith("USER")]

    assert users == ["USER 10001:10001"]

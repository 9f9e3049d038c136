"""The short form of ``make chaos``: every trouble once, and the auditor finds nothing lost, doubled or stale."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import REPOSITORY

EPISODES = 60
SECONDS = 280

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 60)]


def test_nothing_is_lost_and_nothing_is_made_twice_whatever_fails(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chaos", "--episodes", str(EPISODES), "--seed", "7"]
    with (tmp_path / "said").open("w+") as said:
        run = subprocess.Popen(
            [*command, "--folder", str(tmp_path / "run")],
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONWARNINGS": "ignore"},
            stdout=said,
            stderr=said,
        )
        try:
            code = run.wait(SECONDS)
        finally:
            run.terminate()  # it ends its fleet, too
            run.wait(60)
        said.seek(0)
        text = said.read()

    assert code == 0, text[-6000:]
    counts = json.loads(text.splitlines()[-1])
    assert counts["episodes"] == EPISODES
    assert counts["published_once"] + counts["explained_failures"] == EPISODES
    assert counts["published_once"] >= 0.9 * EPISODES
    assert counts["explained_failures"] >= 1, "the plan has a source that is no feed"
    assert counts["lost"] == counts["doubled"] == counts["stale_writes"] == counts["exits"] == 0
    assert counts["poison_dead"] == counts["poison_sent"] >= 8

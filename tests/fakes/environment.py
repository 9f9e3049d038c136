"""A process's environment with nothing of the developer's in it, and the settings read from it anew."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from settings import settings

ROOT = Path(__file__).parents[2]
PREFIXES = ("AIRDATE_", "AWS_", "EPISODE_PROCESSING_", "PODCAST_GENERATION_")


def set_environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set these of our variables and no others, not even by ``.env``, and have the settings read anew."""
    for name in list(os.environ):
        if name.startswith(PREFIXES) and name != "AWS_CA_BUNDLE":
            monkeypatch.delenv(name)
    for name, value in ({"AIRDATE_ENV_FILE": os.devnull} | variables).items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()


def load_celeryconfig(monkeypatch: pytest.MonkeyPatch, **variables: str) -> ModuleType:
    """``celeryconfig`` as a process with this environment would import it; the one in sys.modules stays as it is."""
    set_environment(monkeypatch, **variables)
    monkeypatch.delitem(sys.modules, "beat_schedule", raising=False)
    spec = importlib.util.spec_from_file_location("celeryconfig_of_a_test", ROOT / "celeryconfig.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.modules.pop("beat_schedule", None)
        settings.cache_clear()
    return module

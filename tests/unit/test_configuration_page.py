"""docs/configuration.md names every variable with its default, and none that Airdate does not read."""

from __future__ import annotations

import re

import pytest

from settings import Settings
from tests.fakes.environment import ROOT

PAGE = (ROOT / "docs" / "configuration.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+) \|$", re.MULTILINE)
ROWS = {name: (default, unit, about) for name, default, unit, about in ROW.findall(PAGE)}
EXAMPLE = dict(re.findall(r"^# ([A-Z][A-Z_0-9]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
"""What tests/unit/test_settings.py holds against settings.py."""
PLAN = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "EPISODE_PROCESSING_QUEUE_URL",
    "PODCAST_GENERATION_QUEUE_URL",
}


def test_each_variable_has_a_row_and_one_only() -> None:
    names = [name for name, *_ in ROW.findall(PAGE)]

    assert sorted(names) == sorted(EXAMPLE)
    assert set(names) >= PLAN


@pytest.mark.parametrize("name", EXAMPLE)
def test_its_default_is_the_one_that_holds(name: str) -> None:
    default, unit, about = ROWS[name]

    assert default.strip("`") == (EXAMPLE[name] or "–")
    assert unit
    assert about


def test_each_field_of_the_settings_has_a_row() -> None:
    variables = {
        str(field.validation_alias or f"AIRDATE_{name.upper()}") for name, field in Settings.model_fields.items()
    }

    assert variables <= set(ROWS)


def test_a_variable_named_elsewhere_on_the_page_has_a_row_too() -> None:
    named = set(re.findall(r"`((?:AIRDATE|AWS)_[A-Z_]+)(?:/[\w-]+)?`", PAGE))

    assert named - {"AIRDATE_ENV_FILE"} <= set(ROWS)

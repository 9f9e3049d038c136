"""Engines by name: each is built once from settings, and what it lacks is told with the command that brings it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from podcasting.errors import Permanent
from podcasting.providers.voices import Casting
from podcasting.providers.writers import Writer
from podcasting.providers.writers.extractive import ExtractiveWriter
from podcasting.providers.writers.model import ModelWriter
from settings import Settings
from tasks.engines import WRITERS, ConfiguredEngines
from tests.fakes.environment import ROOT
from tests.fakes.model_server import KEY

KEYS = {f"{name}_api_key": KEY for name in ("openai", "anthropic", "gemini")}


def engines(**variables: Any) -> ConfiguredEngines:
    return ConfiguredEngines(Settings(_env_file=None, **variables))


def model(found: Writer | None) -> ModelWriter:
    assert isinstance(found, ModelWriter)
    return found


def test_nothing_chosen_is_the_studios_own() -> None:
    assert engines().writer(None) is None
    assert engines().voice(Casting(engine=None, language="en", voices=(None,))) is None


def test_a_podcasts_choice_comes_before_the_installations() -> None:
    chosen = engines(writer="local:small", **KEYS)

    assert model(chosen.writer(None)).name == "local:small+script-2"
    assert model(chosen.writer("openai:gpt-5-mini")).name == "openai:gpt-5-mini+script-2"
    assert isinstance(chosen.writer("extractive"), ExtractiveWriter)


@pytest.mark.parametrize(
    ("engine", "name", "url", "prices"),
    [
        ("openai:gpt-5-mini", "openai:gpt-5-mini", "https://api.openai.com/v1", "openai"),
        ("anthropic:claude-haiku-4-5", "anthropic:claude-haiku-4-5", "https://api.anthropic.com", "anthropic"),
        ("gemini", "gemini:gemini-flash-latest", "https://generativelanguage.googleapis.com", "google"),
        ("gemini:gemini-2.5-pro", "gemini:gemini-2.5-pro", "https://generativelanguage.googleapis.com", "google"),
        ("local:qwen3:8b", "local:qwen3:8b", "http://127.0.0.1:11434/v1", ""),
    ],
)
def test_each_engine_is_set_up_from_its_settings(engine: str, name: str, url: str, prices: str) -> None:
    endpoint = model(engines(**KEYS).writer(engine)).endpoint

    assert (endpoint.name, endpoint.url, endpoint.prices) == (name, url, prices)
    assert endpoint.key == ("" if engine.startswith("local") else KEY)
    assert KEY not in repr(endpoint)


def test_at_another_address_no_price_is_known() -> None:
    gateway = engines(openai_url="https://models.example.org/v1/", **KEYS).writer("openai:gpt-5-mini")

    assert model(gateway).endpoint.url == "https://models.example.org/v1"
    assert model(gateway).endpoint.prices == ""


@pytest.mark.parametrize("engine", ["openai", "anthropic", "local"])
def test_where_there_is_no_name_for_the_newest_model_it_must_be_said(engine: str) -> None:
    with pytest.raises(Permanent, match=f"say which: {engine}:MODEL"):
        engines(**KEYS).writer(engine)


@pytest.mark.parametrize("engine", ["openai:gpt-5-mini", "anthropic:claude-haiku-4-5", "gemini"])
def test_a_key_that_is_not_set_is_named(engine: str) -> None:
    with pytest.raises(Permanent, match=f"set AIRDATE_{engine.partition(':')[0].upper()}_API_KEY"):
        engines().writer(engine)


@pytest.mark.parametrize("missing", ["pydantic_ai", "anthropic", "google"])
def test_an_extra_that_is_not_installed_is_told_with_its_command(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    find = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> Any:
        if name == missing:
            return None
        if name.startswith(f"{missing}."):
            raise ModuleNotFoundError(name)
        return find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    engine = {"google": "gemini"}.get(missing, "anthropic:claude-haiku-4-5")

    with pytest.raises(Permanent, match=r"not installed; pip install 'airdate\[writers\]'"):
        engines(**KEYS).writer(engine)


def test_an_engine_that_is_none_is_told_with_those_there_are() -> None:
    with pytest.raises(Permanent, match="there is no writer 'quill'; there are anthropic, extractive, gemini, local, "):
        engines().writer("quill:goose")
    with pytest.raises(Permanent, match=r"there is no voice 'gramophone'; there are .*hibari"):
        engines().voice(Casting(engine="gramophone", language="en", voices=()))


def test_the_embedded_writer_has_no_models() -> None:
    with pytest.raises(Permanent, match="no models to choose from; leave out 'large'"):
        engines().writer("extractive:large")


def test_each_engine_is_built_once_however_many_ask() -> None:
    built: list[str | None] = []

    def build(_: Settings, name: str | None) -> Writer:
        built.append(name)
        return ExtractiveWriter()

    several = ConfiguredEngines(Settings(_env_file=None), writers={"counted": build})
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(several.writer, ["counted:a", "counted:b"] * 20))

    assert sorted(map(str, built)) == ["a", "b"]
    assert len(found) == 2


def test_what_could_not_be_built_is_tried_again() -> None:
    outcomes: list[Writer | Permanent] = [Permanent("not yet"), ExtractiveWriter()]

    def build(_: Settings, __: str | None) -> Writer:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Permanent):
            raise outcome
        return outcome

    later = ConfiguredEngines(Settings(_env_file=None), writers={"late": build})
    with pytest.raises(Permanent, match="not yet"):
        later.writer("late")

    assert later.writer("late") is not None


def test_building_an_engine_loads_none_of_its_libraries() -> None:
    code = (
        "import sys; from settings import Settings; from tasks.engines import ConfiguredEngines;"
        "ConfiguredEngines(Settings(_env_file=None)).writer('local:small');"
        "print(*{'pydantic_ai', 'openai', 'httpx2', 'jinja2'} & set(sys.modules))"
    )

    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert told.stdout.strip() == ""


def test_the_writers_are_those_of_the_page() -> None:
    page = (ROOT / "docs" / "writers.md").read_text()

    assert all(re.search(f"`{name}[:`]", page) for name in WRITERS)

"""Flower's login: production says it, one's own machine makes it once, for its owner alone."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from operations.flower_login import FlowerLogin, flower_login
from settings import SettingsError, settings
from tests.fakes.environment import set_environment
from tests.unit.test_settings import PRODUCTION


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    set_environment(monkeypatch, AIRDATE_HOME=str(tmp_path / "var"))
    yield tmp_path / "var"
    settings.cache_clear()


def test_a_password_is_made_once_and_is_its_owners_alone(home: Path) -> None:
    first = flower_login()

    assert first.user == "airdate"
    assert len(first.password) >= 16
    assert flower_login() == first
    assert stat.S_IMODE((home / "flower-password").stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["flower-password"], "something was left beside it"


def test_another_machine_has_another(home: Path) -> None:
    first = flower_login()
    (home / "flower-password").unlink()

    assert flower_login() != first


def test_of_many_processes_that_start_at_once_all_have_the_same(home: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        logins = set(threads.map(lambda _: flower_login(), range(64)))

    assert len(logins) == 1
    assert [path.name for path in home.iterdir()] == ["flower-password"]


def test_what_is_set_holds_and_no_file_is_made(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    chosen = {"AIRDATE_FLOWER_USER": "ann", "AIRDATE_FLOWER_PASSWORD": "word"}
    set_environment(monkeypatch, AIRDATE_HOME=str(home), **chosen)

    assert flower_login() == FlowerLogin("ann", "word")
    assert flower_login().header == {"Authorization": "Basic YW5uOndvcmQ="}
    assert not home.exists()


def test_production_without_a_password_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    set_environment(monkeypatch, AIRDATE_HOME=str(home), **PRODUCTION)

    with pytest.raises(SettingsError, match=r"^AIRDATE_FLOWER_PASSWORD is not set: .*; set it") as refused:
        flower_login()
    assert "\n" not in refused.value.message
    assert not home.exists()


def test_an_empty_file_is_no_password(home: Path) -> None:
    home.mkdir()
    (home / "flower-password").write_text("\n")

    with pytest.raises(SettingsError, match="flower-password is empty: delete it"):
        flower_login()


def test_a_file_that_cannot_be_read_is_a_clear_error(home: Path) -> None:
    (home / "flower-password").mkdir(parents=True)

    with pytest.raises(SettingsError, match=r"Flower's password, can't be read: .*directory"):
        flower_login()


def test_a_user_with_a_colon_is_no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, AIRDATE_FLOWER_USER="ann:x")

    with pytest.raises(SettingsError, match="AIRDATE_FLOWER_USER is 'ann:x'"):
        flower_login()

"""The engines as the doctor finds them: the real ones, and others that are broken or want a key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from operations.doctor import providers
from operations.doctor.providers import encoder, proven, spoken, voice, writer
from podcasting.database import Database
from podcasting.errors import Permanent
from podcasting.providers.voices import Samples
from settings import SettingsError, settings
from tasks import wiring
from tasks.readiness.findings import Finding, Level
from tests.fakes.environment import set_environment
from tests.fakes.voices import ToneVoice


class KeyedVoice(ToneVoice):
    """A voice with a key."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self._key = key

    def prove(self) -> str:
        if self._key != "valid":
            raise Permanent("its key is refused (401); set VOICE_KEY to one that is active")
        return "its key is taken"


class SilentVoice(ToneVoice):
    def speak(self, text: str, host: int) -> Samples:
        return super().speak(text, host) * np.float32(0)


class HoarseVoice(ToneVoice):
    def speak(self, text: str, host: int) -> Samples:  # noqa: ARG002 - the port's
        raise ImportError("libonnxruntime.so: cannot open shared object file")


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    set_environment(monkeypatch, AIRDATE_HOME=str(tmp_path))
    wiring.studio.cache_clear()
    wiring.database.cache_clear()
    yield monkeypatch
    for kept in (wiring.studio, wiring.database, settings):
        kept.cache_clear()


def the_only(found: Iterator[Finding]) -> Finding:
    [finding] = found
    return finding


@pytest.mark.usefixtures("embedded")
def test_the_embedded_engines_are_well() -> None:
    found = list(providers.findings())

    assert [finding.level for finding in found] == [Level.OK] * 3
    assert found[2].found.startswith("voice hibari-")


@pytest.mark.usefixtures("embedded")
def test_the_languages_of_podcasts_are_asked_for(sqlite: Database, add_podcast: Any) -> None:
    add_podcast(sqlite, "mein-podcast", language="de-DE")
    add_podcast(sqlite, "my-show", language="en-GB")
    add_podcast(sqlite, "paused", language="fr", state="paused")

    [finding] = [each for each in providers.findings() if each.level is not Level.OK]

    assert finding.level is Level.FAIL
    assert finding.found.endswith("does not speak the language of mein-podcast (de-DE)")


def test_a_studio_that_cannot_be_imported_is_told(embedded: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_environment(embedded, AIRDATE_HOME=str(tmp_path), AIRDATE_STUDIO="nowhere:studio")

    with pytest.raises(SettingsError, match="AIRDATE_STUDIO is 'nowhere:studio'"):
        list(providers.findings())


def test_a_build_of_ffmpeg_without_mp3_fails() -> None:
    assert encoder("libmp3lame").level is Level.OK
    assert encoder("libmp3lame_").level is Level.FAIL


def test_a_provider_with_a_key_speaks_for_itself() -> None:
    assert proven("voice", KeyedVoice("valid")) == Finding(Level.OK, "providers", "voice KeyedVoice: its key is taken")
    refused = proven("voice", KeyedVoice("expired"))
    assert refused == Finding(
        Level.FAIL,
        "providers",
        "voice KeyedVoice: its key is refused (401)",
        "set VOICE_KEY to one that is active",
    )


def test_a_provider_that_cannot_prove_itself_is_not_called_well() -> None:
    assert the_only(voice(ToneVoice(), {})).level is Level.WARN
    assert the_only(writer(ToneVoice())).level is Level.WARN  # type: ignore[arg-type]  # any engine of one's own


def test_a_foreign_voice_is_not_made_to_speak() -> None:
    # It might cost money.
    engine = ToneVoice()
    list(voice(engine, {}))

    assert engine.spoken == []


@pytest.mark.parametrize(
    ("engine", "told"), [(SilentVoice(), "nothing that can be heard"), (HoarseVoice(), "cannot be used")]
)
def test_a_voice_that_is_not_heard_fails(engine: ToneVoice, told: str) -> None:
    assert spoken(ToneVoice()).level is Level.OK
    assert spoken(engine).level is Level.FAIL
    assert told in spoken(engine).found

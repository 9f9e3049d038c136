"""The engines as the doctor finds them: the real ones, and others that are broken or want a key."""

from __future__ import annotations

import re
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
from podcasting.providers.voices.kokoro import KokoroVoice
from settings import SettingsError, settings
from tasks import wiring
from tasks.readiness.findings import Finding, Level
from tests.fakes.environment import set_environment
from tests.fakes.model_server import KEY, ModelServer
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


def a_model_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: ModelServer, **variables: str) -> None:
    set_environment(
        monkeypatch,
        AIRDATE_HOME=str(tmp_path),
        AIRDATE_OPENAI_URL=f"{server.url}/v1",
        AIRDATE_GEMINI_URL=server.url,
        AIRDATE_LOCAL_MODEL_URL=f"{server.url}/v1",
        **variables,
    )


def chose(engine: str) -> dict[str, Any]:
    return {"production": {"writing": {"engine": engine}}}


def test_each_writer_that_is_chosen_is_proven_once_and_nothing_is_written(
    embedded: pytest.MonkeyPatch, tmp_path: Path, sqlite: Database, add_podcast: Any
) -> None:
    with ModelServer() as server:
        a_model_server(embedded, tmp_path, server, AIRDATE_OPENAI_API_KEY=KEY, AIRDATE_WRITER="local:test-model")
        add_podcast(sqlite, "default")
        add_podcast(sqlite, "first", **chose("openai:gpt-5-mini"))
        add_podcast(sqlite, "second", **chose("openai:gpt-5-mini"))

        found = [str(each) for each in providers.findings() if "writer" in each.found]

        assert found == [
            "providers: writer local:test-model: it answers, and test-model is there",
            "providers: writer openai:gpt-5-mini: its key is taken, and gpt-5-mini is there",
        ]
        assert server.asked == []


def test_what_keeps_a_chosen_engine_from_working_is_told_with_whose_it_is(
    embedded: pytest.MonkeyPatch, tmp_path: Path, sqlite: Database, add_podcast: Any
) -> None:
    with ModelServer() as server:
        a_model_server(embedded, tmp_path, server, AIRDATE_GEMINI_API_KEY=f"not-{KEY}")
        add_podcast(sqlite, "keyless", **chose("openai:gpt-5-mini"))
        add_podcast(sqlite, "refused", **chose("gemini"))
        add_podcast(sqlite, "strange", **chose("quill"))
        add_podcast(sqlite, "unheard", production={"speaking": {"engine": "gramophone"}})
        add_podcast(sqlite, "wrong", **chose("local:nameless"))
        add_podcast(sqlite, "asleep", state="paused", **chose("abacus"))

        found = {each.found: each.fix for each in providers.findings() if each.level is Level.FAIL}

    told = "\n".join(found)
    assert "writer openai:gpt-5-mini, which keyless chose, can't be used: the writer openai has no key" in told
    assert "set AIRDATE_OPENAI_API_KEY" in found.values()
    assert f"writer gemini: {server.url} refuses the key (401)" in told
    assert "set AIRDATE_GEMINI_API_KEY to one that is active" in found.values()
    assert "writer quill, which strange chose, can't be used: there is no writer 'quill'" in told
    assert "voice gramophone, which unheard chose, can't be used: there is no voice 'gramophone'" in told
    assert f"writer local:nameless: {server.url}/v1 has no model 'nameless'" in told
    assert "abacus" not in told


def test_a_studio_that_cannot_be_imported_is_told(embedded: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_environment(embedded, AIRDATE_HOME=str(tmp_path), AIRDATE_STUDIO="nowhere:studio")

    with pytest.raises(SettingsError, match="AIRDATE_STUDIO is 'nowhere:studio'"):
        list(providers.findings())


@pytest.mark.parametrize(("audio", "name"), [("MP3", "libmp3lame"), ("AAC", "aac")])
def test_a_build_of_ffmpeg_without_an_encoder_fails(audio: str, name: str) -> None:
    there, missing = encoder(audio, name), encoder(audio, f"{name}_")

    assert there.level is Level.OK
    assert there.found.endswith(f"encodes {audio} ({name})")
    assert missing.level is Level.FAIL
    assert f"has no encoder {name}_ for {audio}" in missing.found


@pytest.mark.usefixtures("embedded")
def test_the_encoder_of_m4a_is_looked_for_where_a_podcast_chose_it(sqlite: Database, add_podcast: Any) -> None:
    add_podcast(sqlite, "my-show")
    add_podcast(sqlite, "paused", state="paused", production={"mixing": {"format": "m4a"}})
    before = [each.found for each in providers.findings() if "encodes" in each.found]
    add_podcast(sqlite, "for-apple", production={"mixing": {"format": "m4a"}})

    after = [each.found.partition(" encodes ")[2] for each in providers.findings() if "encodes" in each.found]

    assert len(before) == 1
    assert after == ["MP3 (libmp3lame)", "AAC (aac)"]


@pytest.mark.usefixtures("embedded")
@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_second_voice_of_this_machine_is_heard(sqlite: Database, add_podcast: Any, language: str) -> None:
    add_podcast(sqlite, language=language, production={"speaking": {"engine": "kokoro"}})

    [finding] = [each for each in providers.findings() if "kokoro" in each.found]

    assert finding.level is Level.OK
    assert re.fullmatch(r"voice kokoro: spoke \d\.\d s; no key, no network", finding.found)


def test_a_second_voice_that_cannot_be_loaded_is_told() -> None:
    class Unloadable(KokoroVoice):
        def speak(self, text: str, host: int) -> Samples:  # noqa: ARG002 - the port's
            raise OSError("libonnxruntime.so: cannot open shared object file")

    finding = proven("voice kokoro", Unloadable(providers.OF_NO_PODCAST))

    assert finding.level is Level.FAIL
    assert "libonnxruntime.so" in finding.found
    assert "'airdate[voices]'" in finding.fix


def test_a_provider_with_a_key_speaks_for_itself() -> None:
    name = "voice KeyedVoice"
    assert proven(name, KeyedVoice("valid")) == Finding(Level.OK, "providers", "voice KeyedVoice: its key is taken")
    refused = proven(name, KeyedVoice("expired"))
    assert refused == Finding(
        Level.FAIL,
        "providers",
        "voice KeyedVoice: its key is refused (401)",
        "set VOICE_KEY to one that is active",
    )


def test_a_provider_that_cannot_prove_itself_is_not_called_well() -> None:
    assert the_only(voice(ToneVoice(), "voice tone")).level is Level.WARN
    assert the_only(writer(ToneVoice(), "writer tone")).level is Level.WARN  # type: ignore[arg-type]  # any engine of one's own


def test_a_foreign_voice_is_not_made_to_speak() -> None:
    # It might cost money.
    engine = ToneVoice()
    list(voice(engine, "voice tone"))

    assert engine.spoken == []


@pytest.mark.parametrize(
    ("engine", "told"), [(SilentVoice(), "nothing that can be heard"), (HoarseVoice(), "cannot be used")]
)
def test_a_voice_that_is_not_heard_fails(engine: ToneVoice, told: str) -> None:
    assert spoken(ToneVoice()).level is Level.OK
    assert spoken(engine).level is Level.FAIL
    assert told in spoken(engine).found

"""The engines a podcast may choose by name, set up from the environment. Each is built when first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Literal, TypeVar

from podcasting.errors import Permanent
from podcasting.providers.voices import Casting, Voice
from podcasting.providers.writers import Writer
from settings import Settings
from tasks.voice_engines import VOICES, BuildVoice

Built = TypeVar("Built")

BuildWriter = Callable[[Settings, str | None], Writer]
"""The settings and a model's name; without one the engine has a default, or refuses by Permanent."""


def _extractive(_: Settings, model: str | None) -> Writer:
    from podcasting.providers.writers.extractive import ExtractiveWriter

    return _without_models("writer extractive", ExtractiveWriter, model)


GEMINI_MODEL = "gemini-flash-latest"
"""Google's own name for the newest of its small models; the others have no such name, so theirs must be said."""


def _openai(settings: Settings, model: str | None) -> Writer:
    return _model_writer(
        settings,
        "openai",
        "openai",
        _needed("openai", model),
        url=settings.openai_url,
        url_variable="AIRDATE_OPENAI_URL",
        key=settings.openai_api_key.get_secret_value(),
        key_variable="AIRDATE_OPENAI_API_KEY",
        prices="openai",
    )


def _anthropic(settings: Settings, model: str | None) -> Writer:
    return _model_writer(
        settings,
        "anthropic",
        "anthropic",
        _needed("anthropic", model),
        url=settings.anthropic_url,
        url_variable="AIRDATE_ANTHROPIC_URL",
        key=settings.anthropic_api_key.get_secret_value(),
        key_variable="AIRDATE_ANTHROPIC_API_KEY",
        prices="anthropic",
    )


def _gemini(settings: Settings, model: str | None) -> Writer:
    return _model_writer(
        settings,
        "gemini",
        "gemini",
        model or GEMINI_MODEL,
        url=settings.gemini_url,
        url_variable="AIRDATE_GEMINI_URL",
        key=settings.gemini_api_key.get_secret_value(),
        key_variable="AIRDATE_GEMINI_API_KEY",
        prices="google",
    )


def _local(settings: Settings, model: str | None) -> Writer:
    return _model_writer(
        settings,
        "local",
        "openai",
        _needed("local", model),
        url=settings.local_model_url,
        url_variable="AIRDATE_LOCAL_MODEL_URL",
    )


def _needed(engine: str, model: str | None) -> str:
    if model is None:
        raise Permanent(f"the writer {engine} has no model of its own choice; say which: {engine}:MODEL")
    return model


def _model_writer(
    settings: Settings,
    engine: str,
    protocol: Literal["openai", "anthropic", "gemini"],
    model: str,
    *,
    url: str,
    url_variable: str,
    key: str = "",
    key_variable: str = "",
    prices: str = "",
) -> Writer:
    from podcasting.providers.writers.model import Endpoint, ModelWriter

    if not url:
        raise Permanent(f"the writer {engine} has no address; set {url_variable}")
    # Elsewhere than at the provider's own nobody knows what it takes: a gateway, a server of one's own.
    own = url == Settings.model_fields[url_variable.removeprefix("AIRDATE_").lower()].default
    endpoint = Endpoint(
        engine=engine,
        protocol=protocol,
        model=model,
        url=url.rstrip("/"),
        url_variable=url_variable,
        key=key,
        key_variable=key_variable,
        prices=prices if own else "",
    )
    return ModelWriter(endpoint, timeout_seconds=settings.provider_timeout)


WRITERS: Mapping[str, BuildWriter] = {
    "extractive": _extractive,
    "openai": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "local": _local,
}


class ConfiguredEngines:
    """See :class:`podcasting.studio.Engines`. Several threads may ask at once; each engine is built once."""

    def __init__(
        self,
        settings: Settings,
        *,
        writers: Mapping[str, BuildWriter] = WRITERS,
        voices: Mapping[str, BuildVoice] = VOICES,
    ) -> None:
        self._settings = settings
        self._writers = writers
        self._voices = voices
        self._built: dict[Hashable, object] = {}
        self._building = threading.Lock()

    def writer(self, engine: str | None) -> Writer | None:
        """See :class:`podcasting.studio.Engines`."""
        chosen = engine or self._settings.writer
        if not chosen:
            return None
        build, model = _named("writer", chosen, self._writers)
        return self._once(("writer", chosen), lambda: build(self._settings, model))

    def voice(self, casting: Casting) -> Voice | None:
        """See :class:`podcasting.studio.Engines`."""
        chosen = casting.engine or self._settings.voice
        if not chosen:
            return None
        build, model = _named("voice", chosen, self._voices)
        cast = casting.model_copy(update={"engine": chosen})
        return self._once(("voice", cast), lambda: build(self._settings, model, cast))

    def _once(self, key: Hashable, build: Callable[[], Built]) -> Built:
        with self._building:
            if key not in self._built:
                self._built[key] = build()
            return self._built[key]  # type: ignore[return-value]  # what was built under this key


def _named(port: str, chosen: str, engines: Mapping[str, Built]) -> tuple[Built, str | None]:
    name, _, model = chosen.partition(":")
    if name not in engines:
        raise Permanent(f"there is no {port} {name!r}; there are {', '.join(sorted(engines))}")
    return engines[name], model or None


def _without_models(what: str, engine: Callable[[], Built], model: str | None) -> Built:
    if model is not None:
        raise Permanent(f"the {what} has no models to choose from; leave out {model!r}")
    return engine()

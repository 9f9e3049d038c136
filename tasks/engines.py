"""The engines a podcast may choose by name, set up from the environment. Each is built when first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from podcasting.errors import Permanent
from podcasting.providers.voices import Casting, Voice
from podcasting.providers.writers import Writer
from settings import Settings

Built = TypeVar("Built")

BuildWriter = Callable[[Settings, str | None], Writer]
"""The settings and a model's name; without one the engine has a default, or refuses by Permanent."""
BuildVoice = Callable[[Settings, str | None, Casting], Voice]
"""The settings, a model's name, and who speaks what."""


def _extractive(_: Settings, model: str | None) -> Writer:
    from podcasting.providers.writers.extractive import ExtractiveWriter

    return _without_models("writer extractive", ExtractiveWriter, model)


def _hibari(_: Settings, model: str | None, casting: Casting) -> Voice:
    from podcasting.providers.voices.hibari import HibariVoice

    if any(casting.voices):
        raise Permanent(
            f"the voice hibari has no voices to choose from, and {next(filter(None, casting.voices))!r} was chosen; "
            "`airdate podcasts set PODCAST speaking.voices=` unsets them"
        )
    return _without_models("voice hibari", HibariVoice, model)


WRITERS: Mapping[str, BuildWriter] = {"extractive": _extractive}
VOICES: Mapping[str, BuildVoice] = {"hibari": _hibari}


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

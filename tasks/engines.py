"""The engines a podcast may choose by name, set up from the environment. Each is built when first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from podcasting.errors import InvalidPodcast, Permanent
from podcasting.providers.voices import Casting, Voice
from podcasting.providers.writers import Writer
from settings import Settings
from tasks.voice_engines import VOICES, BuildVoice

if TYPE_CHECKING:
    from podcasting.providers.writers.endpoint import Protocol

Built = TypeVar("Built")

BuildWriter = Callable[[Settings, str | None], Writer]
"""The settings and a model's name; without one the engine has a default, or refuses by InvalidPodcast."""


def _extractive(_: Settings, model: str | None) -> Writer:
    from podcasting.providers.writers.extractive import ExtractiveWriter

    if model is not None:
        raise InvalidPodcast(f"the writer extractive has no models to choose from; leave out {model!r}")
    return ExtractiveWriter()


@dataclass(frozen=True)
class _Service:
    """Who answers as a language model, and which settings say where and by what key."""

    engine: str
    protocol: Protocol
    url: str
    """The setting's name; its variable is the same in capitals, after ``AIRDATE_``."""
    key: str = ""
    """As ``url``; empty for a server that asks for none."""
    prices: str = ""
    """As genai-prices names it; empty where nobody knows."""
    default_model: str = ""
    """The provider's own lasting name for its newest; empty where there is none, so that the model must be said."""

    def __call__(self, settings: Settings, model: str | None) -> Writer:
        """The writer; see :data:`BuildWriter`."""
        from podcasting.providers.writers.endpoint import Endpoint
        from podcasting.providers.writers.model import ModelWriter

        asked = model or self.default_model
        if not asked:
            raise InvalidPodcast(
                f"the writer {self.engine} has no model of its own choice; say which: {self.engine}:MODEL"
            )
        url: str = getattr(settings, self.url)
        if not url:
            raise Permanent(f"the writer {self.engine} has no address; set {_variable(self.url)}")
        # Elsewhere than at the provider's own nobody knows what it takes: a gateway, a server of one's own.
        own = url == Settings.model_fields[self.url].default
        endpoint = Endpoint(
            engine=self.engine,
            protocol=self.protocol,
            model=asked,
            url=url.rstrip("/"),
            url_variable=_variable(self.url),
            key=getattr(settings, self.key).get_secret_value() if self.key else "",
            key_variable=_variable(self.key) if self.key else "",
            prices=self.prices if own else "",
        )
        return ModelWriter(endpoint, timeout_seconds=settings.provider_timeout)


def _variable(setting: str) -> str:
    return f"AIRDATE_{setting.upper()}"


_SERVICES = (
    _Service("openai", "openai", "openai_url", "openai_api_key", prices="openai"),
    _Service("anthropic", "anthropic", "anthropic_url", "anthropic_api_key", prices="anthropic"),
    _Service("gemini", "gemini", "gemini_url", "gemini_api_key", prices="google", default_model="gemini-flash-latest"),
    _Service("local", "openai", "local_model_url"),
)

WRITERS: Mapping[str, BuildWriter] = {"extractive": _extractive} | {each.engine: each for each in _SERVICES}


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
        raise InvalidPodcast(f"there is no {port} {name!r}; there are {', '.join(sorted(engines))}")
    return engines[name], model or None

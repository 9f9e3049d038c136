"""Each writer there is: the embedded one, and each engine of models before a server of this machine."""

from __future__ import annotations

from datetime import UTC, datetime

from podcasting.providers.writers import Brief, Story, Writer
from podcasting.providers.writers.endpoint import Endpoint
from podcasting.providers.writers.extractive import ExtractiveWriter
from podcasting.providers.writers.model import ModelWriter
from tests.fakes.model_server import KEY
from tests.fakes.stories import STORIES

ENGINES = ("openai", "anthropic", "gemini", "local")
WRITERS = ("extractive", *ENGINES)


def endpoint(engine: str, url: str, **changes: str) -> Endpoint:
    """As settings would have it, with the provider's own prices."""
    fields = {
        "openai": {"protocol": "openai", "model": "gpt-5-mini", "url": f"{url}/v1", "prices": "openai"},
        "anthropic": {"protocol": "anthropic", "model": "claude-haiku-4-5", "url": url, "prices": "anthropic"},
        "gemini": {"protocol": "gemini", "model": "gemini-2.5-flash", "url": url, "prices": "google"},
        "local": {"protocol": "openai", "model": "test-model", "url": f"{url}/v1"},
    }[engine]
    named = {"engine": engine, "url_variable": f"AIRDATE_{engine.upper()}_URL"}
    keyed = {} if engine == "local" else {"key": KEY, "key_variable": f"AIRDATE_{engine.upper()}_API_KEY"}
    return Endpoint(**(fields | named | keyed | changes))  # type: ignore[arg-type]  # its protocol is one of them


def writer_of(name: str, url: str, *, timeout_seconds: float = 60) -> Writer:
    """The writer of that name; ``url`` is the server's."""
    if name == "extractive":
        return ExtractiveWriter()
    return ModelWriter(endpoint(name, url), timeout_seconds=timeout_seconds)


def brief(*stories: Story, **changes: object) -> Brief:
    """Of two stories, unless others are given."""
    fields: dict[str, object] = {
        "podcast_title": "The Daily Wonder",
        "hosts": ("Ada", "Ben"),
        "language": "en",
        "episode_number": 1,
        "slot": datetime(2026, 1, 6, 8, tzinfo=UTC),
        "stories": stories or (story("tides"), story("bridges")),
    }
    return Brief.model_validate(fields | changes)


def story(name: str, **changes: object) -> Story:
    title, text = STORIES[name]
    fields: dict[str, object] = {
        "key": name,
        "title": title,
        "url": f"https://example.org/{name}",
        "source": "Everyday",
        "author": None,
        "published_at": None,
        "text": text,
    }
    return Story.model_validate(fields | changes)

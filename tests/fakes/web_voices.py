"""The voices of speech services, set up to ask the server of ``tests.fakes.speech_server``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config

from podcasting.providers.voices import Casting
from podcasting.providers.voices.elevenlabs import ElevenLabsVoice
from podcasting.providers.voices.gemini import GeminiVoice
from podcasting.providers.voices.http_voice import Account
from podcasting.providers.voices.openai import OpenAIVoice
from podcasting.providers.voices.polly import PollyVoice
from podcasting.providers.voices.web_voice import WebVoice
from tests.fakes.speech_server import KEY, SpeechServer

PATIENT = 30.0
"""Seconds: longer than any answer takes on a busy machine."""


def casting(*voices: str | None, language: str = "en") -> Casting:
    return Casting(engine=None, language=language, voices=voices or (None, None))


def openai(url: str, cast: Casting, *, key: str = KEY, timeout: float = PATIENT, model: str | None = None) -> WebVoice:
    return OpenAIVoice(cast, account(f"{url}/v1", key, "AIRDATE_OPENAI_API_KEY", timeout, 15), model=model)


def gemini(url: str, cast: Casting, *, key: str = KEY, timeout: float = PATIENT, model: str | None = None) -> WebVoice:
    return GeminiVoice(cast, account(url, key, "AIRDATE_GEMINI_API_KEY", timeout), model=model)


def elevenlabs(
    url: str, cast: Casting, *, key: str = KEY, timeout: float = PATIENT, model: str | None = None
) -> WebVoice:
    return ElevenLabsVoice(cast, account(url, key, "AIRDATE_ELEVENLABS_API_KEY", timeout, 100), model=model)


def account(url: str, key: str, variable: str, timeout: float, dollars: float | None = None) -> Account:
    return Account(url=url, key=key, key_variable=variable, timeout_seconds=timeout, dollars_per_million=dollars)


def polly(url: str, cast: Casting, *, key: str = KEY, timeout: float = PATIENT, model: str | None = None) -> WebVoice:
    client = boto3.client(
        "polly",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id=key,
        aws_secret_access_key=key,
        config=Config(connect_timeout=timeout, read_timeout=timeout, retries={"total_max_attempts": 1}),
    )
    _clients.append(client)
    return PollyVoice(cast, engine=model, client=client, dollars_per_million=16)


_clients: list[Any] = []


@contextmanager
def speech_services() -> Iterator[SpeechServer]:
    """The server, while it runs; the connections of those who asked it are closed in the end."""
    with SpeechServer() as server:
        yield server
        while _clients:
            _clients.pop().close()


ENGINES: dict[str, Callable[..., WebVoice]] = {
    "elevenlabs": elevenlabs,
    "gemini": gemini,
    "openai": openai,
    "polly": polly,
}

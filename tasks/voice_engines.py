"""The voices a podcast may choose by name, set up from the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pydantic import SecretStr

from podcasting.errors import Permanent
from podcasting.providers.voices import Casting, Voice
from settings import Settings

if TYPE_CHECKING:
    from podcasting.providers.voices.http_voice import Account

BuildVoice = Callable[[Settings, str | None, Casting], Voice]
"""The settings, a model's name, and who speaks what."""

INSTALL_VOICES = "install what it needs: pip install 'airdate[voices]'"


def _hibari(_: Settings, model: str | None, casting: Casting) -> Voice:
    from podcasting.providers.voices.hibari import HibariVoice

    if any(casting.voices):
        raise Permanent(
            f"the voice hibari has no voices to choose from, and {next(filter(None, casting.voices))!r} was chosen; "
            "`airdate podcasts set PODCAST speaking.voices=` unsets them"
        )
    _refuse_model("hibari", model)
    return HibariVoice()


def _kokoro(_: Settings, model: str | None, casting: Casting) -> Voice:
    from podcasting.providers.voices.kokoro import KokoroVoice

    _refuse_model("kokoro", model)
    try:
        return KokoroVoice(casting)
    except ImportError as error:
        raise Permanent(f"the voice kokoro cannot be used: {error}; {INSTALL_VOICES}") from error


def _openai(settings: Settings, model: str | None, casting: Casting) -> Voice:
    from podcasting.providers.voices.openai import OWN_ADDRESS, OpenAIVoice

    url, key, variable = settings.openai_url, settings.openai_api_key, "AIRDATE_OPENAI_API_KEY"
    if settings.openai_speech_url:
        # The key of the one is none of the other's business.
        url, key, variable = settings.openai_speech_url, settings.openai_speech_api_key, "AIRDATE_OPENAI_SPEECH_API_KEY"
    needed = url.startswith(OWN_ADDRESS)  # a server of one's own may want none
    return OpenAIVoice(casting, _account(settings, casting, url, key, variable, key_needed=needed), model=model)


def _gemini(settings: Settings, model: str | None, casting: Casting) -> Voice:
    from podcasting.providers.voices.gemini import GeminiVoice

    url, key = settings.gemini_url, settings.gemini_api_key
    return GeminiVoice(casting, _account(settings, casting, url, key, "AIRDATE_GEMINI_API_KEY"), model=model)


def _elevenlabs(settings: Settings, model: str | None, casting: Casting) -> Voice:
    from podcasting.providers.voices.elevenlabs import ElevenLabsVoice

    url, key = settings.elevenlabs_url, settings.elevenlabs_api_key
    return ElevenLabsVoice(casting, _account(settings, casting, url, key, "AIRDATE_ELEVENLABS_API_KEY"), model=model)


def _polly(settings: Settings, model: str | None, casting: Casting) -> Voice:
    from podcasting.providers.voices.polly import PollyVoice
    from tasks import aws

    return PollyVoice(
        casting,
        engine=model,
        client=aws.client("polly", timeout_seconds=settings.provider_timeout),
        dollars_per_million=_price(settings, casting),
    )


VOICES: Mapping[str, BuildVoice] = {
    "elevenlabs": _elevenlabs,
    "gemini": _gemini,
    "hibari": _hibari,
    "kokoro": _kokoro,
    "openai": _openai,
    "polly": _polly,
}


def _account(
    settings: Settings, casting: Casting, url: str, key: SecretStr, key_variable: str, *, key_needed: bool = True
) -> Account:
    from podcasting.providers.voices.http_voice import Account

    if key_needed and not key.get_secret_value():
        raise Permanent(f"the voice {_engine(casting)} needs a key; set {key_variable}")
    return Account(
        url=url,
        key=key.get_secret_value(),
        key_variable=key_variable,
        timeout_seconds=settings.provider_timeout,
        dollars_per_million=_price(settings, casting),
    )


def _price(settings: Settings, casting: Casting) -> float | None:
    """Dollars per million characters: of this engine and model, else of the engine."""
    prices = settings.voice_prices or {}
    return prices.get(casting.engine or "", prices.get(_engine(casting)))


def _engine(casting: Casting) -> str:
    """Its name without the model's."""
    return (casting.engine or "").partition(":")[0]


def _refuse_model(engine: str, model: str | None) -> None:
    if model is not None:
        raise Permanent(f"the voice {engine} has no models to choose from; leave out {model!r}")

"""The voices a podcast may choose by name, set up from the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import SecretStr

from podcasting.errors import Permanent
from podcasting.providers.voices import Casting, Voice
from settings import Settings

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
    return OpenAIVoice(
        casting,
        model=model,
        url=url,
        key=_key("openai", key, variable) if url.startswith(OWN_ADDRESS) else key.get_secret_value(),
        key_variable=variable,
        timeout_seconds=settings.provider_timeout,
        dollars_per_million=_price(settings, casting),
    )


def _gemini(settings: Settings, model: str | None, casting: Casting) -> Voice:
    from podcasting.providers.voices.gemini import GeminiVoice

    return GeminiVoice(
        casting,
        model=model,
        url=settings.gemini_url,
        key=_key("gemini", settings.gemini_api_key, "AIRDATE_GEMINI_API_KEY"),
        timeout_seconds=settings.provider_timeout,
        dollars_per_million=_price(settings, casting),
    )


def _elevenlabs(settings: Settings, model: str | None, casting: Casting) -> Voice:
    from podcasting.providers.voices.elevenlabs import ElevenLabsVoice

    return ElevenLabsVoice(
        casting,
        model=model,
        url=settings.elevenlabs_url,
        key=_key("elevenlabs", settings.elevenlabs_api_key, "AIRDATE_ELEVENLABS_API_KEY"),
        timeout_seconds=settings.provider_timeout,
        dollars_per_million=_price(settings, casting),
    )


def _polly(settings: Settings, model: str | None, casting: Casting) -> Voice:
    from podcasting.providers.voices.polly import PollyVoice
    from tasks import wiring

    return PollyVoice(
        casting,
        engine=model,
        client=wiring.aws("polly", timeout_seconds=settings.provider_timeout),
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


def _key(engine: str, key: SecretStr, variable: str) -> str:
    value = key.get_secret_value()
    if not value:
        raise Permanent(f"the voice {engine} needs a key; set {variable}")
    return value


def _price(settings: Settings, casting: Casting) -> float | None:
    """Dollars per million characters: of this engine and model, else of the engine."""
    engine, prices = casting.engine or "", settings.voice_prices or {}
    return prices.get(engine, prices.get(engine.partition(":")[0]))


def _refuse_model(engine: str, model: str | None) -> None:
    if model is not None:
        raise Permanent(f"the voice {engine} has no models to choose from; leave out {model!r}")

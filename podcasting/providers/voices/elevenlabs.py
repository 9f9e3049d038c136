"""Voices of ElevenLabs: ``POST /v1/text-to-speech/{voice_id}``.

The protocol: https://elevenlabs.io/docs/api-reference/text-to-speech/convert (``output_format`` pcm_24000 gives raw
16-bit samples, 24,000 a second), its errors: https://elevenlabs.io/docs/eleven-api/resources/errors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from podcasting.errors import Permanent
from podcasting.providers.voices import Samples
from podcasting.providers.voices.http_voice import HTTPVoice
from podcasting.providers.voices.pcm import from_pcm
from podcasting.providers.voices.speech_service import parsed
from podcasting.providers.voices.web_voice import spoken_in

SARAH, GEORGE, ALICE, BRIAN = (
    "EXAVITQu4vr4xnSDxMaL", "JBFqnCBsd6RMkjVDRZzb", "Xb7hH8MSUJpSbSDYk0k2", "nPczCjzI2devNBz1zQrb",
)  # fmt: skip
"""Of the voices that every account has (https://elevenlabs.io/docs/capabilities/voices#default-voices)."""
_VOICE_ID = re.compile(r"[A-Za-z0-9]{20}")
_OF_MULTILINGUAL = "en ja zh de hi fr ko pt it es id nl tr fil pl sv bg ro ar cs el fi hr ms sk da ta uk ru"
_OF_V3_TOO = (
    "af hy as az be bn bs ca ceb ny et gl ka gu ha he is ga jv kn kk ky lv ln lt lb mk ml mr ne ps fa pa sr sd sl so "
    "sw te th ur cy"
)
_MULTILINGUAL = frozenset(_OF_MULTILINGUAL.split())
_FLASH = _MULTILINGUAL | {"hu", "no", "vi"}
_V3 = _FLASH | frozenset(_OF_V3_TOO.split())
LANGUAGES = {
    "eleven_v3": _V3,
    "eleven_flash_v2_5": _FLASH,
    "eleven_turbo_v2_5": _FLASH,
    "eleven_flash_v2": frozenset({"en"}),
    "eleven_turbo_v2": frozenset({"en"}),
}
"""By model (https://elevenlabs.io/docs/overview/models); of others those of multilingual v2."""
_TAKES_LANGUAGE = frozenset({"eleven_v3", "eleven_flash_v2_5", "eleven_turbo_v2_5"})
"""Others answer ``language_code`` by a refusal; they hear the language in the text."""
_SOUND = ("audio/", "application/octet-stream")


class ElevenLabsVoice(HTTPVoice):
    """Voices of ElevenLabs, each by its id. The account's address is that of the API without its version."""

    engine = "elevenlabs"
    version = 1
    default_model = "eleven_multilingual_v2"
    default_voices = (SARAH, GEORGE, ALICE, BRIAN)
    sample_rate = 24_000
    most_characters = 2_500
    """Any model takes 5,000 and more (https://elevenlabs.io/docs/overview/models); shorter ones sound steadier."""
    clips_at_once = 2
    """The smallest plan allows two at once (https://elevenlabs.io/docs/overview/models#concurrency-and-priority)."""

    def speaks(self, language: str) -> bool:
        """The languages that ElevenLabs lists for the model."""
        return spoken_in(language, LANGUAGES.get(self._model, _MULTILINGUAL))

    def prove(self) -> str:
        """See :class:`operations.doctor.providers.Provable`: asks how much of the subscription is used."""
        told = parsed(self._service.ask("GET", "/v1/user"), self._service.name)
        subscription = told.get("subscription") if isinstance(told, dict) else None
        used = subscription if isinstance(subscription, dict) else {}
        return (
            f"the key is taken, {used.get('character_count', '?')} of {used.get('character_limit', '?')} credits used"
        )

    def _request(self, text: str, voice: str) -> Samples:
        wanted = {"text": text, "model_id": self._model}
        if self._model in _TAKES_LANGUAGE:
            wanted["language_code"] = self._language
        reply = self._service.ask(
            "POST", f"/v1/text-to-speech/{voice}", content=wanted, query={"output_format": f"pcm_{self.sample_rate}"}
        )
        self._service.want(reply, _SOUND)
        self._pay(len(text))
        return from_pcm(reply.body, self._service.name)

    def _see_that_there_is(self, voice: str) -> None:
        if not _VOICE_ID.fullmatch(voice):
            raise Permanent(
                f"elevenlabs has no voice {voice!r}: its voices have ids of 20 letters and digits, which its page "
                "of voices shows under ⋯, Copy voice ID"
            )

    def _authorisation(self, key: str) -> Mapping[str, str]:
        return {"xi-api-key": key}

    def _told_apart_by(self) -> tuple[str, ...]:
        return (self._language,) if self._model in _TAKES_LANGUAGE else ()

"""Voices of Google's Gemini: ``generateContent`` with sound for an answer.

The protocol: https://ai.google.dev/gemini-api/docs/speech-generation and https://ai.google.dev/api/generate-content
(``responseModalities`` AUDIO, ``speechConfig``; the answer holds base64 of raw 16-bit samples, whose rate stands in
its ``mimeType``). Not the streamed one: it broke off after a minute of sound in the reports on Google's forum.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from podcasting.audio.sound import resample
from podcasting.errors import Permanent, Retryable
from podcasting.providers.voices import Samples
from podcasting.providers.voices.http_voice import HTTPVoice
from podcasting.providers.voices.pcm import from_pcm, joined
from podcasting.providers.voices.speech_service import Reply, parsed
from podcasting.providers.voices.web_voice import spoken_in

VOICES = (
    "Kore", "Charon", "Leda", "Puck",  # told apart: two that sound female, two male
    "Zephyr", "Fenrir", "Orus", "Aoede", "Callirrhoe", "Autonoe", "Enceladus", "Iapetus", "Umbriel", "Algieba",
    "Despina", "Erinome", "Algenib", "Rasalgethi", "Laomedeia", "Achernar", "Alnilam", "Schedar", "Gacrux",
    "Pulcherrima", "Achird", "Zubenelgenubi", "Vindemiatrix", "Sadachbia", "Sadaltager", "Sulafat",
)  # fmt: skip
"""https://ai.google.dev/gemini-api/docs/speech-generation#voices"""
_LISTED = (
    "ar bn nl en fr de hi id it ja ko mr pl pt ro ru es ta te th tr uk vi af sq am hy az eu be bg my ca ceb zh hr cs "
    "da et fil fi gl ka el gu ht he hu is jv kn lo lv lt lb mk mg ms ml mn ne no or ps fa pa sr sd si sk sl sw sv ur"
)
LANGUAGES = frozenset(_LISTED.split())
"""https://ai.google.dev/gemini-api/docs/speech-generation#languages; it hears the language in the text."""
_RATE = re.compile(r"rate=(\d{4,6})\b")
_SOUND = ("application/json",)
_REFUSED = frozenset({"SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION"})
_PROMPT = (
    "Synthesize speech for the transcript below. Read it aloud word for word, and nothing else.\n\n"
    "### TRANSCRIPT\n{text}"
)
"""Without a preamble it may answer the text instead of reading it, or refuse it ("Limitations" of the page)."""


class _Inline(BaseModel):
    mime_type: str = Field(alias="mimeType")
    data: str


class _Part(BaseModel):
    inline: _Inline | None = Field(default=None, alias="inlineData")


class _Content(BaseModel):
    parts: list[_Part] = []


class _Candidate(BaseModel):
    content: _Content = _Content()
    finish: str | None = Field(default=None, alias="finishReason")


class _Usage(BaseModel):
    prompt: int = Field(default=0, alias="promptTokenCount", ge=0)
    candidates: int = Field(default=0, alias="candidatesTokenCount", ge=0)


class _Feedback(BaseModel):
    reason: str | None = Field(default=None, alias="blockReason")


class _Generated(BaseModel):
    candidates: list[_Candidate] = []
    usage: _Usage = Field(default=_Usage(), alias="usageMetadata")
    feedback: _Feedback = Field(default=_Feedback(), alias="promptFeedback")


class GeminiVoice(HTTPVoice):
    """The prebuilt voices of Gemini's speech models. The account's address is that of the API without its version."""

    engine = "gemini"
    version = 1  # raised when the prompt above changes, too
    default_model = "gemini-3.8-flash-tts"
    default_voices = VOICES[:4]
    sample_rate = 24_000
    most_characters = 1_800
    """Two minutes of speech: Google warns that the voice drifts in what is longer than a few minutes."""
    clips_at_once = 2
    """Its speech models allow few requests a minute (https://ai.google.dev/gemini-api/docs/rate-limits)."""

    def speaks(self, language: str) -> bool:
        """The languages that Google lists."""
        return spoken_in(language, LANGUAGES)

    def prove(self) -> str:
        """See :class:`operations.doctor.providers.Provable`: asks what the model is."""
        self._service.ask("GET", f"/v1beta/models/{self._model}")
        return f"the key is taken, and there is {self._model}"

    def _request(self, text: str, voice: str) -> Samples:
        wanted: dict[str, Any] = {
            "contents": [{"role": "user", "parts": [{"text": _PROMPT.format(text=text)}]}],
            "generationConfig": {
                "responseModalities": ["AUDIO"],
                "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}},
            },
        }
        reply = self._service.ask("POST", f"/v1beta/models/{self._model}:generateContent", content=wanted)
        self._service.want(reply, _SOUND)
        generated = self._generated(reply)
        self._pay(len(text), input_tokens=generated.usage.prompt, output_tokens=generated.usage.candidates)
        return self._sound(generated, text)

    def _see_that_there_is(self, voice: str) -> None:
        if voice not in VOICES:
            raise Permanent(f"gemini has no voice {voice!r}; it has {', '.join(sorted(VOICES))}")

    def _authorisation(self, key: str) -> Mapping[str, str]:
        return {"x-goog-api-key": key}

    def _generated(self, reply: Reply) -> _Generated:
        try:
            return _Generated.model_validate(parsed(reply, self._service.name))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise Retryable(f"{self._service.name} answered in another form: {field}: {first['msg']}") from error

    def _sound(self, generated: _Generated, text: str) -> Samples:
        candidate = generated.candidates[0] if generated.candidates else _Candidate()
        ended = generated.feedback.reason or candidate.finish
        if ended in _REFUSED:
            raise Permanent(f"{self._service.name} refuses to speak {text!r} ({ended}); change the script")
        if ended not in {None, "STOP"}:
            raise Retryable(f"{self._service.name} broke off ({ended})")
        return joined([self._samples(part.inline) for part in candidate.content.parts if part.inline is not None])

    def _samples(self, inline: _Inline) -> Samples:
        kind = inline.mime_type.lower()
        rate = _RATE.search(kind)
        if not kind.startswith(("audio/l16", "audio/pcm")) or rate is None:
            raise Retryable(f"{self._service.name} sent {kind!r}, where raw samples and their rate are expected")
        try:
            content = base64.b64decode(inline.data, validate=True)
        except ValueError as error:  # binascii.Error among them
            raise Retryable(f"{self._service.name} sent sound that is no base64: {error}") from error
        samples = from_pcm(content, self._service.name)
        its_rate = int(rate.group(1))
        return (
            samples
            if its_rate == self.sample_rate or not np.size(samples)
            else resample(samples, its_rate, self.sample_rate)
        )

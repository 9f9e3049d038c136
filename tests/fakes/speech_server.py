"""A server on loopback that speaks the protocols of OpenAI, Gemini, ElevenLabs and Amazon Polly, and hums for speech.

It refuses what the real ones refuse: a wrong key, an unknown voice, a text that is too long. A test may have it fail:
each fault is what one request for speech gets, in turn.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import botocore.session
import numpy as np

from podcasting.audio.sound import resample, write_wav
from podcasting.providers.voices import Samples
from tests.fakes.loopback_server import HttpHandler, LoopbackServer
from tests.fakes.voices import ToneVoice

KEY = "the-right-one"
PITCHES = {
    "nova": 0, "onyx": 1, "shimmer": 2, "echo": 3, "coral": 2,
    "Kore": 0, "Charon": 1, "Leda": 2, "Puck": 3, "Zephyr": 2,
    "EXAVITQu4vr4xnSDxMaL": 0, "JBFqnCBsd6RMkjVDRZzb": 1, "Xb7hH8MSUJpSbSDYk0k2": 2, "nPczCjzI2devNBz1zQrb": 3,
    "Danielle": 0, "Matthew": 1, "Joanna": 2, "Gregory": 3, "Vicki": 2, "Daniel": 1,
}  # fmt: skip
"""The voices that there are, and which of the four pitches of the tone voice each hums at."""
GEMINI_TEXT = re.compile(r"### TRANSCRIPT\n(.*)", re.DOTALL)

TONES = ToneVoice()
POLLY = botocore.session.get_session().get_service_model("polly")


class Asked(NamedTuple):
    """A request for speech."""

    engine: str
    text: str
    voice: str
    fields: dict[str, Any]
    """The body and the query."""


class Answer(NamedTuple):
    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    promised: int | None = None
    """What Content-Length says, if that is not true."""


class Fault(NamedTuple):
    """What becomes of a request instead of success."""

    name: str
    answer: Callable[[SpeechServer, Asked], Answer | None]
    """None: no answer comes while the server runs."""


class SpeechServer(LoopbackServer):
    """Runs while it is entered."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        """For the next requests for speech, first to last; then it is well again."""
        self.when: dict[str, list[Fault]] = {}
        """The same, for the requests whose text holds a word."""
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        super().__init__(_handler(self))

    @property
    def url(self) -> str:
        return self.address

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer | None:
        where, query = urlsplit(path).path, {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        for pattern, protocol in PROTOCOLS:
            found = re.fullmatch(pattern, f"{method} {where}")
            if found:
                return protocol(self, found, headers, query, body)
        return Answer(404, json.dumps({"error": {"message": f"no {method} {where} here"}}).encode())

    def speech(self, asked: Asked, success: Callable[[Samples], Answer], refusals: list[Answer]) -> Answer | None:
        """What a request for speech gets: a fault, a refusal, or sound."""
        with self._lock:
            self.asked.append(asked)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            meant = next((faults for word, faults in self.when.items() if word in asked.text and faults), self.faults)
            fault = meant.pop(0) if meant else None
        try:
            if fault is not None:
                return fault.answer(self, asked)
            return refusals[0] if refusals else success(hum(asked.text, asked.voice))
        finally:
            with self._lock:
                self._at_once -= 1


def hum(text: str, voice: str) -> Samples:
    """As long as the text is to read; 24,000 samples a second."""
    return TONES.speak(text if text.isascii() else "a" * 3 * len(text), PITCHES.get(voice, 0))


def pcm(samples: Samples) -> bytes:
    return (samples * 32_767).astype("<i2").tobytes()


# Each protocol: what it refuses, and how it answers ---------------------------------------------------


def _openai(server: SpeechServer, _: re.Match[str], headers: dict[str, str], __: Any, body: bytes) -> Answer | None:
    said = json.loads(body)
    asked = Asked("openai", said["input"], said["voice"], said)
    refusals = []
    if headers.get("authorization") != f"Bearer {KEY}":
        refusals.append(openai_error(401, "Incorrect API key provided", "invalid_api_key"))
    if set(said) != {"model", "input", "voice", "response_format"} or said["response_format"] != "wav":
        refusals.append(openai_error(400, "unrecognized request argument", "invalid_request_error"))
    if len(said["input"]) > 4096:
        refusals.append(openai_error(400, "String should have at most 4096 characters", "string_above_max_length"))
    if said["voice"] not in PITCHES:
        refusals.append(
            openai_error(400, f"Invalid value: {said['voice']!r}. Supported values are: …", "invalid_value")
        )
    return server.speech(asked, lambda samples: Answer(200, streamed_wav(samples), "audio/wav"), refusals)


def openai_error(status: int, message: str, code: str, **headers: str) -> Answer:
    told = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
    return Answer(status, json.dumps(told).encode(), headers=tuple(headers.items()))


def streamed_wav(samples: Samples) -> bytes:
    """As OpenAI sends it: its sizes were not known when the header went out."""
    wav = bytearray(write_wav(samples, 24_000))
    struct.pack_into("<I", wav, 4, 0xFFFFFFFF)
    struct.pack_into("<I", wav, wav.index(b"data") + 4, 0xFFFFFFFF)
    return bytes(wav)


def _openai_models(_: SpeechServer, __: re.Match[str], headers: dict[str, str], *___: Any) -> Answer:
    if headers.get("authorization") != f"Bearer {KEY}":
        return openai_error(401, "Incorrect API key provided", "invalid_api_key")
    return Answer(200, json.dumps({"object": "list", "data": [{"id": "tts-1"}, {"id": "gpt-4o-mini-tts"}]}).encode())


def _gemini(server: SpeechServer, path: re.Match[str], headers: dict[str, str], _: Any, body: bytes) -> Answer | None:
    said = json.loads(body)
    prompt = said["contents"][0]["parts"][0]["text"]
    voice = said["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"]
    transcript = GEMINI_TEXT.search(prompt)
    asked = Asked("gemini", transcript.group(1) if transcript else prompt, voice, said | {"model": path.group(1)})
    refusals = []
    if headers.get("x-goog-api-key") != KEY:
        refusals.append(gemini_error(400, "API key not valid. Please pass a valid API key.", reason="API_KEY_INVALID"))
    if said["generationConfig"]["responseModalities"] != ["AUDIO"] or "tts" not in path.group(1):
        refusals.append(gemini_error(400, "The requested combination of response modalities is not supported"))
    if voice not in PITCHES:
        refusals.append(gemini_error(400, f"Voice name {voice} is not supported"))
    return server.speech(asked, lambda samples: gemini_answer(pcm(samples)), refusals)


def gemini_answer(sound: bytes, *, data: str | None = None, finish: str = "STOP", **changes: Any) -> Answer:
    inline = {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": data or base64.b64encode(sound).decode()}
    told = {
        "candidates": [{"content": {"parts": [{"inlineData": inline}], "role": "model"}, "finishReason": finish}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": len(sound) // 1920, "totalTokenCount": 99},
        "modelVersion": "gemini",
    }
    return Answer(200, json.dumps(told | changes).encode(), "application/json; charset=UTF-8")


def gemini_error(status: int, message: str, *, reason: str = "", delay: str = "") -> Answer:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    details += [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}] if delay else []
    name = {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}.get(status, "INVALID_ARGUMENT")
    told = {"error": {"code": status, "message": message, "status": name, "details": details}}
    return Answer(status, json.dumps(told).encode())


def _gemini_model(_: SpeechServer, path: re.Match[str], headers: dict[str, str], *__: Any) -> Answer:
    if headers.get("x-goog-api-key") != KEY:
        return gemini_error(400, "API key not valid. Please pass a valid API key.", reason="API_KEY_INVALID")
    return Answer(200, json.dumps({"name": f"models/{path.group(1)}"}).encode())


def _elevenlabs(
    server: SpeechServer, path: re.Match[str], headers: dict[str, str], query: dict[str, str], body: bytes
) -> Answer | None:
    said = json.loads(body)
    asked = Asked("elevenlabs", said["text"], path.group(1), said | query)
    refusals = []
    if headers.get("xi-api-key") != KEY:
        refusals.append(elevenlabs_error(401, "Invalid API key", "invalid_api_key"))
    if query != {"output_format": "pcm_24000"}:
        refusals.append(elevenlabs_error(400, "Invalid output format", "invalid_output_format"))
    if "language_code" in said and said["model_id"] == "eleven_multilingual_v2":
        refusals.append(elevenlabs_error(400, "Model does not support the language code", "unsupported_language"))
    if asked.voice not in PITCHES:
        refusals.append(
            elevenlabs_error(404, f"A voice with the voice_id {asked.voice} was not found.", "voice_not_found")
        )
    return server.speech(asked, lambda samples: Answer(200, pcm(samples), "audio/pcm"), refusals)


def elevenlabs_error(status: int, message: str, code: str, **headers: str) -> Answer:
    told = {"detail": {"type": "error", "code": code, "status": code, "message": message}}
    return Answer(status, json.dumps(told).encode(), headers=tuple(headers.items()))


def _elevenlabs_user(_: SpeechServer, __: re.Match[str], headers: dict[str, str], *___: Any) -> Answer:
    if headers.get("xi-api-key") != KEY:
        return elevenlabs_error(401, "Invalid API key", "invalid_api_key")
    return Answer(200, json.dumps({"subscription": {"character_count": 1200, "character_limit": 10000}}).encode())


def _polly(server: SpeechServer, _: re.Match[str], headers: dict[str, str], __: Any, body: bytes) -> Answer | None:
    said = json.loads(body)
    asked = Asked("polly", said["Text"], said["VoiceId"], said)
    refusals = []
    if f"Credential={KEY}/" not in headers.get("authorization", ""):
        refusals.append(
            polly_error(403, "The security token included in the request is invalid.", "UnrecognizedClientException")
        )
    refusals += [
        polly_error(400, f"Value {value!r} at {member!r} failed to satisfy constraint", "ValidationException")
        for member, value in said.items()
        if not polly_takes(member, value)
    ]
    if said["OutputFormat"] != "pcm" or said["SampleRate"] not in {"8000", "16000"}:
        refusals.append(polly_error(400, "The specified sample rate is not valid.", "InvalidSampleRateException"))
    if len(said["Text"]) > 3000:
        refusals.append(polly_error(400, "Maximum text length has been exceeded", "TextLengthExceededException"))
    characters = (("x-amzn-RequestCharacters", str(len(said["Text"]))),)
    return server.speech(
        asked, lambda samples: Answer(200, pcm(resample(samples, 24_000, 16_000)), "audio/pcm", characters), refusals
    )


def polly_takes(member: str, value: Any) -> bool:
    """Whether AWS's own description of SynthesizeSpeech has such a member, of such a value where it names them all."""
    shapes = POLLY.operation_model("SynthesizeSpeech").input_shape.members
    return member in shapes and (not (named := getattr(shapes[member], "enum", ())) or value in named)


def polly_error(status: int, message: str, code: str, **headers: str) -> Answer:
    named = (("x-amzn-ErrorType", code), *headers.items())
    return Answer(status, json.dumps({"message": message}).encode(), "application/x-amz-json-1.0", named)


def _polly_voices(_: SpeechServer, __: re.Match[str], headers: dict[str, str], *___: Any) -> Answer:
    if f"Credential={KEY}/" not in headers.get("authorization", ""):
        return polly_error(403, "The security token included in the request is invalid.", "UnrecognizedClientException")
    return Answer(200, json.dumps({"Voices": [{"Id": "Danielle"}, {"Id": "Matthew"}]}).encode())


PROTOCOLS = (
    (r"POST /v1/audio/speech", _openai),
    (r"GET /v1/models", _openai_models),
    (r"POST /v1beta/models/([^/:]+):generateContent", _gemini),
    (r"GET /v1beta/models/([^/:]+)", _gemini_model),
    (r"POST /v1/text-to-speech/([^/]+)", _elevenlabs),
    (r"GET /v1/user", _elevenlabs_user),
    (r"POST /v1/speech", _polly),
    (r"GET /v1/voices", _polly_voices),
)


# Faults ---------------------------------------------------------------------------------------------------


def error(status: int, message: str, code: str, **headers: str) -> Fault:
    """An error as each protocol writes it."""

    def answer(_: SpeechServer, asked: Asked) -> Answer:
        if asked.engine == "gemini":
            made = gemini_error(status, message, reason=code.upper())
            return made._replace(headers=tuple(headers.items()))
        make = {"openai": openai_error, "elevenlabs": elevenlabs_error, "polly": polly_error}[asked.engine]
        return make(status, message, code, **headers)

    return Fault(f"{status} {code}", answer)


def sounding(name: str, change: Callable[[bytes], bytes], **answered: Any) -> Fault:
    """Success, but with other sound."""

    def answer(_: SpeechServer, asked: Asked) -> Answer:
        rate = 16_000 if asked.engine == "polly" else 24_000
        sound = change(pcm(resample(hum(asked.text, asked.voice), 24_000, rate)))
        if asked.engine == "gemini":
            made = gemini_answer(sound)
        elif asked.engine == "openai":
            made = Answer(200, streamed_wav(np.zeros(1, np.float32))[:-2] + sound, "audio/wav")
        else:
            made = Answer(200, sound, "audio/pcm")
        return made._replace(**answered)

    return Fault(name, answer)


EMPTY = sounding("empty", lambda _: b"")
SILENT = sounding("silent", lambda sound: bytes(len(sound)))
SHORT = sounding("short", lambda sound: sound[: len(sound) // 40 * 2])
HALF = sounding("half", lambda sound: sound[: len(sound) // 4 * 2])
ODD = sounding("odd", lambda sound: sound[:-1])
CUT = sounding("cut", lambda sound: sound, promised=10_000_000)
PAGE = Fault("page", lambda *_: Answer(200, b"<html>Sign in to the hotel's network</html>", "text/html"))
HANGING = Fault("hanging", lambda *_: None)


def _handler(server: SpeechServer) -> type[HttpHandler]:
    class Handler(HttpHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            answer = server.answer(self.command, self.path, self.headers_by_name(), self.body())
            if answer is None:
                server.closing.wait(60)
                self.close_connection = True
                return
            with suppress(OSError):  # a client that gave up
                promised = {} if answer.promised is None else {"Content-Length": str(answer.promised)}
                named = {name.replace("_", "-"): value for name, value in answer.headers}
                self.answer(answer.status, {"Content-Type": answer.content_type} | promised | named, answer.body)
            self.close_connection = self.close_connection or answer.promised is not None

        do_GET = do_POST = _answer

    return Handler

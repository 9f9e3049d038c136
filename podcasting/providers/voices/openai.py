"""Voices of OpenAI, and of any server that speaks its protocol: ``POST /audio/speech``.

The protocol: https://developers.openai.com/api/reference/resources/audio/subresources/speech/methods/create
(``model``, ``input``, ``voice``, ``response_format``; the answer is the sound itself). Asked for is ``wav``, since it
alone says how many samples make a second, and servers of one's own differ in that.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from podcasting.errors import Permanent
from podcasting.providers.voices import Samples
from podcasting.providers.voices.http_voice import HTTPVoice
from podcasting.providers.voices.pcm import from_wav
from podcasting.providers.voices.speech_service import parsed
from podcasting.providers.voices.web_voice import spoken_in

OWN_HOST = "api.openai.com"
OWN_ADDRESS = f"https://{OWN_HOST}/"
VOICES = (
    "nova", "onyx", "shimmer", "echo",  # told apart: two that sound female, two male
    "alloy", "ash", "coral", "fable", "sage", "ballad", "verse", "marin", "cedar",
)  # fmt: skip
"""https://developers.openai.com/api/docs/guides/text-to-speech#voice-options; the first four are the hosts' when they
choose none, and every model has them.
"""
_NOT_OF_TTS_1 = frozenset({"ballad", "verse", "marin", "cedar"})
_LISTED = (
    "af ar hy az be bs bg ca zh hr cs da nl en et fi fr gl de el he hi hu is id it ja kn kk ko lv lt mk ms mr mi ne no "
    "fa pl pt ro ru sr sk sl es sw sv fil ta th tr uk ur vi cy"
)
LANGUAGES = frozenset(_LISTED.split())
"""https://developers.openai.com/api/docs/guides/text-to-speech#supported-languages"""
_SOUND = ("audio/", "application/octet-stream", "binary/octet-stream")


class OpenAIVoice(HTTPVoice):
    """Voices behind the speech endpoint of OpenAI or of a server like it.

    The account's address ends in the API's version (``…/v1``). Without a key none is sent, as servers of one's own
    have it.
    """

    engine = "openai"
    version = 1
    default_model = "gpt-4o-mini-tts"
    default_voices = VOICES[:4]
    sample_rate = 24_000
    """Of what OpenAI makes; what another server makes is brought to it."""
    most_characters = 1_500
    """The protocol takes 4,096; gpt-4o-mini-tts takes 2,000 tokens, and a character of Chinese may be more than one."""
    clips_at_once = 4
    """Far below the requests a minute that any tier of OpenAI allows, with several workers."""

    def speaks(self, language: str) -> bool:
        """The languages that OpenAI lists; a server of one's own is taken to speak them too."""
        return spoken_in(language, LANGUAGES)

    def prove(self) -> str:
        """See :class:`operations.doctor.providers.Provable`: asks which models there are."""
        reply = parsed(self._service.ask("GET", "/models"), self._service.name)
        models = reply.get("data") if isinstance(reply, dict) else None
        return f"the key is taken, {len(models) if isinstance(models, list) else 0} models can be asked"

    def _request(self, text: str, voice: str) -> Samples:
        wanted = {"model": self._model, "input": text, "voice": voice, "response_format": "wav"}
        reply = self._service.ask("POST", "/audio/speech", content=wanted)
        self._service.want(reply, _SOUND)
        self._pay(len(text))
        return from_wav(reply.body, self._service.name, self.sample_rate)

    def _see_that_there_is(self, voice: str) -> None:
        has = [each for each in VOICES if not (self._model.startswith("tts-1") and each in _NOT_OF_TTS_1)]
        # One of the account's own has an id that begins so; a server like OpenAI has its own names.
        if self._host == OWN_HOST and voice not in has and not voice.startswith("voice_"):
            raise Permanent(f"openai:{self._model} has no voice {voice!r}; it has {', '.join(sorted(has))}")

    def _authorisation(self, key: str) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _told_apart_by(self) -> tuple[str, ...]:
        return () if self._host == OWN_HOST else (f"at-{self._host}",)

    @property
    def _host(self) -> str:
        return urlsplit(self._account.url).netloc

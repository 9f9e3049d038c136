"""Voices of OpenAI, and of any server that speaks its protocol: ``POST /audio/speech``.

The protocol: https://developers.openai.com/api/reference/resources/audio/subresources/speech/methods/create
(``model``, ``input``, ``voice``, ``response_format``; the answer is the sound itself). Asked for is ``wav``, since it
alone says how many samples make a second, and servers of one's own differ in that.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from podcasting.errors import Permanent
from podcasting.providers.voices import Casting, Samples
from podcasting.providers.voices.casting import cast
from podcasting.providers.voices.pcm import from_wav
from podcasting.providers.voices.speech_service import SpeechService, parsed
from podcasting.providers.voices.web_voice import WebVoice, spoken_in

_VERSION = 1
"""Part of the voice's name: raise it when the same text is to be asked for in another way."""
DEFAULT_MODEL = "gpt-4o-mini-tts"
SAMPLE_RATE = 24_000
"""Samples a second of what OpenAI makes; what another server makes is brought to it."""
MOST_CHARACTERS = 1_500
"""The protocol takes 4,096; gpt-4o-mini-tts takes 2,000 tokens, and a character of Chinese may be more than one."""
AT_ONCE = 4
"""Far below the requests a minute that any tier of OpenAI allows, with several workers."""
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


class OpenAIVoice(WebVoice):
    """Voices behind the speech endpoint of OpenAI or of a server like it."""

    def __init__(
        self,
        casting: Casting,
        *,
        model: str | None,
        url: str,
        key: str,
        key_variable: str,
        timeout_seconds: float,
        dollars_per_million: float | None = None,
    ) -> None:
        """``url`` is that of the API's root (``…/v1``); without a key none is sent, as servers of one's own have it.

        Raises:
            Permanent: OpenAI has no such voice.
        """
        self._model = model or DEFAULT_MODEL
        host = urlsplit(url).netloc
        voices = cast(casting.voices, VOICES[:4])
        if host == OWN_HOST:
            _refuse_unknown(voices, self._model)
        where = "" if host == OWN_HOST else f"-at-{host}"
        super().__init__(
            name=f"openai-{self._model}{where}-{_VERSION}",
            sample_rate=SAMPLE_RATE,
            voices=voices,
            most_characters=MOST_CHARACTERS,
            clips_at_once=AT_ONCE,
            dollars_per_million=dollars_per_million,
        )
        self._service = SpeechService(
            f"the voice openai:{self._model}",
            url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            key=key,
            key_variable=key_variable,
            timeout_seconds=timeout_seconds,
        )

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


def _refuse_unknown(voices: tuple[str, ...], model: str) -> None:
    has = [voice for voice in VOICES if not (model.startswith("tts-1") and voice in _NOT_OF_TTS_1)]
    for voice in voices:
        if voice not in has and not voice.startswith("voice_"):  # a voice of one's own has an id that begins so
            raise Permanent(f"openai:{model} has no voice {voice!r}; it has {', '.join(sorted(has))}")

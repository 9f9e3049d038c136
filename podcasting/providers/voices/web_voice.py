"""What the voices of speech services have in common: hosts with voices, texts in parts, and a price."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection

from podcasting import observing
from podcasting.errors import Permanent
from podcasting.providers.voices import Samples
from podcasting.providers.voices.casting import language_of
from podcasting.providers.voices.pcm import joined
from podcasting.providers.voices.sentences import in_parts

MILLION = 1_000_000


class WebVoice(ABC):
    """A :class:`~podcasting.providers.voices.Voice` that is asked over the network, once for each part of a text."""

    sample_rate: int
    """Samples a second that are asked for."""
    most_characters: int
    """Of one request."""
    clips_at_once: int
    varies = True
    """These are models that sample: asked again, they read the same text in another way."""

    def __init__(self, *, name: str, voices: tuple[str, ...], dollars_per_million: float | None) -> None:
        self.name = f"{name}-{'+'.join(voices)}"
        self._voices = voices
        self._dollars_per_million = dollars_per_million

    @abstractmethod
    def speaks(self, language: str) -> bool:
        """See :class:`podcasting.providers.voices.Voice`."""

    @abstractmethod
    def prove(self) -> str:
        """See :class:`operations.doctor.providers.Provable`."""

    @abstractmethod
    def _request(self, text: str, voice: str) -> Samples:
        """One request for a text that is short enough; the request is paid for with :meth:`_pay`."""

    def speak(self, text: str, host: int) -> Samples:
        """See :class:`podcasting.providers.voices.Voice`; no samples at all when the service sent none.

        Raises:
            Permanent: nothing to say, or the service refuses the key, the account, the voice or the text.
            Retryable, Throttled: the service failed for a reason that may pass, or asked us to slow down.
        """
        if not any(character.isalnum() for character in text):
            raise Permanent(f"{self.name} finds nothing to say in {text!r}; change the script")
        voice = self._voices[host]
        return joined([self._request(part, voice) for part in in_parts(text, self.most_characters)])

    def _pay(self, characters: int, *, input_tokens: int = 0, output_tokens: int = 0) -> None:
        price = self._dollars_per_million
        observing.spent(
            None if price is None else characters * price / MILLION,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            characters=characters,
        )


def spoken_in(language: str, languages: Collection[str]) -> bool:
    """Whether the language of a BCP 47 tag is among ``languages``; Norwegian and Chinese by any of their names."""
    known = {"nb": "no", "nn": "no", "cmn": "zh", "iw": "he", "tl": "fil", "in": "id"}
    primary = language_of(language)
    return primary in languages or known.get(primary) in languages

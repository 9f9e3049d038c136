"""What the voices that are asked by HTTP have in common: an account, a model, and hosts cast from what is offered."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from podcasting.providers.voices import Casting
from podcasting.providers.voices.casting import cast, language_of
from podcasting.providers.voices.speech_service import SpeechService
from podcasting.providers.voices.web_voice import WebVoice


@dataclass(frozen=True)
class Account:
    """Where a speech service is asked, and on whose account."""

    url: str
    """The root of its API."""
    key: str = field(repr=False)
    """Empty where the service wants none."""
    key_variable: str
    """What an error tells to correct."""
    timeout_seconds: float
    dollars_per_million: float | None = None
    """For characters; None: not known."""


class HTTPVoice(WebVoice):
    """A :class:`WebVoice` that is asked with a key; each engine says what it is, and how it is asked."""

    engine: str
    version: int
    """Part of the voice's name: raised when the same text is to be asked for in another way."""
    default_model: str
    default_voices: tuple[str, ...]
    """Of hosts that choose none, in their order: those most unlike each other first."""

    def __init__(self, casting: Casting, account: Account, *, model: str | None = None) -> None:
        """Cast for a podcast; nobody is asked yet.

        Raises:
            Permanent: there is no such voice; says which there are.
        """
        self._account = account
        self._model = model or self.default_model
        self._language = language_of(casting.language)
        voices = cast(casting.voices, self.default_voices)
        for voice in voices:
            self._see_that_there_is(voice)
        super().__init__(
            name="-".join((self.engine, self._model, *self._told_apart_by(), str(self.version))),
            voices=voices,
            dollars_per_million=account.dollars_per_million,
        )
        self._service = SpeechService(
            f"the voice {self.engine}:{self._model}",
            account.url,
            headers=self._authorisation(account.key),
            key=account.key,
            key_variable=account.key_variable,
            timeout_seconds=account.timeout_seconds,
        )

    @abstractmethod
    def _see_that_there_is(self, voice: str) -> None:
        """Raise Permanent where it is plain that the engine has no such voice."""

    @abstractmethod
    def _authorisation(self, key: str) -> Mapping[str, str]:
        """The header that carries the key."""

    def _told_apart_by(self) -> tuple[str, ...]:
        """What else is asked for, so that a clip depends on it: part of the voice's name."""
        return ()

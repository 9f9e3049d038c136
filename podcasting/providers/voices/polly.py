"""Voices of Amazon Polly, by boto3: ``SynthesizeSpeech``.

https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html (``OutputFormat`` pcm: signed 16-bit, mono,
little-endian, 16,000 samples a second at most) and https://docs.aws.amazon.com/polly/latest/dg/limits.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from podcasting.errors import AirdateError, Permanent, Retryable, Throttled
from podcasting.providers.voices import Casting, Samples
from podcasting.providers.voices.casting import cast
from podcasting.providers.voices.pcm import from_pcm
from podcasting.providers.voices.polly_voices import ENGINES, VOICES, codes_of, speaking
from podcasting.providers.voices.speech_service import LARGEST_REPLY
from podcasting.providers.voices.web_voice import WebVoice

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERSION = 1
"""Part of the voice's name: raise it when the same text is to be asked for in another way."""
DEFAULT_ENGINE = "neural"
_THROTTLED = frozenset(
    {"Throttling", "ThrottlingException", "TooManyRequestsException", "ServiceQuotaExceededException"}
)
_REFUSED = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized"})
_WRONG_KEY = frozenset({
    "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidClientTokenId", "InvalidSignatureException",
    "MissingAuthenticationToken", "OptInRequired", "SignatureDoesNotMatch", "UnrecognizedClientException",
})  # fmt: skip
_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500
_BLOCK = 64 * 1024


class PollyVoice(WebVoice):
    """Polly's voices of one engine, in the podcast's language."""

    sample_rate = 16_000
    """Of ``pcm``, the only format without loss: 8,000 or 16,000."""
    most_characters = 2_500
    """Polly takes 3,000 that are billed; some characters count as more than one."""
    clips_at_once = 4
    """Of the 18 requests at once and 8 a second that an account may make of neural voices, all its workers together."""
    varies = False
    """It reads the same text in the same way each time; only the generative engine samples, which we do not rely on."""

    def __init__(
        self, casting: Casting, *, engine: str | None, client: Any, dollars_per_million: float | None = None
    ) -> None:
        """``client`` is boto3's of Polly; ``engine`` is neural, standard, long-form or generative.

        Raises:
            Permanent: Polly has no such engine or voice.
        """
        self._engine = engine or DEFAULT_ENGINE
        if self._engine not in ENGINES.values():
            raise Permanent(f"polly has no engine {self._engine!r}; it has {', '.join(ENGINES.values())}")
        self._client = client
        self._code = next((code for code in codes_of(casting.language) if speaking(code, self._engine)), None)
        offered = [voice.name for voice in speaking(self._code, self._engine)] if self._code else []
        known = client.meta.service_model.shape_for("VoiceId").enum
        for voice in filter(None, casting.voices):
            if voice not in known:
                raise Permanent(
                    f"polly has no voice {voice!r}; for {casting.language} polly:{self._engine} has "
                    f"{', '.join(offered) or 'none'}"
                )
        super().__init__(
            name=f"polly-{self._engine}-{self._code}-{_VERSION}",
            voices=cast(casting.voices, offered or ["none"]),
            dollars_per_million=dollars_per_million,
        )
        self.varies = self._engine == "generative"

    def speaks(self, language: str) -> bool:
        """The languages in which the engine has a voice."""
        return any(speaking(code, self._engine) for code in codes_of(language))

    def prove(self) -> str:
        """See :class:`operations.doctor.providers.Provable`: asks which voices the engine has."""
        try:
            voices = self._client.describe_voices(Engine=self._engine)["Voices"]
        except (ClientError, BotoCoreError) as error:
            raise _explained(error, "polly:DescribeVoices") from error
        return f"the credentials are taken, {len(voices)} voices of {self._engine}"

    def _request(self, text: str, voice: str) -> Samples:
        code = self._code_of(voice)
        try:
            answer = self._client.synthesize_speech(
                Engine=self._engine,
                **({"LanguageCode": code} if code else {}),
                OutputFormat="pcm",
                SampleRate=str(self.sample_rate),
                Text=text,
                TextType="text",
                VoiceId=voice,
            )
            content = b"".join(self._blocks(answer))
        except (ClientError, BotoCoreError) as error:
            raise _explained(error, "polly:SynthesizeSpeech") from error
        self._pay(int(answer.get("RequestCharacters") or len(text)))
        return from_pcm(content, f"the voice polly:{self._engine}")

    def _code_of(self, voice: str) -> str | None:
        """The podcast's own language where the voice speaks it, else the voice's: a wrong one is refused."""
        codes = [each.code for each in VOICES if each.name == voice]
        return self._code if self._code in codes else next(iter(codes), None)

    def _blocks(self, answer: dict[str, Any]) -> Iterator[bytes]:
        kind = str(answer.get("ContentType", ""))
        if not kind.startswith("audio/"):
            raise Retryable(
                f"the voice polly:{self._engine} answered with {kind or 'no media type'} instead of audio/pcm"
            )
        size = 0
        while block := answer["AudioStream"].read(_BLOCK):
            size += len(block)
            if size > LARGEST_REPLY:
                raise Retryable(f"the voice polly:{self._engine} sent more than {LARGEST_REPLY} bytes")
            yield block


def _explained(error: ClientError | BotoCoreError, action: str) -> AirdateError:
    what = f"Amazon Polly refused or failed: {error}"
    if isinstance(error, NoCredentialsError):
        return Permanent(f"{what}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the process a role")
    if not isinstance(error, ClientError):
        return Retryable(what)
    code = str(error.response.get("Error", {}).get("Code", ""))
    metadata = error.response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    if code in _THROTTLED or status == _TOO_MANY_REQUESTS:
        asked = str(metadata.get("HTTPHeaders", {}).get("retry-after", ""))
        return Throttled(what, after=float(asked) if asked.isdecimal() else None)
    if code == "ServiceFailureException" or status >= _SERVER_ERROR:
        return Retryable(what)
    return Permanent(f"{what}; {_fix(code, action)}")


def _fix(code: str, action: str) -> str:
    if code in _REFUSED:
        return f"allow {action} to the worker's role (docs/permissions.md)"
    if code in _WRONG_KEY:
        return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key that is active"
    return "correct the engine polly:…, the host's voice or the podcast's language"

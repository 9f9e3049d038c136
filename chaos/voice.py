"""A voice that costs next to nothing, and whose sound the mastering gets right at the first pass."""

from __future__ import annotations

import hashlib

import numpy as np

from podcasting.errors import Permanent
from podcasting.providers.voices import Samples

RATE = 24_000
SWELL_SECONDS = 0.28
"""How softly a hum begins and ends: found by trying, so that pauses cost as little loudness as those of speech."""


class HumVoice:
    """Hums each text, as long as its letters are many. What is said decides the sound, to the last sample."""

    def __init__(self, *, seconds_per_letter: float = 0.027) -> None:
        self.name = "hum-1"
        self.sample_rate = RATE
        self._seconds_per_letter = seconds_per_letter

    def speaks(self, language: str) -> bool:
        """English alone."""
        return language.split("-", maxsplit=1)[0].lower() == "en"

    def speak(self, text: str, host: int) -> Samples:
        """A hum for ``text``; each host has a pitch.

        Raises:
            Permanent: there is nothing in it to say.
        """
        letters = sum(character.isalnum() for character in text)
        if not letters:
            raise Permanent(f"the hum hums no {text!r}; change the text")
        phase = int(hashlib.sha256(text.encode()).hexdigest()[:6], 16) / 0xFFFFFF
        seconds = np.arange(int(letters * self._seconds_per_letter * RATE), dtype=np.float32) / RATE
        pitch = np.float32(2 * np.pi * (210, 130)[host])
        hum = 0.15 * np.sin(pitch * seconds + phase) + 0.05 * np.sin(3 * pitch * seconds)
        length = min(int(SWELL_SECONDS * RATE), len(hum) // 2)
        swell = np.sin(np.linspace(0.02, np.pi / 2, length, dtype=np.float32)) ** 2
        hum[:length] *= swell
        hum[len(hum) - length :] *= swell[::-1]
        return hum.astype(np.float32)

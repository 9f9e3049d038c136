"""A voice for tests that need sound but not speech: fast, and it remembers what it was asked."""

from __future__ import annotations

import hashlib

import numpy as np

from podcasting.errors import Permanent
from podcasting.providers.voices import Samples


class ToneVoice:
    """Hums each text: harmonics with the rhythm of syllables, as long as the text is."""

    def __init__(self, *, seconds_per_character: float = 0.06) -> None:
        self.name = "tone-1"
        self.sample_rate = 24_000
        self.spoken: list[tuple[str, int]] = []
        """What it was asked to say, and as which host."""
        self._seconds_per_character = seconds_per_character

    def speaks(self, language: str) -> bool:
        return language.split("-", maxsplit=1)[0].lower() == "en"

    def speak(self, text: str, host: int) -> Samples:
        self.spoken.append((text, host))
        if not any(character.isascii() and character.isalnum() for character in text):
            raise Permanent(f"the tone voice hums no {text!r}; change the text")
        noise = np.random.default_rng(int(hashlib.sha256(text.encode()).hexdigest()[:8], 16))
        seconds = np.arange(int(len(text) * self._seconds_per_character * self.sample_rate)) / self.sample_rate
        pitch = (210, 130, 250, 160)[host] * (1 + 0.05 * np.sin(2 * np.pi * 0.7 * seconds))
        phase = 2 * np.pi * np.cumsum(pitch) / self.sample_rate
        hum = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 6))
        syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * seconds + noise.uniform(0, 6))
        sound = 0.2 * hum * syllables + 0.01 * noise.standard_normal(len(seconds))
        return np.clip(sound, -1, 1).astype(np.float32)

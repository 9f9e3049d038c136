"""The voice port: text in, sound out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:  # every process knows the ports; those that make no sound need no numpy
    import numpy as np
    from numpy.typing import NDArray

Samples: TypeAlias = "NDArray[np.float32]"
"""Mono sound, −1 to 1."""


class Voice(Protocol):
    """An engine that reads one turn of a dialogue aloud. Used by several threads at once: one that cannot
    be locks itself.
    """

    name: str
    """Engine and version; part of each clip's key, so another engine never reuses its clips."""
    sample_rate: int
    """Samples a second of what :meth:`speak` returns."""

    def speaks(self, language: str) -> bool:
        """Whether the engine reads this BCP 47 language aloud."""
        ...

    def speak(self, text: str, host: int) -> Samples:
        """``text`` spoken by the host of that number (0 or 1), the same each time it is asked.

        Raises:
            Permanent: the text cannot be spoken (another script, no letters); names the text.
            Retryable: the engine failed for a reason that may pass.
        """
        ...

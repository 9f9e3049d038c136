"""The voice port: text in, sound out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from podcasting.models import Frozen

if TYPE_CHECKING:  # every process knows the ports; those that make no sound need no numpy
    import numpy as np
    from numpy.typing import NDArray

Samples: TypeAlias = "NDArray[np.float32]"
"""Mono sound, −1 to 1."""


class Casting(Frozen):
    """Who reads a podcast aloud: what an engine is chosen and set up by."""

    engine: str | None
    """``ENGINE`` or ``ENGINE:MODEL``; None: the installation's."""
    language: str
    """BCP 47."""
    voices: tuple[str | None, ...]
    """For each host, the engine's own name of a voice; None: one of the engine's choice."""


class Voice(Protocol):
    """An engine, cast for a podcast, that reads one turn aloud. Used by several threads at once: one that cannot
    be locks itself.
    """

    name: str
    """Engine, model and version; part of each clip's key, so another engine never reuses its clips.

    An engine with several voices has those of its hosts in it, for the same reason.
    """
    sample_rate: int
    """Samples a second of what :meth:`speak` returns."""

    # A voice may also have these two, which are asked for by the functions below:
    #
    #   clips_at_once: int | None
    #     How many clips may be asked for side by side: by a web service, more than there are cores, or as few as its
    #     plan allows. None, and where there is none: as many as the installation has cores for.
    #   varies: bool
    #     Whether it reads the same text in another way each time, so that a bad clip is worth another try at once.

    def speaks(self, language: str) -> bool:
        """Whether the engine reads this BCP 47 language aloud."""
        ...

    def speak(self, text: str, host: int) -> Samples:
        """``text`` spoken by the host of that number, counted from 0.

        Raises:
            Permanent: the text cannot be spoken (another script, no letters); names the text.
            Retryable: the engine failed for a reason that may pass.
        """
        ...


def clips_at_once(voice: Voice) -> int | None:
    """How many clips a voice may be asked for side by side, or None where it depends on the machine alone."""
    return getattr(voice, "clips_at_once", None)


def varies(voice: Voice) -> bool:
    """Whether a voice reads the same text in another way each time."""
    return getattr(voice, "varies", False)

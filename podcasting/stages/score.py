"""The score: which music plays when, how loud, and how it gives way to speech.

Nothing listens for speech: the tape knows to the sample when somebody speaks, so the music's level is drawn as a
curve beforehand, sinks before the first word rather than after it, and is the same each time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from podcasting.audio.mixing import Mixing
from podcasting.audio.music import Recording
from podcasting.audio.sound import SAMPLE_RATE, amplitude, resampled
from podcasting.providers.voices import Samples
from podcasting.stages.tape import SHORTEST_LEAD_SECONDS, Cue

_BED_ALONE_SECONDS = 1.5
"""A bed is heard before the first word, and after the last."""
_HELD_SECONDS = 0.5
"""A pause shorter than this does not lift the music: it would seem to breathe."""
_SEAM_SECONDS = 2.0
"""How long the end of a bed and its beginning sound together."""
_FADE_SECONDS = 3.0
"""Of an outro that is not played to its end."""
_LEAST_FADE_SECONDS = 0.01

Curve = tuple[Sequence[float], Sequence[float]]
"""Seconds, ascending, and what holds at each; straight between them, and level before and after."""


class Pieces(NamedTuple):
    """What may be played."""

    intro: Recording | None = None
    outro: Recording | None = None
    bed: Recording | None = None


class _Part(NamedTuple):
    piece: Recording
    start: float
    end: float
    """Seconds in the episode from when to when it may be heard."""
    alone_lufs: float
    under_lufs: float
    """How loud it is where nobody speaks, and under speech."""
    fade: Curve
    repeated: bool = False


class Score:
    """Music for one episode. ``lead_seconds`` are before its first word, ``after_seconds`` after its last."""

    def __init__(self, mixing: Mixing, pieces: Pieces) -> None:
        # As quiet as they play alone: the end of a long fade-out would be a silence that the check refuses.
        alone_lufs = mixing.loudness_lufs - mixing.music_below_speech_lu
        intro, outro = (piece and piece.heard_at(alone_lufs) for piece in (pieces.intro, pieces.outro))
        self._mixing = mixing
        self._pieces = pieces = pieces._replace(intro=intro, outro=outro)
        self._under_intro = self._under_outro = 0.0
        alone = _BED_ALONE_SECONDS if pieces.bed else SHORTEST_LEAD_SECONDS
        self.lead_seconds = self.after_seconds = alone
        if pieces.intro:
            self.lead_seconds, self._under_intro = _split(
                pieces.intro, mixing.intro_alone_seconds, mixing.intro_under_seconds
            )
        if pieces.outro:
            self.after_seconds, self._under_outro = _split(
                pieces.outro, mixing.outro_alone_seconds, mixing.outro_under_seconds
            )

    def played(self, speech: Iterable[Samples], rate: int, cues: Sequence[Cue], gain_db: float) -> Iterator[Samples]:
        """``speech`` of ``rate`` samples a second with the music, as blocks of :data:`SAMPLE_RATE` a second.

        ``cues`` say when there is speech; ``gain_db`` is on the speech already, and is put on the music.
        """
        parts, spoken = self._parts(cues), self._spoken(cues)
        position = 0
        for block in resampled(speech, rate, SAMPLE_RATE):
            yield block + _music(parts, spoken, position, len(block)) * np.float32(amplitude(gain_db))
            position += len(block)

    def _parts(self, cues: Sequence[Cue]) -> list[_Part]:
        pieces, mixing = self._pieces, self._mixing
        first, last = cues[0].start, cues[-1].end
        whole = last + self.after_seconds
        alone = mixing.loudness_lufs - mixing.music_below_speech_lu
        under = mixing.loudness_lufs - mixing.bed_below_speech_lu
        outro_begins = max(first, last - self._under_outro)
        parts = []
        if pieces.intro:
            times = _ascending(first, first + self._under_intro)
            parts.append(_Part(pieces.intro, 0, times[-1], alone, min(alone, under), (times, (1, 0))))
        if pieces.bed:
            rises = (first, first + self._under_intro) if pieces.intro else (0, first)
            sinks = (outro_begins, last) if pieces.outro else (last, whole)
            fade = (_ascending(*rises, *sinks), (0, 1, 1, 0))
            risen = max(under, min(under + mixing.ducking_lu, alone))
            parts.append(_Part(pieces.bed, rises[0], whole, risen, under, fade, repeated=True))
        if pieces.outro:
            cut = whole - outro_begins < pieces.outro.seconds - _LEAST_FADE_SECONDS
            sinks_at = whole - min(_FADE_SECONDS if cut else _LEAST_FADE_SECONDS, self.after_seconds)
            fade = (_ascending(outro_begins, last, sinks_at, whole), (0, 1, 1, 0))
            parts.append(_Part(pieces.outro, outro_begins, fade[0][-1], alone, min(alone, under), fade))
        return parts

    def _spoken(self, cues: Sequence[Cue]) -> Curve:
        """How much of the way down music is: 0 where nobody speaks, 1 under speech."""
        attack, release = self._mixing.ducking_attack_seconds, self._mixing.ducking_release_seconds
        times, depths = [cues[0].start - attack, cues[0].start], [0.0, 1.0]
        for before, after in itertools.pairwise(cues):
            pause = after.start - before.end
            if pause > _HELD_SECONDS:
                # Too short a pause to rise all the way: it turns where the way up meets the way down.
                risen = min(1.0, pause / (attack + release))
                times += [before.end, before.end + risen * release, after.start - risen * attack, after.start]
                depths += [1.0, 1 - risen, 1 - risen, 1.0]
        return [*times, cues[-1].end, cues[-1].end + release], [*depths, 1.0, 0.0]


def _split(piece: Recording, alone: float | None, under: float) -> tuple[float, float]:
    """How much of ``piece`` plays alone and how much with speech, in seconds."""
    if alone is None:
        alone = piece.seconds - min(under, piece.seconds / 2)
    alone = max(min(alone, piece.seconds), SHORTEST_LEAD_SECONDS)
    return alone, max(0.0, min(under, piece.seconds - alone))


def _ascending(*moments: float) -> tuple[float, ...]:
    """``moments``, each at least a little after the one before it."""
    made: list[float] = []
    for moment in moments:
        made.append(max(moment, made[-1] + _LEAST_FADE_SECONDS) if made else moment)
    return tuple(made)


def _music(parts: Sequence[_Part], spoken: Curve, position: int, count: int) -> Samples:
    seconds = (position + np.arange(count)) / SAMPLE_RATE
    music = np.zeros(count, np.float32)
    heard = [part for part in parts if part.start < seconds[-1] and part.end > seconds[0]] if count else []
    if not heard:
        return music
    depth = np.interp(seconds, *spoken)
    for part in heard:
        level = part.alone_lufs + (part.under_lufs - part.alone_lufs) * depth - part.piece.loudness_lufs
        gain = 10 ** (level / 20) * np.interp(seconds, *part.fade)
        start = position - round(part.start * SAMPLE_RATE)
        sound = _looped(part.piece, start, count) if part.repeated else part.piece.read(start, count)
        music += sound * gain.astype(np.float32)
    return music


def _looped(piece: Recording, start: int, count: int) -> Samples:
    """``count`` samples from ``start`` of ``piece`` without end: its end fades out while its beginning fades in."""
    seam = min(round(_SEAM_SECONDS * SAMPLE_RATE), piece.length // 4)
    turn = piece.length - seam
    made = np.zeros(count, np.float32)
    first = max(start, 0)
    while first < start + count:
        round_, place = divmod(first, turn)
        length = min(turn - place, start + count - first)
        sound = piece.read(place, length)
        if round_ and place < seam:
            along = np.clip((place + np.arange(length)) / seam, 0, 1) * (np.pi / 2)
            # By equal power: the two are different music, and do not add up like a sound and itself.
            sound = sound * np.sin(along) + piece.read(turn + place, length) * np.cos(along)
        made[first - start : first - start + length] = sound
        first += length
    return made

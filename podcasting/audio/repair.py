"""What an engine may do to a clip that is no speech: repaired where nothing is lost by it, refused where words may be.

The numbers were measured on the embedded voice and are told in docs/sound.md.
"""

from __future__ import annotations

import numpy as np

from podcasting.audio.sound import QUIET_DBFS, SoundError, amplitude
from podcasting.providers.voices import Samples

LONGEST_SILENCE_SECONDS = 1.5
"""Longer within a turn, and it is shortened to this. The embedded voice pauses for 0.85 s at most."""
MOST_SILENCE = 0.5
"""Of a clip: more, and words are missing."""
_COUNTED_SILENCE_SECONDS, _SHORTEST_JUDGED_SECONDS = 0.5, 2.0

MOST_CLIPPED, LEAST_CLIPPED = 0.02, 0.0002
"""Share of a clip's samples on flat tops. Speech driven 12 dB too high has 1.9 %, 6 dB too high 0.015 %."""
_FLAT_RUN = 3
"""Samples side by side at the very top, to tell a cut wave from one that just reaches it."""
_FLAT_WITHIN = 1.5 / 32_767
_CLIPS_ABOVE_DBFS = -12.0
"""Lower, and a flat top is a quiet tone's."""
_HIGHEST_REBUILT = 4.0
"""12 dB above full scale."""

LARGEST_OFFSET = 0.001
"""-60 dBFS. At three times that, an offset alone would pass for sound, and silence could not be told."""

_CLICK_SECONDS, _SILENCE_AFTER_CLICK_SECONDS = 0.01, 0.1
"""A burst this short, this far from all else, at an end of a clip, is no speech: a plosive is longer and nearer."""
_KEPT_BEFORE_SECONDS, _KEPT_AFTER_SECONDS = 0.05, 0.1
"""What trimming leaves of an engine's own silence: soft consonants begin and end below the threshold."""
_FADE_SECONDS = 0.008


class UnfitClip(SoundError):
    """A clip that no repair makes good, but another take may; says what is wrong with it."""


def repaired(samples: Samples, rate: int) -> Samples:
    """``samples`` of ``rate`` a second, ready to be joined: without what is no speech, and faded at the edges.

    A constant offset, clicks before and after, silence round it and overlong silence within are taken away, and a
    few clipped peaks rebuilt. A clip without such faults comes out as before there were repairs.

    Raises:
        UnfitClip: it is silent, or more of it is silent or clipped than can be made good.
    """
    samples = _centred(samples)
    loud = np.flatnonzero(np.abs(samples) >= amplitude(QUIET_DBFS))
    if not len(loud):
        raise UnfitClip(f"it is silent (under {QUIET_DBFS:.0f} dBFS)")
    loud = _without_clicks(loud, rate)
    _judge_silence(loud, rate)
    samples = _unclipped(samples)
    first = max(0, int(loud[0]) - round(_KEPT_BEFORE_SECONDS * rate))
    last = int(loud[-1]) + 1 + round(_KEPT_AFTER_SECONDS * rate)
    return faded(_shortened(samples[:last], loud, rate)[first:], rate)


def faded(samples: Samples, rate: int) -> Samples:
    """``samples`` that begin and end at nothing, so that a cut makes no click."""
    length = min(round(_FADE_SECONDS * rate), len(samples) // 2)
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    made = samples.copy()
    made[:length] *= ramp
    made[len(made) - length :] *= ramp[::-1]
    return made


def clipped_share(samples: Samples) -> float:
    """What share of ``samples`` lies on flat tops: waves cut off at the highest value there is."""
    begins, ends = _flat_tops(samples)
    return float((ends - begins).sum()) / max(len(samples), 1)


def _flat_tops(samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Where each begins, and where the sample after it is."""
    heights = np.abs(samples)
    highest = float(heights.max(initial=0))
    at_top = np.concatenate(([False], heights >= highest - _FLAT_WITHIN, [False])).astype(np.int8)
    begins, ends = (np.flatnonzero(np.diff(at_top) == step) for step in (1, -1))
    flat = (ends - begins >= _FLAT_RUN) & (highest >= amplitude(_CLIPS_ABOVE_DBFS))
    return begins[flat], ends[flat]


def _centred(samples: Samples) -> Samples:
    offset = samples.mean(dtype=np.float64) if len(samples) else 0.0
    return samples - np.float32(offset) if abs(offset) > LARGEST_OFFSET else samples


def _without_clicks(loud: np.ndarray, rate: int) -> np.ndarray:
    """Where it is loud, without a click before or after everything else."""
    gap, click = _SILENCE_AFTER_CLICK_SECONDS * rate, _CLICK_SECONDS * rate
    breaks = np.flatnonzero(np.diff(loud) >= gap) + 1
    bursts = np.split(loud, breaks)
    while len(bursts) > 1 and bursts[0][-1] - bursts[0][0] < click:
        bursts.pop(0)
    while len(bursts) > 1 and bursts[-1][-1] - bursts[-1][0] < click:
        bursts.pop()
    if bursts[0][-1] - bursts[0][0] < click:
        raise UnfitClip("nothing is in it but clicks")
    return np.concatenate(bursts)


def _judge_silence(loud: np.ndarray, rate: int) -> None:
    gaps = np.diff(loud) / rate
    silent, whole = float(gaps[gaps >= _COUNTED_SILENCE_SECONDS].sum()), float(loud[-1] - loud[0] + 1) / rate
    if whole >= _SHORTEST_JUDGED_SECONDS and silent > MOST_SILENCE * whole:
        raise UnfitClip(f"{silent:.1f} of its {whole:.1f} s are silent")


def _unclipped(samples: Samples) -> Samples:
    share = clipped_share(samples)
    if share > MOST_CLIPPED:
        raise UnfitClip(f"{share:.1%} of it is clipped (more than {MOST_CLIPPED:.0%} cannot be rebuilt)")
    return _rounded(samples) if share >= LEAST_CLIPPED else samples


def _rounded(samples: Samples) -> Samples:
    """``samples`` with a curve for each flat top, that leaves and meets the wave as steeply as it was cut.

    FFmpeg's ``adeclip`` guesses which samples were cut, and harmed those that were not: on a few cut peaks this came
    closer to the sound before the cut (docs/sound.md).
    """
    made = samples.copy()
    for begin, end in zip(*_flat_tops(samples), strict=True):
        if begin < 2 or end > len(samples) - 2:  # noqa: PLR2004 - a slope takes two samples
            continue
        length = end - begin + 1
        before, after = samples[begin - 1], samples[end]
        rise, fall = length * (before - samples[begin - 2]), length * (samples[end + 1] - after)
        along = np.arange(1, length) / length
        # Hermite's cubic.
        curve = (
            (2 * along**3 - 3 * along**2 + 1) * before
            + (along**3 - 2 * along**2 + along) * rise
            + (3 * along**2 - 2 * along**3) * after
            + (along**3 - along**2) * fall
        )
        side = np.sign(samples[begin])
        made[begin:end] = side * np.clip(side * curve, np.abs(samples[begin:end]), _HIGHEST_REBUILT)
    return made


def _shortened(samples: Samples, loud: np.ndarray, rate: int) -> Samples:
    longest, half = round(LONGEST_SILENCE_SECONDS * rate), round(LONGEST_SILENCE_SECONDS * rate / 2)
    long = np.flatnonzero(np.diff(loud) > longest)
    if not len(long):
        return samples
    parts, position = [], 0
    for each in long:
        parts.append(samples[position : int(loud[each]) + half])
        position = int(loud[each + 1]) - half
    return np.concatenate([*parts, samples[position:]])

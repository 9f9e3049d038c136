"""The tape: an episode's clips one after another, each repaired, with who says what and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

import numpy as np

from podcasting.audio.mixing import Mixing
from podcasting.audio.repair import UnfitClip, repaired
from podcasting.audio.sound import BLOCK, SILENT_LUFS, LoudnessMeter, SoundError, amplitude, read_wav
from podcasting.errors import Permanent, Retryable
from podcasting.models import Frozen
from podcasting.providers.storage import Storage
from podcasting.providers.voices import Samples
from podcasting.providers.writers import Script
from podcasting.stages.speech import Clip, Speech

SHORTEST_LEAD_SECONDS = 0.4
"""Before the first word and after the last, where no music is."""

_PRESUMED_LUFS = -16.0
"""How loud a host is taken for who says too little to be measured."""
_REFUSED_ONCE, _REFUSED_NEVER = b"once", b"never"


class ClipDamaged(Retryable):
    """A clip is missing or broken: the speech stage makes it again, and only it."""


class Cue(Frozen):
    """Who says what, and when: seconds in the finished audio."""

    host: str
    text: str
    start: float
    end: float


class _Piece(NamedTuple):
    pause: int
    host: int
    length: int


class Tape:
    """The clips one after another in a file, so that memory does not grow with the episode.

    Each host is heard on the way: two voices of unlike loudness leave the tape equally loud.
    """

    def __init__(self, file: IO[bytes], rate: int) -> None:
        self.rate = rate
        self._file = file
        self._pieces: list[_Piece] = []
        self._meters: dict[int, LoudnessMeter] = {}
        self._length = 0

    def add(self, samples: Samples, *, host: int, pause_seconds: float) -> tuple[float, float]:
        """Append ``samples`` after a pause; says from when to when they play, in seconds."""
        pause = round(pause_seconds * self.rate)
        self._pieces.append(_Piece(pause, host, len(samples)))
        self._meters.setdefault(host, LoudnessMeter(peaks=False)).hear(samples, self.rate)
        self._file.write(samples.astype(np.float32).tobytes())
        start = self._length + pause
        self._length = start + len(samples)
        return start / self.rate, self._length / self.rate

    def seconds(self, after_seconds: float) -> float:
        """How long it plays, with that much silence at its end."""
        return (self._length + round(after_seconds * self.rate)) / self.rate

    def play(self, loudness_lufs: float, gain_db: float, after_seconds: float) -> Iterator[Samples]:
        """All of it in blocks, each host at that loudness plus ``gain_db``, and ``after_seconds`` of silence."""
        gains = {host: _gain(meter, loudness_lufs) * amplitude(gain_db) for host, meter in self._meters.items()}
        self._file.seek(0)
        for piece in self._pieces:
            yield from _silence(piece.pause)
            for start in range(0, piece.length, BLOCK):
                count = min(BLOCK, piece.length - start)
                yield np.frombuffer(self._file.read(4 * count), np.float32) * np.float32(gains[piece.host])
        yield from _silence(round(after_seconds * self.rate))


def _silence(length: int) -> Iterator[Samples]:
    for start in range(0, length, BLOCK):
        yield np.zeros(min(BLOCK, length - start), np.float32)


def _gain(meter: LoudnessMeter, loudness_lufs: float) -> float:
    too_short_to_measure = meter.loudness_lufs <= SILENT_LUFS
    return amplitude(loudness_lufs - (_PRESUMED_LUFS if too_short_to_measure else meter.loudness_lufs))


def record(
    speech: Speech,
    script: Script,
    mixing: Mixing,
    workspace: Storage,
    tape: Tape,
    progress: Callable[[str], None],
    *,
    lead_seconds: float = SHORTEST_LEAD_SECONDS,
) -> tuple[Cue, ...]:
    """Put all clips on ``tape``, the first after ``lead_seconds``; says when each turn is heard.

    Raises:
        ClipDamaged: a clip is missing or broken, or no good and was spoken once only.
        Permanent: a clip is no good, and so was the take before it.
    """
    cues: list[Cue] = []
    section = None
    for number, (turn, clip) in enumerate(zip(script.turns, speech.clips, strict=True), start=1):
        progress(f"joining clip {number} of {len(speech.clips)}")
        samples = _clip(workspace, clip, tape.rate)
        try:
            samples = repaired(samples, tape.rate)
        except UnfitClip as fault:
            raise _refused(workspace, clip, f"turn {number} ({turn.text[:60]!r}): {fault}") from fault
        pause = mixing.turn_pause_seconds if turn.section == section else mixing.section_pause_seconds
        start, end = tape.add(samples, host=turn.host, pause_seconds=pause if cues else lead_seconds)
        cues.append(Cue(host=script.hosts[turn.host], text=turn.text, start=round(start, 3), end=round(end, 3)))
        section = turn.section
    return tuple(cues)


def _clip(workspace: Storage, clip: Clip, rate: int) -> Samples:
    try:
        samples, clip_rate = read_wav(workspace.get(clip.key))
    except KeyError as error:
        raise ClipDamaged(f"clip {clip.key} is gone from the workspace; it is spoken again") from error
    except SoundError as error:
        raise ClipDamaged(f"clip {clip.key} is damaged: {error}; it is spoken again") from error
    if clip_rate != rate:
        raise ClipDamaged(f"clip {clip.key} has {clip_rate} samples a second, the others {rate}; it is spoken again")
    return samples


def _refused(workspace: Storage, clip: Clip, why: str) -> ClipDamaged | Permanent:
    """Take the clip away, so that it is spoken again; but only once, or an engine that cannot would never end."""
    notes = f"{clip.key}.refused"
    try:
        before = workspace.get(notes)
    except KeyError:
        before = _REFUSED_NEVER
    again = before != _REFUSED_ONCE
    workspace.put(notes, _REFUSED_ONCE if again else _REFUSED_NEVER, content_type="text/plain")
    workspace.put(clip.key, b"", content_type="audio/wav")
    if again:
        return ClipDamaged(f"clip {clip.key} of {why}; it is spoken again")
    return Permanent(
        f"clip {clip.key} of {why}, and so was the take before; change the script or the voice, or try again: "
        "`airdate episodes retry ID`"
    )

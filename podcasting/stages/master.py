"""Mastering: clips become one MP3 as loud as podcasts are, with tags, chapters and cover."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

import numpy as np
from pydantic import model_validator

from podcasting.errors import Permanent, Retryable
from podcasting.fingerprint import fingerprint
from podcasting.id3 import Tag, TaggedChapter, render
from podcasting.models import Frozen, UtcDatetime
from podcasting.providers.storage import Storage
from podcasting.providers.voices import Samples
from podcasting.providers.writers import Script
from podcasting.sound import (
    BLOCK,
    QUIET_DBFS,
    SILENT_LUFS,
    LoudnessMeter,
    Measurement,
    SoundError,
    amplitude,
    encode_mp3,
    measure_mp3,
    read_wav,
)
from podcasting.stages.speech import Clip, Speech

MASTER_VERSION = 2
"""Part of the audio's key: raise it when the same input shall sound different."""
TARGET_LUFS = -16.0
"""Apple's loudness for podcasts, ±1: https://podcasters.apple.com/support/893-audio-requirements."""
HIGHEST_PEAK_DBTP = -1.0
"""Apple's limit for true peaks (the same page)."""
_CLOSE_ENOUGH_LU = 0.3
"""Narrower than what the check allows, because no two decoders agree to the last digit."""
_PASSES = 6
_FIRST_GAIN_DB = 0.85
"""What limiter and codec took from the loudness of speech when measured: most episodes need one pass."""
_FIRST_CEILING_DBFS = -2.5
"""LAME added up to 1.3 dB to the highest peak of ten minutes of speech when measured."""
_PEAK_MARGIN_DB = 0.1
_LEAD_SECONDS = 0.4
_TURN_PAUSE_SECONDS = 0.35
_SECTION_PAUSE_SECONDS = 0.9
_CHAPTER_BEFORE_SPEECH_SECONDS = 0.25
"""A player lands up to two MP3 frames beside the place it seeks: that may not cost a syllable."""
_KEPT_BEFORE_SECONDS, _KEPT_AFTER_SECONDS = 0.05, 0.1
"""What trimming leaves of an engine's own silence: soft consonants begin and end below the threshold."""
_FADE_SECONDS = 0.008


class ClipDamaged(Retryable):
    """A clip is missing or broken: the speech stage makes it again, and only it."""


class Cue(Frozen):
    """Who says what, and when: seconds in the finished audio."""

    host: str
    text: str
    start: float
    end: float


class Chapter(Frozen):
    """A section of the script as a part of the audio: seconds in the finished audio."""

    title: str
    url: str | None
    start: float
    end: float


class MasterInput(Frozen):
    """What the audio is made of."""

    speech: Speech
    script: Script
    podcast_title: str
    author: str
    language: str
    """BCP 47."""
    episode_number: int
    slot: UtcDatetime

    @model_validator(mode="after")
    def _a_clip_for_each_turn(self) -> MasterInput:
        if len(self.speech.clips) != len(self.script.turns):
            raise ValueError(
                f"{len(self.speech.clips)} clips for {len(self.script.turns)} turns; speak the script again"
            )
        return self


class Mastered(Frozen):
    """The finished audio."""

    key: str
    size_bytes: int
    seconds: float
    loudness_lufs: float
    peak_dbtp: float
    cues: tuple[Cue, ...]
    """One for each turn, in order."""
    chapters: tuple[Chapter, ...]
    """One for each section; the first starts at 0, the last ends with the audio."""


def master(given: MasterInput, workspace: Storage, cover: bytes, progress: Callable[[str], None]) -> Mastered:
    """Make the MP3 (mono, 44.1 kHz, 96 kbit/s) and store it in ``workspace``.

    Loudness and peak are those of the encoded file, decoded again: −16 ±0.5 LUFS, at most −1.0 dBTP.
    The same input makes the same bytes. ``cover`` is a JPEG.

    ``progress`` is told of each clip, pass and minute, and ends the stage at once by raising.

    Raises:
        ClipDamaged: a clip is missing or broken.
        Permanent: the loudness cannot be reached.
        Retryable: the storage failed for a reason that may pass.
    """
    with tempfile.TemporaryFile() as file:
        tape = _Tape(file, given.speech.sample_rate)
        cues = _record(given, workspace, tape, progress)
        audio, measured = _encoded_to_standard(tape, progress)
    chapters = _chapters(given.script, cues, measured.seconds)
    content = render(_tag(given, chapters, cover)) + audio
    key = f"audio/{fingerprint('audio', MASTER_VERSION, given, hashlib.sha256(cover).hexdigest())}.mp3"
    workspace.put(key, content, content_type="audio/mpeg")
    return Mastered(
        key=key,
        size_bytes=len(content),
        seconds=measured.seconds,
        loudness_lufs=measured.loudness_lufs,
        peak_dbtp=measured.peak_dbtp,
        cues=cues,
        chapters=chapters,
    )


class _Piece(NamedTuple):
    pause: int
    host: int
    length: int


class _Tape:
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

    def play(self, gain_db: float) -> Iterator[Samples]:
        """All of it in blocks, each host at :data:`TARGET_LUFS` plus ``gain_db``."""
        gains = {host: self._gain(meter) * amplitude(gain_db) for host, meter in self._meters.items()}
        self._file.seek(0)
        for piece in self._pieces:
            yield np.zeros(piece.pause, np.float32)
            for start in range(0, piece.length, BLOCK):
                count = min(BLOCK, piece.length - start)
                yield np.frombuffer(self._file.read(4 * count), np.float32) * np.float32(gains[piece.host])
        yield np.zeros(round(_LEAD_SECONDS * self.rate), np.float32)

    @staticmethod
    def _gain(meter: LoudnessMeter) -> float:
        too_short_to_measure = meter.loudness_lufs <= SILENT_LUFS
        return 1.0 if too_short_to_measure else amplitude(TARGET_LUFS - meter.loudness_lufs)


def _record(given: MasterInput, workspace: Storage, tape: _Tape, progress: Callable[[str], None]) -> tuple[Cue, ...]:
    turns, clips = given.script.turns, given.speech.clips
    cues: list[Cue] = []
    section = None
    for number, (turn, clip) in enumerate(zip(turns, clips, strict=True), start=1):
        progress(f"joining clip {number} of {len(clips)}")
        samples = _faded(_trimmed(_clip(workspace, clip, tape.rate), tape.rate), tape.rate)
        pause = _TURN_PAUSE_SECONDS if turn.section == section else _SECTION_PAUSE_SECONDS
        start, end = tape.add(samples, host=turn.host, pause_seconds=pause if cues else _LEAD_SECONDS)
        cues.append(Cue(host=given.script.hosts[turn.host], text=turn.text, start=round(start, 3), end=round(end, 3)))
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


def _trimmed(samples: Samples, rate: int) -> Samples:
    loud = np.flatnonzero(np.abs(samples) >= amplitude(QUIET_DBFS))
    if not len(loud):
        return samples
    first = max(0, int(loud[0]) - round(_KEPT_BEFORE_SECONDS * rate))
    return samples[first : int(loud[-1]) + 1 + round(_KEPT_AFTER_SECONDS * rate)]


def _faded(samples: Samples, rate: int) -> Samples:
    length = min(round(_FADE_SECONDS * rate), len(samples) // 2)
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    faded = samples.copy()
    faded[:length] *= ramp
    faded[len(faded) - length :] *= ramp[::-1]
    return faded


def _encoded_to_standard(tape: _Tape, progress: Callable[[str], None]) -> tuple[bytes, Measurement]:
    """Encode, measure what came out, correct, until loudness and peak are right.

    The codec costs some loudness and adds to the peaks, both by an amount that only the encoded
    file tells.
    """
    gain, ceiling = _FIRST_GAIN_DB, _FIRST_CEILING_DBFS
    for attempt in range(1, _PASSES + 1):
        progress(f"encoding, pass {attempt}")
        audio = encode_mp3(_with_minutes(tape.play(gain), tape.rate, progress), tape.rate, ceiling_dbfs=ceiling)
        measured = measure_mp3(audio, lambda seconds: progress(f"measured {seconds / 60:.0f} min"))
        off, over = TARGET_LUFS - measured.loudness_lufs, measured.peak_dbtp - HIGHEST_PEAK_DBTP
        if abs(off) <= _CLOSE_ENOUGH_LU and over <= 0:
            return audio, measured
        gain += off
        ceiling -= over + _PEAK_MARGIN_DB if over > 0 else 0
    raise Permanent(
        f"after {_PASSES} passes the audio has {measured.loudness_lufs:.1f} LUFS and {measured.peak_dbtp:.1f} dBTP, "
        f"not {TARGET_LUFS} ±{_CLOSE_ENOUGH_LU} and at most {HIGHEST_PEAK_DBTP}; listen to its clips: a voice whose "
        "peaks tower over its speech cannot be made louder"
    )


def _with_minutes(blocks: Iterator[Samples], rate: int, progress: Callable[[str], None]) -> Iterator[Samples]:
    samples = 0
    for block in blocks:
        if samples // (60 * rate) != (samples + len(block)) // (60 * rate):
            progress(f"encoded {(samples + len(block)) // (60 * rate)} min")
        samples += len(block)
        yield block


def _chapters(script: Script, cues: tuple[Cue, ...], seconds: float) -> tuple[Chapter, ...]:
    first_cues: dict[int, Cue] = {}
    for turn, cue in zip(script.turns, cues, strict=True):
        first_cues.setdefault(turn.section, cue)
    starts = [first_cues[number].start - _CHAPTER_BEFORE_SPEECH_SECONDS for number in range(len(script.sections))]
    bounds = [0.0, *(round(start, 3) for start in starts[1:]), seconds]
    return tuple(
        Chapter(title=section.title, url=section.url, start=bounds[number], end=bounds[number + 1])
        for number, section in enumerate(script.sections)
    )


def _tag(given: MasterInput, chapters: tuple[Chapter, ...], cover: bytes) -> Tag:
    return Tag(
        title=given.script.title,
        artist=given.author,
        album=given.podcast_title,
        track=given.episode_number,
        released=given.slot,
        language=given.language,
        genre="Podcast",
        comment=given.script.summary,
        chapters=[TaggedChapter(each.title, each.url, each.start, each.end) for each in chapters],
        cover=cover,
    )

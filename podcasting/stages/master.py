"""Mastering: clips and music become one file as loud as podcasts are, with tags, chapters and cover."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import IO

from pydantic import model_validator

from podcasting.audio.encoding import encode_m4a, encode_mp3
from podcasting.audio.id3 import Tag, TaggedChapter, render
from podcasting.audio.measuring import Measurement, measure
from podcasting.audio.mixing import AudioFormat, Mixing
from podcasting.audio.music import Recording, recorded
from podcasting.audio.sound import SAMPLE_RATE, SoundError
from podcasting.errors import Permanent
from podcasting.fingerprint import fingerprint
from podcasting.models import Frozen, UtcDatetime
from podcasting.providers.storage import Storage
from podcasting.providers.voices import Samples
from podcasting.providers.writers import Script
from podcasting.stages.score import Pieces, Score
from podcasting.stages.speech import Speech
from podcasting.stages.tape import SHORTEST_LEAD_SECONDS, Cue, Tape, record

MASTER_VERSION = 2
"""Part of the audio's key: raise it when the same input shall sound different."""
AUDIO_TYPES: dict[AudioFormat, str] = {"mp3": "audio/mpeg", "m4a": "audio/x-m4a"}
"""Media types, as Apple's "A podcaster's guide to RSS" has them in an enclosure."""
_CLOSE_ENOUGH_LU = 0.3
"""Narrower than what the check allows, because no two decoders agree to the last digit."""
_PASSES = 6
_FIRST_GAIN_DB: dict[AudioFormat, float] = {"mp3": 0.85, "m4a": 0.6}
"""What limiter and codec took from the loudness of speech when measured: most episodes need one pass."""
_FIRST_CEILING_BELOW_PEAK_DB = 1.5
"""LAME added up to 1.3 dB to the highest peak of ten minutes of speech when measured, AAC now and then 3."""
_PEAK_MARGIN_DB = 0.1
_CHAPTER_BEFORE_SPEECH_SECONDS = 0.25
"""A player lands up to two MP3 frames beside the place it seeks: that may not cost a syllable."""


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
    mixing: Mixing = Mixing()

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
    audio_format: AudioFormat = "mp3"
    aimed_lufs: float = -16.0
    aimed_peak_dbtp: float = -1.0
    """What was chosen, for the check; the defaults are what was made before there was a choice."""


def master(given: MasterInput, workspace: Storage, cover: bytes, progress: Callable[[str], None]) -> Mastered:
    """Make the MP3 or M4A (mono, 44.1 kHz) and store it in ``workspace``.

    Loudness and peak are those of the encoded file, decoded again: ±0.5 LU of what was chosen, and at most that peak.
    The same input makes the same bytes. ``cover`` is a JPEG.

    ``progress`` is told of each clip, pass and minute, and ends the stage at once by raising.

    Raises:
        ClipDamaged: a clip is missing, broken or unfit.
        Permanent: the loudness cannot be reached, music is missing, or a clip was unfit twice.
        Retryable: the storage failed for a reason that may pass.
    """
    mixing = given.mixing
    with ExitStack() as files:

        def on_disk() -> IO[bytes]:
            return files.enter_context(tempfile.TemporaryFile())

        score = _score(mixing, workspace, on_disk, progress)
        tape = Tape(on_disk(), given.speech.sample_rate)
        lead, after = (score.lead_seconds, score.after_seconds) if score else (SHORTEST_LEAD_SECONDS,) * 2
        cues = record(given.speech, given.script, mixing, workspace, tape, progress, lead_seconds=lead)
        promised = _chapters(given.script, cues, tape.seconds(after))

        def encoded(gain_db: float, ceiling_dbfs: float) -> bytes:
            blocks, rate = tape.play(mixing.loudness_lufs, gain_db, after), tape.rate
            if score:
                blocks, rate = score.played(blocks, rate, cues, gain_db), SAMPLE_RATE
            blocks, bit_rate = _with_minutes(blocks, rate, progress), 1000 * mixing.bit_rate_kbps
            if mixing.format == "mp3":
                return encode_mp3(blocks, rate, ceiling_dbfs=ceiling_dbfs, bit_rate=bit_rate)
            tag = _tag(given, promised, cover)
            return encode_m4a(blocks, rate, ceiling_dbfs=ceiling_dbfs, bit_rate=bit_rate, tag=tag)

        content, measured = _to_standard(encoded, mixing, progress)
    chapters = _chapters(given.script, cues, measured.seconds)
    if mixing.format == "mp3":
        content = render(_tag(given, chapters, cover)) + content
    audio = fingerprint("audio", MASTER_VERSION, given, hashlib.sha256(cover).hexdigest())
    key = f"audio/{audio}.{mixing.format}"
    workspace.put(key, content, content_type=AUDIO_TYPES[mixing.format])
    return Mastered(
        key=key,
        size_bytes=len(content),
        seconds=measured.seconds,
        loudness_lufs=measured.loudness_lufs,
        peak_dbtp=measured.peak_dbtp,
        cues=cues,
        chapters=chapters,
        audio_format=mixing.format,
        aimed_lufs=mixing.loudness_lufs,
        aimed_peak_dbtp=mixing.peak_dbtp,
    )


def _score(
    mixing: Mixing, workspace: Storage, on_disk: Callable[[], IO[bytes]], progress: Callable[[str], None]
) -> Score | None:
    """The music that was chosen, on disk and ready to play; None for none.

    Raises:
        Permanent: it is not in the workspace, or broken.
    """
    pieces: dict[str, Recording] = {}
    for part, key in (("intro", mixing.intro), ("outro", mixing.outro), ("bed", mixing.bed)):
        if key is None:
            continue
        progress(f"opening the {part}")
        fix = f"`airdate podcasts music PODCAST --{part} FILE` puts it there, --no-{part} does without it"
        try:
            pieces[part] = recorded(workspace.get(key), on_disk())
        except KeyError:
            raise Permanent(f"the {part}, {key}, is not in the workspace; {fix}") from None
        except SoundError as error:
            raise Permanent(f"the {part}, {key}, is damaged: {error}; {fix}") from error
    return Score(mixing, Pieces(**pieces)) if pieces else None


def _to_standard(
    encoded: Callable[[float, float], bytes], mixing: Mixing, progress: Callable[[str], None]
) -> tuple[bytes, Measurement]:
    """Encode, measure what came out, correct, until loudness and peak are right.

    The codec costs some loudness and adds to the peaks, both by an amount that only the encoded
    file tells.
    """
    gain, ceiling = _FIRST_GAIN_DB[mixing.format], mixing.peak_dbtp - _FIRST_CEILING_BELOW_PEAK_DB
    for attempt in range(1, _PASSES + 1):
        progress(f"encoding, pass {attempt}")
        audio = encoded(gain, ceiling)
        measured = measure(
            audio, lambda seconds: progress(f"measured {seconds / 60:.0f} min"), audio_format=mixing.format
        )
        off, over = mixing.loudness_lufs - measured.loudness_lufs, measured.peak_dbtp - mixing.peak_dbtp
        if abs(off) <= _CLOSE_ENOUGH_LU and over <= 0:
            return audio, measured
        gain += off
        ceiling -= over + _PEAK_MARGIN_DB if over > 0 else 0
    raise Permanent(
        f"after {_PASSES} passes the audio has {measured.loudness_lufs:.1f} LUFS and {measured.peak_dbtp:.1f} dBTP, "
        f"not {mixing.loudness_lufs} ±{_CLOSE_ENOUGH_LU} and at most {mixing.peak_dbtp}; listen to its clips: a voice "
        "whose peaks tower over its speech cannot be made louder"
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

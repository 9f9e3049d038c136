"""Music from users' files: heard out whole when it is given, kept as FLAC, played from disk when it is mixed.

A user's file is hostile until decoded: only containers of sound are opened, none of the lists and scripts among
FFmpeg's formats that lead to other files or to the network, and decoding ends at :data:`MOST_SECONDS` whatever a header
promises.
"""

from __future__ import annotations

import hashlib
import io
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import av
import numpy as np

from podcasting.audio.sound import (
    BLOCK,
    QUIET_DBFS,
    SAMPLE_RATE,
    SILENT_LUFS,
    LoudnessMeter,
    SoundError,
    amplitude,
    frames_of,
)
from podcasting.providers.voices import Samples

MOST_BYTES = 200_000_000
"""Of a user's file: ten minutes of stereo at 48 kHz and 24 bits take 173 MB."""
MOST_SECONDS, LEAST_SECONDS = 600.0, 1.0
LONGEST_BREAK_SECONDS = 2.5
"""Of silence within a piece: an episode may have less than four seconds of it."""
_FORMATS = "aac,aiff,asf,au,caf,flac,matroska,mov,mp3,ogg,wav,w64,wv"
"""FFmpeg's names of containers that hold sound themselves."""
_SLOWEST_RATE, _FASTEST_RATE, _MOST_CHANNELS = 8_000, 384_000, 8
_PEAK_DBFS = -1.0
_LOST_IN_MONO_DB = 9.0
"""Two equal channels lose nothing, unrelated ones 3 dB; more than this, and one is the other upside down."""
_NOTHING_DBFS = -90.0
"""What the lowest of 16 bits can say."""
_FULL_SCALE = 32_767


class MusicError(SoundError):
    """A file that cannot serve as music; says why, and what would."""


class Piece(NamedTuple):
    """A piece of music, ready to be kept."""

    content: bytes
    """FLAC: mono, 44.1 kHz, 16 bits, its highest sample at -1 dBFS, without silence at its ends."""
    digest: str
    """Of its sound: 32 hexadecimal digits."""
    seconds: float
    loudness_lufs: float


class Recording:
    """A piece while it is mixed: in a file on disk, so that memory does not grow with it."""

    def __init__(self, file: IO[bytes], length: int, loudness_lufs: float, *, first: int = 0) -> None:
        self._file = file
        self._first = first
        self.length = length
        """Samples, of which :data:`SAMPLE_RATE` make a second."""
        self.loudness_lufs = loudness_lufs

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.length / SAMPLE_RATE

    def heard_at(self, loudness_lufs: float) -> Recording:
        """What can be heard of it when it plays so loud: without ends that are silent then, of a second or more."""
        quiet = amplitude(QUIET_DBFS + self.loudness_lufs - loudness_lufs)
        heard = _Heard(quiet)
        for start in range(0, self.length, SAMPLE_RATE):
            heard.hear(self.read(start, min(SAMPLE_RATE, self.length - start))[np.newaxis])
        if heard.first is None:
            return self
        first = heard.first if heard.first >= SAMPLE_RATE else 0
        last = heard.last if self.length - heard.last >= SAMPLE_RATE else self.length
        return Recording(self._file, last - first, self.loudness_lufs, first=self._first + first)

    def read(self, start: int, count: int) -> Samples:
        """``count`` samples from ``start``; silence before its beginning and after its end."""
        made = np.zeros(count, np.float32)
        first, last = max(0, start), min(self.length, start + count)
        if first < last:
            self._file.seek(4 * (self._first + first))
            made[first - start : last - start] = np.frombuffer(self._file.read(4 * (last - first)), np.float32)
        return made


def prepared(path: Path) -> Piece:
    """What the file at ``path`` sounds like, ready to be kept. Two channels become their mean.

    Raises:
        MusicError: it is too large, too long, too short, no sound, silent, has a long break, or cancels itself in mono.
    """
    with _opened(path) as source, tempfile.TemporaryFile() as file:
        heard = _decoded(source, file)
        if heard.lost_db > _LOST_IN_MONO_DB:
            raise MusicError(
                f"its two channels cancel each other: mixed to one it loses {heard.lost_db:.0f} dB; "
                "give a file whose channels are in phase, or one channel of it"
            )
        if heard.first is None:
            raise MusicError(f"all of it is silent (under {QUIET_DBFS:.0f} dBFS)")
        if heard.longest_break_seconds > LONGEST_BREAK_SECONDS:
            raise MusicError(
                f"it has {heard.longest_break_seconds:.1f} s of silence within (at most {LONGEST_BREAK_SECONDS} s, or "
                "listeners take it for the end); cut it out"
            )
        sound = Recording(file, heard.last, SILENT_LUFS)
        seconds = (heard.last - heard.first) / SAMPLE_RATE
        if seconds < LEAST_SECONDS:
            raise MusicError(f"only {seconds:.2f} s of it can be heard (at least {LEAST_SECONDS:.0f} s)")
        return _kept(sound, heard.first, amplitude(_PEAK_DBFS) / heard.peak)


def recorded(content: bytes, file: IO[bytes]) -> Recording:
    """A piece that was kept, put into ``file`` to be mixed.

    Raises:
        SoundError: ``content`` is no such FLAC.
    """
    meter, length = LoudnessMeter(peaks=False), 0
    try:
        with av.open(io.BytesIO(content), "r", format="flac") as container:
            for frame in container.decode(container.streams.audio[0]):
                meter.hear_frame(frame)
                samples = frame.to_ndarray()[0].astype(np.float32) / np.float32(_FULL_SCALE)
                file.write(samples.tobytes())
                length += len(samples)
                if length > (MOST_SECONDS + 1) * SAMPLE_RATE:
                    raise SoundError(f"it is longer than {MOST_SECONDS / 60:.0f} minutes")
    except (av.FFmpegError, IndexError) as error:
        raise SoundError(f"it does not decode: {error}") from error
    if not length:
        raise SoundError("no sound decodes from it")
    return Recording(file, length, meter.loudness_lufs)


def _opened(path: Path) -> IO[bytes]:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise MusicError("it is no file; give the path of a file with music")
        if status.st_size > MOST_BYTES:
            raise MusicError(
                f"it has {status.st_size / 1e6:.0f} MB (at most {MOST_BYTES / 1e6:.0f}); give a shorter or a packed one"
            )
        return path.open("rb")
    except OSError as error:
        raise MusicError(f"it cannot be read: {error.strerror}") from error


class _Heard:
    """What was noticed while sound went by; under ``quiet``, an amplitude, it is silence."""

    def __init__(self, quiet: float) -> None:
        self._quiet = quiet
        self.first: int | None = None
        self.last = 0
        self.peak = 0.0
        self.longest_break_seconds = 0.0
        self._power_of_channels = self._power_in_mono = 0.0
        self._length = 0

    def hear(self, channels: Samples) -> Samples:
        """Notice the next ``channels`` (an array each); returns their mean."""
        mono: Samples = np.mean(channels, axis=0, dtype=np.float32)
        self._power_of_channels += float(np.square(channels, dtype=np.float64).mean(axis=0).sum())
        self._power_in_mono += float(np.square(mono, dtype=np.float64).sum())
        self.peak = max(self.peak, float(np.abs(mono).max()))
        loud = np.flatnonzero(np.abs(mono) >= self._quiet) + self._length
        if len(loud):
            steps = np.diff(loud if self.first is None else np.concatenate(([self.last - 1], loud)))
            longest = int(steps.max()) if len(steps) else 0
            self.longest_break_seconds = max(self.longest_break_seconds, longest / SAMPLE_RATE)
            self.first = int(loud[0]) if self.first is None else self.first
            self.last = int(loud[-1]) + 1
        self._length += len(mono)
        return mono

    @property
    def seconds(self) -> float:
        return self._length / SAMPLE_RATE

    @property
    def lost_db(self) -> float:
        """What mixing to one channel cost; nothing, where there was nothing to begin with."""
        least = self._length * amplitude(_NOTHING_DBFS) ** 2
        return float(10 * np.log10(max(self._power_of_channels, least) / max(self._power_in_mono, least)))


def _decoded(source: IO[bytes], file: IO[bytes]) -> _Heard:
    heard = _Heard(amplitude(QUIET_DBFS))
    try:
        # Of ten kinds, and none that names another file: format_whitelist holds for what a container opens itself, too.
        with av.open(source, "r", options={"format_whitelist": _FORMATS, "protocol_whitelist": ""}) as container:
            if not container.streams.audio:
                raise MusicError("there is no sound in it")
            for samples in _channels(container):
                file.write(heard.hear(samples).tobytes())
                if heard.seconds > MOST_SECONDS:
                    raise MusicError(f"it is longer than {MOST_SECONDS / 60:.0f} minutes; cut it, a bed is repeated")
    except (av.FFmpegError, ValueError, MemoryError) as error:
        if isinstance(error, MusicError):
            raise
        raise MusicError(f"it does not decode as music: {getattr(error, 'strerror', None) or error}") from error
    if not heard.seconds:
        raise MusicError("no sound decodes from it")
    return heard


def _channels(container: av.container.InputContainer) -> Iterator[Samples]:
    stream = container.streams.audio[0]
    resampler: av.AudioResampler | None = None
    for frame in container.decode(stream):
        if not (_SLOWEST_RATE <= frame.sample_rate <= _FASTEST_RATE and frame.layout.nb_channels <= _MOST_CHANNELS):
            raise MusicError(
                f"it has {frame.sample_rate} samples a second in {frame.layout.nb_channels} channels "
                f"({_SLOWEST_RATE} to {_FASTEST_RATE}, at most {_MOST_CHANNELS})"
            )
        if resampler is None:
            layout = "mono" if frame.layout.nb_channels == 1 else "stereo"
            resampler = av.AudioResampler(format="fltp", layout=layout, rate=SAMPLE_RATE)
        for made in resampler.resample(frame):
            yield np.asarray(made.to_ndarray(), np.float32)
    if resampler is not None:
        for made in resampler.resample(None):
            yield np.asarray(made.to_ndarray(), np.float32)


def _kept(sound: Recording, first: int, gain: float) -> Piece:
    meter, digest, file = LoudnessMeter(peaks=False), hashlib.sha256(), io.BytesIO()
    with av.open(file, "w", format="flac", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE)
        stream.layout, stream.format = "mono", "s16"
        for frame in frames_of(_blocks(sound, first, gain), SAMPLE_RATE):
            plain = (frame.to_ndarray()[0] * _FULL_SCALE).round().astype("<i2")
            digest.update(plain.tobytes())
            meter.hear(plain.astype(np.float32) / np.float32(_FULL_SCALE), SAMPLE_RATE)
            whole = av.AudioFrame.from_ndarray(plain[np.newaxis], format="s16", layout="mono")
            whole.sample_rate, whole.pts, whole.time_base = frame.sample_rate, frame.pts, frame.time_base
            container.mux(stream.encode(whole))
        container.mux(stream.encode(None))
    if meter.loudness_lufs <= SILENT_LUFS:
        raise MusicError(f"it is next to silent ({SILENT_LUFS:.0f} LUFS)")
    seconds = (sound.length - first) / SAMPLE_RATE
    return Piece(file.getvalue(), digest.hexdigest()[:32], seconds, meter.loudness_lufs)


def _blocks(sound: Recording, first: int, gain: float) -> Iterator[Samples]:
    for start in range(first, sound.length, BLOCK):
        yield sound.read(start, min(BLOCK, sound.length - start)) * np.float32(gain)

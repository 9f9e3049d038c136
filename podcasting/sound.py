"""Sound as the stages need it: clips as WAV, an MP3 made block by block, and the truth about a file.

Built on PyAV (FFmpeg). Everything streams in short blocks: a filter that is given an hour at once
keeps several copies of it in memory.
"""

from __future__ import annotations

import gc
import io
import math
import wave
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
from av.audio.stream import AudioStream
from av.filter import Graph

from podcasting.providers.voices import Samples

BLOCK = 4_800
"""Samples a filter is given at once: measured, a whole utterance took 776 MB where blocks took 321."""
MP3_SAMPLE_RATE = 44_100
"""Samples a second: Apple recommends 44.1 or 48 kHz (podcasters.apple.com/support/893-audio-requirements)."""
MP3_BIT_RATE = 96_000
"""Bits a second, constant so that players seek exactly; Apple recommends 96 to 128 kbit/s for mono."""
QUIET_DBFS = -50.0
"""Below this nobody listening on a train hears anything."""
SILENT_LUFS = -70.0
"""What EBU R 128's absolute gate leaves of silence."""
_FLOOR_DBTP = -120.0
_FULL_SCALE = 32_767


class SoundError(ValueError):
    """The bytes cannot be decoded as the sound they should be."""


class Measurement(NamedTuple):
    """What decoding a whole file showed."""

    seconds: float
    """Sound that can really be decoded, whatever the header promises."""
    loudness_lufs: float
    """Integrated loudness (EBU R 128) of the channels as they are: a mono file is not doubled."""
    peak_dbtp: float
    """The highest true peak, decibels below full scale."""
    longest_silence_seconds: float
    """The longest stretch under :data:`QUIET_DBFS`."""


def amplitude(decibels: float) -> float:
    """The factor that ``decibels`` stand for."""
    return float(10 ** (decibels / 20))


def write_wav(samples: Samples, rate: int) -> bytes:
    """``samples`` as a 16-bit mono WAV of ``rate`` samples a second; what exceeds ±1 is clipped."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes((np.clip(samples, -1, 1) * _FULL_SCALE).round().astype("<i2").tobytes())
    return file.getvalue()


def read_wav(content: bytes) -> tuple[Samples, int]:
    """The samples of a 16-bit mono WAV, and how many make a second.

    Raises:
        SoundError: it is no such WAV, holds nothing, or ends before its header says.
    """
    try:
        with wave.open(io.BytesIO(content)) as reader:
            shape = (reader.getnchannels(), reader.getsampwidth())
            rate, promised = reader.getframerate(), reader.getnframes()
            data = reader.readframes(promised)
    except (wave.Error, EOFError) as error:
        raise SoundError(f"not a WAV file: {error or 'it ends too soon'}") from error
    if shape != (1, 2):
        raise SoundError(f"a WAV of {shape[0]} channels and {8 * shape[1]} bits where mono and 16 bits are expected")
    if not data or len(data) != 2 * promised:
        raise SoundError(f"a WAV of {promised} samples that holds {len(data) // 2}")
    return np.frombuffer(data, np.dtype("<i2")).astype(np.float32) / np.float32(_FULL_SCALE), rate


def resample(samples: Samples, rate: int, to: int) -> Samples:
    """``samples`` of ``rate`` a second as ``to`` a second; the length in seconds stays."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=to)
    frames = [made for frame in _frames([samples], rate) for made in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([_mono(frame) for frame in frames])


class LoudnessMeter:
    """Measures integrated loudness by EBU R 128 as sound goes by, and true peaks unless they are not wanted.

    Peaks cost more than loudness: they are sought in four times as many samples.
    """

    def __init__(self, *, peaks: bool = True) -> None:
        self._options = "peak=true:metadata=1" if peaks else "metadata=1"
        self._graph: Graph | None = None
        self._heard = 0
        self._latest: dict[str, str] = {}

    def hear(self, samples: Samples, rate: int) -> None:
        """Take in mono ``samples``; every call must give the same ``rate``."""
        for frame in _frames([samples], rate, self._heard):
            self.hear_frame(frame)
        self._heard += len(samples)

    def hear_frame(self, frame: av.AudioFrame) -> None:
        """Take in a decoded frame; every frame must have the format of the first."""
        if self._graph is None:
            self._graph = _chain(frame, ("ebur128", self._options))
        self._graph.push(frame)
        for heard in _pulled(self._graph):
            self._latest = heard.metadata or self._latest

    @property
    def loudness_lufs(self) -> float:
        """So far; :data:`SILENT_LUFS` for silence and for less than 0.4 s, the standard's window."""
        return max(SILENT_LUFS, float(self._latest.get("lavfi.r128.I", SILENT_LUFS)))

    @property
    def peak_dbtp(self) -> float:
        """So far, by tenths of a second; −120 for silence, and where peaks were not wanted."""
        peak = float(self._latest.get("lavfi.r128.true_peak", 0))
        return 20 * math.log10(peak) if peak > 0 else _FLOOR_DBTP


def encode_mp3(blocks: Iterable[Samples], rate: int, *, ceiling_dbfs: float) -> bytes:
    """Mono ``blocks`` of ``rate`` samples a second as a constant-bit-rate MP3 without tags.

    ``ceiling_dbfs`` is where the limiter holds the peaks of the samples; the codec adds some on top.
    The same blocks make the same bytes.
    """
    file = io.BytesIO()
    # bitexact: the encoder's version stays out of the file, so that an update does not change it.
    options = {"id3v2_version": "0", "write_id3v1": "0", "fflags": "+bitexact"}
    with av.open(file, "w", format="mp3", options=options) as container:
        stream = container.add_stream("libmp3lame", rate=MP3_SAMPLE_RATE)
        stream.layout, stream.format, stream.bit_rate = "mono", "fltp", MP3_BIT_RATE
        for frame in _limited(blocks, rate, amplitude(ceiling_dbfs)):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def measure_mp3(content: bytes, tick: Callable[[float], None] = lambda _: None) -> Measurement:
    """Decode all of ``content`` and measure it; ``tick`` is told every minute of sound that passed.

    Raises:
        SoundError: it is no MP3, holds no sound, or stops decoding midway.
    """
    try:
        return _measured(content, tick)
    finally:
        # A filter graph of PyAV's refers to itself: this one, and those of the clips and of the encoding before it,
        # hold megabytes until the collector comes by, and for so few objects it comes seldom.
        gc.collect()


def _measured(content: bytes, tick: Callable[[float], None]) -> Measurement:
    meter, silence, seconds = LoudnessMeter(), _Silence(), 0.0
    try:
        with av.open(io.BytesIO(content), "r") as container:
            for frame in container.decode(_mp3_stream(container)):
                meter.hear_frame(frame)
                duration = frame.samples / frame.sample_rate
                silence.hear(frame, duration)
                if seconds // 60 != (seconds + duration) // 60:
                    tick(seconds)
                seconds += duration
    except av.FFmpegError as error:
        raise SoundError(f"it does not decode after {seconds:.1f} s: {error.strerror}") from error
    if not seconds:
        raise SoundError("no sound decodes from it")
    return Measurement(seconds, meter.loudness_lufs, meter.peak_dbtp, silence.longest)


class _Silence:
    """Follows the longest stretch of quiet frames (26 ms each in an MP3)."""

    def __init__(self) -> None:
        self.longest = self._current = 0.0
        self._threshold = amplitude(QUIET_DBFS)

    def hear(self, frame: av.AudioFrame, seconds: float) -> None:
        # The planes as they are (FFmpeg decodes MP3 to floats): copied to an array of PyAV's they took twice as long.
        channels = [np.frombuffer(memoryview(plane), np.float32, frame.samples) for plane in frame.planes]
        quiet = all(max(channel.max(), -channel.min()) < self._threshold for channel in channels)
        self._current = self._current + seconds if quiet else 0.0
        self.longest = max(self.longest, self._current)


def _mp3_stream(container: av.container.InputContainer) -> AudioStream:
    if container.format.name != "mp3" or not container.streams.audio:
        raise SoundError(f"it is no MP3 but {container.format.long_name}")
    return container.streams.audio[0]


def _frames(blocks: Iterable[Samples], rate: int, position: int = 0) -> Iterator[av.AudioFrame]:
    for block in blocks:
        for start in range(0, len(block), BLOCK):
            part = np.ascontiguousarray(block[start : start + BLOCK], np.float32)
            frame = av.AudioFrame.from_ndarray(part[np.newaxis], format="flt", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, position, Fraction(1, rate)
            position += len(part)
            yield frame


def _limited(blocks: Iterable[Samples], rate: int, ceiling: float) -> Iterator[av.AudioFrame]:
    graph: Graph | None = None
    for frame in _frames(blocks, rate):
        graph = graph or _chain(
            frame,
            ("aresample", str(MP3_SAMPLE_RATE)),
            # level=disabled: or it turns the volume up again by what it limited.
            # latency=1: or everything comes 5 ms late, and the end is lost.
            ("alimiter", f"limit={ceiling:.6f}:attack=5:release=50:level=disabled:latency=1"),
            ("aformat", "sample_fmts=fltp:channel_layouts=mono"),
        )
        graph.push(frame)
        yield from _pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph)


def _chain(first: av.AudioFrame, *filters: tuple[str, str]) -> Graph:
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=first.sample_rate, format=first.format, layout=first.layout, time_base=first.time_base
    )
    graph.link_nodes(source, *(graph.add(name, arguments) for name, arguments in filters), graph.add("abuffersink"))
    graph.configure()
    return graph


def _pulled(graph: Graph) -> Iterator[av.AudioFrame]:
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):  # it wants more, or has given all
            return
        if isinstance(frame, av.AudioFrame):
            yield frame


def _mono(frame: av.AudioFrame) -> Samples:
    return np.asarray(frame.to_ndarray()[0], np.float32)

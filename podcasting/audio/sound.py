"""Sound as the stages need it: samples, clips as WAV, another sample rate, loudness, and FFmpeg's filters.

Built on PyAV (FFmpeg). Everything streams in short blocks: a filter that is given an hour at once
keeps several copies of it in memory.
"""

from __future__ import annotations

import io
import math
import wave
from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import numpy as np
from av.filter import Graph

from podcasting.providers.voices import Samples

BLOCK = 4_800
"""Samples a filter is given at once: measured, a whole utterance took 776 MB where blocks took 321."""
SAMPLE_RATE = 44_100
"""Samples a second of finished audio and of music: Apple recommends 44.1 or 48 kHz
(podcasters.apple.com/support/893-audio-requirements)."""
QUIET_DBFS = -50.0
"""Below this nobody listening on a train hears anything."""
SILENT_LUFS = -70.0
"""What EBU R 128's absolute gate leaves of silence."""
_FLOOR_DBTP = -120.0
_FULL_SCALE = 32_767


class SoundError(ValueError):
    """The bytes cannot be decoded as the sound they should be."""


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
    return np.concatenate(list(resampled([samples], rate, to)))


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
        for frame in frames_of([samples], rate, self._heard):
            self.hear_frame(frame)
        self._heard += len(samples)

    def hear_frame(self, frame: av.AudioFrame) -> None:
        """Take in a decoded frame; every frame must have the format of the first."""
        if self._graph is None:
            self._graph = chain(frame, ("ebur128", self._options))
        self._graph.push(frame)
        for heard in pulled(self._graph):
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


def resampled(blocks: Iterable[Samples], rate: int, to: int) -> Iterator[Samples]:
    """``blocks`` of ``rate`` samples a second as blocks of ``to`` a second; a moment stays at its second."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=to)
    for frame in frames_of(blocks, rate):
        yield from map(_mono, resampler.resample(frame))
    yield from map(_mono, resampler.resample(None))


def frames_of(blocks: Iterable[Samples], rate: int, position: int = 0) -> Iterator[av.AudioFrame]:
    """Mono ``blocks`` as frames of at most :data:`BLOCK` samples; the first has ``position`` samples before it."""
    for block in blocks:
        for start in range(0, len(block), BLOCK):
            part = np.ascontiguousarray(block[start : start + BLOCK], np.float32)
            frame = av.AudioFrame.from_ndarray(part[np.newaxis], format="flt", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, position, Fraction(1, rate)
            position += len(part)
            yield frame


def chain(first: av.AudioFrame, *filters: tuple[str, str]) -> Graph:
    """A graph of ``filters``, one after another, for frames like ``first``."""
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=first.sample_rate, format=first.format, layout=first.layout, time_base=first.time_base
    )
    graph.link_nodes(source, *(graph.add(name, arguments) for name, arguments in filters), graph.add("abuffersink"))
    graph.configure()
    return graph


def pulled(graph: Graph) -> Iterator[av.AudioFrame]:
    """The frames that ``graph`` has ready."""
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):  # it wants more, or has given all
            return
        if isinstance(frame, av.AudioFrame):
            yield frame


def _mono(frame: av.AudioFrame) -> Samples:
    return np.asarray(frame.to_ndarray()[0], np.float32)

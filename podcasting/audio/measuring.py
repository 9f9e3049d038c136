"""The truth about a finished file: what decodes from it, how loud it is, and where it is silent."""

from __future__ import annotations

import gc
import io
from collections.abc import Callable
from typing import NamedTuple

import av
import numpy as np
from av.audio.stream import AudioStream

from podcasting.audio.mixing import AudioFormat
from podcasting.audio.sound import QUIET_DBFS, LoudnessMeter, SoundError, amplitude

_CONTAINERS: dict[AudioFormat, tuple[str, str]] = {
    "mp3": ("mp3", "mp3float"),
    "m4a": ("mov,mp4,m4a,3gp,3g2,mj2", "aac"),
}
"""What FFmpeg calls each format's container and the codec within."""


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


def measure(
    content: bytes, tick: Callable[[float], None] = lambda _: None, *, audio_format: AudioFormat = "mp3"
) -> Measurement:
    """Decode all of ``content`` and measure it; ``tick`` is told every minute of sound that passed.

    Raises:
        SoundError: it is not of that format, holds no sound, or stops decoding midway.
    """
    try:
        return _measured(content, tick, audio_format)
    finally:
        # A filter graph of PyAV's refers to itself: this one, and those of the clips and of the encoding before it,
        # hold megabytes until the collector comes by, and for so few objects it comes seldom.
        gc.collect()


def _measured(content: bytes, tick: Callable[[float], None], audio_format: AudioFormat) -> Measurement:
    meter, silence, seconds = LoudnessMeter(), _Silence(), 0.0
    try:
        with av.open(io.BytesIO(content), "r") as container:
            for frame in container.decode(_stream(container, audio_format)):
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
    """Follows the longest stretch of quiet frames (26 ms each in an MP3, 23 in an M4A)."""

    def __init__(self) -> None:
        self.longest = self._current = 0.0
        self._threshold = amplitude(QUIET_DBFS)

    def hear(self, frame: av.AudioFrame, seconds: float) -> None:
        # The planes as they are (FFmpeg decodes both to floats): copied to an array of PyAV's they took twice as long.
        channels = [np.frombuffer(memoryview(plane), np.float32, frame.samples) for plane in frame.planes]
        quiet = all(max(channel.max(), -channel.min()) < self._threshold for channel in channels)
        self._current = self._current + seconds if quiet else 0.0
        self.longest = max(self.longest, self._current)


def _stream(container: av.container.InputContainer, audio_format: AudioFormat) -> AudioStream:
    name, codec = _CONTAINERS[audio_format]
    called = audio_format.upper()
    if container.format.name != name or not container.streams.audio:
        raise SoundError(f"it is no {called} but {container.format.long_name}")
    stream = container.streams.audio[0]
    if stream.codec_context.name != codec:
        raise SoundError(f"it is no {called} but {stream.codec_context.codec.long_name} in its container")
    return stream

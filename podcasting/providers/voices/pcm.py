"""Sound as speech services send it: raw 16-bit samples, or a WAV that may have been written as it was streamed."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from podcasting.audio.sound import resample
from podcasting.errors import Retryable
from podcasting.providers.voices import Samples

_FULL_SCALE = 32_768
_STREAMED = frozenset({0, 0xFFFFFFFF, 0x7FFFFFFF})
"""Sizes that a WAV's header has when it was sent before its end was known."""
_PCM, _EXTENSIBLE = 1, 0xFFFE
_FORMAT_BYTES = 16
"""Of the part of a format that says what is asked here."""
_BITS = 16
_CHANNELS = range(1, 9)
_RATES = range(8_000, 192_001)


def from_pcm(content: bytes, who: str) -> Samples:
    """Raw mono samples, 16 bits, signed, little-endian; none of nothing.

    Raises:
        Retryable: half a sample at the end, so something was lost on the way; ``who`` is named.
    """
    if len(content) % 2:
        raise Retryable(f"{who} sent {len(content)} bytes, which is no whole number of 16-bit samples")
    return np.frombuffer(content, np.dtype("<i2")).astype(np.float32) / np.float32(_FULL_SCALE)


def from_wav(content: bytes, who: str, rate: int) -> Samples:
    """The samples of a 16-bit WAV as mono of ``rate`` a second; none of nothing.

    Read by hand, because a service that streams leaves the sizes in its header open, which Python's own reader refuses
    (the format: https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html).

    Raises:
        Retryable: it is no such WAV, or ends before its header says; ``who`` is named.
    """
    if not content:
        return np.zeros(0, np.float32)
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise Retryable(f"{who} sent no WAV but {len(content)} bytes that begin with {content[:12]!r}")
    channels, its_rate, data = _chunks(content, who)
    samples = from_pcm(data, who)
    if channels > 1:
        samples = samples[: len(samples) // channels * channels].reshape(-1, channels).mean(axis=1, dtype=np.float32)
    return samples if its_rate == rate or not len(samples) else resample(samples, its_rate, rate)


def joined(parts: Sequence[Samples]) -> Samples:
    """The parts of one text, one after the other: each brings the silence that its voice leaves after a sentence."""
    return np.concatenate([np.zeros(0, np.float32), *parts])


def _chunks(content: bytes, who: str) -> tuple[int, int, bytes]:
    """Channels, samples a second, and the data."""
    shape: tuple[int, int] | None = None
    position = 12
    while position + 8 <= len(content):
        name, size = content[position : position + 4], struct.unpack_from("<I", content, position + 4)[0]
        body = content[position + 8 : position + 8 + size]
        if name == b"fmt " and len(body) >= _FORMAT_BYTES:
            kind, channels, rate = struct.unpack_from("<HHI", body)
            bits = struct.unpack_from("<H", body, 14)[0]
            if kind not in {_PCM, _EXTENSIBLE} or bits != _BITS or channels not in _CHANNELS or rate not in _RATES:
                raise Retryable(
                    f"{who} sent a WAV of kind {kind}, {channels} channels, {bits} bits and {rate} samples a second, "
                    "where 16-bit PCM is expected"
                )
            shape = (channels, rate)
        elif name == b"data" and shape is not None:
            if size not in _STREAMED and len(body) < size:
                raise Retryable(f"{who} sent a WAV that breaks off: {len(body)} of {size} bytes of sound")
            return (*shape, content[position + 8 :] if size in _STREAMED else body)
        position += 8 + size + size % 2
    raise Retryable(f"{who} sent a WAV without sound in it")

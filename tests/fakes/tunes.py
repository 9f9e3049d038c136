"""Music of our own: plucked notes of a scale, panned left and right, and files of it in any format."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from podcasting.audio.music import prepared
from podcasting.providers.storage import Storage

RATE = 48_000


def tune(seconds: float, *, seed: int = 1, rate: int = RATE) -> np.ndarray:
    """Two channels, −1 to 1."""
    random = np.random.default_rng(seed)
    scale = 220 * 2 ** (np.array([0, 3, 5, 7, 10, 12, 15]) / 12)
    made = np.zeros((2, round(seconds * rate)), np.float32)
    note = np.arange(rate) / rate
    for start in range(0, made.shape[1], rate // 4):
        pitch, side = random.choice(scale), random.uniform(0.2, 0.8)
        pluck = np.exp(-4 * note) * (np.sin(2 * np.pi * pitch * note) + 0.4 * np.sin(4 * np.pi * pitch * note))
        pluck[: rate // 200] *= np.linspace(0, 1, rate // 200)
        room = made[:, start : start + rate]
        room += (np.array([[side], [1 - side]]) * pluck)[:, : room.shape[1]]
    return (0.6 * made / np.abs(made).max()).astype(np.float32)


def wav_file(path: Path, channels: np.ndarray, rate: int = RATE) -> Path:
    """``channels`` in a 16-bit WAV at ``path``."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(channels.T, -1, 1) * 32_767).round().astype("<i2").tobytes())
    return path


def packed_file(path: Path, codec: str, channels: np.ndarray, rate: int = RATE) -> Path:
    """Two ``channels``, packed by FFmpeg as ``codec`` in the container that the name of ``path`` asks for."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        resampler = av.AudioResampler(format=stream.format, layout="stereo", rate=rate, frame_size=stream.frame_size)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def kept(workspace: Storage, folder: Path, seconds: float, *, seed: int = 1) -> str:
    """A tune that ``workspace`` keeps; says under which key."""
    piece = prepared(wav_file(folder / f"{seed}.wav", tune(seconds, seed=seed)))
    key = f"music/{piece.digest}.flac"
    workspace.put(key, piece.content, content_type="audio/flac")
    return key

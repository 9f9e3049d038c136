"""Finished audio, encoded block by block: as MP3, and as AAC in an M4A with tags, chapters and cover.

Both are mono: speech needs no second channel, and the loudness of a mono file means the same to every meter.
The same blocks make the same bytes, whatever the version of FFmpeg calls itself.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.filter import Graph
from av.stream import Disposition

from podcasting.audio.id3 import Tag, language_code
from podcasting.audio.sound import SAMPLE_RATE, amplitude, chain, frames_of, pulled
from podcasting.providers.voices import Samples

_BIT_EXACT = {"fflags": "+bitexact"}
"""The encoder's version stays out of the file, so that an update does not change it."""
_AAC = {"flags": "+bitexact", "aac_coder": "fast", "aac_pns": "0"}
"""Not FFmpeg's default, a search, with random noise in place of noisy bands: it put peaks up to 3 dB over the sound, so
that an episode of 54 minutes was not right in six passes. Measured (docs/sound.md), this is closer to the sound, too.
"""
_PODCAST = "21"
"""What iTunes calls a podcast in the atom ``stik``."""


def encode_mp3(blocks: Iterable[Samples], rate: int, *, ceiling_dbfs: float, bit_rate: int) -> bytes:
    """Mono ``blocks`` of ``rate`` samples a second as an MP3 of constant ``bit_rate`` (bits a second), without tags.

    Constant, so that players seek exactly. ``ceiling_dbfs`` is where the limiter holds the peaks of the samples;
    the codec adds some on top.
    """
    file = io.BytesIO()
    options = {"id3v2_version": "0", "write_id3v1": "0", **_BIT_EXACT}
    with av.open(file, "w", format="mp3", options=options) as container:
        stream = container.add_stream("libmp3lame", rate=SAMPLE_RATE)
        stream.layout, stream.format, stream.bit_rate = "mono", "fltp", bit_rate
        for frame in _limited(blocks, rate, amplitude(ceiling_dbfs)):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def encode_m4a(blocks: Iterable[Samples], rate: int, *, ceiling_dbfs: float, bit_rate: int, tag: Tag) -> bytes:
    """Mono ``blocks`` of ``rate`` samples a second as AAC-LC in an M4A whose index stands first, so that it streams.

    Title, artist, album, track, date and cover stand where iTunes looks for them; chapters twice, as QuickTime's
    text track (Apple) and as Nero's list (the others). Neither has room for a chapter's link.
    """
    with tempfile.TemporaryDirectory(prefix="airdate-m4a-") as folder:
        # A file of its own: to put the index first, FFmpeg reads back what it wrote, which a stream in memory forbids.
        path = Path(folder, "audio.m4a")
        options = {"movflags": "+faststart", "brand": "M4A ", **_BIT_EXACT}
        with av.open(str(path), "w", format="mp4", options=options) as container:
            stream = container.add_stream("aac", rate=SAMPLE_RATE, options=_AAC)
            stream.layout, stream.format, stream.bit_rate = "mono", "fltp", bit_rate
            stream.metadata["language"] = language_code(tag.language) or "und"
            picture = _picture(container)
            _describe(container, tag)
            container.start_encoding()
            packet = av.Packet(tag.cover)
            packet.stream, packet.pts, packet.dts, packet.time_base = picture, 0, 0, Fraction(1, SAMPLE_RATE)
            container.mux(packet)
            for frame in _limited(blocks, rate, amplitude(ceiling_dbfs)):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path.read_bytes()


def _picture(container: av.container.OutputContainer) -> av.VideoStream:
    picture = container.add_stream("mjpeg")
    # Any size will do: an attached picture becomes an atom of its own, which holds the JPEG and no size.
    picture.width, picture.height, picture.pix_fmt = 16, 16, "yuvj420p"
    picture.disposition = Disposition.attached_pic
    return picture


def _describe(container: av.container.OutputContainer, tag: Tag) -> None:
    container.metadata.update(
        {
            "title": tag.title,
            "artist": tag.artist,
            "album_artist": tag.artist,
            "album": tag.album,
            "track": str(tag.track),
            "date": f"{tag.released:%Y-%m-%dT%H:%M:%SZ}",
            "genre": tag.genre,
            "comment": tag.comment,
            "media_type": _PODCAST,
        }
    )
    container.set_chapters(
        [
            {
                "id": number,
                "start": round(1000 * chapter.start),
                "end": round(1000 * chapter.end),
                "time_base": Fraction(1, 1000),
                "metadata": {"title": chapter.title},
            }
            for number, chapter in enumerate(tag.chapters)
        ]
    )


def _limited(blocks: Iterable[Samples], rate: int, ceiling: float) -> Iterator[av.AudioFrame]:
    graph: Graph | None = None
    for frame in frames_of(blocks, rate):
        graph = graph or chain(
            frame,
            ("aresample", str(SAMPLE_RATE)),
            # level=disabled: or it turns the volume up again by what it limited.
            # latency=1: or everything comes 5 ms late, and the end is lost.
            ("alimiter", f"limit={ceiling:.6f}:attack=5:release=50:level=disabled:latency=1"),
            ("aformat", "sample_fmts=fltp:channel_layouts=mono"),
        )
        graph.push(frame)
        yield from pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from pulled(graph)

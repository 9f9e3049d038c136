"""Episodes as M4A: what stands in the file, where players look for it, and that the check believes no header."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from podcasting.audio.encoding import encode_mp3
from podcasting.audio.mixing import Mixing
from podcasting.audio.sound import LoudnessMeter
from podcasting.stages.check import AudioDamaged, Checked, CheckInput, check
from podcasting.stages.master import Mastered, MasterInput, master
from podcasting.stages.publish import PublishedFiles, PublishInput, publish
from tests.fakes.storage import MemoryStorage
from tests.fakes.tunes import kept
from tests.fakes.voices import ToneVoice
from tests.unit.test_master import SCRIPT, silently, spoken

Made = tuple[bytes, Mastered]
HOLDING = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta", b"tref", b"ilst"}


def atoms(content: bytes, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """All atoms with where they stand: read by the letter of ISO 14496-12, by no library that wrote them."""
    place = 0
    while place + 8 <= len(content):
        size, name = struct.unpack(">I4s", content[place : place + 8])
        assert 8 <= size <= len(content) - place, (path, name, size)
        body, here = content[place + 8 : place + size], (*path, name.decode("latin-1"))
        yield here, body
        if name in HOLDING or path[-1:] == ("ilst",):
            yield from atoms(body, here)
        elif name == b"meta":
            yield from atoms(body[4:], here)
        place += size
    assert place == len(content)


def tags(content: bytes) -> dict[str, bytes]:
    """The texts and pictures of iTunes' list, each without its type and locale."""
    return {path[-2]: body[8:] for path, body in atoms(content) if path[-1] == "data" and "ilst" in path}


@pytest.fixture(scope="module")
def cover() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (600, 600), "navy").save(file, "JPEG")
    return file.getvalue()


def make(cover: bytes, mixing: Mixing, workspace: MemoryStorage | None = None) -> Made:
    voices, given = spoken(ToneVoice())
    if workspace is not None:
        voices.contents |= workspace.contents
    work: MasterInput = given.model_copy(update={"mixing": mixing})
    mastered = master(work, voices, cover, silently)
    assert voices.content_types[mastered.key] == ("audio/mpeg" if mixing.format == "mp3" else "audio/x-m4a")
    return voices.get(mastered.key), mastered


@pytest.fixture(scope="module")
def made(cover: bytes) -> Made:
    return make(cover, Mixing(format="m4a"))


def test_is_mono_aac_that_streams_from_its_first_byte(made: Made) -> None:
    content, mastered = made

    top = [path[0] for path, _ in atoms(content) if len(path) == 1]
    assert top.index("moov") < top.index("mdat")
    assert content[4:12] == b"ftypM4A "
    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.profile) == ("aac", "LC")
        assert (stream.layout.name, stream.rate) == ("mono", 44_100)
        assert 60_000 < stream.bit_rate < 160_000  # of speech it is what was chosen; a hum takes more
        assert container.duration / av.time_base == pytest.approx(mastered.seconds, abs=0.05)
    assert mastered.key.endswith(".m4a")
    assert mastered.size_bytes == len(content)


def test_is_as_loud_as_apple_asks(made: Made) -> None:
    meter = LoudnessMeter()
    with av.open(io.BytesIO(made[0])) as container:
        for frame in container.decode(audio=0):
            meter.hear_frame(frame)

    assert meter.loudness_lufs == pytest.approx(-16, abs=0.5)
    assert meter.peak_dbtp <= -1


def test_its_tags_are_where_itunes_looks_for_them(made: Made, cover: bytes) -> None:
    found = tags(made[0])

    assert found["\xa9nam"].decode() == SCRIPT.title
    assert found["\xa9ART"] == found["aART"] == b"The Observers"
    assert found["\xa9alb"] == b"Field Notes"
    assert found["\xa9day"].startswith(b"2026-03-04")
    assert found["\xa9gen"] == b"Podcast"
    assert found["\xa9cmt"].decode() == SCRIPT.summary
    assert struct.unpack(">HHHH", found["trkn"])[1] == 7
    assert found["stik"] == b"\x15"
    assert found["covr"] == cover


def test_its_chapters_are_read_by_ffmpeg(made: Made) -> None:
    content, mastered = made

    with av.open(io.BytesIO(content)) as container:
        read = [(each["metadata"]["title"], each["start"] * each["time_base"]) for each in container.chapters()]
    assert [title for title, _ in read] == [each.title for each in mastered.chapters]
    assert [float(start) for _, start in read] == pytest.approx([each.start for each in mastered.chapters], abs=0.002)


def test_its_chapters_stand_in_both_places_that_players_know(made: Made) -> None:
    content, mastered = made
    titles = [each.title.encode() for each in mastered.chapters]

    (nero,) = [body for path, body in atoms(content) if path[-1] == "chpl"]
    place, listed = 9, []
    for _ in range(nero[8]):
        start, length = struct.unpack(">QB", nero[place : place + 9])
        listed.append((start / 1e7, nero[place + 9 : place + 9 + length]))
        place += 9 + length
    assert [title for _, title in listed] == titles
    assert [start for start, _ in listed] == pytest.approx([each.start for each in mastered.chapters], abs=0.002)
    # QuickTime's: a track of text that the sound refers to.
    (reference,) = [body for path, body in atoms(content) if path[-1] == "chap"]
    tracks = [body for path, body in atoms(content) if path[-1] == "tkhd"]
    kinds = [body[8:12] for path, body in atoms(content) if path[-1] == "hdlr" and "mdia" in path]
    numbers = [struct.unpack(">I", body[12:16])[0] for body in tracks]
    assert kinds[numbers.index(struct.unpack(">I", reference)[0])] == b"text"
    for title in titles:
        assert struct.pack(">H", len(title)) + title in content


def test_cues_hold_their_sound(made: Made) -> None:
    with av.open(io.BytesIO(made[0])) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])

    def level(start: float, end: float) -> float:
        part = sound[round(44_100 * start) : round(44_100 * end)]
        return float(10 * np.log10(np.mean(part**2) + 1e-12))

    for cue in made[1].cues:
        assert level(cue.start, cue.start + 0.3) > -35
        assert level(cue.end - 0.3, cue.end) > -35
        assert level(cue.end + 0.12, cue.end + 0.24) < -60


def test_the_same_input_makes_the_same_bytes(made: Made, cover: bytes) -> None:
    assert make(cover, Mixing(format="m4a")) == made


@pytest.mark.parametrize("language", ["en", "he", "x-klingon"])
def test_any_language_can_be_told(made: Made, cover: bytes, language: str) -> None:
    workspace, given = spoken(ToneVoice())
    mixing = Mixing(format="m4a", bit_rate_kbps=64)

    mastered = master(given.model_copy(update={"language": language, "mixing": mixing}), workspace, cover, silently)

    assert mastered.size_bytes < made[1].size_bytes, "and fewer bits make a smaller file"


@pytest.mark.parametrize("audio_format", ["mp3", "m4a"])
@pytest.mark.parametrize("loudness", [-23.0, -14.0])
def test_another_loudness_and_peak_are_reached_and_checked(
    cover: bytes, tmp_path: Path, audio_format: str, loudness: float
) -> None:
    workspace = MemoryStorage()
    mixing = Mixing(
        format=audio_format, loudness_lufs=loudness, peak_dbtp=-2, bed=kept(workspace, tmp_path, 5), bit_rate_kbps=128
    )
    content, mastered = make(cover, mixing, workspace)

    result = checked(content, mastered)

    assert result.loudness_lufs == pytest.approx(loudness, abs=0.5)
    assert result.peak_dbtp <= -2


# The check --------------------------------------------------------------------------------------------


def checked(content: bytes, mastered: Mastered, *, audio_format: str | None = None) -> Checked:
    workspace = MemoryStorage()
    workspace.put(mastered.key, content, content_type="audio/x-m4a")
    given = CheckInput(
        key=mastered.key,
        seconds=mastered.seconds,
        size_bytes=len(content),
        audio_format=audio_format or mastered.audio_format,
        aimed_lufs=mastered.aimed_lufs,
        aimed_peak_dbtp=mastered.aimed_peak_dbtp,
    )
    return check(given, workspace, lambda _: None)


def test_the_check_measures_it(made: Made) -> None:
    content, mastered = made

    result = checked(content, mastered)

    assert result.seconds == pytest.approx(mastered.seconds)
    assert result.loudness_lufs == pytest.approx(mastered.loudness_lufs)


def test_the_check_finds_a_truncated_file_though_its_header_tells_the_full_duration(made: Made) -> None:
    content, mastered = made
    half = content[: len(content) // 2]

    with av.open(io.BytesIO(half)) as container:
        assert container.duration / av.time_base == pytest.approx(mastered.seconds, abs=0.1)
    with pytest.raises(AudioDamaged, match=r"8\.\d s"):
        checked(half, mastered)


def test_the_check_finds_a_hole(made: Made) -> None:
    content, mastered = made
    third = len(content) // 3
    noise = np.random.default_rng(1).bytes(third)

    with pytest.raises(AudioDamaged):
        checked(content[:third] + noise + content[2 * third :], mastered)


def test_the_check_tells_the_formats_apart(made: Made) -> None:
    content, mastered = made
    hum = ToneVoice().speak("m" * 300, 0)
    mp3 = encode_mp3([hum], 24_000, ceiling_dbfs=-2, bit_rate=96_000)

    with pytest.raises(AudioDamaged, match="it is no MP3"):
        checked(content, mastered, audio_format="mp3")
    with pytest.raises(AudioDamaged, match="it is no M4A"):
        checked(mp3, mastered)
    lossless = io.BytesIO()
    with av.open(lossless, "w", format="mp4") as container:
        stream = container.add_stream("alac", rate=44_100)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), format="s16p", layout="mono")
        frame.sample_rate = 44_100
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(AudioDamaged, match=r"it is no M4A but ALAC"):
        checked(lossless.getvalue(), mastered)


# Publishing -------------------------------------------------------------------------------------------


def test_it_is_published_under_its_own_name_and_type(made: Made) -> None:
    workspace, site = MemoryStorage(), MemoryStorage()
    for key in ("audio", "vtt", "srt", "json", "cover"):
        workspace.put(key, b"content", content_type="")
    given = PublishInput(
        podcast_id="show",
        episode_id="show-1",
        audio="audio",
        vtt="vtt",
        srt="srt",
        json_transcript="json",
        cover="cover",
        chapters=made[1].chapters,
        audio_format="m4a",
    )

    files = publish(given, workspace, site)

    assert files.audio.endswith("/audio.m4a")
    assert files.audio_type == site.content_types[files.audio] == "audio/x-m4a"


def test_what_was_published_before_there_was_a_choice_is_mp3() -> None:
    written = {
        "audio": "show/show-1/0123/audio.mp3",
        "audio_bytes": 1,
        "vtt": "v",
        "srt": "s",
        "json_transcript": "j",
        "chapters": "c",
        "cover": "i",
    }

    assert PublishedFiles.model_validate(written).audio_type == "audio/mpeg"
    old = {"key": "audio/1.mp3", "size_bytes": 1, "seconds": 1.0, "loudness_lufs": -16.0, "peak_dbtp": -1.0}
    assert Mastered.model_validate(old | {"cues": (), "chapters": ()}).audio_format == "mp3"

from __future__ import annotations

import gc
import io
from collections.abc import Iterable
from contextlib import suppress

import av
import numpy as np
import pytest
from av.filter import Graph

from podcasting.audio.encoding import encode_mp3
from podcasting.audio.measuring import measure
from podcasting.audio.sound import SoundError, amplitude, write_wav
from podcasting.errors import LeaseLost, Permanent
from podcasting.providers.voices import Samples
from podcasting.stages.check import AudioDamaged, CheckInput, check
from tests.fakes.storage import MemoryStorage
from tests.fakes.voices import ToneVoice

RATE = 24_000
KEY = "audio/0123456789abcdef.mp3"


def speech(seconds: float) -> Samples:
    """A hum at −16 LUFS once encoded."""
    hum = ToneVoice().speak("m" * round(seconds / 0.06), 0)
    measured = measure(encode_mp3([hum], RATE, ceiling_dbfs=-2, bit_rate=96_000))
    return hum * np.float32(amplitude(-16 - measured.loudness_lufs))


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


def mp3(*blocks: Samples, ceiling_dbfs: float = -2) -> bytes:
    return encode_mp3(blocks, RATE, ceiling_dbfs=ceiling_dbfs, bit_rate=96_000)


HUM = speech(20)
GOOD = mp3(HUM)


def checked(content: bytes, *, seconds: float = 20, size_bytes: int | None = None, told: list[str] | None = None):
    workspace = MemoryStorage()
    workspace.put(KEY, content, content_type="audio/mpeg")
    given = CheckInput(key=KEY, seconds=seconds, size_bytes=len(content) if size_bytes is None else size_bytes)
    return check(given, workspace, ([] if told is None else told).append)


def damage(content: bytes, **given) -> str:
    with pytest.raises(AudioDamaged) as refusal:
        checked(content, **given)
    message = str(refusal.value)
    assert message.startswith(f"audio {KEY}: ")
    assert message.endswith("`airdate episodes retry ID` makes the audio again")
    return message


def test_measures_good_audio() -> None:
    told: list[str] = []

    result = checked(GOOD, told=told)

    assert result.seconds == pytest.approx(20, abs=0.05)
    assert result.size_bytes == len(GOOD)
    assert result.loudness_lufs == pytest.approx(-16, abs=0.2)
    assert result.peak_dbtp < -1
    assert result.longest_silence_seconds < 0.1
    assert told == ["checking the audio"]


def test_a_truncated_file_is_found_though_its_header_tells_the_full_duration() -> None:
    truncated = GOOD[: len(GOOD) // 3]

    with av.open(io.BytesIO(truncated), "r") as container:
        assert container.duration / av.time_base == pytest.approx(20, abs=0.1)
    assert "6.6 s of it decode where 20.0 s were made" in damage(truncated)
    assert f"{len(truncated)} bytes where {len(GOOD)} were made" in damage(truncated, size_bytes=len(GOOD))


def test_a_second_too_little_is_found() -> None:
    assert "19.0 s" in damage(mp3(HUM[: 19 * RATE]))


def test_a_hole_in_the_middle_is_found() -> None:
    third = len(GOOD) // 3
    noise = np.random.default_rng(1).integers(0, 255, third, np.uint8).tobytes()

    damage(GOOD[:third] + noise + GOOD[2 * third :])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "it is empty", id="empty"),
        pytest.param(b"<html>503 Service Unavailable</html>" * 200, "does not decode", id="a page"),
        pytest.param(np.random.default_rng(2).bytes(50_000), "", id="noise"),
        pytest.param(GOOD[:260], "", id="260 bytes"),
        pytest.param(write_wav(HUM, RATE), "no MP3", id="a WAV"),
    ],
)
def test_what_is_no_mp3_is_found(content: bytes, reason: str) -> None:
    assert reason in damage(content)


def test_a_missing_file_is_found() -> None:
    with pytest.raises(AudioDamaged, match=r"not in the storage; `airdate episodes retry"):
        check(CheckInput(key=KEY, seconds=20, size_bytes=1), MemoryStorage(), lambda _: None)


def test_silence_is_found() -> None:
    assert "it is silent" in damage(mp3(silence(20)))


def test_a_silent_passage_is_found_and_a_pause_is_not() -> None:
    def with_pause(seconds: float) -> Iterable[Samples]:
        return HUM[: 10 * RATE], silence(seconds), HUM[10 * RATE :]

    assert "4.5 s of it are silent" in damage(mp3(*with_pause(4.5)), seconds=24.5)
    assert checked(mp3(*with_pause(3)), seconds=23).longest_silence_seconds == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize(("gain_db", "loudness"), [(-2, "-18"), (2, "-14")])
def test_wrong_loudness_is_found(gain_db: float, loudness: str) -> None:
    assert f"its loudness is {loudness}" in damage(mp3(HUM * np.float32(amplitude(gain_db))))


def test_a_peak_too_high_is_found() -> None:
    clicks = HUM.copy()
    clicks[RATE :: 2 * RATE] = 1
    clicks[RATE + 1 :: 2 * RATE] = -1

    assert "over -1.0" in damage(mp3(clicks, ceiling_dbfs=0))


def test_damaged_audio_is_not_tried_again() -> None:
    assert issubclass(AudioDamaged, Permanent)


def test_a_lost_lease_ends_it() -> None:
    workspace = MemoryStorage()
    long = mp3(*[HUM] * 4)
    workspace.put(KEY, long, content_type="audio/mpeg")

    def lose_the_lease(message: str) -> None:
        if message == "checked 1 min":
            raise LeaseLost("field-notes-7", 2)

    with pytest.raises(LeaseLost):
        check(CheckInput(key=KEY, seconds=80, size_bytes=len(long)), workspace, lose_the_lease)


@pytest.mark.parametrize("content", [GOOD, GOOD[: len(GOOD) // 2], b"no sound"], ids=["good", "half", "garbage"])
def test_a_file_that_was_measured_leaves_no_filters_behind(content: bytes) -> None:
    mp3(HUM)  # its filters go too
    with suppress(SoundError):
        measure(content)

    assert not [thing for thing in gc.get_objects() if type(thing) is Graph]

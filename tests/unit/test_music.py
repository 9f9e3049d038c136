"""Music from users' files: what is kept of them, and what is refused."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from podcasting.audio import music
from podcasting.audio.music import MusicError, Recording, prepared, recorded
from podcasting.audio.sound import SILENT_LUFS, SoundError
from tests.fakes.templates import of_type, template
from tests.fakes.tunes import RATE, packed_file, tune, wav_file

TUNE = tune(3)


def silence(seconds: float) -> np.ndarray:
    return np.zeros((2, round(seconds * RATE)), np.float32)


def refusal(path: Path) -> str:
    with pytest.raises(MusicError) as refused:
        prepared(path)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_what_is_kept_is_mono_and_plays_in_another_decoder(tmp_path: Path) -> None:
    piece = prepared(wav_file(tmp_path / "a.wav", TUNE))

    samples, rate = soundfile.read(io.BytesIO(piece.content), dtype="float32")
    assert (samples.ndim, rate) == (1, 44_100)
    assert len(samples) / rate == pytest.approx(piece.seconds, abs=0.001)
    assert np.abs(samples).max() == pytest.approx(10 ** (-1 / 20), abs=0.001)
    assert -30 < piece.loudness_lufs < -6


def test_the_mean_of_two_channels_is_heard(tmp_path: Path) -> None:
    left = TUNE[:1]
    both = prepared(wav_file(tmp_path / "both.wav", np.concatenate([left, left])))
    one = prepared(wav_file(tmp_path / "one.wav", left))

    assert both.digest == one.digest


def test_the_same_file_is_kept_as_the_same(tmp_path: Path) -> None:
    first, second = (prepared(wav_file(tmp_path / name, TUNE)) for name in ("a.wav", "b.wav"))

    assert first == second


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp3", "libmp3lame"), ("a.m4a", "aac"), ("a.flac", "flac"), ("a.ogg", "libopus"), ("a.mka", "flac")],
)
def test_common_formats_are_heard(tmp_path: Path, name: str, codec: str) -> None:
    piece = prepared(packed_file(tmp_path / name, codec, TUNE))

    assert piece.seconds == pytest.approx(3, abs=0.1)


def test_silence_at_its_ends_is_cut_off(tmp_path: Path) -> None:
    padded = np.concatenate([silence(3), TUNE, silence(4)], axis=1)

    assert prepared(wav_file(tmp_path / "a.wav", padded)).seconds == pytest.approx(3, abs=0.1)


def test_what_was_kept_is_played_from_disk(tmp_path: Path) -> None:
    piece = prepared(wav_file(tmp_path / "a.wav", TUNE))
    whole, _ = soundfile.read(io.BytesIO(piece.content), dtype="float32")

    with tempfile.TemporaryFile() as file:
        recording = recorded(piece.content, file)

        assert recording.seconds == pytest.approx(piece.seconds)
        assert recording.loudness_lufs == pytest.approx(piece.loudness_lufs, abs=0.11)
        assert recording.read(1000, 500) == pytest.approx(whole[1000:1500], abs=1e-4)
        assert recording.read(-5, 10)[:5].tolist() == [0] * 5
        assert recording.read(recording.length + 7, 3).tolist() == [0] * 3


@pytest.mark.parametrize("content", [b"", b"garbage" * 99, b"fLaC" + bytes(99)])
def test_what_was_kept_and_is_damaged_is_found(content: bytes) -> None:
    with tempfile.TemporaryFile() as file, pytest.raises(SoundError):
        recorded(content, file)


# Refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.95, 1], ids=["nearly", "wholly"])
def test_channels_that_cancel_each_other_are_refused(tmp_path: Path, share: float) -> None:
    against = wav_file(tmp_path / "a.wav", np.concatenate([TUNE[:1], -share * TUNE[:1]]))

    assert "cancel each other" in refusal(against)


@pytest.mark.parametrize(
    ("channels", "reason"),
    [
        (silence(2), "all of it is silent"),
        (TUNE[:, : RATE // 2], "only 0.5"),
        (np.concatenate([TUNE, silence(3), TUNE], axis=1), "of silence within"),
    ],
    ids=["silent", "short", "a break"],
)
def test_what_listeners_would_take_for_a_fault_is_refused(tmp_path: Path, channels: np.ndarray, reason: str) -> None:
    assert reason in refusal(wav_file(tmp_path / "a.wav", channels))


def test_decoding_ends_at_the_longest_that_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(music, "MOST_SECONDS", 2.0)

    assert "longer than" in refusal(wav_file(tmp_path / "a.wav", tune(4)))


def test_a_file_too_large_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        file.truncate(music.MOST_BYTES + 1)

    assert "200 MB" in refusal(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert "no file" in refusal(tmp_path / "pipe")
    assert "no file" in refusal(tmp_path)
    assert "No such file" in refusal(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:3,\n{path}\n#EXT-X-ENDLIST\n"),
        ("a.ffconcat", "ffconcat version 1.0\nfile '{path}'\n"),
        ("a.sdp", "v=0\nm=audio 49170 RTP/AVP 0\nc=IN IP4 127.0.0.1\n"),
        ("a.mp3", "<html>404 Not Found</html>"),
        ("a.wav", ""),
    ],
)
def test_what_leads_to_other_files_or_to_the_network_is_refused(tmp_path: Path, name: str, content: str) -> None:
    other = wav_file(tmp_path / "other.wav", TUNE)
    path = tmp_path / name
    path.write_text(content.format(path=other))

    assert "does not decode as music" in refusal(path)


def test_random_bytes_with_a_good_beginning_end_in_one_line_or_are_music(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    for name, codec in (("a.mp3", "libmp3lame"), ("a.m4a", "aac"), ("a.flac", "flac"), ("a.ogg", "libopus")):
        whole = packed_file(tmp_path / name, codec, TUNE).read_bytes()
        for round_ in range(4):
            damaged = bytearray(whole)
            for place in random.integers(0, len(whole), 40):
                damaged[place] = random.integers(0, 256)
            path = tmp_path / f"{round_}{name}"
            path.write_bytes(damaged if round_ else whole[: len(whole) // 2])
            try:
                assert prepared(path).loudness_lufs > SILENT_LUFS
            except MusicError as error:
                assert "\n" not in str(error)  # noqa: PT017 - either outcome is right


def test_a_recording_of_nothing_reads_as_silence() -> None:
    assert Recording(io.BytesIO(), 0, SILENT_LUFS).read(0, 4).tolist() == [0] * 4


def test_no_rule_of_the_bucket_deletes_music() -> None:
    (bucket,) = of_type(template("media"), "AWS::S3::Bucket").values()

    expiring = [rule["Prefix"] for rule in bucket["LifecycleConfiguration"]["Rules"] if "ExpirationInDays" in rule]
    assert "work/clips/" in expiring
    assert not [prefix for prefix in expiring if "work/music/key.flac".startswith(prefix)]

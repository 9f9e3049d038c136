from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from datetime import UTC, datetime

import av
import numpy as np
import pytest
import soundfile
from PIL import Image
from pydantic import ValidationError

from podcasting.audio.sound import LoudnessMeter, write_wav
from podcasting.errors import LeaseLost, Permanent
from podcasting.providers.voices import Samples, Voice
from podcasting.providers.writers import Script, Section, Turn
from podcasting.stages.master import Mastered, MasterInput, master
from podcasting.stages.speech import Speech, SpeechInput, speak
from podcasting.stages.tape import ClipDamaged
from tests.fakes.storage import MemoryStorage
from tests.fakes.voices import ToneVoice

SCRIPT = Script(
    title="Ice, whales & «Größe» 冰",
    summary="A satellite – and a hydrophone.",
    hosts=("Ada", "Ben"),
    sections=(
        Section(title="Welcome"),
        Section(title="Über Eis 冰", url="https://example.org/eis?über=1&b=2"),
        Section(title="Goodbye"),
    ),
    turns=(
        Turn(host=0, section=0, text="Good morning, and welcome to the show about the sea."),
        Turn(host=1, section=0, text="We have one story today, and it is a cold one."),
        Turn(host=0, section=1, text="A satellite has counted every iceberg for a whole year."),
        Turn(host=1, section=1, text="How many are there, and how large is the largest of them?"),
        Turn(host=0, section=2, text="That is all for today."),
    ),
)


class UnlikeVoices(ToneVoice):
    """The second host is twenty decibels quieter."""

    def speak(self, text: str, host: int) -> Samples:
        return super().speak(text, host) * np.float32(0.1 if host else 1)


class CracklingVoice(ToneVoice):
    """A crackle of four clicks, and nothing till the next: cannot be made loud."""

    def speak(self, text: str, host: int) -> Samples:
        sound = super().speak(text, host) * np.float32(0)
        for milliseconds in (0, 4, 8, 12):
            sound[milliseconds * self.sample_rate // 1000 :: 2 * self.sample_rate // 5] = 0.9
        return sound


class PaddingVoice(ToneVoice):
    """Begins and ends each turn with a second of nothing."""

    def speak(self, text: str, host: int) -> Samples:
        return np.pad(super().speak(text, host), self.sample_rate)


def silently(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def cover() -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (700, 700, 3), np.uint8)
    Image.fromarray(noise).save(file, "JPEG", quality=95)
    return file.getvalue()  # several hundred kilobytes, like a real one


def spoken(voice: Voice) -> tuple[MemoryStorage, MasterInput]:
    workspace = MemoryStorage()
    speech = speak(SpeechInput(turns=SCRIPT.turns, language="en"), voice, workspace, silently)
    return workspace, given(speech)


def given(speech: Speech) -> MasterInput:
    return MasterInput(
        speech=speech,
        script=SCRIPT,
        podcast_title="Field Notes",
        author="The Observers",
        language="en-GB",
        episode_number=7,
        slot=datetime(2026, 3, 4, 6, 30, tzinfo=UTC),
    )


@pytest.fixture(scope="module")
def made(cover: bytes) -> tuple[bytes, Mastered]:
    workspace, work = spoken(ToneVoice())
    mastered = master(work, workspace, cover, silently)
    assert workspace.content_types[mastered.key] == "audio/mpeg"
    return workspace.get(mastered.key), mastered


@pytest.fixture(scope="module")
def heard(made: tuple[bytes, Mastered]) -> Samples:
    """The file as another decoder than FFmpeg hears it."""
    samples, rate = soundfile.read(io.BytesIO(made[0]), dtype="float32")
    assert rate == 44_100
    return samples


def level(samples: Samples, start: float, end: float) -> float:
    """The root mean square from ``start`` to ``end`` (seconds), in decibels."""
    part = samples[round(44_100 * start) : round(44_100 * end)]
    return float(10 * np.log10(np.mean(part**2) + 1e-12))


def test_is_a_mono_mp3_of_constant_bit_rate(made: tuple[bytes, Mastered], heard: Samples) -> None:
    content, mastered = made

    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.layout.name, stream.rate) == ("mp3float", "mono", 44_100)
        sizes = {packet.size for packet in container.demux(stream) if packet.size}
    assert sizes <= {313, 314}  # 96,000 bits a second in frames of 1,152 samples
    assert heard.ndim == 1
    assert len(heard) / 44_100 == pytest.approx(mastered.seconds, abs=0.001)
    assert mastered.size_bytes == len(content)


def test_is_as_loud_as_apple_asks_measured_on_another_decoders_output(
    made: tuple[bytes, Mastered], heard: Samples
) -> None:
    meter = LoudnessMeter()
    meter.hear(heard, 44_100)

    assert meter.loudness_lufs == pytest.approx(-16, abs=0.5)
    assert meter.peak_dbtp <= -1
    assert made[1].loudness_lufs == pytest.approx(meter.loudness_lufs, abs=0.05)
    assert made[1].peak_dbtp == pytest.approx(meter.peak_dbtp, abs=0.05)


def test_cues_follow_the_turns_and_hold_their_sound(made: tuple[bytes, Mastered], heard: Samples) -> None:
    cues = made[1].cues

    assert [(cue.host, cue.text) for cue in cues] == [(SCRIPT.hosts[turn.host], turn.text) for turn in SCRIPT.turns]
    for cue in cues:
        assert level(heard, cue.start, cue.start + 0.3) > -35
        assert level(heard, cue.end - 0.3, cue.end) > -35
    for before, after in itertools.pairwise(cues):
        assert level(heard, before.end + 0.1, after.start - 0.1) < -60


def test_pauses_longer_between_sections_than_between_turns(made: tuple[bytes, Mastered]) -> None:
    mastered = made[1]

    pauses = [after.start - before.end for before, after in itertools.pairwise(mastered.cues)]
    assert pauses == pytest.approx([0.35, 0.9, 0.35, 0.9], abs=0.01)
    assert mastered.cues[0].start == pytest.approx(0.4, abs=0.01)
    assert mastered.seconds - mastered.cues[-1].end == pytest.approx(0.4, abs=0.05)


def test_chapters_cover_the_audio_and_begin_just_before_their_sections(made: tuple[bytes, Mastered]) -> None:
    chapters, cues = made[1].chapters, made[1].cues

    assert [(chapter.title, chapter.url) for chapter in chapters] == [
        (each.title, each.url) for each in SCRIPT.sections
    ]
    assert chapters[0].start == 0
    assert chapters[-1].end == made[1].seconds
    assert all(before.end == after.start for before, after in itertools.pairwise(chapters))
    assert [cues[2].start - chapters[1].start, cues[4].start - chapters[2].start] == pytest.approx(
        [0.25, 0.25], abs=0.002
    )


def test_its_tags_chapters_and_cover_are_read_by_ffmpeg(made: tuple[bytes, Mastered], cover: bytes) -> None:
    content, mastered = made

    with av.open(io.BytesIO(content)) as container:
        assert container.metadata == {
            "title": SCRIPT.title,
            "artist": "The Observers",
            "album": "Field Notes",
            "track": "7",
            "date": "2026-03-04 06:30",
            "language": "eng",
            "genre": "Podcast",
            "comment": SCRIPT.summary,
        }
        chapters = [
            (chapter["metadata"]["title"], chapter["start"], chapter["end"]) for chapter in container.chapters()
        ]
        picture = next(container.demux(container.streams.video[0]))
        assert bytes(picture) == cover
    assert chapters == [(each.title, round(1000 * each.start), round(1000 * each.end)) for each in mastered.chapters]


def test_a_chapters_link_is_in_the_tag_with_its_address_quoted(made: tuple[bytes, Mastered]) -> None:
    address = b"https://example.org/eis?%C3%BCber=1&b=2"

    assert b"WXXX" + (len(address) + 2).to_bytes(4, "big") + b"\0\0\0\0" + address in made[0]


def test_the_same_input_makes_the_same_bytes(made: tuple[bytes, Mastered], cover: bytes) -> None:
    workspace, work = spoken(ToneVoice())

    again = master(work, workspace, cover, silently)

    assert again == made[1]
    assert workspace.get(again.key) == made[0]


def test_another_cover_makes_another_key(made: tuple[bytes, Mastered]) -> None:
    workspace, work = spoken(ToneVoice())

    assert master(work, workspace, b"\xff\xd8another", silently).key != made[1].key


def test_hosts_of_unlike_loudness_end_equally_loud(cover: bytes) -> None:
    workspace, work = spoken(UnlikeVoices())

    mastered = master(work, workspace, cover, silently)

    samples, _ = soundfile.read(io.BytesIO(workspace.get(mastered.key)), dtype="float32")
    ada, ben = (level(samples, cue.start, cue.end) for cue in mastered.cues[:2])
    assert ada == pytest.approx(ben, abs=2)


def test_the_silence_an_engine_puts_around_a_turn_does_not_lengthen_the_pauses(cover: bytes) -> None:
    workspace, work = spoken(PaddingVoice())

    cues = master(work, workspace, cover, silently).cues

    for turn, cue in zip(SCRIPT.turns, cues, strict=True):
        assert cue.end - cue.start == pytest.approx(0.06 * len(turn.text), abs=0.2)


def test_gives_up_on_sound_that_cannot_be_made_loud(cover: bytes) -> None:
    workspace, work = spoken(CracklingVoice())

    with pytest.raises(Permanent, match=r"after 6 passes .* LUFS .* dBTP"):
        master(work, workspace, cover, silently)

    assert not any(key.startswith("audio/") for key in workspace.contents)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda workspace, key: workspace.contents.pop(key), "is gone"),
        (lambda workspace, key: workspace.contents.update({key: workspace.contents[key][:999]}), "is damaged"),
        (
            lambda workspace, key: workspace.contents.update({key: write_wav(np.ones(99, np.float32), 8_000)}),
            "8000 samples a second",
        ),
    ],
)
def test_names_the_clip_that_is_unfit(harm: Callable[[MemoryStorage, str], None], reason: str, cover: bytes) -> None:
    workspace, work = spoken(ToneVoice())
    key = work.speech.clips[3].key
    harm(workspace, key)

    with pytest.raises(ClipDamaged, match=reason) as refusal:
        master(work, workspace, cover, silently)

    assert key in str(refusal.value)


@pytest.mark.parametrize("moment", ["joining clip 3 of 5", "encoding, pass 1"])
def test_a_lost_lease_ends_it_before_anything_is_stored(moment: str, cover: bytes) -> None:
    workspace, work = spoken(ToneVoice())

    def lose_the_lease(message: str) -> None:
        if message == moment:
            raise LeaseLost("field-notes-7", 2)

    with pytest.raises(LeaseLost):
        master(work, workspace, cover, lose_the_lease)

    assert not any(key.startswith("audio/") for key in workspace.contents)


def test_tells_of_every_minute_so_that_a_long_episode_keeps_its_lease(cover: bytes) -> None:
    workspace, work = spoken(ToneVoice(seconds_per_character=0.28))
    told: list[str] = []

    mastered = master(work, workspace, cover, told.append)

    assert 60 < mastered.seconds < 120
    assert {"encoded 1 min", "measured 1 min"} <= set(told)


def test_refuses_speech_of_another_script() -> None:
    _, work = spoken(ToneVoice())

    with pytest.raises(ValidationError, match="4 clips for 5 turns"):
        given(work.speech.model_copy(update={"clips": work.speech.clips[:4]}))

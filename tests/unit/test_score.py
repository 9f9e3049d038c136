"""Music in an episode: when it plays, how loud, and how it gives way to speech."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

from podcasting.audio.mixing import Mixing
from podcasting.audio.music import Recording
from podcasting.audio.sound import QUIET_DBFS, SAMPLE_RATE, LoudnessMeter, amplitude
from podcasting.providers.voices import Samples
from podcasting.stages.score import Pieces, Score
from podcasting.stages.tape import Cue

VOICE_RATE = 24_000


def recording(samples: Samples) -> Recording:
    meter = LoudnessMeter(peaks=False)
    meter.hear(samples, SAMPLE_RATE)
    return Recording(io.BytesIO(samples.astype(np.float32).tobytes()), len(samples), meter.loudness_lufs)


def noise(seconds: float, *, seed: int = 1, level: float = 0.1) -> Recording:
    """As loud everywhere, so that what is measured is what the score did."""
    random = np.random.default_rng(seed)
    return recording((level * random.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32))


def cues(*spans: tuple[float, float]) -> tuple[Cue, ...]:
    return tuple(Cue(host="Ada", text="…", start=start, end=end) for start, end in spans)


def heard(score: Score, spoken: tuple[Cue, ...], *, gain_db: float = 0) -> Samples:
    """All the music and none of the speech."""
    silence = np.zeros(round((spoken[-1].end + score.after_seconds) * VOICE_RATE), np.float32)
    return np.concatenate(list(score.played([silence], VOICE_RATE, spoken, gain_db)))


def loudness(sound: Samples, start: float, end: float) -> float:
    meter = LoudnessMeter(peaks=False)
    meter.hear(sound[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)], SAMPLE_RATE)
    return meter.loudness_lufs


def test_a_bed_is_twenty_units_below_speech_and_rises_where_nobody_speaks() -> None:
    score = Score(Mixing(), Pieces(bed=noise(60)))
    bed = heard(score, cues((1.5, 10), (10.3, 20), (25, 30)))

    assert loudness(bed, 3, 9) == pytest.approx(-36, abs=0.3)
    assert loudness(bed, 9.5, 11) == pytest.approx(-36, abs=0.3), "a short pause does not lift it"
    assert loudness(bed, 21.1, 24.6) == pytest.approx(-30, abs=0.3)
    assert loudness(bed, 25, 29.9) == pytest.approx(-36, abs=0.3)


def fading(seconds: float, *, decibels_a_second: float) -> Recording:
    """Noise that is loud for four seconds, and then fades out."""
    loud = noise(seconds).read(0, round(seconds * SAMPLE_RATE))
    since = np.maximum(0, np.arange(len(loud)) / SAMPLE_RATE - 4)
    return recording(loud * 10 ** (-decibels_a_second * since / 20).astype(np.float32))


def test_an_outro_ends_where_it_is_heard_no_longer_as_quiet_as_it_plays() -> None:
    spoken, outro = cues((0.4, 10)), fading(16, decibels_a_second=4)
    aloud = Score(Mixing(), Pieces(outro=outro))
    softly = Score(Mixing(loudness_lufs=-24, music_below_speech_lu=20), Pieces(outro=outro))

    played = heard(softly, spoken)

    assert softly.after_seconds < 7
    assert aloud.after_seconds > 11
    assert np.abs(played[-SAMPLE_RATE // 2 :]).max() >= amplitude(QUIET_DBFS)


def test_an_intro_begins_where_it_is_heard_as_quiet_as_it_plays() -> None:
    backwards = fading(16, decibels_a_second=4)
    intro = recording(backwards.read(0, backwards.length)[::-1])
    softly = Score(Mixing(loudness_lufs=-24, music_below_speech_lu=20), Pieces(intro=intro))

    played = heard(softly, cues((softly.lead_seconds, softly.lead_seconds + 5)))

    assert softly.lead_seconds < 7
    assert np.abs(played[: SAMPLE_RATE // 2]).max() >= amplitude(QUIET_DBFS)


def test_music_whose_ends_are_short_plays_as_it_is() -> None:
    outro = fading(5, decibels_a_second=40)
    softly = Score(Mixing(loudness_lufs=-24, music_below_speech_lu=20, outro_under_seconds=0), Pieces(outro=outro))

    assert softly.after_seconds == pytest.approx(5)


def test_it_sinks_before_the_word_and_rises_after_it() -> None:
    mixing = Mixing(ducking_attack_seconds=0.5, ducking_release_seconds=2)
    bed = heard(Score(mixing, Pieces(bed=noise(60))), cues((1.5, 10), (20, 30)))

    assert loudness(bed, 20, 20.5) == pytest.approx(-36, abs=0.5)
    assert loudness(bed, 19, 19.5) == pytest.approx(-30, abs=0.5)
    assert loudness(bed, 19.5, 20) == pytest.approx(-33, abs=1)
    assert loudness(bed, 10, 11) == pytest.approx(-34.5, abs=1)
    assert loudness(bed, 11, 12) == pytest.approx(-31.5, abs=1)


def test_a_bed_rises_no_higher_than_music_that_plays_alone() -> None:
    mixing = Mixing(bed_below_speech_lu=6, ducking_lu=20, music_below_speech_lu=3)
    bed = heard(Score(mixing, Pieces(bed=noise(60))), cues((1.5, 10), (20, 30)))

    assert loudness(bed, 12, 19) == pytest.approx(-19, abs=0.3)
    assert loudness(bed, 3, 9) == pytest.approx(-22, abs=0.3)


def test_no_music_is_louder_under_speech_than_alone() -> None:
    mixing = Mixing(music_below_speech_lu=20, bed_below_speech_lu=6, intro_alone_seconds=5, intro_under_seconds=30)
    intro = heard(Score(mixing, Pieces(intro=noise(30))), cues((5, 30)))

    assert loudness(intro, 1, 4) == pytest.approx(-36, abs=0.3)
    assert loudness(intro, 5, 6) < -35.7


@pytest.mark.parametrize("level", [0.02, 0.2])
@pytest.mark.parametrize("below", [12.0, 30.0])
def test_how_loud_the_file_is_makes_no_difference(level: float, below: float) -> None:
    mixing = Mixing(bed_below_speech_lu=below, loudness_lufs=-14)
    bed = heard(Score(mixing, Pieces(bed=noise(30, level=level))), cues((1.5, 25)))

    assert loudness(bed, 4, 24) == pytest.approx(-14 - below, abs=0.3)


def test_an_intro_plays_alone_then_sinks_under_the_first_words_and_ends() -> None:
    score = Score(Mixing(intro_under_seconds=4), Pieces(intro=noise(10)))
    assert score.lead_seconds == pytest.approx(6)

    sound = heard(score, cues((6, 30)))

    assert loudness(sound, 0.5, 5.5) == pytest.approx(-18, abs=0.3)
    assert loudness(sound, 6, 7) == pytest.approx(-36, abs=1.5)
    assert loudness(sound, 8.9, 9.9) < -44
    assert not sound[round(10.02 * SAMPLE_RATE) :].any()


def test_an_outro_rises_under_the_last_words_and_plays_to_its_end() -> None:
    score = Score(Mixing(outro_under_seconds=4), Pieces(outro=noise(10)))
    assert score.after_seconds == pytest.approx(6)

    sound = heard(score, cues((0.4, 30)))

    assert len(sound) / SAMPLE_RATE == pytest.approx(36, abs=0.001)
    assert not sound[: round(26 * SAMPLE_RATE) - 1].any()
    assert loudness(sound, 28.9, 29.9) == pytest.approx(-37, abs=1.5)
    assert loudness(sound, 31.1, 35.9) == pytest.approx(-18, abs=0.3)


def test_an_outro_that_is_cut_fades() -> None:
    score = Score(Mixing(outro_alone_seconds=5), Pieces(outro=noise(30)))
    sound = heard(score, cues((0.4, 10)))

    assert score.after_seconds == 5
    assert loudness(sound, 11.2, 12) == pytest.approx(-18, abs=0.5)
    assert loudness(sound, 14.4, 15) < -28
    assert abs(sound[-1]) < 0.001


def test_how_long_an_intro_plays_alone_can_be_chosen() -> None:
    intro = noise(10)

    assert Score(Mixing(intro_alone_seconds=4), Pieces(intro=intro)).lead_seconds == 4
    assert Score(Mixing(intro_alone_seconds=60), Pieces(intro=intro)).lead_seconds == pytest.approx(10)
    assert Score(Mixing(intro_alone_seconds=0), Pieces(intro=intro)).lead_seconds == pytest.approx(0.4)


def test_a_bed_takes_over_from_the_intro_and_hands_over_to_the_outro() -> None:
    pieces = Pieces(intro=noise(8, seed=1), outro=noise(8, seed=2), bed=noise(9, seed=3))
    sound = heard(Score(Mixing(), pieces), cues((5, 30)))

    assert loudness(sound, 0.5, 4.5) == pytest.approx(-18, abs=0.4)
    for start in range(9, 26):
        assert loudness(sound, start, start + 1) == pytest.approx(-36, abs=0.7)
    assert loudness(sound, 31.1, 34.9) == pytest.approx(-18, abs=0.4)


def test_a_bed_is_repeated_without_a_seam() -> None:
    seconds = np.arange(6 * SAMPLE_RATE) / SAMPLE_RATE
    tone = recording((0.2 * np.sin(2 * np.pi * 110 * seconds)).astype(np.float32))
    sound = heard(Score(Mixing(), Pieces(bed=tone)), cues((1.5, 60)))
    middle = sound[3 * SAMPLE_RATE : 58 * SAMPLE_RATE]

    # A tone at this level steps by so much from sample to sample; a cut would show as a larger step.
    step = np.abs(middle).max() * 2 * np.pi * 110 / SAMPLE_RATE
    assert np.abs(np.diff(middle)).max() < 1.5 * step
    assert loudness(sound, 3, 58) == pytest.approx(-36, abs=1.6)


@pytest.mark.parametrize(
    ("spoken", "mixing"),
    [
        (cues((0.4, 0.7)), Mixing()),
        (cues((1, 3)), Mixing(intro_under_seconds=30, outro_under_seconds=30)),
        (cues((1, 3), (3.1, 3.3)), Mixing(intro_under_seconds=0, outro_under_seconds=0, outro_alone_seconds=0)),
        (cues((1, 3), (9, 9.5)), Mixing(ducking_attack_seconds=5, ducking_release_seconds=10)),
    ],
)
@pytest.mark.parametrize("which", ["intro", "outro", "bed", "intro outro bed"])
def test_whatever_is_chosen_the_music_is_finite_and_never_louder_than_it_may_be(
    spoken: tuple[Cue, ...], mixing: Mixing, which: str
) -> None:
    pieces = Pieces(**{name: noise(5) for name in which.split()})
    score = Score(mixing, pieces)
    lead = score.lead_seconds - spoken[0].start
    moved = tuple(cue.model_copy(update={"start": cue.start + lead, "end": cue.end + lead}) for cue in spoken)

    sound = heard(score, moved)

    assert np.isfinite(sound).all()
    assert len(sound) / SAMPLE_RATE == pytest.approx(moved[-1].end + score.after_seconds, abs=0.001)
    assert np.abs(sound).max() < 10 ** ((-18 + 16) / 20)


def test_speech_stays_at_its_moment(random_speech: Callable[[float], Samples]) -> None:
    speech = random_speech(5)
    score = Score(Mixing(bed_below_speech_lu=40), Pieces(bed=noise(9)))

    mixed = np.concatenate(list(score.played([speech], VOICE_RATE, cues((1.5, 3)), 0)))

    alone = np.repeat(speech, 2)[: len(mixed)]  # 48,000 a second; compared at the places of 44,100
    places = np.arange(0, len(mixed), 441)
    other = alone[np.minimum(np.round(places * 48_000 / SAMPLE_RATE).astype(int), len(alone) - 1)]
    assert np.corrcoef(mixed[places[: len(other)]], other)[0, 1] > 0.95


def test_the_gain_on_the_speech_is_on_the_music_too() -> None:
    score, spoken = Score(Mixing(), Pieces(bed=noise(20))), cues((1.5, 15))

    assert heard(score, spoken, gain_db=6) == pytest.approx(heard(score, spoken) * 10 ** (6 / 20), abs=1e-5)


@pytest.fixture
def random_speech() -> Callable[[float], Samples]:
    """Low noise, which the resampling leaves alone."""

    def made(seconds: float) -> Samples:
        random = np.random.default_rng(5).standard_normal(round(seconds * VOICE_RATE))
        return (0.2 * np.convolve(random, np.ones(60) / 60, "same")).astype(np.float32)

    return made

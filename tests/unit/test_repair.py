"""Clips that an engine made badly: repaired where nothing is lost by it, refused where words may be."""

from __future__ import annotations

import numpy as np
import pytest

from podcasting.audio.repair import UnfitClip, clipped_share, faded, repaired
from podcasting.audio.sound import amplitude
from podcasting.providers.voices import Samples
from tests.fakes.voices import ToneVoice

RATE = 24_000
SPEECH = ToneVoice().speak("Good morning, and welcome to the show about the sea, and all that lives in it.", 0)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


def driven(decibels: float) -> Samples:
    """Speech recorded so much too loud, and cut off at full scale, as 16 bits hold it."""
    loud = SPEECH / np.abs(SPEECH).max() * amplitude(decibels)
    return (np.clip(loud, -1, 1) * 32_767).round().astype(np.float32) / np.float32(32_767)


def error_db(made: Samples, decibels: float) -> float:
    """How far below the speech what differs from it is."""
    wanted = faded(SPEECH / np.abs(SPEECH).max() * np.float32(amplitude(decibels)), RATE)
    return float(10 * np.log10(np.mean(wanted**2) / np.mean((wanted - made) ** 2)))


def test_a_good_clip_stays_as_it_is_but_for_its_edges() -> None:
    made = repaired(SPEECH, RATE)

    assert made == pytest.approx(faded(SPEECH, RATE))
    assert made[0] == made[-1] == 0


def test_silence_round_it_is_cut_off() -> None:
    made = repaired(np.concatenate([silence(2), SPEECH, silence(3)]), RATE)

    assert len(made) / RATE == pytest.approx(len(SPEECH) / RATE + 0.15, abs=0.02)


def test_an_offset_is_taken_away_and_silence_is_still_told() -> None:
    shifted = np.concatenate([silence(1), SPEECH, silence(1)]) + np.float32(0.02)

    made = repaired(shifted, RATE)

    assert abs(made.mean()) < 0.001
    assert len(made) / RATE == pytest.approx(len(SPEECH) / RATE + 0.15, abs=0.02)


@pytest.mark.parametrize("at_end", [False, True])
def test_a_click_apart_from_the_speech_is_cut_off(at_end: bool) -> None:  # noqa: FBT001 - a parameter of the test
    click = np.full(48, 0.8, np.float32)
    parts = [click, silence(0.4), SPEECH]

    made = repaired(np.concatenate(parts[::-1] if at_end else parts), RATE)

    assert len(made) / RATE == pytest.approx(len(SPEECH) / RATE + 0.1, abs=0.06)
    assert np.abs(made).max() == pytest.approx(np.abs(SPEECH).max(), abs=0.01)


def test_the_first_sound_of_a_word_is_no_click() -> None:
    plosive = np.random.default_rng(1).normal(0, 0.1, round(0.025 * RATE)).astype(np.float32)
    spoken = np.concatenate([plosive, silence(0.06), SPEECH])

    assert len(repaired(spoken, RATE)) == len(spoken)


def test_long_silence_within_is_shortened_and_a_pause_is_not() -> None:
    half = len(SPEECH) // 2

    def with_pause(seconds: float) -> float:
        return len(repaired(np.concatenate([SPEECH[:half], silence(seconds), SPEECH[half:]]), RATE)) / RATE

    whole = len(SPEECH) / RATE
    assert with_pause(1.4) == pytest.approx(whole + 1.4, abs=0.01)
    assert with_pause(3) == pytest.approx(whole + 1.5, abs=0.01)


def test_what_is_mostly_silent_is_refused() -> None:
    half = len(SPEECH) // 2

    with pytest.raises(UnfitClip, match=r"6\.0 of its 10\.\d s are silent"):
        repaired(np.concatenate([SPEECH[:half], silence(6), SPEECH[half:]]), RATE)


def test_silence_is_refused() -> None:
    with pytest.raises(UnfitClip, match="it is silent"):
        repaired(silence(1) + np.float32(0.0001), RATE)


def test_nothing_but_clicks_is_refused() -> None:
    clicks = silence(1.5)
    clicks[RATE // 4 :: RATE // 2] = 0.9

    with pytest.raises(UnfitClip, match="nothing is in it but clicks"):
        repaired(clicks, RATE)


def test_a_few_cut_peaks_are_rebuilt() -> None:
    cut = driven(1.5)
    assert 0.0002 < clipped_share(cut) < 0.02

    made = repaired(cut, RATE)

    assert np.abs(made).max() > 1.05
    assert error_db(made, 1.5) > error_db(faded(cut, RATE), 1.5) + 1
    uncut = np.abs(cut) < 0.99
    assert made[uncut] == pytest.approx(faded(cut, RATE)[uncut])


def test_many_cut_peaks_are_refused() -> None:
    with pytest.raises(UnfitClip, match=r"\d+\.\d% of it is clipped"):
        repaired(driven(16), RATE)


@pytest.mark.parametrize("sound", [SPEECH, SPEECH / np.abs(SPEECH).max(), SPEECH * np.float32(0.01)])
def test_what_only_reaches_its_peak_is_not_taken_for_clipped(sound: Samples) -> None:
    assert clipped_share(sound) == 0


def test_a_low_tone_at_full_scale_is_not_taken_for_clipped() -> None:
    tone = np.sin(2 * np.pi * 80 * np.arange(RATE) / RATE)

    assert clipped_share((tone * 32_767).round().astype(np.float32) / np.float32(32_767)) < 0.0002

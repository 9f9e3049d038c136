"""Which call of a port counts against its provider, and which is refused: over a real database."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from podcasting.breaker import Tolerance
from podcasting.errors import AirdateError, LeaseLost, Permanent, ProviderPaused, Retryable, Throttled
from podcasting.leave import still_given
from podcasting.protection import protected
from podcasting.providers.feeds import Feed, Validators
from podcasting.stages.collect import CollectInput, Known, collect
from podcasting.studio import Studio
from tests.fakes.clock import Clock
from tests.fakes.sources import FakeSources
from tests.fakes.storage import MemoryStorage
from tests.fakes.voices import ToneVoice

HOST = "feeds.example.org"
FEED = f"https://{HOST}/feed.xml"
EMPTY = Feed(title="A feed", entries=(), validators=Validators())


class FailingVoice(ToneVoice):
    """Raises what it is told to, once for each time it is told."""

    def __init__(self) -> None:
        super().__init__(seconds_per_character=0.04)
        self.asked = 0
        self.raises: BaseException | None = None

    def speak(self, text: str, host: int) -> object:
        self.asked += 1
        if self.raises is not None:
            raise self.raises
        return super().speak(text, host)


@pytest.fixture
def bare(studio: Studio) -> Studio:
    return replace(
        studio, voice=FailingVoice(), limits=replace(studio.limits, tolerance=Tolerance(failures=3, first_pause=30))
    )


def fails(studio: Studio, error: BaseException, times: int = 1) -> None:
    voice: FailingVoice = studio.voice  # type: ignore[assignment]
    voice.raises = error
    for _ in range(times):
        with pytest.raises(type(error)):
            protected(studio).voice.speak("hello", 0)
    voice.raises = None


def paused(studio: Studio) -> bool:
    try:
        protected(studio).voice.speak("hello", 0)
    except ProviderPaused:
        return True
    return False


def test_failures_that_may_pass_pause_the_provider(bare: Studio) -> None:
    fails(bare, Retryable("503"), 3)
    asked = bare.voice.asked  # type: ignore[attr-defined]

    assert paused(bare)
    assert bare.voice.asked == asked, "it was asked all the same"  # type: ignore[attr-defined]


def test_an_answer_that_is_no_is_an_answer(bare: Studio) -> None:
    fails(bare, Retryable("503"), 2)
    fails(bare, Permanent("no such language"))
    fails(bare, Retryable("503"), 2)

    assert not paused(bare)


def test_slow_down_pauses_it_at_once_and_uses_up_no_try(bare: Studio, clock: Clock) -> None:
    bare.voice.raises = Throttled("429 Too Many Requests", after=77)  # type: ignore[attr-defined]
    with pytest.raises(ProviderPaused, match="429") as raised:
        protected(bare).voice.speak("hello", 0)
    bare.voice.raises = None  # type: ignore[attr-defined]

    assert raised.value.seconds == 77
    assert paused(bare)
    clock.forward(77)
    assert not paused(bare)


@pytest.mark.parametrize("error", [LeaseLost("an-episode", 1), KeyboardInterrupt(), ZeroDivisionError()])
def test_a_probe_that_was_broken_off_leaves_room_for_the_next(bare: Studio, clock: Clock, error: BaseException) -> None:
    fails(bare, Retryable("503"), 3)
    clock.forward(30)
    fails(bare, error)

    assert not paused(bare), "the next one probes, and succeeds"


def test_an_opening_sounds_one_alarm(bare: Studio, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL):
        fails(bare, Retryable("503"), 3)
        for _ in range(3):
            clock.forward(900)
            fails(bare, Retryable("503"))

    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1, told
    assert "voice tone-1" in told[0]
    assert "503" in told[0]


class TestSources:
    def test_each_host_has_its_own(self, bare: Studio) -> None:
        sources = FakeSources({FEED: Retryable("502"), "https://other.example/feed": EMPTY, "a.xml": EMPTY})
        guarded = protected(replace(bare, sources=sources)).sources
        for _ in range(3):
            with pytest.raises(Retryable):
                guarded.feed(FEED, None)

        with pytest.raises(ProviderPaused, match=HOST):
            guarded.page(f"https://{HOST.upper()}/a/page")
        assert guarded.feed("https://other.example/feed", None) == EMPTY
        assert guarded.feed("a.xml", None) == EMPTY, "a file is no outside provider"
        assert sources.asked.count(FEED) == 3

    def test_an_episode_goes_without_the_source_that_is_paused(self, bare: Studio) -> None:
        sources = FakeSources({FEED: Throttled("429", after=600)})
        guarded = protected(replace(bare, sources=sources)).sources
        told: list[str] = []

        def collected(*addresses: str) -> None:
            collect(
                CollectInput(sources=addresses, limit=5),
                Known(entries=frozenset(), validators={}),
                guarded,
                told.append,
            )

        with pytest.raises(ProviderPaused) as alone:
            collected(FEED)
        assert alone.value.seconds == 600
        sources.feeds["https://other.example/feed"] = EMPTY
        with pytest.raises(AirdateError, match="nothing new") as beside:
            collected(FEED, "https://other.example/feed")
        assert FEED.partition("/feed")[0][8:] in str(beside.value), "what is paused is told"


class TestWaiting:
    """A provider that has to wait between leave and request, as a reader of feeds does for its turn at a host."""

    @pytest.fixture
    def waiting(self, bare: Studio) -> FakeSources:
        """Sources that wait, while others learn that the host fails."""

        class Waiting(FakeSources):
            def feed(self, source: str, validators: Validators | None) -> Feed | None:
                still_given()
                for _ in range(3):
                    with pytest.raises(Retryable):
                        others.feed(source, None)
                still_given()
                return super().feed(source, validators)

        others = protected(replace(bare, sources=FakeSources({FEED: Retryable("502")}))).sources
        return Waiting({FEED: EMPTY})

    def test_who_waited_does_not_ask_a_host_whose_breaker_opened_meanwhile(
        self, bare: Studio, waiting: FakeSources
    ) -> None:
        with pytest.raises(ProviderPaused, match=f"{HOST} is not asked for another 30 s: 502"):
            protected(replace(bare, sources=waiting)).sources.feed(FEED, None)

        assert waiting.asked == []
        (breaker,) = bare.database.breakers.all()
        assert breaker.failures == 3, "what was not asked has not failed"

    def test_leave_ends_with_the_call(self, bare: Studio, waiting: FakeSources) -> None:
        with pytest.raises(ProviderPaused):
            protected(replace(bare, sources=waiting)).sources.feed(FEED, None)

        still_given()


class TestStores:
    def test_a_bucket_has_one_for_both_its_parts(self, bare: Studio) -> None:
        class Away(MemoryStorage):
            def put(self, *_: object, **__: object) -> None:
                raise Retryable("S3 can't be reached")

        guarded = protected(replace(bare, workspace=Away()), store="S3 bucket shows")
        for _ in range(3):
            with pytest.raises(Retryable):
                guarded.workspace.put("a", b"", content_type="text/plain")

        with pytest.raises(ProviderPaused, match="S3 bucket shows"):
            guarded.site.size("a")

    def test_what_is_not_there_is_an_answer(self, bare: Studio) -> None:
        guarded = protected(bare, store="S3 bucket shows")

        with pytest.raises(KeyError):
            guarded.workspace.get("nothing")
        assert bare.database.breakers.all() == []

    def test_a_folder_has_none(self, bare: Studio) -> None:
        assert protected(bare).workspace is bare.workspace

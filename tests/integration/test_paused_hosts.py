"""The pause between requests of a host, and its breaker: who waits for his turn asks only if he still may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from podcasting.errors import ProviderPaused, Throttled
from podcasting.protection import protected
from podcasting.providers.feeds import Sources
from podcasting.providers.feeds.web import WebSources
from podcasting.studio import Studio
from tests.fakes.clock import Clock
from tests.fakes.documents import article, rss
from tests.fakes.sources import FakeSources
from tests.fakes.website import Answer, Website


@pytest.fixture
def site() -> Iterator[Website]:
    with Website() as website:
        website.answers["/feed.xml"] = Answer(rss("One"))
        website.answers["/p"] = Answer(article(), content_type="text/html; charset=utf-8")
        yield website


class Naps:
    """A clock that sleeping moves, while others are at work."""

    def __init__(self) -> None:
        self.now = 0.0
        self.meanwhile: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
def sources(site: Website, studio: Studio, naps: Naps) -> Sources:
    polite = WebSources(
        allow_files=False,
        allowed_private_hosts=frozenset({site.host}),
        pause_seconds=2,
        sleep=naps.sleep,
        clock=lambda: naps.now,
    )
    return protected(replace(studio, sources=polite)).sources


def told_to_slow_down(site: Website, studio: Studio) -> Callable[[], None]:
    """Another worker asks the same host, and is told to wait a minute."""
    source = site.url("/feed.xml")
    throttled = FakeSources({source: Throttled("429 Too Many Requests", after=60)})

    def ask() -> None:
        with pytest.raises(ProviderPaused):
            protected(replace(studio, sources=throttled)).sources.feed(source, None)

    return ask


@pytest.mark.parametrize(
    ("before", "asked"),
    [((), ["/robots.txt"]), (("/feed.xml",), ["/feed.xml"])],
    ids=["for its page", "for its robots.txt"],
)
def test_who_waited_while_a_host_was_paused_does_not_ask_it(
    site: Website, sources: Sources, studio: Studio, clock: Clock, naps: Naps, before: tuple[str, ...], asked: list[str]
) -> None:
    for path in before:
        sources.feed(site.url(path), None)
    naps.meanwhile = told_to_slow_down(site, studio)

    with pytest.raises(ProviderPaused) as paused:
        sources.page(site.url("/p"))

    assert [path for path, _ in site.asked] == asked
    assert paused.value.seconds == 60
    assert "429" in paused.value.why
    naps.meanwhile = lambda: None
    clock.forward(60)
    assert sources.page(site.url("/p")) is not None
    assert studio.database.breakers.all() == [], "its success closed the breaker"


def test_who_waited_for_a_host_that_is_well_asks_it(site: Website, sources: Sources, naps: Naps) -> None:
    sources.feed(site.url("/feed.xml"), None)
    sources.feed(site.url("/feed.xml"), None)

    assert [path for path, _ in site.asked] == ["/feed.xml", "/feed.xml"]
    assert naps.now == 2

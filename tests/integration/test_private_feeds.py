"""Private podcasts: who was told finds everything, and nobody else finds anything."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import feedparser
import pytest
from lxml import html

from podcasting import private_feeds, syndication
from podcasting.errors import InvalidPodcast, Retryable
from podcasting.models import Podcast
from podcasting.redaction import redact
from tests.fakes.publishing import SITE, PublishingHouse, copied, publishing_house
from tests.fakes.shell import Shell
from tests.fakes.storage import MemoryStorage
from tests.fakes.stories import feed_of


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PublishingHouse]:
    """A public podcast with an episode, and another beside it."""
    with publishing_house(tmp_path_factory.mktemp("house")) as house:
        house.found("other-show")
        house.found("my-show")
        house.publish("my-show", feed_of("tides"))
        yield house


@pytest.fixture
def house(founded: PublishingHouse, tmp_path: Path) -> Iterator[PublishingHouse]:
    with copied(founded, tmp_path) as house:
        yield house


def token(podcast: Podcast, listener: str) -> str:
    assert podcast.production.feed.private is not None
    return podcast.production.feed.private.tokens[listener]


def folder(house: PublishingHouse) -> str:
    found = house.studio.database.podcasts.get("my-show").production.feed.folder
    assert found is not None
    return found


def keys(house: PublishingHouse) -> set[str]:
    return {key for key in house.site.contents if key.startswith("my-show/")}


def enclosures(house: PublishingHouse, listener: str) -> list[str]:
    podcast = house.studio.database.podcasts.get("my-show")
    feed = feedparser.parse(house.site.get(f"my-show/private/{token(podcast, listener)}/feed.xml"))
    return [entry.enclosures[0].href.removeprefix(f"{SITE}/") for entry in feed.entries]


def test_what_becomes_private_is_found_no_more(house: PublishingHouse) -> None:
    before = dict(house.site.contents)
    assert b"my-show" in house.site.get("index.html")

    private_feeds.hide(house.studio, "my-show")

    assert {key for key in keys(house) if "/private/" not in key} == set()
    assert b"my-show" not in house.site.get("index.html")
    moved = {key.replace(f"/private/{folder(house)}", ""): content for key, content in house.site.contents.items()}
    for key, content in before.items():
        if key.startswith("my-show/2") or key == "my-show/cover.jpg":
            assert moved[key] == content
    assert house.studio.database.podcasts.get("my-show").production.feed.leaving == ()


def test_each_listener_has_a_feed_and_a_page_of_their_own(house: PublishingHouse) -> None:
    private_feeds.hide(house.studio, "my-show")
    private_feeds.add(house.studio, "my-show", "ann")
    podcast = private_feeds.add(house.studio, "my-show", "ben@example.org")

    assert token(podcast, "ann") != token(podcast, "ben@example.org")
    [heard] = enclosures(house, "ann")
    assert enclosures(house, "ben@example.org") == [heard]
    assert heard.startswith(f"my-show/private/{folder(house)}/")
    assert house.site.get(heard)[:3] == b"ID3"
    feed = house.site.get(f"my-show/private/{token(podcast, 'ann')}/feed.xml")
    assert token(podcast, "ben@example.org").encode() not in feed
    page = html.document_fromstring(house.site.get(f"my-show/private/{token(podcast, 'ann')}/index.html"))
    assert page.xpath("//meta[@name='robots']/@content") == ["noindex, nofollow, noarchive"]
    assert page.xpath("//meta[@name='referrer']/@content") == ["no-referrer"]
    [sound] = page.xpath("//audio/@src")
    assert sound == heard.replace("my-show/private/", "../")
    assert page.xpath("//nav") == []


@pytest.mark.parametrize("length", [len(private_feeds._unguessable())])
def test_what_cannot_be_guessed_has_128_bits_at_least(length: int) -> None:
    assert length * 6 >= 128
    assert len({private_feeds._unguessable() for _ in range(1000)}) == 1000


def test_new_episodes_go_where_the_others_are(house: PublishingHouse) -> None:
    private_feeds.hide(house.studio, "my-show")
    private_feeds.add(house.studio, "my-show", "ann")

    house.publish("my-show", feed_of("bridges", "tides"))

    assert len(enclosures(house, "ann")) == 2
    assert all(house.site.size(key) for key in enclosures(house, "ann"))
    assert {key for key in keys(house) if "/private/" not in key} == set()


def test_a_revoked_feed_is_gone_and_the_others_stay(house: PublishingHouse) -> None:
    private_feeds.hide(house.studio, "my-show")
    gone = token(private_feeds.add(house.studio, "my-show", "ann"), "ann")
    private_feeds.add(house.studio, "my-show", "ben")

    private_feeds.revoke(house.studio, "my-show", "ann")

    assert not any(gone in key for key in keys(house))
    assert len(enclosures(house, "ben")) == 1
    with pytest.raises(InvalidPodcast, match="'ann' has no feed of 'my-show'; who has one: ben"):
        private_feeds.revoke(house.studio, "my-show", "ann")


def test_rotated_the_sound_is_elsewhere_and_its_old_address_ends(house: PublishingHouse) -> None:
    private_feeds.hide(house.studio, "my-show")
    ann = token(private_feeds.add(house.studio, "my-show", "ann"), "ann")
    [before] = enclosures(house, "ann")

    podcast = private_feeds.rotate(house.studio, "my-show")

    [after] = enclosures(house, "ann")
    assert token(podcast, "ann") == ann
    assert house.site.size(before) is None
    assert house.site.size(after)
    assert {key.split("/")[2] for key in keys(house)} == {ann, folder(house)}


def test_public_again_it_is_as_it_was(house: PublishingHouse) -> None:
    before = keys(house)
    private_feeds.hide(house.studio, "my-show")
    private_feeds.add(house.studio, "my-show", "ann")

    private_feeds.show(house.studio, "my-show")

    assert keys(house) == before
    assert b"my-show" in house.site.get("index.html")
    assert feedparser.parse(house.feed("my-show")).entries[0].enclosures[0].href.startswith(f"{SITE}/my-show/my-show-")


@pytest.mark.parametrize("stopped_at", range(0, 24, 3))
def test_whoever_was_stopped_is_made_up_for(house: PublishingHouse, stopped_at: int) -> None:
    class Stopping(MemoryStorage):
        """A site that fails at one of its calls."""

        calls = 0

        def _count(self) -> None:
            self.calls += 1
            if self.calls > stopped_at:
                raise Retryable("the store is away")

        def put(self, key: str, content: bytes, *, content_type: str, cache_seconds: int = 0) -> None:
            self._count()
            super().put(key, content, content_type=content_type, cache_seconds=cache_seconds)

        def delete(self, key: str) -> None:
            self._count()
            super().delete(key)

    stopping = Stopping()
    stopping.contents = house.site.contents
    with contextlib.suppress(Retryable):
        private_feeds.hide(replace(house.studio, site=stopping), "my-show")

    private_feeds.settle(house.studio, "my-show")

    assert {key for key in keys(house) if "/private/" not in key} == set()
    private_feeds.add(house.studio, "my-show", "ann")
    assert all(house.site.size(key) for key in enclosures(house, "ann"))


def test_a_worker_that_publishes_meanwhile_follows(house: PublishingHouse) -> None:
    class Overtaken(MemoryStorage):
        """A site whose podcast becomes private while an episode's sound is put there."""

        overtaken = False

        def put(self, key: str, content: bytes, *, content_type: str, cache_seconds: int = 0) -> None:
            super().put(key, content, content_type=content_type, cache_seconds=cache_seconds)
            if key.endswith("audio.mp3") and not self.overtaken:
                self.overtaken = True
                private_feeds.hide(house.studio, "my-show")
                private_feeds.add(house.studio, "my-show", "ann")

    site = Overtaken()
    site.contents = house.site.contents
    house.site = site
    house.studio = replace(house.studio, site=site)

    house.publish("my-show", feed_of("bridges", "tides"))

    heard = enclosures(house, "ann")
    assert len(heard) == 2
    assert all(site.size(key) for key in heard)
    assert site.size("my-show/feed.xml") is None
    assert not any(content for key, content in site.contents.items() if key.startswith("my-show/my-show-"))
    assert not site.size("my-show/cover.jpg")

    private_feeds.show(house.studio, "my-show")

    public = feedparser.parse(site.get("my-show/feed.xml"))
    assert all(site.size(entry.enclosures[0].href.removeprefix(f"{SITE}/")) for entry in public.entries)
    assert not any(content for key, content in site.contents.items() if key.startswith("my-show/private/"))


def test_a_worker_that_knew_no_better_takes_back_what_it_wrote(house: PublishingHouse) -> None:
    private_feeds.hide(house.studio, "my-show")
    ann = token(private_feeds.add(house.studio, "my-show", "ann"), "ann")

    class Overtaken(MemoryStorage):
        """A site where a listener's feed is revoked just before a worker writes it."""

        overtaken = False

        def put(self, key: str, content: bytes, *, content_type: str, cache_seconds: int = 0) -> None:
            if ann in key and not self.overtaken:
                self.overtaken = True
                private_feeds.revoke(house.studio, "my-show", "ann")
            super().put(key, content, content_type=content_type, cache_seconds=cache_seconds)

    site = Overtaken()
    site.contents = house.site.contents
    syndication.refresh(replace(house.studio, site=site), "my-show")

    left = feedparser.parse(site.get(f"my-show/private/{ann}/feed.xml"))
    assert left.entries == []
    assert folder(house).encode() not in site.get(f"my-show/private/{ann}/feed.xml")
    assert folder(house).encode() not in site.get(f"my-show/private/{ann}/index.html")


def test_only_what_a_podcast_is_can_be_undone(house: PublishingHouse) -> None:
    for act in (private_feeds.show, private_feeds.rotate):
        with pytest.raises(InvalidPodcast, match="is public"):
            act(house.studio, "my-show")
    with pytest.raises(InvalidPodcast, match="is public"):
        private_feeds.add(house.studio, "my-show", "ann")
    private_feeds.hide(house.studio, "my-show")
    with pytest.raises(InvalidPodcast, match="private already"):
        private_feeds.hide(house.studio, "my-show")


def test_a_failure_tells_no_address(house: PublishingHouse) -> None:
    private_feeds.hide(house.studio, "my-show")
    told = redact(f"cannot write /srv/site/my-show/private/{folder(house)}/x/audio.mp3: No space left on device")

    assert folder(house) not in told
    assert "my-show/private/***/x/audio.mp3" in told
    dumped = house.studio.database.podcasts.get("my-show").model_dump_json()
    assert folder(house) not in dumped


def test_the_commands_from_private_to_public(airdate: Shell) -> None:
    airdate.ok("podcasts", "add", "My show", "--source", "examples/feed.xml")
    said = airdate.ok("podcasts", "feeds", "private", "my-show")
    assert "my-show: private" in said
    assert not (airdate.home / "site" / "my-show" / "feed.xml").exists()

    address = json.loads(airdate.ok("podcasts", "feeds", "add", "my-show", "ann", "--json"))["feed"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/my-show/private/[\w-]{32}/feed\.xml", address)
    listed = json.loads(airdate.ok("podcasts", "feeds", "list", "my-show", "--json"))
    assert listed == [{"name": "ann", "feed": address}]
    file = airdate.home / "site" / "my-show" / "private" / address.split("/")[-2] / "feed.xml"
    assert b"<itunes:block>Yes</itunes:block>" in file.read_bytes()

    for told in (("list", "--json"), ("show", "my-show", "--json"), ("settings", "my-show")):
        assert address.split("/")[-2] not in airdate.ok("podcasts", *told)
    assert "kept by `airdate podcasts feeds`" in airdate.mistake("podcasts", "set", "my-show", "feed.private=")
    assert "no name for a listener" in airdate.mistake("podcasts", "feeds", "add", "my-show", "../ann")
    # Another setting is changed, and nobody loses a feed.
    airdate.ok("podcasts", "set", "my-show", "feed.explicit=true")
    assert json.loads(airdate.ok("podcasts", "feeds", "list", "my-show", "--json")) == listed

    assert "ann has no feed any more" in airdate.ok("podcasts", "feeds", "revoke", "my-show", "ann")
    assert not file.exists()
    assert "nobody has a feed" in airdate.ok("podcasts", "feeds", "list", "my-show")
    airdate.ok("podcasts", "feeds", "rotate", "my-show")
    airdate.ok("podcasts", "feeds", "settle", "my-show")
    assert "my-show: public" in airdate.ok("podcasts", "feeds", "public", "my-show")
    assert (airdate.home / "site" / "my-show" / "feed.xml").exists()

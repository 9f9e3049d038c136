"""What a feed said of an episode it goes on saying, whatever is changed; and where a feed moves, subscribers follow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree, html

from operations.production import changed
from podcasting import syndication
from podcasting.models import Episode, Podcast
from podcasting.production import Production
from podcasting.stages.feed import NAMESPACES
from tests.fakes.publishing import SITE, PublishingHouse, copied, publishing_house
from tests.fakes.stories import feed_of

NEW_SITE = "https://new.example.net"


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PublishingHouse]:
    """A podcast with an episode."""
    with publishing_house(tmp_path_factory.mktemp("house")) as house:
        house.found("my-show", language="en-GB")
        house.publish("my-show", feed_of("tides"))
        yield house


@pytest.fixture
def house(founded: PublishingHouse, tmp_path: Path) -> Iterator[PublishingHouse]:
    with copied(founded, tmp_path) as house:
        yield house


def first_of(house: PublishingHouse) -> Episode:
    [episode] = house.studio.database.episodes.released("my-show")
    return episode


def items(feed: bytes) -> dict[str, bytes]:
    """Each item, to the byte, by its guid."""
    found = re.findall(rb"<item>.*?</item>", feed, re.DOTALL)
    return {etree.fromstring(feed).findall("channel/item/guid")[at].text or "": item for at, item in enumerate(found)}


def texts(feed: bytes, path: str) -> list[str]:
    found = etree.fromstring(feed).xpath(f"channel/{path}", namespaces=NAMESPACES)
    return [str(each if isinstance(each, str) else each.text) for each in found]


def all_changed(podcast: Podcast) -> Podcast:
    return podcast.model_copy(
        update={
            "title": "Another title",
            "description": "Another description.",
            "author": "Another author",
            "language": "de",
            "hosts": ("Cleo", "Dan", "Eve"),
            "frequency_days": 7,
            "production": Production.model_validate(
                {
                    "writing": {"tone": "dry", "instructions": "Be brief.", "minutes": 3},
                    "mixing": {"format": "m4a", "turn_pause_seconds": 1},
                    "feed": podcast.production.feed.model_dump()
                    | {
                        "categories": ("Science",),
                        "email": "owner@example.org",
                        "website": "https://show.example.org/",
                    },
                }
            ),
        }
    )


def test_a_published_episode_stays_as_it_is_to_the_byte(house: PublishingHouse) -> None:
    first = first_of(house)
    before = items(house.feed("my-show"))[first.id]
    files = dict(house.site.contents)

    house.studio.database.podcasts.change("my-show", all_changed)
    syndication.refresh(house.studio, "my-show")
    second = house.publish("my-show", feed_of("bridges", "tides"))

    after = items(house.feed("my-show"))
    assert after[first.id] == before
    assert {
        path for path, content in files.items() if first.id in path and house.site.contents[path] != content
    } == set()
    # And the new one is all that was chosen.
    assert b'type="audio/x-m4a"' in after[second.id]
    assert b'language="de"' in after[second.id]
    assert b"Eve" in after[second.id]
    assert texts(house.feed("my-show"), "title") == ["Another title"]
    assert texts(house.feed("my-show"), "item/podcast:transcript/@language") == ["de"] * 3 + ["en-GB"] * 3


def test_the_page_says_which_language_an_episode_of_another_time_speaks(house: PublishingHouse) -> None:
    first = first_of(house)
    house.studio.database.podcasts.change("my-show", all_changed)
    second = house.publish("my-show", feed_of("bridges", "tides"))

    page = html.document_fromstring(house.site.get("my-show/index.html"))

    assert page.get("lang") == "de"
    languages = {article.get("id"): article.find("h2").get("lang") for article in page.xpath("//article")}
    assert languages == {first.id: "en-GB", second.id: None}


def test_what_was_published_before_transcripts_knew_their_language_is_in_its_podcasts(house: PublishingHouse) -> None:
    episode = first_of(house)
    done = house.studio.database.checkpoints.of(episode.id)
    older = {name: value for name, value in done["transcript"].output.items() if name != "language"}

    class Older:
        """Checkpoints as an earlier release left them."""

        def of(self, _: str) -> object:
            return done | {"transcript": replace(done["transcript"], output=older)}

    database = house.studio.database
    podcast = database.podcasts.get("my-show")
    studio = replace(house.studio, database=replace(database, checkpoints=Older()))  # type: ignore[arg-type]

    assert syndication.published(studio, episode, podcast).language == "en-GB"


def test_the_guid_outlives_a_new_address_of_the_site(house: PublishingHouse) -> None:
    [guid] = texts(house.feed("my-show"), "podcast:guid")
    assert texts(house.feed("my-show"), "itunes:new-feed-url") == []

    syndication.refresh(replace(house.studio, site_url=NEW_SITE), "my-show")

    moved = house.feed("my-show")
    assert texts(moved, "podcast:guid") == [guid]
    assert texts(moved, "atom:link[@rel='self']/@href") == [f"{NEW_SITE}/my-show/feed.xml"]
    assert texts(moved, "itunes:new-feed-url") == [f"{NEW_SITE}/my-show/feed.xml"]
    assert SITE.encode() not in moved


def test_a_guid_brought_from_another_host_is_kept(house: PublishingHouse) -> None:
    guid = "917393e3-1b1e-5cef-ace4-edaa54e1f810"
    house.studio.database.podcasts.change("my-show", lambda podcast: changed(podcast, "feed.guid", guid))
    syndication.refresh(house.studio, "my-show")

    assert texts(house.feed("my-show"), "podcast:guid") == [guid]


def test_hubs_are_named_where_there_are_some(house: PublishingHouse) -> None:
    hubs = ["https://hub.example.org/", "https://hub.example.net/"]
    house.found("hub-show", production={"announcing": {"websub": hubs}})
    syndication.refresh(house.studio, "hub-show")

    assert texts(house.feed("hub-show"), "atom:link[@rel='hub']/@href") == hubs
    assert texts(house.feed("hub-show"), "atom:link[1]/@rel") == ["self"]

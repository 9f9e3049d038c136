"""What Apple, Podcasting 2.0 and the Podcast Standards Project ask of a feed, each held against feeds that we made.

A requirement is a row: whose it is, how strict, and how to tell. Sources, as read in November 2026:

- RSS: the RSS 2.0 specification and the RSS Advisory Board's best practices (rssboard.org).
- Apple: "A podcaster's guide to RSS", "Podcast RSS feed requirements", "Apple Podcasts categories" and the artwork
  specifications (podcasters.apple.com; help.apple.com/itc/podcasts_connect).
- Podcasting 2.0: docs/tags/*.md of github.com/Podcastindex-org/podcast-namespace.
- PSP-1: 1.0.md and 0.9.md of github.com/Podcast-Standards-Project/PSP-1-Podcast-RSS-Specification.
"""

from __future__ import annotations

import io
import json
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import feedparser
import podcastparser
import pytest
from lxml import etree
from PIL import Image

from podcasting import private_feeds, syndication
from podcasting.categories import CATEGORIES
from podcasting.providers.feeds import Entry, Feed, Validators
from podcasting.stages.feed import NAMESPACES
from tests.fakes.publishing import SITE, PublishingHouse, publishing_house
from tests.fakes.stories import STORIES, feed_of

HOSTILE = "</title><script>alert(1)</script> & ]]> \x00\ufffe\u202e🎧 " + "<b>" * 30
CONDITIONS = ("empty", "one", "many", "hostile", "arabic", "private", "moved", "m4a")
EVERYTHING = {
    "categories": ("News > Tech News", "Science"),
    "explicit": True,
    "type": "serial",
    "complete": True,
    "locked": True,
    "email": "owner@example.org",
    "website": "https://show.example.org/",
    "copyright": "The Observers",
    "license": "CC-BY-4.0",
    "funding_url": "https://show.example.org/support",
    "funding_text": "Support us",
    "texts": {"verify": "abc"},
}


class Made(NamedTuple):
    """A feed as the pipeline wrote it, and the site it is on."""

    content: bytes
    house: PublishingHouse
    podcast_id: str
    private: bool = False

    @property
    def channel(self) -> etree._Element:
        [channel] = etree.fromstring(self.content).findall("channel")
        return channel

    def all(self, path: str, under: etree._Element | None = None) -> list[etree._Element]:
        found = (self.channel if under is None else under).xpath(path, namespaces=NAMESPACES)
        return [each for each in found if isinstance(each, etree._Element)]

    def one(self, path: str, under: etree._Element | None = None) -> etree._Element:
        [found] = self.all(path, under)
        return found

    def text(self, path: str, under: etree._Element | None = None) -> str:
        return self.one(path, under).text or ""

    @property
    def items(self) -> list[etree._Element]:
        return self.all("item")

    def file(self, url: str | None) -> bytes:
        assert url is not None
        assert url.startswith(f"{SITE}/")
        return self.house.site.get(url.removeprefix(f"{SITE}/"))


def hostile_news() -> Feed:
    entries = tuple(
        Entry(
            key=name,
            title=f"{HOSTILE}{STORIES[name][0]}",
            url=f"https://example.org/{name}?a=1&b=<2>",
            author=HOSTILE,
            published_at=datetime(2026, 11, 24, tzinfo=UTC),
            text=f"{HOSTILE} {STORIES[name][1]}",
        )
        for name in ("tides", "bridges")
    )
    return Feed(title=HOSTILE, entries=entries, validators=Validators())


@pytest.fixture(scope="module")
def feeds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Made]]:
    """Feeds of podcasts in every condition, made once."""
    with publishing_house(tmp_path_factory.mktemp("house")) as house:
        house.found("empty")
        house.found("one", title="One")
        house.found("many", production={"feed": EVERYTHING}, hosts=("Ada", "Ben", "Cleo"))
        said = HOSTILE.replace("\x00", "")  # a podcast that says NUL of itself is refused; what it reads may
        house.found("hostile", title=said[:200], description=said * 60, author=said)
        house.found("arabic", title="أخبار العلوم", description="ما الجديد في العلوم " * 300, language="ar")
        house.found("private")
        house.found("moved", production={"feed": {"moved_to": "https://elsewhere.example.net/feed"}})
        house.found("m4a", production={"mixing": {"format": "m4a"}})
        for news in (feed_of("tides"), feed_of("bridges", "tides"), feed_of("bees", "bridges", "tides")):
            house.publish("many", news)
        for podcast_id in ("one", "arabic", "private", "moved", "m4a"):
            house.publish(podcast_id)
        house.publish("hostile", hostile_news())
        syndication.refresh(house.studio, "empty")
        private_feeds.hide(house.studio, "private")
        podcast = private_feeds.add(house.studio, "private", "ann")
        privacy = podcast.production.feed.private
        assert privacy is not None
        made = {each: Made(house.feed(each), house, each) for each in CONDITIONS if each != "private"}
        feed = house.site.get(f"private/private/{privacy.tokens['ann']}/feed.xml")
        yield made | {"private": Made(feed, house, "private", private=True)}


Check = Callable[[Made], bool]


class Requirement(NamedTuple):
    """One row of the table."""

    source: str
    level: str
    """must, should, or may: what is there only where its owner chose it."""
    what: str
    holds: Check
    episodes: bool
    """Whether it can be asked only of a feed that has episodes."""


MUST, SHOULD, MAY = "must", "should", "may"
RSS, APPLE, PODCASTING_2, PSP = "RSS 2.0", "Apple", "Podcasting 2.0", "PSP-1"
REQUIREMENTS: list[Requirement] = []


def asks(source: str, level: str, what: str, *, episodes: bool = False) -> Callable[[Check], Check]:
    """Put a check into the table."""

    def put(check: Check) -> Check:
        REQUIREMENTS.append(Requirement(source, level, what, check, episodes))
        return check

    return put


def is_web(url: str | None) -> bool:
    return bool(url and url.isascii() and re.fullmatch(r"https?://[^\s<>\"]+", url))


def is_cover(content: bytes) -> bool:
    picture = Image.open(io.BytesIO(content))
    square = picture.width == picture.height and 1400 <= picture.width <= 3000
    return square and (picture.format, picture.mode) == ("JPEG", "RGB")


def is_date(text: str) -> bool:
    return parsedate_to_datetime(text).tzinfo is not None


@asks(RSS, MUST, "well-formed XML in UTF-8, rss 2.0")
def well_formed(made: Made) -> bool:
    declared = made.content.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
    return declared and etree.fromstring(made.content).get("version") == "2.0"


@asks(RSS, MUST, "one title, link and description; the link is a web address")
@asks(APPLE, MUST, "title, description")
@asks(APPLE, SHOULD, "link")
def titled(made: Made) -> bool:
    return bool(made.text("title") and made.text("description")) and is_web(made.text("link"))


@asks(RSS, SHOULD, "an image whose title and link are the channel's", episodes=True)
def image(made: Made) -> bool:
    same = all(made.text(f"image/{each}") == made.text(each) for each in ("title", "link"))
    return same and is_cover(made.file(made.text("image/url")))


@asks(RSS, SHOULD, "dates are RFC 2822, with a zone")
def dated(made: Made) -> bool:
    return all(is_date(each.text or "") for each in made.all("pubDate | lastBuildDate | item/pubDate"))


@asks(RSS, SHOULD, "guids differ, and are no links unless they say so")
@asks(PSP, MUST, "each episode has a guid that no other has")
def guids(made: Made) -> bool:
    told = {made.text("guid", item) for item in made.items}
    return len(told) == len(made.items) and {each.get("isPermaLink") for each in made.all("item/guid")} <= {"false"}


@asks(PSP, MUST, "atom:link rel=self: the feed's own address")
def names_itself(made: Made) -> bool:
    link = made.one("atom:link[@rel='self']")
    return link.get("type") == "application/rss+xml" and made.file(link.get("href")) == made.content


@asks(APPLE, MUST, "descriptions of at most 4000 bytes, of the show and of each episode")
@asks(PSP, MUST, "descriptions of at most 4000 bytes")
def described(made: Made) -> bool:
    return all(0 < len((each.text or "").encode()) <= 4000 for each in made.all("description | item/description"))


@asks(APPLE, MUST, "itunes:image: square, 1400 to 3000 pixels, JPEG or PNG, RGB, named by its type", episodes=True)
@asks(PSP, MUST, "itunes:image, its extension that of its type", episodes=True)
def artwork(made: Made) -> bool:
    address = made.one("itunes:image").get("href") or ""
    return address.endswith(".jpg") and is_cover(made.file(address))


@asks(APPLE, MUST, "language: ISO 639, with a country perhaps")
@asks(PSP, MUST, "language")
def in_a_language(made: Made) -> bool:
    return re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]+)*", made.text("language")) is not None


@asks(APPLE, MUST, "itunes:category: one of Apple's, its part below it")
@asks(PSP, MUST, "itunes:category")
def in_a_category(made: Made) -> bool:
    categories = made.all("itunes:category")
    parts = {each.get("text") or "": [part.get("text") or "" for part in each] for each in categories}
    return bool(parts) and all(each in CATEGORIES and {*below} <= {*CATEGORIES[each]} for each, below in parts.items())


@asks(APPLE, MUST, "itunes:explicit: true or false, of the show and of each episode")
@asks(PSP, MUST, "itunes:explicit")
def rated(made: Made) -> bool:
    told = made.all("itunes:explicit | item/itunes:explicit")
    return len(told) == 1 + len(made.items) and {each.text for each in told} <= {"true", "false"}


@asks(APPLE, SHOULD, "itunes:author")
@asks(PSP, SHOULD, "itunes:author")
def by_somebody(made: Made) -> bool:
    return bool(made.text("itunes:author"))


@asks(APPLE, MAY, "itunes:owner has a name and an e-mail address")
def owned(made: Made) -> bool:
    return all(
        "@" in made.text("itunes:email", each) and made.text("itunes:name", each) for each in made.all("itunes:owner")
    )


@asks(APPLE, SHOULD, "itunes:type: episodic or serial")
def typed(made: Made) -> bool:
    return made.text("itunes:type") in {"episodic", "serial"}


@asks(APPLE, MAY, "itunes:new-feed-url is a web address")
def moved(made: Made) -> bool:
    return all(is_web(each.text) for each in made.all("itunes:new-feed-url"))


@asks(APPLE, MAY, "itunes:block is Yes; there where the podcast is private")
@asks(PODCASTING_2, MAY, "podcast:block is yes; there where the podcast is private")
def blocked(made: Made) -> bool:
    told = [each.text for each in made.all("itunes:block | podcast:block")]
    return told == (["Yes", "yes"] if made.private else [])


@asks(APPLE, MAY, "itunes:complete is Yes or not there")
def complete(made: Made) -> bool:
    return {each.text for each in made.all("itunes:complete")} <= {"Yes"}


@asks(APPLE, MUST, "enclosures have the length and the type of their file")
@asks(PSP, MUST, "enclosures with length, url and a supported type")
def enclosed(made: Made) -> bool:
    def true(enclosure: etree._Element) -> bool:
        content, address = made.file(enclosure.get("url")), enclosure.get("url") or ""
        kind, start = ("audio/x-m4a", b"ftyp") if address.endswith(".m4a") else ("audio/mpeg", b"ID3")
        return (enclosure.get("length"), enclosure.get("type")) == (str(len(content)), kind) and start in content[:8]

    return all(true(made.one("enclosure", item)) for item in made.items)


@asks(APPLE, MUST, "no two episodes share an enclosure; addresses are ASCII, without spaces")
def enclosed_once(made: Made) -> bool:
    addresses = [each.get("url") for each in made.all("item/enclosure")]
    return len({*addresses}) == len(made.items) and all(map(is_web, addresses))


@asks(APPLE, MUST, "each episode has a title")
@asks(APPLE, SHOULD, "guid, pubDate, description, duration in seconds, link and image of each episode")
def told_of(made: Made) -> bool:
    return all(
        all(made.text(each, item).strip() for each in ("title", "guid", "pubDate", "description"))
        and made.text("itunes:duration", item).isdecimal()
        and is_web(made.text("link", item))
        and is_cover(made.file(made.one("itunes:image", item).get("href")))
        for item in made.items
    )


@asks(APPLE, MAY, "episode numbers are whole numbers from 1, types are full, trailer or bonus")
def numbered(made: Made) -> bool:
    numbers = [int(each.text or "") for each in made.all("item/itunes:episode | item/podcast:episode")]
    return min(numbers, default=1) >= 1 and {each.text for each in made.all("item/itunes:episodeType")} <= {"full"}


@asks(APPLE, MUST, "what is made by software says so, show and episode (content guidelines, AI)")
def disclosed(made: Made) -> bool:
    disclosure = made.text("description").rpartition("\n\n")[2]
    return len(disclosure) > 20 and all(disclosure in made.text("content:encoded", item) for item in made.items)


@asks(PODCASTING_2, MUST, "the namespace as its document has it")
@asks(PSP, MUST, "the itunes, podcast, atom and content namespaces, as they are written")
def namespaces(made: Made) -> bool:
    return {prefix: each for prefix, each in etree.fromstring(made.content).nsmap.items() if prefix} == NAMESPACES


@asks(PODCASTING_2, SHOULD, "podcast:guid: a UUIDv5, of the first address without scheme")
@asks(PSP, SHOULD, "podcast:guid")
def identified(made: Made) -> bool:
    public = f"{SITE}/{made.podcast_id}/feed.xml".removeprefix("https://")
    return made.text("podcast:guid") == str(uuid.uuid5(uuid.UUID("ead4c236-bf58-58c6-a2c6-a6b28d128cb6"), public))


@asks(PODCASTING_2, MUST, "podcast:locked: yes or no; an owner is an e-mail address")
@asks(PSP, SHOULD, "podcast:locked")
def locked(made: Made) -> bool:
    owner = made.one("podcast:locked").get("owner")
    return made.text("podcast:locked") in {"yes", "no"} and (owner is None or "@" in owner)


@asks(PODCASTING_2, MUST, "podcast:medium: of its list")
def medium(made: Made) -> bool:
    return made.text("podcast:medium") == "podcast"


@asks(PODCASTING_2, MUST, "podcast:txt within 4000 characters, its purpose within 128")
@asks(PSP, MAY, "podcast:txt")
def texts(made: Made) -> bool:
    found = made.all("podcast:txt")
    return all(len(each.text or "") <= 4000 and len(each.get("purpose") or "") <= 128 for each in found)


@asks(PODCASTING_2, MUST, "podcast:license within 128 characters, in lower case")
def licensed(made: Made) -> bool:
    return all(len(each.text or "") <= 128 and (each.text or "").islower() for each in made.all("podcast:license"))


@asks(PODCASTING_2, MUST, "podcast:funding has a url, and words within 128 characters")
@asks(PSP, MAY, "podcast:funding")
def funded(made: Made) -> bool:
    return all(is_web(each.get("url")) and 0 < len(each.text or "") <= 128 for each in made.all("podcast:funding"))


@asks(PODCASTING_2, SHOULD, "podcast:updateFrequency has words and a recurrence rule")
def often(made: Made) -> bool:
    return bool(made.text("podcast:updateFrequency")) and (
        made.one("podcast:updateFrequency").get("rrule") or ""
    ).startswith("FREQ=")


@asks(PODCASTING_2, MUST, "podcast:person: a name within 128 characters, and a role of the taxonomy")
def people(made: Made) -> bool:
    return all(0 < len(each.text or "") <= 128 and each.get("role") == "host" for each in made.all(".//podcast:person"))


@asks(PODCASTING_2, MUST, "podcast:transcript: url, type and language, and the files are that")
@asks(PSP, SHOULD, "podcast:transcript")
def transcribed(made: Made) -> bool:
    starts = {"text/vtt": b"WEBVTT", "application/x-subrip": b"1\n", "application/json": b"{"}
    found = made.all("item/podcast:transcript")
    return (
        len(found) == len(starts) * len(made.items)
        and {each.get("language") for each in found} <= {made.text("language")}
        and all(made.file(each.get("url")).startswith(starts[each.get("type") or ""]) for each in found)
    )


@asks(PODCASTING_2, MUST, "podcast:chapters: application/json+chapters, and the file is that")
def divided(made: Made) -> bool:
    def true(element: etree._Element) -> bool:
        told = json.loads(made.file(element.get("url")))
        return element.get("type") == "application/json+chapters" and told["version"] == "1.2.0" and told["chapters"]

    return all(true(made.one("podcast:chapters", item)) for item in made.items)


@asks(PSP, MUST, "nodes without spaces around them")
def trimmed(made: Made) -> bool:
    nodes = made.all("title | description | language | itunes:author | item/title | item/description | item/guid")
    return all((each.text or "") == (each.text or "").strip() != "" for each in nodes)


@asks(PSP, MUST, "nodes within 255 characters, but those that may have more")
def short(made: Made) -> bool:
    nodes = made.all("title | language | itunes:author | copyright | item/title | item/guid | .//podcast:person")
    return all(len(each.text or "") <= 255 for each in nodes)


@asks(PSP, MAY, "copyright without the word, the sign and a year")
def copyrighted(made: Made) -> bool:
    return not any(
        re.search(r"copyright|©|\b\d{4}\b", each.text or "", re.IGNORECASE) for each in made.all("copyright")
    )


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda each: f"{each.source} {each.level}: {each.what}")
def test_a_requirement_holds(feeds: dict[str, Made], requirement: Requirement) -> None:
    # Directories take no show without an episode; its cover comes with the first.
    asked = {name: made for name, made in feeds.items() if made.items or not requirement.episodes}

    assert [name for name, made in asked.items() if not requirement.holds(made)] == []


BROKEN = {
    "well_formed": (b'version="2.0"', b'version="0.91"'),
    "titled": (b"<title>One</title>", b"<title/>"),
    "names_itself": (b"/one/feed.xml", b"/two/feed.xml"),
    "rated": (b"<itunes:explicit>false<", b"<itunes:explicit>no<"),
    "in_a_category": (b'text="News"', b'text="Newz"'),
    "enclosed": (b' length="', b' length="1'),
    "transcribed": (b'type="text/vtt"', b'type="application/json"'),
    "identified": (b"<podcast:guid>", b"<podcast:guid>0"),
    "divided": (b'type="application/json+chapters"', b'type="application/json"'),
    "disclosed": (b"spoken by software", b"spoken"),
    "namespaces": (b"https://podcastindex.org/namespace/1.0", b"https://podcastindex.org/namespace/2.0"),
    "trimmed": (b"<itunes:author>", b"<itunes:author> "),
    "dated": (b"2026 06:00:00 GMT</pubDate>", b"2026 06:00:00</pubDate>"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_feed_that_breaks_a_requirement_is_found_out(feeds: dict[str, Made], name: str) -> None:
    whole = feeds["one"]
    broken = whole._replace(content=whole.content.replace(*BROKEN[name], 1))
    assert broken.content != whole.content
    [check, *_] = [each.holds for each in REQUIREMENTS if each.holds.__name__ == name]

    try:
        held = check(broken)
    except (ValueError, KeyError):  # not there, or twice
        held = False

    assert not held


def test_all_that_an_owner_may_choose(feeds: dict[str, Made]) -> None:
    made = feeds["many"]

    categories = [(each.get("text"), [part.get("text") for part in each]) for each in made.all("itunes:category")]
    assert categories == [("News", ["Tech News"]), ("Science", [])]
    assert made.text("itunes:explicit") == "true"
    assert made.text("itunes:type") == "serial"
    assert made.text("itunes:complete") == "Yes"
    assert made.text("itunes:owner/itunes:email") == "owner@example.org"
    assert made.text("link") == made.text("image/link") == "https://show.example.org/"
    assert made.text("copyright") == "The Observers"
    assert made.text("podcast:locked") == "yes"
    assert made.one("podcast:locked").get("owner") == "owner@example.org"
    assert made.text("podcast:license") == "cc-by-4.0"
    assert made.one("podcast:funding").get("url") == "https://show.example.org/support"
    assert made.text("podcast:funding") == "Support us"
    assert made.text("podcast:txt[@purpose='verify']") == "abc"
    assert [each.text for each in made.all("podcast:person")] == ["Ada", "Ben", "Cleo"]


def test_a_feed_speaks_its_podcasts_language(feeds: dict[str, Made]) -> None:
    made = feeds["arabic"]

    assert made.text("podcast:updateFrequency") == "كل يوم"
    assert "في هذه الحلقة" in made.text("item/content:encoded")
    assert made.text("item/content:encoded").startswith('<div dir="rtl">')


@pytest.mark.parametrize("condition", CONDITIONS)
def test_feedparser_reads_it(feeds: dict[str, Made], condition: str) -> None:
    made = feeds[condition]
    read = feedparser.parse(made.content)

    assert not read.bozo
    assert read.feed.title == made.text("title")
    assert [entry.id for entry in read.entries] == [made.text("guid", item) for item in made.items]
    assert [entry.enclosures[0].type for entry in read.entries] == [
        each.get("type") for each in made.all("item/enclosure")
    ]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_podcastparser_reads_it(feeds: dict[str, Made], condition: str) -> None:
    made = feeds[condition]
    # podcastparser 0.6 knows the Podcasting 2.0 namespace by its document's older address only.
    older = b"https://github.com/podcastindex-org/podcast-namespace/blob/main/docs/1.0.md"
    content = made.content.replace(NAMESPACES["podcast"].encode(), older)
    read = podcastparser.parse(f"{SITE}/{made.podcast_id}/feed.xml", io.BytesIO(content))

    assert {each["guid"]: each["total_time"] for each in read["episodes"]} == {
        made.text("guid", item): int(made.text("itunes:duration", item)) for item in made.items
    }
    assert all(each["chapters_json_url"] and each["transcript_url"] for each in read["episodes"])
    assert read.get("new_url") == ("https://elsewhere.example.net/feed" if condition == "moved" else None)

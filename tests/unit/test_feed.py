"""The feed, read back by libraries that did not write it."""

from __future__ import annotations

import io
import itertools
import uuid
from datetime import timedelta

import feedparser
import podcastparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from podcasting.phrases import phrases
from podcasting.providers.writers import Section
from podcasting.stages.collect import Mention
from podcasting.stages.feed import (
    NAMESPACES,
    feed_url,
    legal_text,
    podcast_guid,
    render_feed,
    show_notes,
    update_frequency,
)
from tests.fakes.episodes import RELEASED, a_podcast, an_episode

BASE = "http://127.0.0.1:8417"
DISCLOSURE = phrases("en")["disclosure"]
PODCASTPARSERS_NAMESPACE = b"https://github.com/podcastindex-org/podcast-namespace/blob/main/docs/1.0.md"
EPISODES = [an_episode(1), an_episode(3), an_episode(2)]


def parsed(content: bytes) -> etree._Element:
    return etree.fromstring(content)


def texts(content: bytes, path: str) -> list[str]:
    return [
        str(found if isinstance(found, str) else found.text)
        for found in parsed(content).xpath(path, namespaces=NAMESPACES)
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        # Apple, "A podcaster's guide to RSS": required for a show …
        ("channel/title", "Field Notes"),
        ("channel/description", f"What changed in observation.\n\n{DISCLOSURE}"),
        ("channel/itunes:image/@href", f"{BASE}/field-notes/cover.jpg"),
        ("channel/language", "en-GB"),
        ("channel/itunes:category/@text", "News"),
        ("channel/itunes:explicit", "false"),
        # … recommended, or by situation …
        ("channel/itunes:author", "The Observers"),
        ("channel/link", f"{BASE}/field-notes/"),
        ("channel/itunes:type", "episodic"),
        # … required for an episode …
        ("channel/item[1]/title", "Ice and whales 3"),
        ("channel/item[1]/enclosure/@url", f"{BASE}/field-notes/field-notes-3/audio.mp3"),
        ("channel/item[1]/enclosure/@length", "12345678"),
        ("channel/item[1]/enclosure/@type", "audio/mpeg"),
        # … and recommended, or by situation.
        ("channel/item[1]/guid", "field-notes-3"),
        ("channel/item[1]/guid/@isPermaLink", "false"),
        ("channel/item[1]/pubDate", "Tue, 17 Mar 2026 06:30:12 GMT"),
        ("channel/item[1]/description", "A satellite and a hydrophone."),
        ("channel/item[1]/itunes:duration", "3726"),
        ("channel/item[1]/link", f"{BASE}/field-notes/#field-notes-3"),
        ("channel/item[1]/itunes:image/@href", f"{BASE}/field-notes/cover.jpg"),
        ("channel/item[1]/itunes:explicit", "false"),
        ("channel/item[1]/itunes:title", "Ice and whales 3"),
        ("channel/item[1]/itunes:episode", "3"),
        ("channel/item[1]/itunes:episodeType", "full"),
        # RSS Advisory Board: what makes a feed find itself again, and its date.
        ("channel/atom:link[1]/@href", f"{BASE}/field-notes/feed.xml"),
        ("channel/atom:link[1]/@rel", "self"),
        ("channel/atom:link[1]/@type", "application/rss+xml"),
        ("channel/lastBuildDate", "Tue, 17 Mar 2026 06:30:12 GMT"),
        # Podcasting 2.0 namespace.
        ("channel/podcast:medium", "podcast"),
        ("channel/podcast:locked", "no"),
        ("channel/podcast:txt[@purpose='airdate-version']", "4"),
        ("channel/podcast:updateFrequency/@rrule", "FREQ=WEEKLY"),
        ("channel/item[1]/podcast:episode", "3"),
        ("channel/item[1]/podcast:chapters/@url", f"{BASE}/field-notes/field-notes-3/chapters.json"),
        ("channel/item[1]/podcast:chapters/@type", "application/json+chapters"),
    ],
)
def test_each_tag_that_directories_ask_for(path: str, value: str) -> None:
    assert texts(render_feed(a_podcast(), EPISODES, BASE), path) == [value]


def test_people_and_transcripts() -> None:
    content = render_feed(a_podcast(), [an_episode(hosts=("Cleo", "Dan"))], BASE)
    folder = f"{BASE}/field-notes/field-notes-1"

    assert texts(content, "channel/podcast:person[@role='host']") == ["Ada", "Ben"]
    assert texts(content, "channel/item/podcast:person[@role='host']") == ["Cleo", "Dan"]
    transcripts = parsed(content).xpath("channel/item/podcast:transcript", namespaces=NAMESPACES)
    assert [dict(transcript.attrib) for transcript in transcripts] == [
        {"url": f"{folder}/transcript.vtt", "type": "text/vtt", "language": "en-GB", "rel": "captions"},
        {"url": f"{folder}/transcript.srt", "type": "application/x-subrip", "language": "en-GB", "rel": "captions"},
        {"url": f"{folder}/transcript.json", "type": "application/json", "language": "en-GB"},
    ]


def test_feedparser_reads_it() -> None:
    feed = feedparser.parse(render_feed(a_podcast(), EPISODES, BASE))

    assert not feed.bozo
    assert feed.feed.title == "Field Notes"
    assert feed.feed.image.href == f"{BASE}/field-notes/cover.jpg"
    assert [entry.id for entry in feed.entries] == ["field-notes-3", "field-notes-2", "field-notes-1"]
    newest = feed.entries[0]
    assert newest.itunes_duration == "3726"
    assert newest.enclosures[0].href == f"{BASE}/field-notes/field-notes-3/audio.mp3"
    assert 'href="https://www.example.org/ice?a=1&amp;b=2"' in newest.content[-1].value


def test_podcastparser_reads_it() -> None:
    content = render_feed(a_podcast(), EPISODES, BASE)
    # podcastparser 0.6 knows the Podcasting 2.0 namespace by its document's older address only.
    content = content.replace(NAMESPACES["podcast"].encode(), PODCASTPARSERS_NAMESPACE)

    show = podcastparser.parse(feed_url("field-notes", BASE), io.BytesIO(content))

    assert show["cover_url"] == f"{BASE}/field-notes/cover.jpg"
    assert show["itunes_author"] == "The Observers"
    newest = show["episodes"][0]
    assert newest["guid"] == "field-notes-3"
    assert newest["total_time"] == 3726
    assert newest["number"] == 3
    assert newest["enclosures"] == [
        {"url": f"{BASE}/field-notes/field-notes-3/audio.mp3", "file_size": 12_345_678, "mime_type": "audio/mpeg"}
    ]
    assert newest["chapters_json_url"] == f"{BASE}/field-notes/field-notes-3/chapters.json"
    assert newest["transcript_url"].startswith(f"{BASE}/field-notes/field-notes-3/transcript.")
    assert [person["name"] for person in newest["persons"]] == ["Ada", "Ben"]


def test_the_order_given_does_not_matter() -> None:
    documents = {render_feed(a_podcast(), order, BASE) for order in itertools.permutations(EPISODES)}

    assert len(documents) == 1


def test_episodes_of_one_moment_are_ordered_by_number() -> None:
    same = [an_episode(number, released_at=RELEASED) for number in (2, 10, 9)]

    assert texts(render_feed(a_podcast(), same, BASE), "channel/item/guid") == [
        "field-notes-10",
        "field-notes-9",
        "field-notes-2",
    ]


def test_the_slash_at_the_end_of_the_address_does_not_matter() -> None:
    assert render_feed(a_podcast(), EPISODES, f"{BASE}/") == render_feed(a_podcast(), EPISODES, BASE)


def test_a_show_without_episodes() -> None:
    content = render_feed(a_podcast(description=""), [], BASE)

    assert not feedparser.parse(content).bozo
    assert texts(content, "channel/item") == []
    assert texts(content, "channel/lastBuildDate") == []
    assert texts(content, "channel/description") == [f"Field Notes\n\n{DISCLOSURE}"]


@pytest.mark.parametrize("hostile", ["</title><script>", "]]>", "&amp; &#0; <", "a\x00b\x0bc\ufffe", "\u202e🎧"])
def test_hostile_words_stay_words(hostile: str) -> None:
    legal = "".join(character for character in hostile if character not in "\x00\x0b\ufffe")
    episode = an_episode(
        title=hostile,
        summary=hostile,
        hosts=(hostile, "Ben"),
        sections=(
            Section(title="Hi"),
            Section(title=hostile, url=f"https://example.org/?{hostile}"),
            Section(title="Bye"),
        ),
        also=(Mention(title=hostile, url="javascript:alert(1)"),),
    )

    content = render_feed(a_podcast(title=hostile, description=hostile, author=hostile), [episode], BASE)

    assert texts(content, "channel/title") == [legal]
    assert texts(content, "channel/item/title") == [legal]
    assert texts(content, "channel/item/description") == [legal]
    assert texts(content, "channel/item/podcast:person")[0] == legal
    [notes] = texts(content, "channel/item/content:encoded")
    assert "javascript:" not in notes
    assert "<script" not in notes


@given(st.text(min_size=1, max_size=200))
@settings(max_examples=60)
def test_no_words_make_it_fail(words: str) -> None:
    content = render_feed(a_podcast(title=words), [an_episode(title=words, summary=words)], BASE)

    assert parsed(content).find("channel") is not None
    assert content == render_feed(a_podcast(title=words), [an_episode(title=words, summary=words)], BASE)


def test_what_no_document_may_hold_is_removed() -> None:
    assert legal_text("a\x00b\x08\x0b\x1f\ud800\udfff\ufffe\uffffc\t\n\r\x85é🎧") == "abc\t\n\r\x85é🎧"


def test_the_notes_cite_and_link_each_source() -> None:
    notes = show_notes(an_episode())

    assert '<a href="https://www.example.org/ice?a=1&amp;b=2">Ice</a>' in notes
    assert '<a href="https://ocean.example.net/whales">Whales</a>' in notes
    assert '<a href="https://example.com/balloons">Balloons</a>' in notes
    assert "<li>Kites</li>" in notes
    assert "Welcome" not in notes
    assert DISCLOSURE in notes


def test_notes_with_nothing_to_cite() -> None:
    episode = an_episode(sections=(Section(title="Hi"), Section(title="Bye")), also=())

    assert "<ul>" not in show_notes(episode)


def test_the_guid_is_the_one_the_specification_gives() -> None:
    # The two examples of the Podcasting 2.0 namespace's page on podcast:guid.
    assert podcast_guid("https://mp3s.nashownotes.com/pc20rss.xml") == "917393e3-1b1e-5cef-ace4-edaa54e1f810"
    assert podcast_guid("http://podnews.net/rss/") == "9b024349-ccf0-5f69-a609-6b82873eab3c"
    [guid] = texts(render_feed(a_podcast(), [], BASE), "channel/podcast:guid")
    assert uuid.UUID(guid).version == 5


@pytest.mark.parametrize(
    ("days", "words", "rule"),
    [
        (7, "Weekly", "FREQ=WEEKLY"),
        (14, "Every 2 weeks", "FREQ=WEEKLY;INTERVAL=2"),
        (1, "Daily", "FREQ=DAILY"),
        (3, "Every 3 days", "FREQ=DAILY;INTERVAL=3"),
        (1 / 24, "Hourly", "FREQ=HOURLY"),
        (0.5, "Every 12 hours", "FREQ=HOURLY;INTERVAL=12"),
        (timedelta(hours=36) / timedelta(days=1), "Every 36 hours", "FREQ=HOURLY;INTERVAL=36"),
    ],
)
def test_how_often_episodes_come(days: float, words: str, rule: str) -> None:
    assert update_frequency(days) == (words, rule)


@pytest.mark.parametrize("days", [0.001, 1.01, 0.7])
def test_what_no_rule_says(days: float) -> None:
    assert update_frequency(days) is None
    assert b"updateFrequency" not in render_feed(a_podcast(frequency_days=days), [], BASE)

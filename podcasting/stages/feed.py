"""Feed: the RSS 2.0 document that podcast apps subscribe to.

It is made from what the database says alone, with no clock: the same content gives the same bytes.
Tags follow Apple's "A podcaster's guide to RSS" (iTunes) and the Podcasting 2.0 namespace.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from html import escape
from typing import NamedTuple

from lxml import etree

from podcasting.models import Frozen, Podcast, UtcDatetime
from podcasting.providers.writers import Section
from podcasting.stages.collect import Mention
from podcasting.stages.master import Chapter
from podcasting.stages.publish import (
    AUDIO_TYPE,
    CHAPTERS_TYPE,
    FEED_TYPE,
    JSON_TYPE,
    SRT_TYPE,
    VTT_TYPE,
    PublishedFiles,
    web_url,
)

NAMESPACES = {
    "atom": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "podcast": "https://podcastindex.org/namespace/1.0",
}

GUID_NAMESPACE = uuid.UUID("ead4c236-bf58-58c6-a2c6-a6b28d128cb6")
"""The namespace of podcast:guid, from the Podcasting 2.0 namespace."""

LONGEST_SUMMARY = 4000
"""Characters that Apple keeps of a description."""

DISCLOSURE = "Written and spoken by software, from the sources linked here."
"""Apple's content guidelines ask for it in the metadata of each show and episode whose sound is made by AI."""

ILLEGAL_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 section 2.2 leaves out of ``Char``; no escape makes it legal."""


class PublishedEpisode(Frozen):
    """An episode as its listeners get it."""

    id: str
    number: int
    title: str
    summary: str
    sections: tuple[Section, ...]
    """The intro, one for each story, the outro."""
    also: tuple[Mention, ...]
    """What was new beside the stories, and only named."""
    hosts: tuple[str, ...]
    released_at: UtcDatetime
    seconds: float
    files: PublishedFiles
    chapters: tuple[Chapter, ...] = ()
    """When each section is heard, for the page's links into the sound."""

    @property
    def stories(self) -> tuple[Section, ...]:
        """The sections that tell something: neither the intro nor the outro."""
        return self.sections[1:-1]


def feed_url(podcast_id: str, base_url: str) -> str:
    """Where the feed is fetched."""
    return f"{base_url.rstrip('/')}/{podcast_id}/feed.xml"


def newest_first(episodes: Sequence[PublishedEpisode]) -> list[PublishedEpisode]:
    """``episodes`` as feed and page list them, whatever order they came in."""
    return sorted(episodes, key=lambda episode: (episode.released_at, episode.number, episode.id), reverse=True)


def legal_text(text: str) -> str:
    """``text`` without the characters that no XML document may hold."""
    return ILLEGAL_IN_XML.sub("", text)


def render_feed(podcast: Podcast, episodes: Sequence[PublishedEpisode], base_url: str) -> bytes:
    """The feed of ``podcast``, newest episode first, as UTF-8 XML.

    ``base_url`` is where the site's root is served, with or without a slash at its end.
    """
    base = base_url.rstrip("/")
    ordered = newest_first(episodes)
    rss = etree.Element("rss", {"version": "2.0"}, nsmap=NAMESPACES)
    channel = etree.SubElement(rss, "channel")
    _describe_channel(channel, podcast, ordered, base)
    for episode in ordered:
        _describe_item(etree.SubElement(channel, "item"), podcast, episode, base)
    document: bytes = etree.tostring(rss, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return document


def _describe_channel(channel: etree._Element, podcast: Podcast, ordered: list[PublishedEpisode], base: str) -> None:
    page = f"{base}/{podcast.id}/"
    address = feed_url(podcast.id, base)
    description = f"{podcast.description or podcast.title}\n\n{DISCLOSURE}"
    _add(channel, "title", podcast.title)
    _add(channel, "link", page)
    _add(channel, "description", description[:LONGEST_SUMMARY])
    _add(channel, "language", podcast.language)
    _add(channel, "generator", "Airdate")
    _add(channel, "atom:link", href=address, rel="self", type=FEED_TYPE)
    if ordered:
        newest = _rfc_2822(ordered[0].released_at)
        _add(channel, "pubDate", newest)
        _add(channel, "lastBuildDate", newest)
        # The cover is published with the first episode: before, this would be a dead link.
        _add(channel, "itunes:image", href=f"{base}/{ordered[0].files.cover}")
    _add(channel, "itunes:author", podcast.author)
    _add(channel, "itunes:summary", description[:LONGEST_SUMMARY])
    _add(channel, "itunes:type", "episodic")
    _add(channel, "itunes:category", text="News")
    _add(channel, "itunes:explicit", "false")
    _add(channel, "podcast:guid", podcast_guid(address))
    _add(channel, "podcast:medium", "podcast")
    _add(channel, "podcast:locked", "no")
    _add(channel, "podcast:txt", str(podcast.version), purpose="airdate-version")
    if frequency := update_frequency(podcast.frequency_days):
        _add(channel, "podcast:updateFrequency", frequency.words, rrule=frequency.rule)
    for host in podcast.hosts:
        _add(channel, "podcast:person", host, role="host")


def _describe_item(item: etree._Element, podcast: Podcast, episode: PublishedEpisode, base: str) -> None:
    files = episode.files
    summary = episode.summary[:LONGEST_SUMMARY]
    _add(item, "title", episode.title)
    _add(item, "link", f"{base}/{podcast.id}/#{episode.id}")
    _add(item, "guid", episode.id, isPermaLink="false")
    _add(item, "pubDate", _rfc_2822(episode.released_at))
    _add(item, "description", summary)
    _add(item, "content:encoded", etree.CDATA(legal_text(show_notes(episode))))
    _add(item, "enclosure", url=f"{base}/{files.audio}", length=str(files.audio_bytes), type=AUDIO_TYPE)
    _add(item, "itunes:title", episode.title)
    _add(item, "itunes:author", podcast.author)
    _add(item, "itunes:summary", summary)
    _add(item, "itunes:duration", str(round(episode.seconds)))
    _add(item, "itunes:episode", str(episode.number))
    _add(item, "itunes:episodeType", "full")
    _add(item, "itunes:explicit", "false")
    _add(item, "itunes:image", href=f"{base}/{files.cover}")
    _add(item, "podcast:episode", str(episode.number))
    for host in episode.hosts:
        _add(item, "podcast:person", host, role="host")
    for key, media_type, attributes in (
        (files.vtt, VTT_TYPE, {"rel": "captions"}),
        (files.srt, SRT_TYPE, {"rel": "captions"}),
        (files.json_transcript, JSON_TYPE, {}),
    ):
        _add(item, "podcast:transcript", url=f"{base}/{key}", type=media_type, language=podcast.language, **attributes)
    _add(item, "podcast:chapters", url=f"{base}/{files.chapters}", type=CHAPTERS_TYPE)


def show_notes(episode: PublishedEpisode) -> str:
    """The notes of an episode as HTML: what it is about, and where each story comes from."""
    parts = [f"<p>{escape(episode.summary)}</p>"]
    if episode.stories:
        parts += ["<p>In this episode:</p>", _source_list(episode.stories)]
    if episode.also:
        parts += ["<p>Also new:</p>", _source_list(episode.also)]
    return "\n".join([*parts, f"<p>{escape(DISCLOSURE)}</p>"])


def _source_list(sources: Sequence[Section | Mention]) -> str:
    return f"<ul>{''.join(f'<li>{_source(source.title, source.url)}</li>' for source in sources)}</ul>"


def _source(title: str, url: str | None) -> str:
    address = web_url(url)
    return f'<a href="{escape(address)}">{escape(title)}</a>' if address else escape(title)


def podcast_guid(address: str) -> str:
    """The podcast:guid of the feed at ``address``: a UUIDv5 of it without scheme and trailing slashes."""
    return str(uuid.uuid5(GUID_NAMESPACE, address.partition("://")[2].rstrip("/")))


class UpdateFrequency(NamedTuple):
    """How often episodes come: for people, and as an RFC 5545 recurrence rule."""

    words: str
    rule: str


def update_frequency(days: float) -> UpdateFrequency | None:
    """The podcast:updateFrequency of a period in days, or None when no rule says it in whole weeks, days or hours."""
    for unit, length, adverb in (("week", 7.0, "weekly"), ("day", 1.0, "daily"), ("hour", 1 / 24, "hourly")):
        count = round(days / length)
        if count >= 1 and abs(days / length - count) < 1e-6:  # noqa: PLR2004 - a twelfth of a second a day
            every = adverb.capitalize() if count == 1 else f"Every {count} {unit}s"
            return UpdateFrequency(every, f"FREQ={adverb.upper()}" + (f";INTERVAL={count}" if count > 1 else ""))
    return None


def _add(parent: etree._Element, name: str, content: str | etree.CDATA | None = None, /, **attributes: str) -> None:
    prefix, _, local = name.rpartition(":")
    element = etree.SubElement(parent, f"{{{NAMESPACES[prefix]}}}{local}" if prefix else local)
    element.text = legal_text(content) if isinstance(content, str) else content
    for attribute, value in attributes.items():
        element.set(attribute, legal_text(value))


def _rfc_2822(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)

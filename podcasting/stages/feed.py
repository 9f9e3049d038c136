"""Feed: the RSS 2.0 document that podcast apps subscribe to.

It is made from what the database says alone, with no clock: the same content gives the same bytes.
Tags follow Apple's "A podcaster's guide to RSS" (iTunes), the Podcasting 2.0 namespace and the Podcast Standards
Project's PSP-1; tests/unit/test_feed_requirements.py is the table of what they ask for. Each fixed text says that
the sound is made by software: Apple's content guidelines ask for that in the metadata of each show and episode.
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
from podcasting.phrases import FALLBACK, Unit, direction, phrases
from podcasting.place import Place
from podcasting.providers.writers import Section
from podcasting.stages.collect import Mention
from podcasting.stages.master import Chapter
from podcasting.stages.publish import (
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
"""Bytes that Apple and PSP-1 allow a description."""
LONGEST_NODE = 255
"""Of any other node: PSP-1 says characters; we say bytes, which are never fewer."""

UNITS: tuple[tuple[Unit, float, str], ...] = (
    ("week", 7.0, "weekly"),
    ("day", 1.0, "daily"),
    ("hour", 1 / 24, "hourly"),
)
"""Of a period: its name, how many days it has, and the adverb, which is the rule's too."""

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
    language: str
    """BCP 47: what it was spoken in, whatever its podcast speaks now."""
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


def render_feed(
    podcast: Podcast, episodes: Sequence[PublishedEpisode], base_url: str, place: Place | None = None
) -> bytes:
    """The feed of ``podcast``, newest episode first, as UTF-8 XML.

    ``base_url`` is where the site's root is served, with or without a slash at its end; ``place`` is the folder that
    the feed will be in, where that is not the podcast's own.
    """
    base = base_url.rstrip("/")
    folder = f"{base}/{(place or Place(podcast.id)).folder}"
    ordered = newest_first(episodes)
    rss, channel = _document()
    _describe_channel(channel, podcast, ordered, base, folder)
    for episode in ordered:
        _describe_item(etree.SubElement(channel, "item"), podcast, episode, base, folder)
    return _written(rss)


def render_withdrawn(podcast: Podcast, base_url: str) -> bytes:
    """What takes the place of a feed that an address no longer has: its title, and that there is nothing to come."""
    rss, channel = _document()
    _add(channel, "title", podcast.title.strip())
    _add(channel, "link", base_url.rstrip("/") + "/")
    _add(channel, "description", phrases(podcast.language)["withdrawn"])
    _add(channel, "language", podcast.language)
    _add(channel, "itunes:block", "Yes")
    _add(channel, "itunes:complete", "Yes")
    return _written(rss)


def _document() -> tuple[etree._Element, etree._Element]:
    rss = etree.Element("rss", {"version": "2.0"}, nsmap=NAMESPACES)
    return rss, etree.SubElement(rss, "channel")


def _written(rss: etree._Element) -> bytes:
    document: bytes = etree.tostring(rss, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return document


def _describe_channel(
    channel: etree._Element, podcast: Podcast, ordered: list[PublishedEpisode], base: str, folder: str
) -> None:
    chosen, words = podcast.production.feed, phrases(podcast.language)
    address = f"{folder}/feed.xml"
    page = chosen.website or f"{folder}/"
    title = podcast.title.strip()
    # First, so that who serves the feed finds out where it moved without reading all of it (operations/site.py).
    _add(channel, "atom:link", href=address, rel="self", type=FEED_TYPE)
    if moved_to := new_address(podcast, base, address):
        _add(channel, "itunes:new-feed-url", moved_to)
    if chosen.private is None:
        for hub in podcast.production.announcing.websub:
            _add(channel, "atom:link", href=hub, rel="hub")
    _add(channel, "title", title)
    _add(channel, "link", page)
    told = described(podcast.description.strip() or title, words["disclosure"])
    _add(channel, "description", told)
    _add(channel, "language", podcast.language)
    if chosen.copyright:
        _add(channel, "copyright", chosen.copyright.strip())
    _add(channel, "generator", "Airdate")
    if ordered:
        _describe_newest(channel, ordered[0], base, title, page)
    _describe_to_directories(channel, podcast, told)
    _describe_to_podcasting_2(channel, podcast, base)


def _describe_newest(channel: etree._Element, newest: PublishedEpisode, base: str, title: str, page: str) -> None:
    released = _rfc_2822(newest.released_at)
    _add(channel, "pubDate", released)
    _add(channel, "lastBuildDate", released)
    # The cover is published with the first episode: before, this would be a dead link.
    cover = f"{base}/{newest.files.cover}"
    _add(channel, "itunes:image", href=cover)
    image = etree.SubElement(channel, "image")
    for name, content in (("url", cover), ("title", title), ("link", page)):
        _add(image, name, content)


def _describe_to_directories(channel: etree._Element, podcast: Podcast, told: str) -> None:
    chosen = podcast.production.feed
    _add(channel, "itunes:author", podcast.author.strip())
    if chosen.email:
        owner = etree.SubElement(channel, f"{{{NAMESPACES['itunes']}}}owner")
        _add(owner, "itunes:name", podcast.author.strip())
        _add(owner, "itunes:email", chosen.email)
    _add(channel, "itunes:summary", told)
    _add(channel, "itunes:type", chosen.type)
    for category in chosen.categories:
        above, _, part = category.partition(" > ")
        element = _add(channel, "itunes:category", text=above)
        if part:
            _add(element, "itunes:category", text=part)
    _add(channel, "itunes:explicit", _true_or_false(chosen.explicit))
    if chosen.complete:
        _add(channel, "itunes:complete", "Yes")
    if chosen.private is not None:
        _add(channel, "itunes:block", "Yes")
        _add(channel, "podcast:block", "yes")


def _describe_to_podcasting_2(channel: etree._Element, podcast: Podcast, base: str) -> None:
    chosen = podcast.production.feed
    owner = {"owner": chosen.email} if chosen.email else {}
    _add(channel, "podcast:guid", chosen.guid or podcast_guid(feed_url(podcast.id, base)))
    _add(channel, "podcast:medium", "podcast")
    _add(channel, "podcast:locked", "yes" if chosen.locked or chosen.private is not None else "no", **owner)
    _add(channel, "podcast:txt", str(podcast.version), purpose="airdate-version")
    for purpose, text in chosen.texts.items():
        _add(channel, "podcast:txt", text, purpose=purpose)
    if frequency := update_frequency(podcast.frequency_days, podcast.language):
        _add(channel, "podcast:updateFrequency", frequency.words, rrule=frequency.rule)
    if chosen.license:
        # A well-known licence goes by its identifier in lower case, one of one's own by the name that its words have.
        address = {"url": chosen.license_url} if chosen.license_url else {}
        _add(channel, "podcast:license", chosen.license if address else chosen.license.lower(), **address)
    if chosen.funding_url:
        _add(channel, "podcast:funding", chosen.funding_text or podcast.title.strip(), url=chosen.funding_url)
    for host in podcast.hosts:
        _add(channel, "podcast:person", host, role="host")


def _describe_item(item: etree._Element, podcast: Podcast, episode: PublishedEpisode, base: str, folder: str) -> None:
    """One episode. But for the address, the cover and whether the show is explicit, all is the episode's own: what
    its podcast is called or who speaks there today changes nothing here.
    """
    files = episode.files
    title, summary = shortened(episode.title, LONGEST_NODE), shortened(episode.summary, LONGEST_SUMMARY)
    _add(item, "title", title)
    _add(item, "link", f"{folder}/#{episode.id}")
    _add(item, "guid", episode.id, isPermaLink="false")
    _add(item, "pubDate", _rfc_2822(episode.released_at))
    _add(item, "description", summary)
    _add(item, "content:encoded", etree.CDATA(legal_text(show_notes(episode))))
    _add(item, "enclosure", url=f"{base}/{files.audio}", length=str(files.audio_bytes), type=files.audio_type)
    _add(item, "itunes:title", title)
    _add(item, "itunes:summary", summary)
    _add(item, "itunes:duration", str(round(episode.seconds)))
    _add(item, "itunes:episode", str(episode.number))
    _add(item, "itunes:episodeType", "full")
    _add(item, "itunes:explicit", _true_or_false(podcast.production.feed.explicit))
    _add(item, "itunes:image", href=f"{base}/{files.cover}")
    _add(item, "podcast:episode", str(episode.number))
    for host in episode.hosts:
        _add(item, "podcast:person", host, role="host")
    for key, media_type, attributes in (
        (files.vtt, VTT_TYPE, {"rel": "captions"}),
        (files.srt, SRT_TYPE, {"rel": "captions"}),
        (files.json_transcript, JSON_TYPE, {}),
    ):
        _add(item, "podcast:transcript", url=f"{base}/{key}", type=media_type, language=episode.language, **attributes)
    _add(item, "podcast:chapters", url=f"{base}/{files.chapters}", type=CHAPTERS_TYPE)


def new_address(podcast: Podcast, base_url: str, address: str) -> str | None:
    """Where subscribers of the feed at ``address`` shall go on: elsewhere, or there, when the site itself moved.

    The podcast's guid was made of the first address that its feed had; another one means that there are subscribers
    who came by the old.
    """
    chosen = podcast.production.feed
    if chosen.moved_to:
        return chosen.moved_to
    first = podcast_guid(feed_url(podcast.id, base_url))
    return address if chosen.guid not in {None, first} else None


def described(description: str, disclosure: str) -> str:
    """A show's description and the disclosure, which stays whole, within what directories keep."""
    room = LONGEST_SUMMARY - len(disclosure.encode()) - 2
    return f"{shortened(description, room)}\n\n{disclosure}"


def shortened(text: str, most: int) -> str:
    """``text`` within so many bytes of UTF-8, without spaces around it; cut at a word where it is too long."""
    whole = legal_text(text).strip()
    encoded = whole.encode()
    if len(encoded) <= most:
        return whole
    cut = encoded[: most - len("…".encode())].decode(errors="ignore")
    words, space, _ = cut.rpartition(" ")
    return f"{(words if space else cut).rstrip()}…"


def _true_or_false(value: bool) -> str:  # noqa: FBT001 - it is what is written
    return "true" if value else "false"


def show_notes(episode: PublishedEpisode) -> str:
    """The notes of an episode as HTML: what it is about, and where each story comes from."""
    words = phrases(episode.language)
    parts = [f"<p>{escape(episode.summary)}</p>"]
    if episode.stories:
        parts += [f"<p>{escape(words['in_this_episode'])}</p>", _source_list(episode.stories)]
    if episode.also:
        parts += [f"<p>{escape(words['also_new'])}</p>", _source_list(episode.also)]
    parts.append(f"<p>{escape(words['disclosure'])}</p>")
    notes = "\n".join(parts)
    return f'<div dir="rtl">{notes}</div>' if direction(episode.language) == "rtl" else notes


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


def update_frequency(days: float, language: str = FALLBACK) -> UpdateFrequency | None:
    """The podcast:updateFrequency of a period in days, or None when no rule says it in whole weeks, days or hours."""
    words = phrases(language)
    for unit, length, adverb in UNITS:
        count = round(days / length)
        if count >= 1 and abs(days / length - count) < 1e-6:  # noqa: PLR2004 - a twelfth of a second a day
            every = words[adverb] if count == 1 else words.every(count, unit)
            return UpdateFrequency(every, f"FREQ={adverb.upper()}" + (f";INTERVAL={count}" if count > 1 else ""))
    return None


def _add(
    parent: etree._Element, name: str, content: str | etree.CDATA | None = None, /, **attributes: str
) -> etree._Element:
    prefix, _, local = name.rpartition(":")
    element = etree.SubElement(parent, f"{{{NAMESPACES[prefix]}}}{local}" if prefix else local)
    element.text = legal_text(content) if isinstance(content, str) else content
    for attribute, value in attributes.items():
        element.set(attribute, legal_text(value))
    return element


def _rfc_2822(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)

"""Page: what a browser shows of a podcast, and the list of them all.

Static HTML from what the database says alone: the same content gives the same bytes. Links are
relative, so the pages work from any address, and from a folder on disk. Each page's own
Content-Security-Policy lets it load what lies beside it and run its one script, nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import posixpath
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from podcasting.models import Listing, Podcast
from podcasting.phrases import FALLBACK, Phrases, direction, phrases
from podcasting.place import Place
from podcasting.stages.colours import Colour, scheme_of
from podcasting.stages.feed import PublishedEpisode, legal_text, newest_first, update_frequency
from podcasting.stages.publish import FEED_TYPE, web_url

MINUTE = 60
HOUR = 60 * MINUTE
MEGABYTE = 1_000_000
SCRIPT = "page.js"
KINDS = {"audio/mpeg": "MP3", "audio/mp4": "M4A", "audio/x-m4a": "M4A"}
"""What people call a media type."""


class Colours(NamedTuple):
    """A page's, as CSS writes them: those of the podcast's cover."""

    top: str
    bottom: str
    ink: str
    bright: str


def render_page(podcast: Podcast, episodes: Sequence[PublishedEpisode], place: Place | None = None) -> bytes:
    """The page of ``podcast`` as UTF-8 HTML, newest episode first; to be kept beside its ``feed.xml``.

    ``place`` is the folder that it will be in, where that is not the podcast's own.
    """
    folder = (place or Place(podcast.id)).folder
    words = phrases(podcast.language)
    frequency = update_frequency(podcast.frequency_days, podcast.language)
    chosen = podcast.production.feed
    return _rendered(
        "page.html",
        words,
        colours_of(podcast.title),
        podcast=podcast,
        private=chosen.private is not None,
        website=chosen.website,
        funding=(chosen.funding_url, chosen.funding_text or host_name(chosen.funding_url))
        if chosen.funding_url
        else None,
        moved_to=chosen.moved_to,
        cadence=frequency.words if frequency else None,
        episodes=newest_first(episodes),
        beside=lambda key: posixpath.relpath(key, folder),
        home=posixpath.relpath("index.html", folder),
    )


def render_index(podcasts: Sequence[Listing | Podcast]) -> bytes:
    """The page that lists ``podcasts`` by title, as UTF-8 HTML; to be kept at the site's root.

    It speaks the language of its podcasts where they have one in common, else English.
    """
    by_title = sorted(podcasts, key=lambda podcast: (podcast.title.casefold(), podcast.id))
    spoken = {podcast.language for podcast in podcasts}
    words = phrases(spoken.pop() if len(spoken) == 1 else FALLBACK)
    return _rendered("index.html", words, colours_of(""), podcasts=by_title)


def render_withdrawn(podcast: Podcast) -> bytes:
    """What takes the place of a page that an address no longer has."""
    words = phrases(podcast.language)
    return _rendered("withdrawn.html", words, colours_of(podcast.title))


def colours_of(title: str) -> Colours:
    """The colours of a podcast's page: its cover's."""
    scheme = scheme_of(title)
    return Colours(*map(_hex, (scheme.top, scheme.bottom, scheme.ink, scheme.accent)))


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _rendered(name: str, words: Phrases, colours: Colours, **content: object) -> bytes:
    style = Markup(_templates().get_template("page.css").render(colours=colours))  # noqa: S704 - ours, and numbers
    script = Markup(_source(SCRIPT))  # noqa: S704 - ours
    text = (
        _templates()
        .get_template(name)
        .render(
            words=words,
            style=style,
            script=script,
            policy=_policy(style, script),
            feed_type=FEED_TYPE,
            spoken=_Spoken(words.language),
            **content,
        )
    )
    return legal_text(text).encode()


class _Spoken:
    """Attributes that say which language a text is in, where it is not the page's."""

    def __init__(self, page: str) -> None:
        self._page = page

    def __call__(self, language: str) -> Markup:
        if language == self._page:
            return Markup("")
        return Markup(' lang="{}" dir="{}"').format(language, direction(language))


def _policy(style: str, script: str) -> str:
    return (
        "default-src 'none'; img-src 'self' file: data:; media-src 'self' file:; connect-src 'self'; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    # Of what stands between the tags, the line breaks of the templates among it.
    digest = hashlib.sha256(b"\n" + text.encode() + b"\n").digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


@cache
def _source(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8").strip()


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "web_url": web_url,
        "host_name": host_name,
        "clock": clock,
        "kind": kind,
        "megabytes": megabytes,
    }
    return environment


def host_name(url: str) -> str:
    """The host a link leads to, for people to judge it by."""
    return (urlsplit(url).hostname or url).removeprefix("www.")


def clock(seconds: float) -> str:
    """A place in the sound: ``1:05``, ``1:02:03``."""
    minutes, second = divmod(int(seconds), MINUTE)
    hour, minute = divmod(minutes, MINUTE)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def kind(media_type: str) -> str:
    """What people call a kind of audio: ``MP3``, ``M4A``."""
    return KINDS.get(media_type, media_type.rpartition("/")[2].upper())


def megabytes(size: int) -> str:
    """A number of bytes in megabytes: ``12.3``."""
    return f"{max(size / MEGABYTE, 0.1):.1f}"

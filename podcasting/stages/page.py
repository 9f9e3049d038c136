"""Page: what a browser shows of a podcast, and the list of them all.

Static HTML from what the database says alone: the same content gives the same bytes. Links are
relative, so the pages work from any address, and from a folder on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from podcasting.models import Listing, Podcast
from podcasting.stages.feed import DISCLOSURE, PublishedEpisode, legal_text, newest_first, update_frequency
from podcasting.stages.publish import FEED_TYPE, web_url

MINUTE = 60
HOUR = 60 * MINUTE
MEGABYTE = 1_000_000


def render_page(podcast: Podcast, episodes: Sequence[PublishedEpisode]) -> bytes:
    """The page of ``podcast`` as UTF-8 HTML, newest episode first; to be kept beside its ``feed.xml``."""

    def beside(key: str) -> str:
        own_folder = f"{podcast.id}/"
        return key.removeprefix(own_folder) if key.startswith(own_folder) else f"../{key}"

    frequency = update_frequency(podcast.frequency_days)
    return _rendered(
        "page.html",
        podcast=podcast,
        cadence=frequency.words if frequency else None,
        episodes=newest_first(episodes),
        beside=beside,
    )


def render_index(podcasts: Sequence[Listing | Podcast]) -> bytes:
    """The page that lists ``podcasts`` by title, as UTF-8 HTML; to be kept at the site's root."""
    by_title = sorted(podcasts, key=lambda podcast: (podcast.title.casefold(), podcast.id))
    return _rendered("index.html", podcasts=by_title)


def _rendered(name: str, **content: object) -> bytes:
    text = _template(name).render(disclosure=DISCLOSURE, feed_type=FEED_TYPE, **content)
    return legal_text(text).encode()


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "web_url": web_url,
        "host_name": host_name,
        "clock": clock,
        "length": length,
        "day": day,
        "megabytes": megabytes,
    }
    return environment.get_template(name)


def host_name(url: str) -> str:
    """The host a link leads to, for people to judge it by."""
    return (urlsplit(url).hostname or url).removeprefix("www.")


def clock(seconds: float) -> str:
    """A place in the sound: ``1:05``, ``1:02:03``."""
    minutes, second = divmod(int(seconds), MINUTE)
    hour, minute = divmod(minutes, MINUTE)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def length(seconds: float) -> str:
    """How long something takes: ``45 s``, ``12 min``, ``1 h 5 min``."""
    if round(seconds) < MINUTE:
        return f"{round(seconds)} s"
    hours, minutes = divmod(round(seconds / MINUTE), MINUTE)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def day(moment: datetime) -> str:
    """A date for people, in UTC: ``3 March 2026``."""
    return f"{moment.day} {moment:%B %Y}"


def megabytes(size: int) -> str:
    """A number of bytes for people: ``12.3 MB``."""
    return f"{max(size / MEGABYTE, 0.1):.1f} MB"

"""The reader of sources and pages, from the web or from files: the embedded one and production's."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit

from podcasting.errors import Permanent, Retryable
from podcasting.providers.feeds import Entry, Feed, Page, Validators
from podcasting.providers.feeds.dates import newest_first
from podcasting.providers.feeds.fetch import Document, Fetcher, gunzipped, without_credentials
from podcasting.providers.feeds.guard import Resolve, system_resolver
from podcasting.providers.feeds.json_feed import is_json_feed, load_json, parse_json_feed
from podcasting.providers.feeds.kinds import PAGE_TYPES, Kind, kind_of
from podcasting.providers.feeds.limits import MAX_ENTRIES
from podcasting.providers.feeds.local import LocalSources
from podcasting.providers.feeds.pace import Pace
from podcasting.providers.feeds.page import declared_feeds, main_text, page_as_feed
from podcasting.providers.feeds.parse import ResolveLink, parse_feed
from podcasting.providers.feeds.robots import Robots
from podcasting.providers.feeds.sitemap import Location, Sitemap, entry_of, parse_sitemap
from podcasting.providers.feeds.telegram import is_channel, parse_channel
from podcasting.providers.feeds.text import decode
from podcasting.providers.feeds.texts import note_as_feed, text_as_feed, transcript
from podcasting.providers.feeds.transcripts import read_json

MAX_BYTES = 5 * 1024 * 1024
TIMEOUT_SECONDS = 20.0
MAX_SITEMAPS = 10
"""Read of one index: those that changed last."""
PAGE_PREFIX = "page:"
"""Before an address: the page itself is the source, even if it declares a feed."""
_ACCEPT_FEED = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, "
_ACCEPT_FEED += "text/xml;q=0.8, */*;q=0.1"
_ACCEPT_PAGE = "text/html, application/xhtml+xml"


class WebSources:
    """Reads sources and pages by HTTP, and from files where that is allowed. Safe for several threads."""

    def __init__(
        self,
        *,
        allow_files: bool,
        allowed_private_hosts: frozenset[str] = frozenset(),
        max_bytes: int = MAX_BYTES,
        timeout_seconds: float = TIMEOUT_SECONDS,
        pause_seconds: float = 0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        resolve: Resolve = system_resolver,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bound each read.

        Args:
            allow_files: whether paths and file URLs are read.
            allowed_private_hosts: hosts, or ``host:port``, that may be read though their addresses are private.
            max_bytes: the most a source or page may hold, decompressed.
            timeout_seconds: the most a read may take as a whole, without waits for the pause.
            pause_seconds: the least time between two requests of one host.
            now: the time that HTTP dates, and the age of a robots.txt, are compared with.
            resolve: the resolver of host names.
            sleep: waits so many seconds.
            clock: what the pause is measured with, in seconds.
        """
        self._allow_files = allow_files
        self._max_bytes = max_bytes
        self._local = LocalSources(max_bytes=max_bytes)
        pace = Pace(pause_seconds, clock=clock, sleep=sleep)
        self._fetcher = Fetcher(
            allowed_private_hosts=allowed_private_hosts,
            max_bytes=max_bytes,
            timeout_seconds=timeout_seconds,
            now=now,
            resolve=resolve,
            pace=pace,
        )
        self._robots = Robots(self._fetcher, pace, now)

    def feed(self, source: str, validators: Validators | None) -> Feed | None:
        """See :meth:`podcasting.providers.feeds.Sources.feed`."""
        address = source.removeprefix(PAGE_PREFIX)
        path = self._path(address)
        if path is not None:
            return self._local.feed(path, validators)
        document = self._fetcher.get(address, accept=_ACCEPT_FEED, validators=validators, wanted=self._is_open)
        return None if document is None else self._read(document, is_page_itself=address != source)

    def page(self, url: str) -> Page | None:
        """See :meth:`podcasting.providers.feeds.Sources.page`."""
        path = self._path(url)
        if path is not None:
            return self._local.page(path)
        document = self._fetcher.get(
            url,
            accept=_ACCEPT_PAGE,
            before=self._robots.require,
            wanted=lambda _, media_type: media_type in PAGE_TYPES or not media_type,
        )
        return None if document is None else main_text(document)

    def _is_open(self, url: str, media_type: str) -> bool:
        """Checked before a page's body is read; of other kinds only the body tells that they are no feed."""
        if media_type in PAGE_TYPES:
            self._robots.require(url)
        return True

    def _read(self, document: Document, *, is_page_itself: bool) -> Feed:
        document = gunzipped(document, max_bytes=self._max_bytes)
        text = decode(document.body, document.charset)
        name = PurePosixPath(unquote(urlsplit(document.url).path)).name
        kind = Kind.PAGE if is_page_itself else kind_of(document, text, name)
        links = _links_of(document.url)
        if kind is Kind.FEED:
            return parse_feed(document, links)
        value = load_json(text, without_credentials(document.url)) if kind is Kind.JSON else None
        if is_json_feed(value):
            return parse_json_feed(document, value, links)
        self._robots.require(document.url)
        if kind is Kind.PAGE:
            return self._page(document, text, links, is_page_itself=is_page_itself)
        if kind is Kind.SITEMAP:
            return self._sitemap(document, parse_sitemap(document, links))
        if kind is not Kind.JSON:
            return text_as_feed(document, text, kind, name=name, url=document.url)
        cues = read_json(value)
        if cues is None:
            shown = without_credentials(document.url)
            raise Permanent(f"{shown} is JSON, but neither a JSON Feed nor a transcript; give its feed")
        return note_as_feed(document, transcript(cues), stem=PurePosixPath(name).stem, url=document.url)

    def _page(self, document: Document, markup: str, links: ResolveLink, *, is_page_itself: bool) -> Feed:
        if is_page_itself:
            return page_as_feed(document, url=document.url)
        if is_channel(markup):
            return parse_channel(document, markup)
        for address in declared_feeds(markup, links):
            try:
                found = self._declared(address)
            except Permanent:
                continue  # many a page declares a feed that is gone; then the page itself is what there is
            # Its validators are of another address than the source's, which would answer them wrongly.
            return found.model_copy(update={"validators": Validators()})
        return page_as_feed(document, url=document.url)

    def _declared(self, address: str) -> Feed:
        document = self._fetcher.get(address, accept=_ACCEPT_FEED)
        if document is None:
            raise Permanent(f"{without_credentials(address)} is not a feed")
        text = decode(document.body, document.charset)
        kind = kind_of(document, text, "")
        if kind is Kind.JSON and is_json_feed(value := load_json(text, without_credentials(address))):
            return parse_json_feed(document, value, _links_of(document.url))
        if kind is not Kind.FEED:
            raise Permanent(f"{without_credentials(address)} is not a feed")
        return parse_feed(document, _links_of(document.url))

    def _sitemap(self, document: Document, listed: Sitemap) -> Feed:
        host = urlsplit(document.url).hostname or ""
        if not listed.is_index:
            return Feed(title=host, entries=_entries(listed.locations), validators=document.validators)
        found: list[Location] = []
        troubles: list[str] = []
        failures: list[Permanent | Retryable] = []
        for each in listed.locations[:MAX_SITEMAPS]:
            try:
                found += self._listed(each.url, beside=document.url)
            except (Permanent, Retryable) as failure:
                failures.append(failure)
                troubles.append(str(failure))
        if failures and not found:
            raise next((failure for failure in failures if isinstance(failure, Retryable)), failures[0])
        # An index stays the same while its sitemaps change, so it is never asked whether it changed.
        return Feed(title=host, entries=_entries(tuple(found)), validators=Validators(), troubles=tuple(troubles))

    def _listed(self, url: str, *, beside: str) -> tuple[Location, ...]:
        shown = without_credentials(url)
        # "must be on the same site as the index" (sitemaps.org); it also keeps an index from sending us anywhere.
        if urlsplit(url).netloc.lower() != urlsplit(beside).netloc.rpartition("@")[2].lower():
            raise Permanent(f"{shown} is not read: it lies on another site than the index that lists it")
        document = self._fetcher.get(url, accept="application/xml, text/xml, */*;q=0.1", before=self._robots.require)
        if document is None:
            raise Permanent(f"{shown} is not a sitemap")
        document = gunzipped(document, max_bytes=self._max_bytes)
        if kind_of(document, decode(document.body, document.charset), "") is not Kind.SITEMAP:
            raise Permanent(f"{shown} is not a sitemap")
        listed = parse_sitemap(document, _links_of(document.url))
        if listed.is_index:
            raise Permanent(f"{shown} is not read: an index of sitemaps lists sitemaps, not another index")
        return listed.locations

    def _path(self, source: str) -> Path | None:
        """The file that ``source`` names, or None when it is a web address."""
        scheme, separator, rest = source.partition("://")
        scheme = scheme.lower() if separator else "path"
        if scheme in {"http", "https"}:
            return None
        if scheme not in {"path", "file"}:
            raise Permanent(
                f"{without_credentials(source)} is not read: only http, https and files are; correct the address"
            )
        if not self._allow_files:
            raise Permanent(
                f"{without_credentials(source)} is a file, and files are not read here; give an http or https address"
            )
        if scheme == "path":
            return Path(source)
        host, _, path = rest.partition("/")
        if host not in {"", "localhost"}:  # RFC 8089, section 2
            raise Permanent(f"file://{host} is another machine's file; write file:///path")
        return Path("/" + unquote(path))


def _entries(locations: tuple[Location, ...]) -> tuple[Entry, ...]:
    once: dict[str, Location] = {}
    for each in locations:
        once.setdefault(each.url, each)
    newest = sorted(once.values(), key=lambda each: newest_first(each.moment))
    return tuple(map(entry_of, newest[:MAX_ENTRIES]))


def _links_of(base: str) -> ResolveLink:
    return lambda link: _web_link(base, link)


def _web_link(base: str, link: str) -> str | None:
    """``link`` of a document at ``base``, if it leads to the web."""
    try:
        url = urljoin(base, link)
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and parts.netloc else None

"""The reader of feeds and pages, from the web or from files: the embedded one and production's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from podcasting.errors import Permanent
from podcasting.providers.feeds import Feed, Validators
from podcasting.providers.feeds.fetch import Document, Fetcher, without_credentials
from podcasting.providers.feeds.files import read_file
from podcasting.providers.feeds.guard import Resolve, system_resolver
from podcasting.providers.feeds.parse import parse_feed
from podcasting.providers.feeds.text import decode, is_excessive

MAX_BYTES = 5 * 1024 * 1024
TIMEOUT_SECONDS = 20.0
_ACCEPT_FEED = "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1"
_ACCEPT_PAGE = "text/html, application/xhtml+xml"
_HTML_TYPES = frozenset({"", "text/html", "application/xhtml+xml"})
_HTML_SUFFIXES = frozenset({".html", ".htm", ".xhtml"})


class WebSources:
    """Reads feeds and pages by HTTP, and from files where that is allowed. Safe for several threads."""

    def __init__(
        self,
        *,
        allow_files: bool,
        allowed_private_hosts: frozenset[str] = frozenset(),
        max_bytes: int = MAX_BYTES,
        timeout_seconds: float = TIMEOUT_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        resolve: Resolve = system_resolver,
    ) -> None:
        """Bound each read.

        Args:
            allow_files: whether paths and file URLs are read.
            allowed_private_hosts: hosts, or ``host:port``, that may be read though their addresses are private.
            max_bytes: the most a feed or page may hold, decompressed.
            timeout_seconds: the most a read may take as a whole.
            now: the time that HTTP dates are compared with.
            resolve: the resolver of host names.
        """
        self._allow_files = allow_files
        self._max_bytes = max_bytes
        self._fetcher = Fetcher(
            allowed_private_hosts=allowed_private_hosts,
            max_bytes=max_bytes,
            timeout_seconds=timeout_seconds,
            now=now,
            resolve=resolve,
        )
        # Whoever writes a feed chooses its links, so a file is a page only beside a feed that an
        # operator named.
        self._feed_folders: set[Path] = set()

    def feed(self, source: str, validators: Validators | None) -> Feed | None:
        """See :meth:`podcasting.providers.feeds.Sources.feed`."""
        path = self._path(source)
        if path is not None:
            return self._file_feed(path, validators)
        document = self._fetcher.get(source, accept=_ACCEPT_FEED, validators=validators)
        if document is None:
            return None
        return parse_feed(document, lambda link: _web_link(document.url, link))

    def page(self, url: str) -> str | None:
        """See :meth:`podcasting.providers.feeds.Sources.page`."""
        path = self._path(url)
        document = self._file_page(path) if path is not None else self._web_page(url)
        return None if document is None else _main_text(document)

    def _file_feed(self, path: Path, validators: Validators | None) -> Feed | None:
        document = read_file(path, max_bytes=self._max_bytes)
        folder = path.resolve().parent
        self._feed_folders.add(folder)
        if validators is not None and validators.etag == document.validators.etag:
            return None
        return parse_feed(document, lambda link: _file_link(folder, link))

    def _file_page(self, path: Path) -> Document | None:
        real = path.resolve()
        if not any(real.is_relative_to(folder) for folder in self._feed_folders):
            raise Permanent(f"{path} is not read: a page must lie in the folder of the feed file that links to it")
        return read_file(real, max_bytes=self._max_bytes) if real.suffix.lower() in _HTML_SUFFIXES else None

    def _web_page(self, url: str) -> Document | None:
        return self._fetcher.get(url, accept=_ACCEPT_PAGE, wanted=_HTML_TYPES.__contains__)

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


def _web_link(base: str, link: str) -> str | None:
    """``link`` of a feed at ``base``, if it leads to the web."""
    try:
        url = urljoin(base, link)
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and parts.netloc else None


def _file_link(folder: Path, link: str) -> str | None:
    """``link`` of a feed file in ``folder``: the web, or a file inside that folder, or nothing."""
    try:
        parts = urlsplit(link)
        if parts.scheme in {"http", "https"}:
            return link if parts.netloc else None
        if parts.scheme not in {"", "file"} or parts.netloc:
            return None
        # resolve() follows symbolic links, so one that leads out of the folder is seen for what it is.
        real = (folder / unquote(parts.path)).resolve()
    except (ValueError, OSError, RuntimeError):
        return None
    return real.as_uri() if real.is_relative_to(folder) and real != folder else None


def _main_text(document: Document) -> str | None:
    import trafilatura  # heavy, and only pages need it

    markup = decode(document.body, document.charset)
    if is_excessive(markup):
        return None
    try:
        text = trafilatura.extract(
            markup,
            include_comments=False,
            include_tables=False,
            favor_precision=True,
        )
    except Exception:  # noqa: BLE001 - an extractor that stumbles over a hostile page found nothing
        return None
    return text or None

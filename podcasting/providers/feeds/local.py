"""Sources and pages in files."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from podcasting.errors import Permanent
from podcasting.providers.feeds import Feed, Page, Validators
from podcasting.providers.feeds.fetch import Document, gunzipped
from podcasting.providers.feeds.files import read_file
from podcasting.providers.feeds.folders import read_folder
from podcasting.providers.feeds.json_feed import is_json_feed, load_json, parse_json_feed
from podcasting.providers.feeds.kinds import PAGE_SUFFIXES, Kind, kind_of
from podcasting.providers.feeds.limits import MAX_ENTRIES
from podcasting.providers.feeds.page import main_text, page_as_feed
from podcasting.providers.feeds.parse import parse_feed
from podcasting.providers.feeds.sitemap import entry_of, parse_sitemap
from podcasting.providers.feeds.telegram import is_channel, parse_channel
from podcasting.providers.feeds.text import decode
from podcasting.providers.feeds.texts import note_as_feed, text_as_feed, transcript
from podcasting.providers.feeds.transcripts import read_json


class LocalSources:
    """Reads sources from files and folders. Safe for several threads."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        # Whoever writes a feed chooses its links, so a file is a page only beside a feed that an
        # operator named.
        self._feed_folders: set[Path] = set()

    def feed(self, path: Path, validators: Validators | None) -> Feed | None:
        """See :meth:`podcasting.providers.feeds.Sources.feed`."""
        if path.is_dir():
            return read_folder(path, validators, self._text, max_bytes=self._max_bytes)
        document = read_file(path, max_bytes=self._max_bytes)
        folder = path.resolve().parent
        self._feed_folders.add(folder)
        if validators is not None and validators.etag == document.validators.etag:
            return None
        return self._read(document, path.name, folder)

    def page(self, path: Path) -> Page | None:
        """See :meth:`podcasting.providers.feeds.Sources.page`."""
        real = path.resolve()
        if not any(real.is_relative_to(folder) for folder in self._feed_folders):
            raise Permanent(f"{path} is not read: a page must lie in the folder of the feed file that links to it")
        if real.suffix.lower() not in PAGE_SUFFIXES:
            return None
        return main_text(read_file(real, max_bytes=self._max_bytes))

    def _text(self, path: Path) -> Feed:
        """A file of a folder: one text, never a list of links to elsewhere."""
        return self._read(read_file(path, max_bytes=self._max_bytes), path.name, None)

    def _read(self, document: Document, name: str, folder: Path | None) -> Feed:
        document = gunzipped(document, max_bytes=self._max_bytes)
        text = decode(document.body, document.charset)
        if not text.strip():
            raise Permanent(f"{document.url} is empty; write something into it, or remove it")
        kind = kind_of(document, text, name)
        if kind is Kind.PAGE and is_channel(text):
            return parse_channel(document, text).model_copy(update={"validators": document.validators})
        if kind is Kind.PAGE:
            return page_as_feed(document, url=None)
        if kind is Kind.JSON:
            return self._json(document, text, name, folder)
        if kind in {Kind.FEED, Kind.SITEMAP} and folder is None:
            raise Permanent(f"{document.url} is no text; give it as a source of its own")
        if kind is Kind.SITEMAP:
            listed = parse_sitemap(document, _web_address)
            if listed.is_index:
                raise Permanent(f"{document.url} is an index of sitemaps; give its address, or one of the sitemaps")
            return Feed(
                title=PurePosixPath(name).stem,
                entries=tuple(map(entry_of, listed.locations[:MAX_ENTRIES])),
                validators=document.validators,
            )
        if kind is Kind.FEED:
            return parse_feed(document, lambda link: _file_link(folder, link))
        return text_as_feed(document, text, kind, name=name, url=None)

    def _json(self, document: Document, text: str, name: str, folder: Path | None) -> Feed:
        value = load_json(text, document.url)
        if is_json_feed(value) and folder is not None:
            return parse_json_feed(document, value, lambda link: _file_link(folder, link))
        cues = read_json(value)
        if cues is None:
            raise Permanent(f"{document.url} is JSON, but neither a JSON Feed nor a transcript")
        return note_as_feed(document, transcript(cues), stem=PurePosixPath(name).stem, url=None)


def _web_address(link: str) -> str | None:
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    return link if parts.scheme in {"http", "https"} and parts.netloc else None


def _file_link(folder: Path | None, link: str) -> str | None:
    """``link`` of a feed file in ``folder``: the web, or a file inside that folder, or nothing."""
    try:
        parts = urlsplit(link)
        if parts.scheme in {"http", "https"}:
            return link if parts.netloc else None
        if folder is None or parts.scheme not in {"", "file"} or parts.netloc:
            return None
        # resolve() follows symbolic links, so one that leads out of the folder is seen for what it is.
        real = (folder / unquote(parts.path)).resolve()
    except (ValueError, OSError, RuntimeError):
        return None
    return real.as_uri() if real.is_relative_to(folder) and real != folder else None

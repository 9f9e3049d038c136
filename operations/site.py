"""The published site over HTTP, on this machine: what a web server or a CDN does in production."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
import threading
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

from lxml import etree
from tornado.httpserver import HTTPServer
from tornado.web import Application, HTTPError, StaticFileHandler

from operations.companion import serve_until_left
from podcasting.errors import AirdateError
from podcasting.place import PRIVATE
from podcasting.providers.storage.keys import is_key
from podcasting.stages.feed import NAMESPACES
from podcasting.stages.master import AUDIO_TYPES
from podcasting.stages.publish import (
    AUDIO_TYPE,
    CHAPTERS_TYPE,
    COVER_TYPE,
    FEED_TYPE,
    JSON_TYPE,
    PAGE_TYPE,
    SRT_TYPE,
    VTT_TYPE,
)

CONTENT_TYPES = {
    ".html": f"{PAGE_TYPE}; charset=utf-8",
    ".jpg": COVER_TYPE,
    ".json": JSON_TYPE,
    ".m4a": AUDIO_TYPES["m4a"],
    ".mp3": AUDIO_TYPE,
    ".srt": f"{SRT_TYPE}; charset=utf-8",
    ".vtt": f"{VTT_TYPE}; charset=utf-8",
    ".xml": f"{FEED_TYPE}; charset=utf-8",
}
"""Written down, since Python's own table knows neither podcasts nor subtitles and differs between systems."""


SELF = f"{{{NAMESPACES['atom']}}}link"
NEW = f"{{{NAMESPACES['itunes']}}}new-feed-url"
FEED_HEAD = 65_536
"""Bytes of a feed within which its channel says where it moved; they come first (podcasting/stages/feed.py)."""


class PortInUse(AirdateError):
    """Another program listens where the site should."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"the site cannot listen on {host}:{port}, another program does; stop that one, or choose another port"
        )
        self.port = port


class Site:
    """Serves the folder ``root`` at ``http://host:port/`` from a thread of its own.

    Byte ranges, ETags and HEAD as RFC 9110 has them; an ``index.html`` stands for its folder. Nothing
    outside ``root`` is served, nor a hidden or unfinished file, nor a list of what there is. Also a
    context manager. Start it once.
    """

    def __init__(self, root: Path, *, host: str = "127.0.0.1", port: int) -> None:
        self.root = Path(root).absolute()
        self.host = host
        self.port = port
        """Where it listens; with 0, a free port is found when it starts."""
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def url(self) -> str:
        """The address of the site, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self) -> None:
        """Listen; requests are answered from the moment this returns.

        Raises:
            PortInUse: another program listens there.
            OSError: the host is not an address of this machine, or the port is not ours to take.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        listener = _listener(self.host, self.port)
        self.port = listener.getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener, ready)), name="airdate-site", daemon=True
        )
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Close the port and the connections. Does nothing when it is not running."""
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = self._loop = self._stopping = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _serve(self, listener: socket.socket, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        files = {"path": str(self.root), "default_filename": "index.html"}
        server = HTTPServer(Application([(r"/(.*)", SiteFile, files)]))
        server.add_socket(listener)
        ready.set()
        await self._stopping.wait()
        server.stop()
        await server.close_all_connections()


def _listener(host: str, port: int) -> socket.socket:
    # Not tornado's bind_sockets: it leaves the socket open when the port is taken.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(host, port) from error
        raise
    listener.settimeout(0)
    return listener


class SiteFile(StaticFileHandler):
    """One file of the site."""

    def parse_url_path(self, url_path: str) -> str:
        """The path below the root; 404 for what no storage key can be, and for hidden files."""
        path = url_path.removesuffix("/")
        hidden = any(segment.startswith(".") for segment in path.split("/"))
        if path and (hidden or not is_key(path)):
            raise HTTPError(404)
        return super().parse_url_path(url_path)

    async def get(self, path: str, include_body: bool = True) -> None:  # noqa: FBT001, FBT002 - tornado's signature
        """The file; of a feed that moved to another host, where to."""
        if path.endswith("/feed.xml") and (address := moved_to(self.root, path)):
            self.redirect(address, permanent=True)
            return
        await super().get(path, include_body)

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """The file to serve; 404 for a file asked for as if it were a folder, whose relative links would mislead."""
        if self.path.endswith("/") and Path(absolute_path).is_file():
            raise HTTPError(404)
        return super().validate_absolute_path(root, absolute_path)

    def compute_etag(self) -> str:
        """Of this file as it is now: tornado's own is kept in memory by path and outlives the content."""
        status = self._stat()
        return f'"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"'

    def get_content_type(self) -> str:
        """By the file's name; bytes of no known kind are offered as a download."""
        path = PurePosixPath(self.absolute_path or "")
        return (
            CHAPTERS_TYPE
            if path.name == "chapters.json"
            else CONTENT_TYPES.get(path.suffix, "application/octet-stream")
        )

    def set_default_headers(self) -> None:
        """Players on other sites fetch feeds, transcripts and sound by script: every answer allows it."""
        self.clear_header("Server")
        self.set_header("Access-Control-Allow-Origin", "*")
        self.set_header("Access-Control-Expose-Headers", "Accept-Ranges, Content-Length, Content-Range, ETag")
        self.set_header("X-Content-Type-Options", "nosniff")

    def set_extra_headers(self, path: str) -> None:
        """Ask each time, and be told 304: what is made anew must be seen at once while one works on it."""
        self.set_header("Cache-Control", "no-cache")
        if path.split("/")[1:2] == [PRIVATE]:
            self.set_header("X-Robots-Tag", "noindex, nofollow, noarchive")
            self.set_header("Referrer-Policy", "no-referrer")

    def options(self, path: str) -> None:  # noqa: ARG002 - tornado's signature
        """A browser asks before it sends a Range from another site."""
        self.set_status(204)
        self.set_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        self.set_header("Access-Control-Allow-Headers", "Range, If-None-Match")
        self.finish()


def moved_to(root: str, path: str) -> str | None:
    """The address that the feed at ``path`` names as its new one, when that is not its own; else None."""
    if not is_key(path):
        return None
    parser = etree.XMLPullParser(events=("end",), tag=(SELF, NEW), resolve_entities=False, no_network=True)
    here = there = None
    try:
        with Path(root, *path.split("/")).open("rb") as file:
            parser.feed(file.read(FEED_HEAD))
        for _, element in parser.read_events():
            if isinstance(element, etree._Element):  # noqa: SLF001 - lxml's name for what its parsers give
                here = element.get("href") if element.get("rel") == "self" else here
                there = element.text if element.tag == NEW else there
    except (OSError, etree.XMLSyntaxError):
        return None
    return there if here and there and there != here else None


def _serve(root: str, port: str) -> None:
    try:
        with Site(Path(root), port=int(port)) as site:
            serve_until_left(site.url)
    except PortInUse as taken:
        sys.exit(str(taken))


if __name__ == "__main__":
    _serve(*sys.argv[1:])

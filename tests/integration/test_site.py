"""The site server, spoken to over a socket."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.site import PortInUse, Site
from podcasting.providers.storage.folder import FolderStorage
from podcasting.stages.feed import render_feed
from tests.fakes.episodes import a_podcast, an_episode

AUDIO = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    above = tmp_path_factory.mktemp("above")
    (above / "secret.txt").write_text("secret")
    root = above / "site"
    storage = FolderStorage(root)
    for key in ("show/1/transcript.vtt", "show/1/transcript.srt", "show/1/transcript.json", "show/1/chapters.json"):
        storage.put(key, b"text", content_type="")
    storage.put("show/1/audio.mp3", AUDIO, content_type="")
    storage.put("show/feed.xml", b"<rss/>", content_type="")
    storage.put("show/cover.jpg", b"jpeg", content_type="")
    storage.put("show/index.html", b"<title>show</title>", content_type="")
    storage.put("index.html", b"<title>all</title>", content_type="")
    (root / ".env").write_text("hidden")
    (root / "show" / ".0123456789abcdef~").write_text("unfinished")
    (root / "show" / "backup~").write_text("no key")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("hidden")
    (root / "link").symlink_to(above / "secret.txt")
    (root / "folder-link").symlink_to(above)
    return root


@pytest.fixture(scope="module")
def site(root: Path) -> Iterator[Site]:
    with Site(root, port=0) as site:
        yield site


def ask(site: Site, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(site.host, site.port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/show/", "text/html; charset=utf-8"),
        ("/show/index.html", "text/html; charset=utf-8"),
        ("/show/feed.xml", "application/rss+xml; charset=utf-8"),
        ("/show/cover.jpg", "image/jpeg"),
        ("/show/1/audio.mp3", "audio/mpeg"),
        ("/show/1/transcript.vtt", "text/vtt; charset=utf-8"),
        ("/show/1/transcript.srt", "application/x-subrip; charset=utf-8"),
        ("/show/1/transcript.json", "application/json"),
        ("/show/1/chapters.json", "application/json+chapters"),
    ],
)
def test_each_file_has_its_type_and_may_be_fetched_from_other_sites(site: Site, path: str, content_type: str) -> None:
    response, body = ask(site, path)

    assert response.status == 200
    assert body
    assert response.getheader("Content-Type") == content_type
    assert response.getheader("Access-Control-Allow-Origin") == "*"
    assert response.getheader("X-Content-Type-Options") == "nosniff"
    assert response.getheader("Accept-Ranges") == "bytes"
    assert response.getheader("Cache-Control") == "no-cache"


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=0-99", 206, AUDIO[:100]),
        ("bytes=255990-", 206, AUDIO[255_990:]),
        ("bytes=-10", 206, AUDIO[-10:]),
        ("bytes=255990-999999999", 206, AUDIO[255_990:]),
        ("bytes=0-", 200, AUDIO),
        ("nonsense", 200, AUDIO),
    ],
)
def test_ranges(site: Site, asked: str, status: int, expected: bytes) -> None:
    response, body = ask(site, "/show/1/audio.mp3", Range=asked)

    assert response.status == status
    assert body == expected
    assert response.getheader("Content-Length") == str(len(expected))
    if status == 206:
        first = AUDIO.rindex(expected) if asked != "bytes=0-99" else 0
        assert response.getheader("Content-Range") == f"bytes {first}-{first + len(expected) - 1}/{len(AUDIO)}"


@pytest.mark.parametrize("asked", ["bytes=256000-", "bytes=999999-1000000", "bytes=-0"])
def test_a_range_beyond_the_end(site: Site, asked: str) -> None:
    response, body = ask(site, "/show/1/audio.mp3", Range=asked)

    assert response.status == 416
    assert response.getheader("Content-Range") == "bytes */256000"
    assert body == b""


def test_head_says_what_get_would(site: Site) -> None:
    response, body = ask(site, "/show/1/audio.mp3", "HEAD")

    assert (response.status, body) == (200, b"")
    assert response.getheader("Content-Length") == "256000"
    assert response.getheader("Content-Type") == "audio/mpeg"


def test_options_allow_ranges(site: Site) -> None:
    response, _ = ask(site, "/show/1/audio.mp3", "OPTIONS", Origin="http://player.example")

    assert response.status == 204
    assert "Range" in (response.getheader("Access-Control-Allow-Headers") or "")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_written(site: Site, method: str) -> None:
    assert ask(site, "/show/feed.xml", method)[0].status == 405


def test_not_modified_until_it_is(site: Site, root: Path) -> None:
    storage = FolderStorage(root)
    storage.put("changing/feed.xml", b"one", content_type="")
    etag = ask(site, "/changing/feed.xml")[0].getheader("ETag") or ""

    assert ask(site, "/changing/feed.xml", If_None_Match=etag)[0].status == 304

    storage.put("changing/feed.xml", b"two", content_type="")
    response, body = ask(site, "/changing/feed.xml", If_None_Match=etag)

    assert (response.status, body) == (200, b"two")
    assert response.getheader("ETag") != etag


def test_a_folder_without_its_slash_leads_to_it(site: Site) -> None:
    response, _ = ask(site, "/show")

    assert response.status == 301
    assert response.getheader("Location") == "/show/"


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/show/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/show/%2e%2e/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/link",
        "/folder-link/secret.txt",
        "/folder-link/",
        "/.env",
        "/.git/config",
        "/.git/",
        "/show/.0123456789abcdef~",
        "/show/backup~",
        "/show/1/",
        "/show/1/audio.mp3/",
        "/show/1/audio.mp3%00.html",
        "/show/%0d%0aX-Header:x",
        "/nothing",
        "/" + "x" * 5000,
        "/%ff",
    ],
)
def test_what_is_not_served(site: Site, path: str) -> None:
    response, body = ask(site, path)

    assert 400 <= response.status < 500
    for told in (b"secret", b"hidden", b"unfinished", b"transcript.vtt", b"root:", b"Traceback"):
        assert told not in body.replace(b"secret.txt", b"")


def test_many_listeners_at_once(site: Site) -> None:
    bodies: list[bytes] = []
    listeners = [threading.Thread(target=lambda: bodies.append(ask(site, "/show/1/audio.mp3")[1])) for _ in range(20)]
    for listener in listeners:
        listener.start()
    for listener in listeners:
        listener.join()

    assert bodies == [AUDIO] * 20


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(
            PortInUse, match=rf"cannot listen on 127.0.0.1:{port}, another program does; .*another port"
        ):
            Site(tmp_path, port=port).start()


def test_stopping_frees_the_port_and_closes_connections(tmp_path: Path) -> None:
    site = Site(tmp_path / "made when it starts", port=0)
    site.start()
    assert site.url == f"http://127.0.0.1:{site.port}"
    idle = http.client.HTTPConnection(site.host, site.port, timeout=10)
    idle.request("GET", "/")
    idle.getresponse().read()

    site.stop()
    site.stop()

    idle.close()
    with pytest.raises(ConnectionRefusedError):
        ask(site, "/")
    with Site(tmp_path, port=site.port) as again:
        assert ask(again, "/")[0].status == 404


def test_it_may_be_started_again(tmp_path: Path) -> None:
    site = Site(tmp_path, port=0)
    for _ in range(2):
        with site:
            assert ask(site, "/")[0].status == 404


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    def open_descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_descriptors()
    for _ in range(3):
        with Site(tmp_path, port=0) as site:
            ask(site, "/")

    assert open_descriptors() <= before


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a feed that moved to another host, one whose site moved, and one of a listener."""
    storage = FolderStorage(tmp_path_factory.mktemp("moved"))
    own = "https://podcasts.example.org/gone/feed.xml"
    hub = ("https://hub.example.org/",)
    for podcast_id, production in (
        ("gone", {"feed": {"moved_to": "https://elsewhere.example.net/feed?a=1&b=2"}, "announcing": {"websub": hub}}),
        ("stays", {"feed": {"guid": "917393e3-1b1e-5cef-ace4-edaa54e1f810"}}),
    ):
        podcast = a_podcast(id=podcast_id, production=production)
        feed = render_feed(podcast, [an_episode()], own.removesuffix("/gone/feed.xml"))
        storage.put(f"{podcast_id}/feed.xml", feed, content_type="")
    storage.put("broken/feed.xml", b"<rss><channel><itunes:new-feed-url>x", content_type="")
    storage.put("show/private/abc/feed.xml", b"<rss/>", content_type="")
    with Site(storage.root, port=0) as site:
        yield site


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_feed_that_moved_to_another_host_redirects(moved: Site, method: str) -> None:
    response, _ = ask(moved, "/gone/feed.xml", method)

    assert response.status == 301
    assert response.getheader("Location") == "https://elsewhere.example.net/feed?a=1&b=2"


@pytest.mark.parametrize("path", ["/stays/feed.xml", "/broken/feed.xml"])
def test_a_feed_that_names_itself_or_nothing_is_served(moved: Site, path: str) -> None:
    response, content = ask(moved, path)

    assert response.status == 200
    assert b"new-feed-url" in content


@pytest.mark.parametrize("path", ["/nobodys/feed.xml", "/../feed.xml", "/gone/feed.xml/"])
def test_a_feed_that_is_not_there_is_not_found(moved: Site, path: str) -> None:
    assert ask(moved, path)[0].status == 404


def test_what_is_private_is_not_for_search_engines(moved: Site) -> None:
    response, _ = ask(moved, "/show/private/abc/feed.xml")

    assert response.getheader("X-Robots-Tag") == "noindex, nofollow, noarchive"
    assert ask(moved, "/stays/feed.xml")[0].getheader("X-Robots-Tag") is None

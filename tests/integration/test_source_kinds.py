"""Sources of each kind on a real HTTP server: what they give, what is asked for, and when nothing is new."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from podcasting import generation, processing
from podcasting.attempt import attempt
from podcasting.errors import NothingNew, Permanent, Retryable, Throttled
from podcasting.models import Episode, EpisodeStatus, Podcast
from podcasting.providers.feeds import Feed, Validators
from podcasting.providers.feeds.robots import KEPT_FOR, MAX_BYTES
from podcasting.providers.feeds.web import MAX_SITEMAPS, WebSources
from podcasting.stages.collect import Collected, CollectInput, Known, collect
from podcasting.studio import Studio
from tests.fakes.clock import Clock
from tests.fakes.documents import WORDS, article, rss
from tests.fakes.telegram import CARD, Post, channel_page
from tests.fakes.website import Answer, Website

NOW = datetime(2026, 1, 6, 8, tzinfo=UTC)
HTML = "text/html; charset=utf-8"
JSON_FEED = b"""{"version": "https://jsonfeed.org/version/1.1", "title": "News",
"items": [{"id": "1", "title": "One", "url": "/a"}]}"""


@pytest.fixture
def site() -> Iterator[Website]:
    with Website() as website:
        yield website


def reader(site: Website, **changes: object) -> WebSources:
    settings: dict[str, object] = {
        "allow_files": False,
        "allowed_private_hosts": frozenset({site.host}),
        "now": lambda: NOW,
    }
    return WebSources(**(settings | changes))  # type: ignore[arg-type]


def read(site: Website, path: str, **changes: object) -> Feed:
    feed = reader(site, **changes).feed(site.url(path), None)
    assert feed is not None
    return feed


def asked(site: Website) -> list[str]:
    return [path for path, _ in site.asked]


def alternate(href: str, kind: str = "application/rss+xml", title: str = "") -> str:
    return f'<link rel="alternate" type="{kind}" title="{title}" href="{href}">'


# Feeds.


def test_a_json_feed_is_a_feed_whatever_its_type(site: Website) -> None:
    site.answers["/feed"] = Answer(JSON_FEED, content_type="application/octet-stream")

    feed = read(site, "/feed")

    assert feed.title == "News"
    assert feed.entries[0].url == site.url("/a")
    assert asked(site) == ["/feed"], "a feed needs no robots.txt"


def test_a_feed_served_as_html_is_a_feed(site: Website) -> None:
    site.answers["/feed"] = Answer(rss("One"), content_type=HTML)

    assert read(site, "/feed").title == "News"


@pytest.mark.parametrize("kind", ["application/rss+xml", "application/atom+xml", "Application/RSS+XML; charset=utf-8"])
def test_a_page_s_feed_is_found(site: Website, kind: str) -> None:
    site.answers["/"] = Answer(article(head=alternate("/feed", kind)), content_type=HTML, headers={"ETag": '"page"'})
    site.answers["/feed"] = Answer(rss("One"), headers={"ETag": '"feed"'})

    feed = read(site, "/")

    assert [each.title for each in feed.entries] == ["One"]
    assert feed.validators == Validators(), "the page would answer for the feed"


def test_a_page_s_json_feed_is_found(site: Website) -> None:
    site.answers["/"] = Answer(article(head=alternate("feed.json", "application/feed+json")), content_type=HTML)
    site.answers["/feed.json"] = Answer(JSON_FEED, content_type="application/feed+json")

    assert read(site, "/").entries[0].title == "One"


def test_a_feed_of_comments_is_not_a_page_s_first(site: Website) -> None:
    head = alternate("/comments", title="News » Comments Feed") + alternate("/feed", title="News » Feed")
    site.answers["/"] = Answer(article(head=head), content_type=HTML)
    site.answers["/comments"] = Answer(rss("Nice!"))
    site.answers["/feed"] = Answer(rss("One"))

    assert read(site, "/").entries[0].title == "One"


def test_a_declared_feed_that_is_gone_leaves_the_next_or_the_page(site: Website) -> None:
    head = alternate("/gone") + alternate("/page") + alternate("javascript:x") + alternate("/feed")
    site.answers["/"] = Answer(article(head=head), content_type=HTML)
    site.answers["/page"] = Answer(article(), content_type=HTML)

    assert [each.title for each in read(site, "/").entries] == ["Tide gauges"]
    site.answers["/feed"] = Answer(rss("One"))
    assert [each.title for each in read(site, "/").entries] == ["One"]


def test_a_declared_feed_that_fails_for_now_is_waited_for(site: Website) -> None:
    site.answers["/"] = Answer(article(head=alternate("/feed")), content_type=HTML)
    site.answers["/feed"] = Answer(status=503)

    with pytest.raises(Retryable, match="503"):
        read(site, "/")


def test_a_declared_feed_inside_is_not_gone_to(site: Website) -> None:
    site.answers["/"] = Answer(article(head=alternate("http://169.254.169.254/feed")), content_type=HTML)

    assert [each.title for each in read(site, "/").entries] == ["Tide gauges"]


def test_the_prefix_makes_the_page_itself_the_source(site: Website) -> None:
    site.answers["/"] = Answer(article(head=alternate("/feed")), content_type=HTML)
    site.answers["/feed"] = Answer(rss("One"))

    feed = reader(site).feed(f"page:{site.url('/')}", None)

    assert feed is not None
    assert [each.title for each in feed.entries] == ["Tide gauges"]


# Pages.


def test_a_page_is_one_entry_that_changes_with_its_text(site: Website) -> None:
    def key(text: str, aside: str = "") -> str:
        site.answers["/p"] = Answer(article(text, aside=aside), content_type=HTML)
        return read(site, "/p").entries[0].key

    first = key(WORDS, "<p>Updated 5 minutes ago</p>")

    assert key(WORDS, "<p>Updated 2 hours ago</p><p>31 comments</p>") == first
    assert key(WORDS.replace("six minutes", "ten minutes"), "<p>Updated 5 minutes ago</p>") != first


def test_a_page_tells_title_author_site_and_date(site: Website) -> None:
    head = (
        '<meta property="og:title" content="On gauges"><meta name="author" content="Ann Lee">'
        '<meta property="og:site_name" content="Harbour Times">'
    )
    body = article(head=head)
    site.answers["/p"] = Answer(body, content_type=HTML, headers={"Last-Modified": "Mon, 05 Jan 2026 08:00:00 GMT"})

    feed = read(site, "/p")

    assert feed.title == "Harbour Times"
    [entry] = feed.entries
    assert (entry.title, entry.author, entry.url) == ("On gauges", "Ann Lee", site.url("/p"))
    assert entry.published_at == datetime(2026, 1, 5, 8, tzinfo=UTC)
    assert entry.is_whole


def test_a_page_without_text_is_refused_with_the_fix(site: Website) -> None:
    site.answers["/p"] = Answer(b"<html><body><script>draw()</script></body></html>", content_type=HTML)

    with pytest.raises(Permanent, match="give its feed, or another page"):
        read(site, "/p")


def test_a_notice_is_no_story(site: Website) -> None:
    site.answers["/feed/"] = Answer(b"<html><body><p>The feed has moved.</p></body></html>", content_type=HTML)

    with pytest.raises(Permanent, match="no text that could be read aloud"):
        read(site, "/feed/")


@pytest.mark.parametrize("path", ["/feed.xml", "/news.rss", "/feed.json", "/sitemap.xml"])
def test_a_page_in_a_feed_s_place_is_no_story(site: Website, path: str) -> None:
    site.answers[path] = Answer(article(), content_type=HTML)

    with pytest.raises(Permanent, match="is not a feed: it looks like an HTML page"):
        read(site, path)


def test_what_is_no_text_is_refused(site: Website) -> None:
    site.answers["/p.png"] = Answer(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", content_type="image/png")

    with pytest.raises(Permanent, match="is binary"):
        read(site, "/p.png")


# Sitemaps.


def urlset(site: Website, *pages: tuple[str, str]) -> bytes:
    urls = "".join(f"<url><loc>{site.url(path)}</loc><lastmod>{day}</lastmod></url>" for path, day in pages)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'.encode()


def index(*addresses: str) -> bytes:
    listed = "".join(f"<sitemap><loc>{each}</loc></sitemap>" for each in addresses)
    return f"<sitemapindex>{listed}</sitemapindex>".encode()


def test_a_sitemap_s_pages_have_their_own_titles_and_texts(site: Website) -> None:
    site.answers["/sitemap.xml"] = Answer(urlset(site, ("/a", "2026-01-04"), ("/b", "2026-01-05")))
    site.answers["/a"] = Answer(article(title="Older"), content_type=HTML)
    site.answers["/b"] = Answer(article(WORDS.replace("tide", "wind"), title="Newer"), content_type=HTML)

    collected = collected_from(site, "/sitemap.xml")

    assert [story.title for story in collected.stories] == ["Newer", "Older"]
    assert "wind gauge" in collected.stories[0].text
    assert collected.stories[0].source == "127.0.0.1"


def test_a_packed_sitemap_is_read(site: Website) -> None:
    body = gzip.compress(urlset(site, ("/a", "2026-01-04")))
    site.answers["/sitemap.xml.gz"] = Answer(body, content_type="application/gzip")

    assert read(site, "/sitemap.xml.gz").entries[0].url == site.url("/a")


def test_a_packed_bomb_is_refused(site: Website) -> None:
    bomb = gzip.compress(b"<urlset>" + b" " * 50_000_000)
    site.answers["/sitemap.xml.gz"] = Answer(bomb, content_type="application/gzip")

    with pytest.raises(Permanent, match="limit of 200,000 bytes"):
        read(site, "/sitemap.xml.gz", max_bytes=200_000)


def test_an_index_is_followed(site: Website) -> None:
    site.answers["/index.xml"] = Answer(index(site.url("/s1.xml"), site.url("/s2.xml.gz")), headers={"ETag": '"1"'})
    site.answers["/s1.xml"] = Answer(urlset(site, ("/a", "2026-01-04"), ("/both", "2026-01-03")))
    site.answers["/s2.xml.gz"] = Answer(gzip.compress(urlset(site, ("/b", "2026-01-05"), ("/both", "2026-01-03"))))

    feed = read(site, "/index.xml")

    assert [each.url for each in feed.entries] == [site.url("/b"), site.url("/a"), site.url("/both")]
    assert feed.validators == Validators(), "an index stays the same while its sitemaps change"


def test_an_index_that_leads_round_ends(site: Website) -> None:
    site.answers["/index.xml"] = Answer(index(site.url("/index.xml"), site.url("/s.xml")))
    site.answers["/s.xml"] = Answer(urlset(site, ("/a", "2026-01-04")))

    feed = read(site, "/index.xml")

    assert len(feed.entries) == 1
    assert "not another index" in feed.troubles[0]
    assert asked(site).count("/index.xml") == 2


def test_no_more_sitemaps_are_read_than_so_many(site: Website) -> None:
    names = [f"/s{number}.xml" for number in range(MAX_SITEMAPS + 5)]
    site.answers["/index.xml"] = Answer(index(*map(site.url, names)))
    for name in names:
        site.answers[name] = Answer(urlset(site, (f"{name}.html", "2026-01-04")))

    assert len(read(site, "/index.xml").entries) == MAX_SITEMAPS


def test_an_index_sends_us_to_no_other_site(site: Website) -> None:
    site.answers["/s.xml"] = Answer(urlset(site, ("/a", "2026-01-04")))
    with Website() as other:
        site.answers["/index.xml"] = Answer(index(other.url("/s.xml"), "http://169.254.169.254/", site.url("/s.xml")))

        feed = read(site, "/index.xml", allowed_private_hosts=frozenset({site.host, other.host}))

        assert len(feed.troubles) == 2
        assert all("another site" in trouble for trouble in feed.troubles)
        assert other.asked == []


def test_an_index_whose_sitemaps_all_fail_does_too(site: Website) -> None:
    site.answers["/index.xml"] = Answer(index(site.url("/gone.xml"), site.url("/s.xml")))
    site.answers["/s.xml"] = Answer(status=502)

    with pytest.raises(Retryable, match="502"):
        read(site, "/index.xml")


# Telegram.


def test_a_channel_shows_in_its_page(site: Website) -> None:
    page = channel_page(Post(1, NOW, "One."), Post(2, NOW + timedelta(hours=1), "Two."))
    site.answers["/s/tide_news"] = Answer(page, content_type=HTML)

    feed = read(site, "/s/tide_news")

    assert feed.title == "Tide News"
    assert [each.text for each in feed.entries] == ["Two.", "One."]


def test_a_channel_without_public_posts_is_refused(site: Website) -> None:
    site.answers["/s/tide_talk"] = Answer(status=302, headers={"Location": "/tide_talk"})
    site.answers["/tide_talk"] = Answer(CARD, content_type=HTML)

    with pytest.raises(Permanent, match="only public channels"):
        read(site, "/s/tide_talk")


# robots.txt.

CLOSED = Answer(b"User-agent: *\nDisallow: /\n", content_type="text/plain")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/p", Answer(article(), content_type=HTML)),
        ("/sitemap.xml", Answer(b"<urlset><url><loc>https://a.org/</loc></url></urlset>")),
        ("/s/tide_news", Answer(channel_page(Post(1, NOW, "One.")), content_type=HTML)),
        ("/a.txt", Answer(b"Just words.", content_type="text/plain")),
        ("/a.vtt", Answer(b"WEBVTT\n\n00:00.000 --> 00:01.000\nOne.", content_type="text/vtt")),
        ("/a.json", Answer(b'{"segments": [{"body": "One."}]}', content_type="application/json")),
    ],
)
def test_what_is_closed_to_robots_is_not_used(site: Website, path: str, answer: Answer) -> None:
    site.answers[path] = answer
    assert read(site, path).entries
    site.answers["/robots.txt"] = CLOSED

    with pytest.raises(Permanent, match=r"closed to robots by its site's robots\.txt"):
        read(site, path)


def test_a_page_closed_to_robots_is_not_asked_for(site: Website) -> None:
    site.answers["/robots.txt"] = CLOSED
    site.answers["/p"] = Answer(article(), content_type=HTML)

    with pytest.raises(Permanent, match="closed to robots"):
        reader(site).page(site.url("/p"))

    assert asked(site) == ["/robots.txt"]


@pytest.mark.parametrize("body", [rss("One"), JSON_FEED])
def test_a_feed_is_published_to_be_fetched(site: Website, body: bytes) -> None:
    site.answers["/robots.txt"] = CLOSED
    site.answers["/feed"] = Answer(body)

    assert read(site, "/feed").entries
    assert asked(site) == ["/feed"]


@pytest.mark.parametrize(
    ("rules", "is_open"),
    [
        (b"User-agent: *\nDisallow: /private/\n", True),
        (b"User-agent: *\nDisallow: /\n\nUser-agent: Airdate\nAllow: /\n", True),
        (b"User-agent: *\nAllow: /\n\nUser-agent: airdate\nDisallow: /p\n", False),
        (b"User-agent: *\nDisallow: /\nAllow: /p$\n", True),
        (b"User-agent: *\nDisallow: /*p\n", False),
        (b"\xef\xbb\xbfUser-agent: *\nDisallow: /p\n", False),
        (b"<!doctype html><html><body>Not here</body></html>", True),
        (b"\0\xff" * 1000, True),
        (b"User-agent: *\nDisallow: /" + b"x" * MAX_BYTES, True),
        (b"Disallow: /" * 10_000, True),
    ],
)
def test_the_rules_for_us_are_kept(site: Website, rules: bytes, is_open: bool) -> None:  # noqa: FBT001
    site.answers["/robots.txt"] = Answer(rules, content_type="text/plain")
    site.answers["/p"] = Answer(article(), content_type=HTML)

    if is_open:
        assert reader(site).page(site.url("/p")) is not None
    else:
        with pytest.raises(Permanent, match="closed to robots"):
            reader(site).page(site.url("/p"))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_missing_robots_txt_allows_everything(site: Website, status: int) -> None:
    site.answers["/robots.txt"] = Answer(status=status)
    site.answers["/p"] = Answer(article(), content_type=HTML)

    assert reader(site).page(site.url("/p")) is not None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status=500), Retryable),
        (Answer(status=503), Retryable),
        (Answer(status=429, headers={"Retry-After": "60"}), Throttled),
    ],
)
def test_a_robots_txt_that_fails_closes_the_site_for_now(site: Website, answer: Answer, error: type[Retryable]) -> None:
    site.answers["/robots.txt"] = answer
    site.answers["/p"] = Answer(article(), content_type=HTML)

    with pytest.raises(error) as failure:
        reader(site).page(site.url("/p"))

    assert type(failure.value) is error
    assert "robots.txt" in str(failure.value)
    assert asked(site) == ["/robots.txt"]


def test_a_robots_txt_that_does_not_come_closes_the_site_for_now(site: Website) -> None:
    def silent(site: Website, handler: BaseHTTPRequestHandler) -> None:  # noqa: ARG001
        site.closing.wait()

    site.answers["/robots.txt"] = Answer(raw=silent)

    with pytest.raises(Retryable, match=r"while its robots\.txt can't be"):
        reader(site, timeout_seconds=0.3).page(site.url("/p"))


def test_a_robots_txt_is_kept_for_a_day(site: Website) -> None:
    now = [NOW]
    site.answers["/p"] = Answer(article(), content_type=HTML)
    sources = reader(site, now=lambda: now[0])

    sources.page(site.url("/p"))
    now[0] += KEPT_FOR - timedelta(seconds=1)
    sources.page(site.url("/p"))
    assert asked(site).count("/robots.txt") == 1

    site.answers["/robots.txt"] = CLOSED
    now[0] += timedelta(seconds=1)
    with pytest.raises(Permanent, match="closed to robots"):
        sources.page(site.url("/p"))


def test_a_redirect_is_checked_where_it_leads(site: Website) -> None:
    with Website() as other:
        other.answers["/robots.txt"] = CLOSED
        other.answers["/p"] = Answer(article(), content_type=HTML)
        site.answers["/moved"] = Answer(status=302, headers={"Location": other.url("/p")})
        sources = reader(site, allowed_private_hosts=frozenset({site.host, other.host}))

        for read_it in (lambda: sources.page(site.url("/moved")), lambda: sources.feed(site.url("/moved"), None)):
            with pytest.raises(Permanent, match="closed to robots"):
                read_it()

        assert [path for path, _ in other.asked].count("/p") == 1, "once as what may be a feed, never as a page"


def test_a_robots_txt_may_be_moved_and_leads_nowhere_inside(site: Website) -> None:
    site.answers["/robots.txt"] = Answer(status=301, headers={"Location": "/rules"})
    site.answers["/rules"] = CLOSED
    site.answers["/p"] = Answer(article(), content_type=HTML)
    with pytest.raises(Permanent, match="closed to robots"):
        reader(site).page(site.url("/p"))

    site.answers["/robots.txt"] = Answer(status=301, headers={"Location": "http://169.254.169.254/robots.txt"})
    assert reader(site).page(site.url("/p")) is not None


def test_robots_txt_of_a_private_address_is_not_asked_either(site: Website) -> None:
    with pytest.raises(Permanent, match="private address"):
        reader(site, allowed_private_hosts=frozenset()).page(site.url("/p"))

    assert site.asked == []


# Politeness.


class Naps:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


def test_requests_of_one_host_are_a_pause_apart(site: Website) -> None:
    naps = Naps()
    site.answers["/moved"] = Answer(status=302, headers={"Location": "/p"})
    site.answers["/p"] = Answer(article(), content_type=HTML)
    sources = reader(site, pause_seconds=2, sleep=naps.sleep, clock=naps.clock)

    sources.page(site.url("/moved"))
    sources.page(site.url("/p"))

    assert asked(site) == ["/robots.txt", "/moved", "/p", "/p"]
    assert naps.slept == [2, 2, 2]


def test_a_site_s_wish_for_slowness_is_granted(site: Website) -> None:
    naps = Naps()
    site.answers["/robots.txt"] = Answer(b"User-agent: *\nCrawl-delay: 10\n", content_type="text/plain")
    site.answers["/p"] = Answer(article(), content_type=HTML)
    sources = reader(site, pause_seconds=2, sleep=naps.sleep, clock=naps.clock)

    sources.page(site.url("/p"))
    sources.page(site.url("/p"))

    assert naps.slept == [10, 10]


def test_a_pause_is_no_part_of_the_time_a_read_may_take(site: Website) -> None:
    site.answers["/p"] = Answer(article(), content_type=HTML)
    sources = reader(site, pause_seconds=4, timeout_seconds=3.5)

    assert sources.page(site.url("/p")) is not None


# Nothing new, through the stage that collects.


def collected_from(site: Website, path: str, known: Known | None = None) -> Collected:
    given = CollectInput(sources=(site.url(path),), limit=5)
    return collect(given, known or Known(entries=frozenset(), validators={}), reader(site), lambda _: None)


def remembered(collected: Collected) -> Known:
    return Known(entries=frozenset(collected.seen), validators=collected.validators)


def kinds(site: Website, *, is_later: bool) -> dict[str, tuple[Answer, ...]]:
    """A source of each kind as it is, and as it is later, when it has something new."""
    words = WORDS.replace("tide", "wind") if is_later else WORDS
    more = ("Two",) if is_later else ()
    day = "2026-01-06" if is_later else "2026-01-05"
    posts = [Post(1, NOW, f"One. {WORDS}")] + ([Post(2, NOW, f"Two. {words}")] if is_later else [])
    items = b"".join(
        b'{"id": "%s", "content_text": "%s"},' % (each.encode(), words.encode()) for each in ("One", *more)
    )
    return {
        "/feed.xml": (Answer(rss("One", *more), headers={"ETag": f'"{day}"'}),),
        "/plain.xml": (Answer(rss("One", *more)),),
        "/feed.json": (Answer(b'{"version": "https://jsonfeed.org/version/1", "items": [' + items[:-1] + b"]}"),),
        "/home": (Answer(article(head=alternate("/declared")), content_type=HTML, headers={"ETag": '"same"'}),),
        "/page": (Answer(article(words, aside=f"<p>It is {day}</p>"), content_type=HTML),),
        "/kept": (Answer(article(words), content_type=HTML, headers={"ETag": f'"{day}"'}),),
        "/sitemap.xml": (Answer(urlset(site, ("/page", day)), headers={"ETag": f'"{day}"'}),),
        "/index.xml": (Answer(index(site.url("/sitemap.xml")), headers={"ETag": '"same"'}),),
        "/s/tide_news": (Answer(channel_page(*posts), content_type=HTML),),
        "/talk.vtt": (Answer(f"WEBVTT\n\n00:00.000 --> 00:01.000\n{words}".encode(), content_type="text/vtt"),),
        "/note.md": (Answer(f"# Note\n\n{words}".encode(), content_type="text/markdown"),),
        "/note.txt": (Answer(words.encode(), content_type="text/plain"),),
    }


def put(site: Website, *, is_later: bool) -> None:
    site.answers.update({path: answer for path, [answer] in kinds(site, is_later=is_later).items()})
    site.answers["/declared"] = Answer(rss("One", "Two") if is_later else rss("One"), headers={"ETag": f'"{is_later}"'})


KINDS = ["/feed.xml", "/plain.xml", "/feed.json", "/home", "/page", "/kept", "/sitemap.xml", "/index.xml"]
KINDS += ["/s/tide_news", "/talk.vtt", "/note.md", "/note.txt"]


@pytest.mark.parametrize("path", KINDS)
def test_an_unchanged_source_has_nothing_new_and_a_changed_one_has(site: Website, path: str) -> None:
    put(site, is_later=False)
    first = collected_from(site, path)
    assert len(first.stories) == 1

    with pytest.raises(NothingNew, match=f"nothing new in 1 source since the last episode: {site.url(path)}"):
        collected_from(site, path, remembered(first))

    put(site, is_later=True)
    second = collected_from(site, path, remembered(first))
    assert len(second.stories) == 1
    assert second.stories[0].text != first.stories[0].text
    known = Known(
        entries=frozenset(first.seen) | frozenset(second.seen), validators=first.validators | second.validators
    )
    with pytest.raises(NothingNew):
        collected_from(site, path, known)


@pytest.mark.parametrize("path", ["/feed.xml", "/kept", "/sitemap.xml"])
def test_a_server_that_can_tell_is_asked_whether_it_changed(site: Website, path: str) -> None:
    put(site, is_later=False)
    first = collected_from(site, path)
    site.asked.clear()

    with pytest.raises(NothingNew):
        collected_from(site, path, remembered(first))

    [(_, headers)] = site.asked
    assert headers["if-none-match"] == '"2026-01-05"'


def test_a_sitemap_of_pages_without_text_is_given_up_after_some(site: Website) -> None:
    pages = [(f"/{number}", "2026-01-05") for number in range(200)]
    site.answers["/sitemap.xml"] = Answer(urlset(site, *pages))

    with pytest.raises(NothingNew):
        collected_from(site, "/sitemap.xml")

    assert len(site.asked) == 2 + 25


def worked_on(studio: Studio, podcast_id: str) -> Episode:
    """The podcast's next slot, as a worker leaves it."""
    opened = studio.database.podcasts.open_slot(podcast_id, studio.now(), stuck_after=studio.limits.stuck_after)
    assert opened is not None
    for work in (generation.generate, processing.process):
        episode = attempt(studio, opened.id, work, holder="test", last_try=True, backoff=lambda *_: 1)
    return episode


@pytest.mark.parametrize("kind", ["page", "folder"])
def test_the_next_episode_of_an_unchanged_source_is_skipped_with_its_reason(
    site: Website, studio: Studio, add_podcast: Callable[..., Podcast], clock: Clock, tmp_path: Path, kind: str
) -> None:
    note = tmp_path / "notes" / "tides.md"
    note.parent.mkdir()
    source = site.url("/page") if kind == "page" else str(note.parent)

    def publish(text: str) -> None:
        site.answers["/page"] = Answer(article(text), content_type=HTML)
        note.write_text(text)

    publish(WORDS * 3)
    web = replace(studio, sources=reader(site, allow_files=True))
    add_podcast(studio.database, "my-show", sources=(source,))

    assert worked_on(web, "my-show").status is EpisodeStatus.PUBLISHED

    clock.forward(86_400)
    skipped = worked_on(web, "my-show")
    assert skipped.status is EpisodeStatus.SKIPPED
    assert skipped.failure is not None
    assert skipped.failure.reason == f"nothing new in 1 source since the last episode: {source}"

    clock.forward(86_400)
    publish(WORDS.replace("tide", "wind") * 3)
    assert worked_on(web, "my-show").status is EpisodeStatus.PUBLISHED

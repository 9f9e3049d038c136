"""Sitemaps, indexes of them and news sitemaps."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podcasting.errors import AirdateError, Permanent
from podcasting.providers.feeds.sitemap import MAX_LOCATIONS, Sitemap, entry_of, parse_sitemap
from tests.fakes.documents import document

XMLNS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def read(inner: str, root: str = "urlset", attributes: str = XMLNS) -> Sitemap:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} {attributes}>{inner}</{root}>'
    return parse_sitemap(document(body.encode()), lambda link: link if link.startswith("https://") else None)


def url(address: str, changed: str = "") -> str:
    lastmod = f"<lastmod>{changed}</lastmod>" if changed else ""
    return f"<url><loc>{address}</loc>{lastmod}<changefreq>daily</changefreq><priority>0.5</priority></url>"


def test_pages_are_listed_newest_first_and_undated_ones_last() -> None:
    listed = read(
        url("https://a.org/undated")
        + url("https://a.org/old", "2026-01-04")
        + url("https://a.org/new", "2026-01-05T09:30:00+01:00")
    )

    assert not listed.is_index
    assert [each.url for each in listed.locations] == [
        "https://a.org/new",
        "https://a.org/old",
        "https://a.org/undated",
    ]
    assert listed.locations[0].moment == datetime(2026, 1, 5, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-02", datetime(2026, 2, 1, tzinfo=UTC)),
        ("2026-02-03", datetime(2026, 2, 3, tzinfo=UTC)),
        ("2026-02-03T04:05Z", datetime(2026, 2, 3, 4, 5, tzinfo=UTC)),
        (" 2026-02-03T04:05:06.789Z ", datetime(2026, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)),
        ("2026-13", None),
        ("yesterday", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("9" * 5000, None),
    ],
)
def test_w3c_s_dates_are_read(written: str, moment: datetime | None) -> None:
    assert read(url("https://a.org/", written)).locations[0].moment == moment


def test_a_page_that_changed_is_another_entry() -> None:
    keys = {entry_of(read(url("https://a.org/p", day)).locations[0]).key for day in ("2026-01-05", "2026-01-06")}

    assert len(keys) == 2


def test_an_entry_has_its_page_s_text_to_be_read() -> None:
    entry = entry_of(read(url("https://a.org/p", "2026-01-05")).locations[0])

    assert (entry.title, entry.text, entry.url, entry.is_whole) == ("", "", "https://a.org/p", False)


def test_a_news_sitemap_gives_titles_and_dates() -> None:
    listed = read(
        "<url><loc>https://a.org/n</loc><news:news><news:publication><news:name>A</news:name>"
        "<news:language>en</news:language></news:publication><news:publication_date>2026-01-05</news:publication_date>"
        "<news:title>Tides &amp; &lt;b&gt;moons&lt;/b&gt;</news:title></news:news></url>",
        attributes=f'{XMLNS} xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"',
    )

    [entry] = map(entry_of, listed.locations)
    assert entry.title == "Tides & moons"
    assert entry.published_at == datetime(2026, 1, 5, tzinfo=UTC)
    assert entry.key == "https://a.org/n 2026-01-05"


def test_an_image_s_address_and_title_are_not_the_page_s() -> None:
    listed = read(
        "<url><image:image><image:loc>https://a.org/i.jpg</image:loc><image:title>Picture</image:title></image:image>"
        "<loc>https://a.org/p</loc></url>",
        attributes=f'{XMLNS} xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"',
    )

    assert [(each.url, each.title) for each in listed.locations] == [("https://a.org/p", "")]


def test_an_index_lists_sitemaps() -> None:
    listed = read(
        "<sitemap><loc>https://a.org/s1.xml</loc><lastmod>2026-01-04</lastmod></sitemap>"
        "<sitemap><loc>https://a.org/s2.xml.gz</loc><lastmod>2026-01-05</lastmod></sitemap>",
        root="sitemapindex",
    )

    assert listed.is_index
    assert [each.url for each in listed.locations] == ["https://a.org/s2.xml.gz", "https://a.org/s1.xml"]


@pytest.mark.parametrize("address", ["", "javascript:alert(1)", "file:///etc/passwd", "https://a.org/" + "x" * 3000])
def test_what_is_no_address_of_the_web_is_left_out(address: str) -> None:
    assert read(url(address) + url("https://a.org/p")).locations[0].url == "https://a.org/p"


def test_entities_are_refused() -> None:
    body = b'<!DOCTYPE urlset [<!ENTITY a "b">]><urlset><url><loc>https://a.org/&a;</loc></url></urlset>'

    with pytest.raises(Permanent, match="entities"):
        parse_sitemap(document(body), lambda link: link)


@pytest.mark.parametrize("broken", ["<url><loc>https://a.org/b", "<url><loc>https://a.org/b</url>", "<<<", "&nbsp;"])
def test_what_is_sound_of_a_damaged_one_is_read(broken: str) -> None:
    body = f"<urlset>{url('https://a.org/p')}{broken}"

    listed = parse_sitemap(document(body.encode()), lambda link: link)

    assert "https://a.org/p" in [each.url for each in listed.locations]


def test_a_large_one_is_read_up_to_the_protocol_s_limit() -> None:
    listed = read("".join(f"<url><loc>https://a.org/{number}</loc></url>" for number in range(MAX_LOCATIONS + 10)))

    assert len(listed.locations) == MAX_LOCATIONS


@pytest.mark.parametrize(
    "inner",
    ["<url>" * 400_000, "<a " + "b='' " * 20_000 + "/>", "<url><loc>" * 3000],
    ids=["tags", "attributes", "deep"],
)
def test_what_would_keep_the_parser_busy_is_refused_or_bounded(inner: str) -> None:
    with suppress(Permanent):
        assert len(read(inner + url("https://a.org/p")).locations) <= 1


PIECES = st.sampled_from(
    ["<url>", "</url>", "<loc>", "</loc>", "<sitemap>", "https://a.org/", "<lastmod>", "</lastmod>", "2026-99-99",
     "<![CDATA[", "]]>", "<!--", "&amp;", "&#0;", "\0", "<news:title>", "<x:y xmlns:x='u'>", "\u202e", "\ud800",
     "</urlset>", "<?pi?>"]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join))
def test_any_broken_one_is_read_or_refused(inner: str) -> None:
    body = f"<urlset>{inner}".encode("utf-8", "surrogatepass")
    with suppress(AirdateError):
        assert isinstance(parse_sitemap(document(body), lambda link: link), Sitemap)

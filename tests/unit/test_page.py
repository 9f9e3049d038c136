"""The pages: complete, self-contained, and safe whatever the sources say."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html

from podcasting.providers.writers import Section
from podcasting.stages.collect import Mention
from podcasting.stages.master import Chapter
from podcasting.stages.page import clock, host_name, kind, megabytes, render_index, render_page, render_withdrawn
from tests.fakes.episodes import RELEASED, a_podcast, an_episode

PAGES = [render_page(a_podcast(), [an_episode()]), render_index([a_podcast()]), render_withdrawn(a_podcast())]


def page(content: bytes) -> html.HtmlElement:
    return html.document_fromstring(content)


@pytest.fixture
def document() -> html.HtmlElement:
    return page(render_page(a_podcast(), [an_episode(1), an_episode(2)]))


def test_newest_first_whatever_the_order_and_the_same_each_time() -> None:
    episodes = [an_episode(1), an_episode(2), an_episode(3)]
    documents = {render_page(a_podcast(), order) for order in itertools.permutations(episodes)}

    assert len(documents) == 1
    headings = page(documents.pop()).xpath("//article/h2/text()")
    assert headings == ["Ice and whales 3", "Ice and whales 2", "Ice and whales 1"]


def test_each_episode_plays_and_downloads(document: html.HtmlElement) -> None:
    [newest, _] = document.xpath("//article")

    [audio] = newest.xpath(".//audio")
    assert dict(audio.attrib).items() >= {"src": "field-notes-2/audio.mp3", "preload": "none", "controls": ""}.items()
    [track] = audio.xpath("track")
    assert (track.get("kind"), track.get("src"), track.get("srclang")) == (
        "captions",
        "field-notes-2/transcript.vtt",
        "en-GB",
    )
    links = newest.xpath(".//*[contains(@class, 'files')]//a/@href")
    assert links == [
        f"field-notes-2/{name}" for name in ("audio.mp3", "transcript.vtt", "transcript.srt", "transcript.json")
    ]
    assert newest.xpath(".//time/@datetime") == ["2026-03-10T06:30:12.345678+00:00"]
    assert "12.3 MB" in newest.text_content()
    assert "1 h 2 min" in newest.text_content()


def test_chapters_seek_with_and_without_a_script(document: html.HtmlElement) -> None:
    times = document.xpath("//article[1]//a[@data-seek]")

    assert [time.text for time in times] == ["0:00", "0:08", "1:01:40", "1:02:05"]
    assert [time.get("href") for time in times][1:3] == [
        "field-notes-2/audio.mp3#t=8.2",
        "field-notes-2/audio.mp3#t=3700.0",
    ]
    assert times[1].get("data-seek") == "8.2"
    assert times[1].get("aria-label") == "Play from 0:08: Ice"


def test_without_times_the_sections_are_listed() -> None:
    document = page(render_page(a_podcast(), [an_episode(chapters=())]))

    assert document.xpath("//a[@data-seek]") == []
    assert document.xpath("//ol//*[@class='what']/span/text()") == [
        "Welcome",
        "Ice",
        "Whales",
        "Goodbye",
    ]


def test_sources_are_cited(document: html.HtmlElement) -> None:
    cited = {link.get("href"): link.text for link in document.xpath("//article[1]//a[@class='source']")}

    assert cited == {
        "https://www.example.org/ice?a=1&b=2": "example.org",
        "https://ocean.example.net/whales": "ocean.example.net",
        "https://example.com/balloons": "example.com",
    }


def test_everyone_finds_their_way(document: html.HtmlElement) -> None:
    assert document.get("lang") == "en-GB"
    [skip] = document.xpath("//body/a[1][@class='skip']")
    assert document.get_element_by_id(skip.get("href").removeprefix("#")).tag == "main"
    assert document.xpath("//head/link[@rel='alternate']/@href") == ["feed.xml"]
    assert document.xpath("//a[@id='feed']/@href") == ["feed.xml"]
    assert document.xpath("//head/meta[@name='viewport']")
    assert document.xpath("//img/@alt") == ["Cover of Field Notes"]
    assert [heading.tag for heading in document.xpath("//h1 | //h2 | //h3")][:3] == ["h1", "h2", "h3"]
    assert document.xpath("//meta[@name='airdate-version']/@content") == ["4"]


@pytest.mark.parametrize("content", PAGES)
def test_nothing_is_loaded_from_elsewhere(content: bytes) -> None:
    document = page(content)

    loaded = document.xpath("//@src") + document.xpath("//link/@href")
    assert [address for address in loaded if re.match(r"(?!data:)[a-z]+:|/", address)] == []
    assert document.xpath("//script/@src") == []
    assert b"@import" not in content
    assert b"url(" not in content
    assert b"prefers-color-scheme: dark" in content


def test_no_episode_yet() -> None:
    document = page(render_page(a_podcast(), []))

    assert "No episode yet" in document.text_content()
    assert document.xpath("//img") == []
    assert document.xpath("//a[@id='feed']/@href") == ["feed.xml"]


HOSTILE = [
    "</title><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}",
    "a\x00b\ufffe",
    "' onclick='x",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_words_stay_words(hostile: str) -> None:
    episode = an_episode(
        title=hostile,
        summary=hostile,
        hosts=(hostile, f"{hostile} 2"),
        sections=(Section(title=hostile, url="javascript:alert(1)"),) * 3,
        chapters=(Chapter(title=hostile, url="data:text/html,<script>", start=0, end=1),),
        also=(
            Mention(title=hostile, url=f"https://example.org/?{hostile}"),
            Mention(title=hostile, url="JaVaScRiPt:x"),
        ),
    )
    podcast = a_podcast(title=hostile, description=hostile, author=hostile, hosts=(hostile, f"{hostile} 2"))

    document = page(render_page(podcast, [episode]))

    legal = hostile.replace("\x00", "").replace("\ufffe", "")
    assert document.xpath("//h1/text()") == [legal]
    assert document.xpath("//h2/text()") == [legal]
    assert len(document.xpath("//script")) == 1
    assert len(document.xpath("//img")) == 1
    assert document.xpath("//@onerror | //@onclick") == []
    schemes = {link.partition(":")[0] for link in document.xpath("//@href") if ":" in link}
    assert schemes <= {"https", "data"}
    assert document.xpath("//a[starts-with(@href, 'data:')]") == []


@given(st.text(min_size=1, max_size=100))
@settings(max_examples=40)
def test_no_words_make_it_fail(words: str) -> None:
    assert render_page(a_podcast(title=words), [an_episode(title=words, summary=words)])


def test_the_index_lists_shows_by_title() -> None:
    podcasts = [
        a_podcast(id="b", title="beta", latest_episode_at=RELEASED),
        a_podcast(id="a", title="Alpha"),
        a_podcast(id="c", title="<Gamma>", description=""),
    ]

    document = page(render_index(podcasts))

    assert document.xpath("//h2/a/text()") == ["<Gamma>", "Alpha", "beta"]
    assert document.xpath("//h2/a/@href") == ["c/index.html", "a/index.html", "b/index.html"]
    assert document.xpath("//img/@src") == ["b/cover.jpg"]
    assert render_index(podcasts) == render_index(podcasts[::-1])


def test_what_was_withdrawn_says_so_and_nothing_of_what_was_there() -> None:
    document = page(render_withdrawn(a_podcast()))

    assert document.xpath("//title/text()") == document.xpath("//h1/text()")
    assert document.xpath("//h1/text()") == ["There is no feed at this address any more."]
    assert document.xpath("//a | //script | //audio | //img") == []
    assert document.xpath("//meta[@name='robots']/@content") == ["noindex, nofollow, noarchive"]
    assert "Field Notes" not in document.text_content()


def test_long_titles_and_long_episodes_have_room() -> None:
    long = page(render_page(a_podcast(title="Tides " * 20), [an_episode(1, seconds=3725.6)]))
    short = page(render_page(a_podcast(), [an_episode(1, seconds=600.0)]))

    assert [each.xpath("//h1/@class") for each in (long, short)] == [["long"], []]
    assert [each.xpath("//ol/@class") for each in (long, short)] == [["rows hours"], ["rows"]]


def test_an_empty_index() -> None:
    assert "No podcast yet" in page(render_index([])).text_content()


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (65.9, "1:05"), (3600, "1:00:00"), (3723, "1:02:03")])
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_megabytes() -> None:
    assert [megabytes(size) for size in (0, 12_345_678)] == ["0.1", "12.3"]


def test_kind() -> None:
    assert [kind(each) for each in ("audio/mpeg", "audio/mp4", "audio/ogg")] == ["MP3", "M4A", "OGG"]


def test_host_name() -> None:
    assert host_name("https://user@www.example.org:8080/path") == "example.org"


@pytest.mark.parametrize("content", PAGES)
def test_the_policy_lets_in_what_is_ours_and_nothing_else(content: bytes) -> None:
    document = page(content)
    [policy] = document.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))

    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        for element in document.xpath(f"//{tag}"):
            digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in rules[f"{tag}-src"].split()
    assert document.xpath("//@style") == []


def test_a_podcast_that_moved_says_where() -> None:
    moved = a_podcast(production={"feed": {"moved_to": "https://elsewhere.example.net/feed"}})

    [note] = page(render_page(moved, [])).xpath("//*[@class='note']/a")
    assert (note.get("href"), note.text) == (
        "https://elsewhere.example.net/feed",
        "This podcast has moved to elsewhere.example.net.",
    )


def test_what_its_owner_chose_is_linked() -> None:
    feed = {
        "website": "https://show.example.org/",
        "funding_url": "https://pay.example.org/x",
        "funding_text": "Support",
    }

    links = page(render_page(a_podcast(production={"feed": feed}), [])).xpath("//a[contains(@class, 'plain')]")
    assert [(link.get("href"), link.text) for link in links] == [
        ("https://show.example.org/", "Website"),
        ("https://pay.example.org/x", "Support"),
    ]


def test_m4a_is_called_so() -> None:
    episode = an_episode()
    files = episode.files.model_copy(update={"audio_type": "audio/x-m4a"})

    assert (
        "Download M4A" in page(render_page(a_podcast(), [episode.model_copy(update={"files": files})])).text_content()
    )

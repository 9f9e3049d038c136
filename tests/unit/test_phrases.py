"""Every language has every phrase, and the colours of every page can be read."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from lxml import html

from podcasting.phrases import _catalogue, direction, phrases
from podcasting.stages.colours import SCHEMES, Colour
from podcasting.stages.feed import render_feed, update_frequency
from podcasting.stages.page import render_index, render_page
from tests.fakes.episodes import RELEASED, a_podcast, an_episode

LANGUAGES = ("en", "de", "fr", "es", "pt", "it", "nl", "pl", "ja", "zh", "ar", "hi")
ENGLISH = phrases("en").words


def test_these_languages_have_words() -> None:
    assert tuple(_catalogue()) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_phrase_is_there_and_leaves_the_same_open(language: str) -> None:
    words = phrases(language).words

    assert list(words) == list(ENGLISH)
    for name, english in ENGLISH.items():
        assert sorted(re.findall(r"\{\w+\}", words[name])) == sorted(re.findall(r"\{\w+\}", english)), name
        assert words[name].strip() == words[name] != ""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("days", [1 / 24, 0.5, 1, 3, 7, 14])
def test_how_often_is_said_in_words(language: str, days: float) -> None:
    frequency = update_frequency(days, language)

    assert frequency is not None
    assert "duration" not in frequency.words
    assert "{" not in frequency.words


@pytest.mark.parametrize(
    ("language", "day", "hosts"),
    [
        ("en", "March 3, 2026", "Ada, Ben, and Cleo"),
        ("en-GB", "3 March 2026", "Ada, Ben and Cleo"),
        ("de", "3. März 2026", "Ada, Ben und Cleo"),
        ("de-XX", "3. März 2026", "Ada, Ben und Cleo"),
        ("ja", "2026年3月3日", "Ada、Ben、Cleo"),
        ("tlh", "March 3, 2026", "Ada, Ben, and Cleo"),
        ("../../etc", "March 3, 2026", "Ada, Ben, and Cleo"),
        ("", "March 3, 2026", "Ada, Ben, and Cleo"),
    ],
)
def test_dates_and_lists_are_the_languages(language: str, day: str, hosts: str) -> None:
    words = phrases(language)

    assert words.day(datetime(2026, 3, 3, 23, tzinfo=UTC)) == day
    assert words.listed(["Ada", "Ben", "Cleo"]) == hosts


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (59.4, "59 s"), (59.9, "1 min"), (60, "1 min"), (725, "12 min"), (3900, "1 h 5 min")],
)
def test_how_long(seconds: float, shown: str) -> None:
    assert phrases("en").length(seconds) == shown
    assert phrases("de").length(3900) == "1 Std. 5 Min."


@pytest.mark.parametrize("language", [*LANGUAGES, "he", "tlh"])
def test_a_page_says_its_language_and_direction(language: str) -> None:
    page = html.document_fromstring(render_page(a_podcast(language=language), [an_episode(language=language)]))
    known = language in LANGUAGES

    assert (page.get("lang"), page.get("dir")) == ((language, direction(language)) if known else ("en", "ltr"))
    [title] = page.xpath("//article/h2")
    told = (title.get("lang"), title.get("dir"))
    assert told == ((None, None) if known else (language, direction(language)))
    assert phrases(language)["disclosure"] in page.text_content()


def test_hebrew_and_arabic_are_written_from_the_right() -> None:
    assert [direction(each) for each in ("ar", "ar-EG", "he", "fa", "ur-PK", "en", "ja")] == ["rtl"] * 5 + ["ltr"] * 2


def test_a_list_of_shows_speaks_their_language_if_they_have_one_in_common() -> None:
    alike = render_index([a_podcast(id="a", language="de"), a_podcast(id="b", language="de")])
    mixed = render_index(
        [a_podcast(id="a", language="de", latest_episode_at=RELEASED), a_podcast(id="b", language="ar")]
    )

    assert html.document_fromstring(alike).get("lang") == "de"
    assert html.document_fromstring(mixed).get("lang") == "en"
    assert sorted(html.document_fromstring(mixed).xpath("//h2/@lang")) == ["ar", "de"]


@pytest.mark.parametrize("language", ["en", "fr", "ar", "tlh"])
def test_what_podcasts_are_called_stays_words(language: str) -> None:
    strange = "{number} {0} %s & <b>"
    podcast = a_podcast(language=language, title=strange, author=strange, hosts=(strange,))

    page = html.document_fromstring(render_page(podcast, [an_episode(title=strange, language=language)]))

    assert page.xpath("//h1/text()") == [strange]
    assert strange in page.xpath("//header//p[@class='facts']")[0].text_content()
    assert render_feed(podcast, [], "https://example.org")


def luminance(colour: Colour) -> float:
    parts = [value / 255 for value in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Colour, other: Colour) -> float:
    """As WCAG 2.2 has it (1.4.3): 4.5 at least for text."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def of_css(page: str, name: str) -> list[Colour]:
    """What a name stands for: in the light, and in the dark."""
    found = re.findall(rf"--{name}: #(\w{{6}})", page)
    return [(int(each[:2], 16), int(each[2:4], 16), int(each[4:], 16)) for each in found]


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    first, second, third = (round(a * share + b * (1 - share)) for a, b in zip(one, other, strict=True))
    return first, second, third


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: str(scheme.top))
def test_the_colours_of_a_cover_can_be_read(scheme: object) -> None:
    [top, bottom, accent, ink] = (getattr(scheme, name) for name in ("top", "bottom", "accent", "ink"))
    page = render_page(a_podcast(), []).decode()
    light, dark = of_css(page, "card")
    light_ground, dark_ground = of_css(page, "ground")

    for ground in (top, bottom):  # the head of the page: its words, quiet at nine tenths, and the button
        assert contrast(mixed(ink, ground, 0.9), ground) >= 4.5
    assert contrast(bottom, accent) >= 4.5
    for ground in (light, light_ground):  # links
        assert contrast(top, ground) >= 4.5
    for ground in (dark, dark_ground):
        assert contrast(accent, ground) >= 4.5


def test_the_words_of_a_page_can_be_read() -> None:
    page = render_page(a_podcast(), []).decode()

    for name in ("ink", "quiet"):
        for colour, *grounds in zip(of_css(page, name), of_css(page, "card"), of_css(page, "ground"), strict=True):
            assert all(contrast(colour, ground) >= 4.5 for ground in grounds), name

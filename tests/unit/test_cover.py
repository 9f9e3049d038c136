"""The cover: within Apple's limits whatever the title, and the same each time."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageStat

from podcasting.stages.cover import LARGEST, CoverInput, cover, draw_cover, drawable
from tests.fakes.storage import MemoryStorage

TITLES = [
    "Field Notes",
    "A very long title about distributed systems and the small hours in which they fail, told by those there " * 2,
    "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen" * 3,
    "W" * 200,
    "日本のニュース",
    "Привет, мир",
    "שלום",
    "🎧🎧🎧",
    "a\x00b\ud800c\u202ed",
    " \n\t ",
    "",
]


@pytest.mark.parametrize("title", TITLES, ids=range(len(TITLES)))
def test_it_keeps_to_what_apple_asks(title: str) -> None:
    content = draw_cover(title, title)

    picture = Image.open(io.BytesIO(content))
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (3000, 3000))
    assert len(content) < LARGEST


def test_the_same_words_give_the_same_picture_and_others_another() -> None:
    assert draw_cover("Title", "Author", side=300) == draw_cover("Title", "Author", side=300)
    assert draw_cover("Title", "Author", side=300) != draw_cover("Other", "Author", side=300)
    assert draw_cover("Title", "Author", side=300) != draw_cover("Title", "Other", side=300)


def test_a_smaller_one_for_the_mp3() -> None:
    assert Image.open(io.BytesIO(draw_cover("Title", "Author", side=1000))).size == (1000, 1000)


def test_the_title_is_drawn_in_light_letters() -> None:
    place = (240, 420, 2760, 900)
    with_title = Image.open(io.BytesIO(draw_cover("Title", ""))).crop(place)
    without = Image.open(io.BytesIO(draw_cover("題", ""))).crop(place)

    assert ImageStat.Stat(with_title).extrema[1][1] > 230
    assert ImageStat.Stat(without.crop((0, 0, 300, 100))).extrema[1][1] < 230


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("Café Übermorgen", "Cafe Ubermorgen"),
        ("Łódź – Straße", "Lodz - Strasse"),
        ("Morning Brief 🎧", "Morning Brief"),
        ("  a \n b ", "a b"),
        ("日本のニュース", ""),
        ("News ニュース日本", ""),
        ("Привет", ""),
        ("C++ & Rust?", "C++ & Rust?"),
    ],
)
def test_letters_the_font_lacks(text: str, drawn: str) -> None:
    assert drawable(text) == drawn


@given(st.text(max_size=60), st.text(max_size=20))
@settings(max_examples=15, deadline=None)
def test_no_text_makes_it_fail(title: str, author: str) -> None:
    assert draw_cover(title, author, side=50)


def test_the_stage_draws_once() -> None:
    workspace = MemoryStorage()
    given_input = CoverInput(podcast_title="Title", author="Author")

    first = cover(given_input, workspace)
    workspace.contents[first.key] = b"drawn before"
    second = cover(given_input, workspace)

    assert first == second
    assert first.key.startswith("covers/")
    assert first.key.endswith(".jpg")
    assert workspace.content_types[first.key] == "image/jpeg"
    assert workspace.get(first.key) == b"drawn before"


def test_the_stage_draws_another_title_elsewhere() -> None:
    workspace = MemoryStorage()

    one = cover(CoverInput(podcast_title="One", author="A"), workspace)
    other = cover(CoverInput(podcast_title="Other", author="A"), workspace)

    assert one.key != other.key
    assert workspace.get(one.key) != workspace.get(other.key)

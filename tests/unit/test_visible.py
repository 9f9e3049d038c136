"""Texts of strangers, which do nothing to whoever shows them."""

from __future__ import annotations

import pytest

from podcasting.errors import Permanent
from podcasting.visible import control_characters, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("two\nlines\r", r"two\nlines\r"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("half \ud83d", r"half \ud83d"),
        ("a\u2028b\x00", r"a\u2028b\x00"),
    ],
)
def test_what_would_do_something_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("text", ["Größe 3 – “so”", "می‌خواهم", "👩‍🚀", "日本語", "[/b] [red]"])
def test_what_people_write_stays(text: str) -> None:
    assert visible(text) == text


def test_an_error_does_nothing_to_a_terminal_whoever_it_quotes() -> None:
    assert str(Permanent("answered 503 \x1b[31mSorry\x07")) == r"answered 503 \x1b[31mSorry\x07"


def test_control_characters_are_found_wherever_they_are() -> None:
    values = {"title": "fine\twith\nlines", "production": {"hosts": ["Ada", "B\x1ben"], "words": {"S\x00S": "said"}}}

    assert list(control_characters(values)) == [("production.hosts", "U+001B"), ("production.words", "U+0000")]

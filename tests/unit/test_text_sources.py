"""Plain text and Markdown to notes."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podcasting.errors import Permanent
from podcasting.providers.feeds.dates import http_moment, iso_moment, written_moment
from podcasting.providers.feeds.kinds import Kind
from podcasting.providers.feeds.notes import Note, read_markdown, read_plain, title_of_name
from podcasting.providers.feeds.text import is_binary, tidy, wording
from podcasting.providers.feeds.texts import text_as_feed
from tests.fakes.documents import WORDS, document

NOTE = """---
title: "How tides are foretold"
date: 2026-01-05 08:00:00 +01:00
author: Ann
tags: [sea, moon]
---

# How tides are foretold

The **moon** pulls the [water](https://example.org/w) of the [[sea|ocean]].
It does so `twice` a day.

![A chart](chart.png)

- One wave.
- Another.

| height | time |
| ------ | ---- |
| 3 m    | noon |

```python
print("not for the ear")
```

<div>Raw <b>words</b><script>x()</script></div>
"""


def test_markdown_is_read_as_it_is_said() -> None:
    note = read_markdown(NOTE)

    assert note.title == "How tides are foretold"
    assert note.author == "Ann"
    assert note.moment == datetime(2026, 1, 5, 7, tzinfo=UTC)
    assert note.text == (
        "The moon pulls the water of the ocean. It does so twice a day.\nOne wave.\nAnother.\nRaw words"
    )


def test_toml_s_front_matter_is_read_too() -> None:
    note = read_markdown(
        '+++\ntitle = "Tides"\ndate = 2026-01-05\nauthors = ["Ann", "Ben"]\ndraft = true\n+++\nWords.\n'
    )

    assert note == Note("Tides", "Words.", "Ann, Ben", None, datetime(2026, 1, 5, tzinfo=UTC), is_draft=True)


@pytest.mark.parametrize(
    ("text", "title", "said"),
    [
        ("# Tides *and* moons\n\nWords.", "Tides and moons", "Words."),
        ("Tides\n=====\n\nWords.", "Tides", "Words."),
        ("Words.\n\n## Later\n\nMore.", "", "Words.\nLater\nMore."),
        ("---\ntitle: Mine\n---\n# Another\n\nWords.", "Mine", "Another\nWords."),
        ("", "", ""),
    ],
)
def test_the_title_is_the_heading_that_a_text_begins_with(text: str, title: str, said: str) -> None:
    note = read_markdown(text)

    assert (note.title, note.text) == (title, said)


@pytest.mark.parametrize(
    "matter",
    [
        "title: [",
        "- a\n- list",
        "just words",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]",
        "[" * 4000,
        "date: 2026-99-99",
        "title: !!python/object/apply:os.system ['true']",
        "title: 2026-01-05\ndate: [1]\nauthor: {a: 1}",
        "? [a]\n: b",
    ],
)
@pytest.mark.parametrize("fence", ["---", "+++"])
def test_a_damaged_front_matter_harms_nobody(matter: str, fence: str) -> None:
    assert "Words." in read_markdown(f"{fence}\n{matter}\n{fence}\nWords.\n").text


@pytest.mark.parametrize(
    ("field", "is_draft"), [("draft: true", True), ("published: false", True), ("draft: false", False)]
)
def test_a_draft_is_no_entry_yet(field: str, is_draft: bool) -> None:  # noqa: FBT001 - a parameter of the test
    text = f"---\n{field}\n---\nWords.\n"

    feed = text_as_feed(document(text.encode()), text, Kind.MARKDOWN, name="a.md", url=None)

    assert (feed.entries == ()) is is_draft


@pytest.mark.parametrize(
    ("address", "url"), [("https://a.org/x", "https://a.org/x"), ("file:///etc/passwd", None), ("javascript:x", None)]
)
def test_front_matter_may_give_an_address_of_the_web_only(address: str, url: str | None) -> None:
    assert read_markdown(f"---\nurl: '{address}'\n---\nWords.").url == url


@pytest.mark.parametrize(
    ("text", "title", "said"),
    [
        ("Tides\n\nThe moon pulls.\nTwice a day.", "Tides", "The moon pulls.\nTwice a day."),
        ("The moon pulls.\n\nTwice a day.", "", "The moon pulls.\nTwice a day."),
        ("Tides", "", "Tides"),
        ("One\nline after another", "", "One\nline after another"),
        ("\r\nTides\r\n\r\nWords.", "Tides", "Words."),
        ("", "", ""),
    ],
)
def test_a_plain_text_s_title_is_a_first_line_that_stands_alone(text: str, title: str, said: str) -> None:
    note = read_plain(text)

    assert (note.title, note.text) == (title, said)


def test_lines_that_were_wrapped_are_joined_and_others_are_not() -> None:
    text = (
        "It floats in a ring of mercury, which holds it up and\n"
        "hardly rubs. A clockwork with a weight turned it all night,\n"
        "long.\n\nOne line.\nAnother.\n- a point that is as long as a line of a paragraph would be\n- another point"
    )

    assert read_plain(text).text.split("\n") == [
        "It floats in a ring of mercury, which holds it up and hardly rubs. A clockwork with a weight turned it all "
        "night, long.",
        "One line.",
        "Another.",
        "- a point that is as long as a line of a paragraph would be",
        "- another point",
    ]


@pytest.mark.parametrize(
    ("name", "title", "day"),
    [
        ("2026-01-05-tide-tables", "Tide tables", date(2026, 1, 5)),
        ("2026-01-05", "2026 01 05", date(2026, 1, 5)),
        ("2026-99-05-x", "2026 99 05 x", None),
        ("tide_tables", "Tide tables", None),
        ("Why bridges-that-hum do", "Why bridges-that-hum do", None),
        ("Tide talk [dQw4w9WgXcQ].en-GB", "Tide talk", None),
        ("", "", None),
    ],
)
def test_a_name_tells_a_title_and_a_date(name: str, title: str, day: date | None) -> None:
    told, moment = title_of_name(name)

    assert told == title
    assert (moment and moment.date()) == day


def test_a_note_s_date_is_its_own_then_its_name_s_then_its_file_s() -> None:
    def moment(text: str, name: str) -> datetime | None:
        file = document(text.encode(), last_modified="Wed, 07 Jan 2026 08:00:00 GMT")
        return text_as_feed(file, text, Kind.MARKDOWN, name=name, url=None).entries[0].published_at

    assert moment("---\ndate: 2026-01-05\n---\nWords.", "2026-01-06-a.md") == datetime(2026, 1, 5, tzinfo=UTC)
    assert moment("Words.", "2026-01-06-a.md") == datetime(2026, 1, 6, tzinfo=UTC)
    assert moment("Words.", "a.md") == datetime(2026, 1, 7, 8, tzinfo=UTC)


def test_a_text_without_words_is_refused() -> None:
    with pytest.raises(Permanent, match="no text"):
        text_as_feed(document(b""), "```\ncode\n```", Kind.MARKDOWN, name="a.md", url=None)


def test_wording_stays_while_only_small_lines_change() -> None:
    before = f"{WORDS}\nUpdated 5 minutes ago\n12 comments"
    after = f"{WORDS}\nUpdated 3 hours ago\n57 comments\nShare this"

    assert wording(before) == wording(after)
    assert wording(before) != wording(before.replace("six minutes", "ten minutes"))
    assert wording("Short.") != wording("Other."), "where all lines are short, all of them count"


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", True),
        (b"\xff\xfe\0\0\0\xd8bad", True),
        (b"\xef\xbb\xbfna\xefve", False),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj" + bytes(range(256)), True),
        (bytes(range(1, 9)) * 20, True),
        ("Grüße, 世界\n".encode(), False),
        ("Grüße".encode("cp1252"), False),
        ("<rss/>".encode("utf-16"), False),
        (b"\xef\xbb\xbfWords", False),
        (b"", False),
    ],
)
def test_what_holds_no_text_is_binary(body: bytes, is_one: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert is_binary(body) is is_one


def test_what_is_invisible_goes_and_words_stay_apart() -> None:
    assert tidy("re\u00adsource\u200b \u202eevil\u202c a\u00a0b\x07c\ufeff") == "resource evil a b c"


@pytest.mark.parametrize("start", ["[", "![[", "[a](b", "> ", "`", "*a **a ", "<a>", "| a |\n|---|\n"])
def test_markdown_that_would_keep_its_parser_busy_is_bounded(start: str) -> None:
    assert len(read_markdown(start * 500_000).text) <= 50_000


PIECES = st.sampled_from(
    ["---\n", "+++\n", "title: x\n", "date: ", "# ", "\n", "\n\n", "[[", "]]", "|", "- ", "> ", "```", "    ", "<div>",
     "&#0;", "\0", "\u202e", "\ud800", "![", "](", ")", "*", "_", "\t", "| a |\n|---|\n", "word", "=====\n"]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join))
def test_any_text_is_a_note(text: str) -> None:
    for note in (read_markdown(text), read_plain(text)):
        assert all(letter.isprintable() or letter == "\n" for letter in note.title + note.text)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_date_and_name_is_read_or_left(text: str) -> None:
    for moment in (iso_moment(text), http_moment(text), written_moment(text), title_of_name(text)[1]):
        assert moment is None or moment.utcoffset() is not None

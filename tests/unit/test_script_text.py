"""A script as text that a person edits: it comes back as it was, and what is wrong is told by its line."""

from __future__ import annotations

import pytest

from podcasting.errors import Permanent
from podcasting.providers.writers import Script, Section, Turn
from podcasting.script_text import LARGEST_BYTES, NOTES, ScriptTextInvalid, as_text, from_text

SCRIPT = Script(
    title="Ice and whales",
    summary="A satellite sees ice. A hydrophone hears whales.",
    hosts=("Ada", "Dr. Ben O’Hara"),
    sections=(
        Section(title="Welcome"),
        Section(title="#ice is back", url="https://example.org/ice?a=1&b=2"),
        Section(title="Goodbye"),
    ),
    turns=(
        Turn(host=0, section=0, text="Good morning."),
        Turn(host=1, section=0, text="Note: the ice is back.\n\nTwice  as thick, they say."),
        Turn(host=0, section=1, text="## is no heading here, and <b> no tag."),
        Turn(host=1, section=1, text="> nor is this a summary"),
        Turn(host=0, section=2, text="Until tomorrow."),
    ),
)
TEXT = """\
# Ice and whales

> A satellite sees ice. A hydrophone hears whales.

## Welcome

Ada: Good morning.

Dr. Ben O’Hara: Note: the ice is back. Twice as thick, they say.

## #ice is back
<https://example.org/ice?a=1&b=2>

Ada: ## is no heading here, and <b> no tag.

Dr. Ben O’Hara: > nor is this a summary

## Goodbye

Ada: Until tomorrow.
"""


def read(text: str) -> Script:
    return from_text(text.encode(), SCRIPT)


def refused(text: str) -> str:
    with pytest.raises(ScriptTextInvalid) as caught:
        read(text)
    assert str(caught.value).startswith(f"line {caught.value.line}: ")
    return str(caught.value)


def test_a_script_is_text_with_headings_addresses_and_names() -> None:
    assert as_text(SCRIPT) == TEXT


@pytest.mark.parametrize("notes", [(), NOTES])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_what_is_left_alone_comes_back_to_the_letter(notes: tuple[str, ...], newline: str, encoding: str) -> None:
    text = as_text(SCRIPT, notes=notes).replace("\n", newline)

    assert from_text(text.encode(encoding), SCRIPT) == SCRIPT


def test_words_turns_speakers_and_titles_may_be_changed() -> None:
    text = (
        TEXT.replace("# Ice and whales", "#Whales")
        .replace("> A satellite sees ice. A", "> One line.\n> A")
        .replace("## Welcome", "## Hello")
        .replace("Ada: Good morning.", "Ada: Good evening,\n  everybody.\n\nDr. Ben O’Hara:Hello!")
        .replace("Ada: Until tomorrow.", "Dr. Ben O’Hara: Until tomorrow.")
    )

    changed = read(text)

    assert changed.title == "Whales"
    assert changed.summary == "One line. A hydrophone hears whales."
    assert [section.title for section in changed.sections] == ["Hello", "#ice is back", "Goodbye"]
    assert [section.url for section in changed.sections] == [section.url for section in SCRIPT.sections]
    assert [(turn.host, turn.section, turn.text) for turn in changed.turns] == [
        (0, 0, "Good evening, everybody."),
        (1, 0, "Hello!"),
        *((turn.host, turn.section, turn.text) for turn in SCRIPT.turns[1:4]),
        (1, 2, "Until tomorrow."),
    ]


def test_a_colon_of_another_script_will_do() -> None:
    assert read(TEXT.replace("Ada: Until", "Ada:Until")) == SCRIPT


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("# Ice and whales\n", "", 4, "title is missing"),
        ("# Ice and whales", "# " + "a" * 201, 1, "201 characters"),
        ("# Ice and whales", "#", 1, "0 characters"),
        ("Ada: Good", "# Another\nAda: Good", 7, "a title already"),
        ("> A satellite sees ice. A hydrophone hears whales.", "", 1, "what the feed says"),
        ("> A satellite", "A satellite", 3, "begins with >"),
        ("## Welcome", "Ada: Hi\n## Welcome", 5, "a section's title, below it, with ##"),
        ("## Welcome", "##", 5, "its words"),
        ("## Welcome", "### Welcome", 5, "its words"),
        ("Ada: Good morning.", "Good morning.", 7, "begin it with Ada: or Dr. Ben O’Hara:"),
        ("Ada: Good morning.", "Adda: Good morning.", 7, "'Adda: Good morning.' is nobody's turn"),
        ("Ada: Good morning.", "Ada: Good\nEve: morning.", 8, "'Eve: morning.' is nobody's turn"),
        ("Ada: Good morning.", "ada: Good morning.", 7, "nobody's turn"),
        ("Ada: Good morning.", "Ada:", 7, "Ada says nothing"),
        ("Ada: Until tomorrow.", "", 18, "nobody speaks in section 'Goodbye'"),
        ("## Goodbye", "## More\n\nAda: More.\n\n## Goodbye\n\nAda: x\n\n## Last", 22, "one too many; there are 3"),
        ("## Goodbye\n", "", 19, "section 'Goodbye' is missing"),
        ("<https://example.org/ice?a=1&b=2>", "<https://example.org/>", 12, "<https://example.org/ice?a=1&b=2>"),
        ("<https://example.org/ice?a=1&b=2>\n", "", 13, "belongs below its title"),
        ("## Goodbye", "## Goodbye\n<https://example.org/>", 19, "belongs to no section"),
        ("Good morning", "Good \x07morning", 7, "U+0007"),
        ("Good morning", "Good \x00morning", 7, "U+0000"),
    ],
)
def test_what_is_wrong_is_told_by_its_line(old: str, new: str, line: int, told: str) -> None:
    assert old in TEXT

    message = refused(TEXT.replace(old, new, 1))

    assert told in message
    assert message.startswith(f"line {line}: "), message


def test_sections_that_changed_places_are_refused() -> None:
    other = SCRIPT.model_copy(
        update={"sections": (SCRIPT.sections[1], SCRIPT.sections[0].model_copy(update={"url": "https://b.example/"}))}
    )
    other = Script(**{**SCRIPT.model_dump(), "sections": (SCRIPT.sections[0], *other.sections)})
    text = as_text(other)
    moved = text.replace("ice?a=1&b=2", "X").replace("https://b.example/", "https://example.org/ice?a=1&b=2")

    with pytest.raises(ScriptTextInvalid, match="keep their order and addresses"):
        from_text(moved.encode(), other)


def test_a_text_that_is_no_utf_8_or_too_large_is_refused() -> None:
    with pytest.raises(ScriptTextInvalid, match=r"line 3: it is not UTF-8; save the file as UTF-8"):
        from_text(b"# A\n\n> caf\xe9\n", SCRIPT)
    with pytest.raises(Permanent, match="1,000,001 bytes"):
        from_text(b"a" * (LARGEST_BYTES + 1), SCRIPT)


@pytest.mark.parametrize("text", ["", "\n\n", "<!-- nothing -->"])
def test_an_empty_text_is_refused(text: str) -> None:
    assert "missing" in refused(text)


def test_hosts_whose_names_begin_alike_are_told_apart() -> None:
    script = Script(**{**SCRIPT.model_dump(), "hosts": ("Ada", "Ada: the elder")})

    assert from_text(as_text(script).encode(), script) == script


def test_any_script_comes_back() -> None:
    words = ("Eve: no", "#", "> a", "<!-- no -->", "<https://x.example>", "a\u2028b", "\N{RIGHT-TO-LEFT MARK}א", "a:b")
    for word in words:
        script = Script(
            title=word,
            summary=word,
            hosts=("A B", "#C", ">D", "<E>"),
            sections=(Section(title=word), Section(title=word, url="https://example.org/a b"), Section(title=word)),
            turns=tuple(Turn(host=host, section=section, text=word) for section in range(3) for host in range(4)),
        )
        assert from_text(as_text(script).encode(), script) == script, word

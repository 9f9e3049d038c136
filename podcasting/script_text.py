"""A script as plain text that a person reads and edits, and back: strict, with errors that name the line.

    # The episode's title

    > What the feed says of it.

    ## A section's title
    <https://example.org/the-story>

    Ada: What Ada says.

    Ben: What Ben says.

Words, titles, turns and who speaks them may be changed; sections and their addresses belong to the stories.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import ValidationError

from podcasting.errors import Permanent
from podcasting.providers.writers import Script, Section, Turn

LARGEST_BYTES = 1_000_000
"""Of a text that is read back: two hours of speech are a tenth of this."""
LONGEST_TITLE = 200
"""Of an episode; :class:`podcasting.providers.writers.Script` has it too."""
NOTES = (
    "Change words, titles, turns and who speaks them. Sections and addresses belong to the stories and stay.",
    "A turn is one paragraph that begins with its host's name and a colon. Lines like this one are not read.",
)

_SPEAKER = re.compile(r"[^\W\d_][\w .'’-]{0,59}[::](?:\s|$)")
"""What looks like somebody who speaks."""


class ScriptTextInvalid(Permanent):
    """A text that is no script; its message names the line."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line


def as_text(script: Script, *, notes: tuple[str, ...] = ()) -> str:
    """The script as text; ``notes`` are told above it, in lines that are not read back."""
    paragraphs = ["\n".join(f"<!-- {note} -->" for note in notes)] if notes else []
    paragraphs += [f"# {_line(script.title)}", f"> {_line(script.summary)}"]
    for number, section in enumerate(script.sections):
        heading = f"## {_line(section.title)}"
        paragraphs.append(f"{heading}\n<{section.url}>" if section.url else heading)
        turns = (turn for turn in script.turns if turn.section == number)
        paragraphs += [f"{_line(script.hosts[turn.host])}: {_line(turn.text)}" for turn in turns]
    return "\n\n".join(paragraphs) + "\n"


def from_text(content: bytes, original: Script) -> Script:
    """The script that a person made of ``original``. What they left alone is as it was, to the letter.

    Raises:
        ScriptTextInvalid: it can't be read; names the line and the fix.
        Permanent: it is too large, no UTF-8, or no script as a whole.
    """
    if len(content) > LARGEST_BYTES:
        raise Permanent(f"the script has {len(content):,} bytes; {LARGEST_BYTES:,} are the most")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ScriptTextInvalid(line, "it is not UTF-8; save the file as UTF-8") from None
    reading = _Reading(original)
    for place, words in _lines(text):
        reading.take(place, words)
        if words:
            reading.last = place
    return reading.script()


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        for character in line:
            if unicodedata.category(character) == "Cc" and character != "\t":
                raise ScriptTextInvalid(number, f"it holds the control character U+{ord(character):04X}; delete it")
        yield number, line.strip()


@dataclass
class _Spoken:
    """A turn as it is being read."""

    line: int
    host: int
    section: int
    words: list[str]


@dataclass
class _Reading:
    """What has been read so far."""

    original: Script
    title: str = ""
    summary: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    headings: list[int] = field(default_factory=list)
    """The line of each section's title."""
    turns: list[_Spoken] = field(default_factory=list)
    last: int = 1
    """The last line that was not empty."""
    in_turn: bool = False
    """Whether the line before was a turn's."""
    wants_address: bool = False
    """Whether the line before was the title of a section that has an address."""

    def take(self, number: int, line: str) -> None:
        spoken = self._begun(line) if self.sections and not self.wants_address else None
        if spoken is not None:
            self.turns.append(_Spoken(number, spoken[0], len(self.sections) - 1, [spoken[1]]))
            self.in_turn = True
        elif self.wants_address and line and not _is_note(line):
            self._address(number, line)
        elif not line or _is_note(line):
            self.in_turn = False
        elif line.startswith("##"):
            self._section(number, line)
        elif line.startswith("#"):
            self._title(number, line)
        elif line.startswith(">") and not self.sections:
            self.summary.append(line.removeprefix(">").strip())
        elif line.startswith("<") and line.endswith(">") and not self.in_turn:
            raise ScriptTextInvalid(number, f"the address {line} belongs to no section here; delete the line")
        elif self.in_turn and not _SPEAKER.match(line):
            self.turns[-1].words.append(line)
        elif not self.sections:
            raise ScriptTextInvalid(
                number, "what the feed says of the episode begins with >, and a section's title, below it, with ##"
            )
        else:
            names = " or ".join(f"{_line(host)}:" for host in self.original.hosts)
            raise ScriptTextInvalid(
                number, f"{line[:40]!r} is nobody's turn; begin it with {names}, or put it on the line above"
            )

    def _title(self, number: int, line: str) -> None:
        if self.title:
            raise ScriptTextInvalid(number, "there is a title already; a section's title begins with ##")
        self.title = line.removeprefix("#").strip()
        if not self.title or len(self.title) > LONGEST_TITLE:
            raise ScriptTextInvalid(
                number, f"the episode's title has {len(self.title)} characters; 1 to {LONGEST_TITLE} may be"
            )

    def _section(self, number: int, line: str) -> None:
        place, title = len(self.sections), line.removeprefix("##").strip()
        self._ends(number)
        if not title or line.startswith("###"):
            raise ScriptTextInvalid(number, "a section's title is ## and its words")
        if place == len(self.original.sections):
            raise ScriptTextInvalid(
                number, f"this section is one too many; there are {place}, one for each story, a welcome and an end"
            )
        section = self.original.sections[place]
        self.sections.append(Section(title=_kept(title, (section.title,)), url=section.url))
        self.headings.append(number)
        self.wants_address, self.in_turn = section.url is not None, False

    def _address(self, number: int, line: str) -> None:
        expected = f"<{self.sections[-1].url}>"
        if line != expected:
            raise ScriptTextInvalid(
                number,
                f"section {self.sections[-1].title!r} is about the story at {expected}, which belongs below its title; "
                "sections keep their order and addresses",
            )
        self.wants_address = False

    def _begun(self, line: str) -> tuple[int, str] | None:
        """Whose turn begins here, and its words."""
        names = [_line(name) for name in self.original.hosts]
        said = [name for name in names if line.startswith((f"{name}:", f"{name}:"))]
        if not said:
            return None
        name = max(said, key=len)
        return names.index(name), line[len(name) + 1 :].strip()

    def _ends(self, number: int) -> None:
        """A section ends here: somebody spoke in it."""
        if self.sections and not any(turn.section == len(self.sections) - 1 for turn in self.turns):
            raise ScriptTextInvalid(
                self.headings[-1], f"nobody speaks in section {self.sections[-1].title!r}; each has a turn at least"
            )
        if not self.sections and not self.title:
            raise ScriptTextInvalid(number, "the episode's title is missing; it is the first line and begins with #")

    def script(self) -> Script:
        """All that was read, as a script."""
        if self.wants_address:
            self._address(self.last, "")
        self._ends(self.last)
        if len(self.sections) < len(self.original.sections):
            missing = self.original.sections[len(self.sections)].title
            raise ScriptTextInvalid(
                self.last, f"section {missing!r} is missing; there are {len(self.original.sections)}, in their order"
            )
        for turn in self.turns:
            if not any(turn.words):
                name = self.original.hosts[turn.host]
                raise ScriptTextInvalid(turn.line, f"{name} says nothing; write what {name} says, or delete the line")
        if not any(self.summary):
            raise ScriptTextInvalid(
                1, "what the feed says of the episode is missing; it stands below the title, after >"
            )
        before = self.original
        said = [[turn.text for turn in before.turns if turn.host == host] for host in range(len(before.hosts))]
        try:
            return Script(
                title=_kept(self.title, (before.title,)),
                summary=_kept(" ".join(self.summary), (before.summary,)),
                hosts=before.hosts,
                sections=tuple(self.sections),
                turns=tuple(
                    Turn(host=turn.host, section=turn.section, text=_kept(" ".join(turn.words), said[turn.host]))
                    for turn in self.turns
                ),
            )
        except ValidationError as error:
            faults = "; ".join(fault["msg"] for fault in error.errors(include_url=False, include_input=False))
            raise Permanent(f"the script is not valid: {faults}") from None


def _is_note(line: str) -> bool:
    return line.startswith("<!--") and line.endswith("-->")


def _line(text: str) -> str:
    """Text on one line, as it is written down."""
    return " ".join(text.split())


def _kept(text: str, before: list[str] | tuple[str, ...]) -> str:
    """What was there, when it was left alone: the same text finds the clip that was made of it."""
    text = _line(text)
    return next((each for each in before if _line(each) == text), text)

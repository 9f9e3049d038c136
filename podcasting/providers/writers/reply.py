"""A model's reply: its schema, what in it breaks the brief, and the script that is made of it.

The schema has no place for hosts, a language or addresses: those are the brief's, whatever a story talked a model into.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field

from podcasting.providers.writers import Brief, Script, Section, Turn
from podcasting.providers.writers.language import foreign
from podcasting.providers.writers.length import Target, amount, off
from podcasting.providers.writers.plain import cleaned, fault

LONGEST_TITLE = 150
LONGEST_SUMMARY = 1000
LONGEST_TURN = 2000
"""Characters; voices that are asked over a network take no more than some thousands at once."""
MOST_FAULTS = 6
"""That a model is told of at once."""
RECITED_WORDS = 12
"""So many words of its instructions in a row are no chance."""
_WORD = re.compile(r"\w+")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ReplyTurn(_Strict):
    """What one host says before another speaks."""

    host: str = Field(max_length=60)
    """The name of a host, as the podcast has it."""
    text: str = Field(max_length=LONGEST_TURN)
    """What this host says: plain sentences, in the podcast's language."""


class ReplySection(_Strict):
    """A part of the episode."""

    number: int = Field(ge=0, le=1000)
    """0 for the welcome, then the number of each story, the last for the goodbye."""
    title: str = Field(max_length=LONGEST_TITLE)
    """A few words that a list of chapters shows."""
    turns: list[ReplyTurn] = Field(max_length=400)
    """What the hosts say, in order."""


class Reply(_Strict):
    """The script of one episode."""

    title: str = Field(max_length=LONGEST_TITLE)
    """Of the episode."""
    summary: str = Field(max_length=LONGEST_SUMMARY)
    """A sentence or two about the episode."""
    sections: list[ReplySection] = Field(max_length=100)
    """The welcome, a section for each story, the goodbye."""


def plain(reply: Reply) -> Reply:
    """The reply with each of its texts :func:`cleaned`."""
    return Reply(
        title=cleaned(reply.title),
        summary=cleaned(reply.summary),
        sections=[
            ReplySection(
                number=section.number,
                title=cleaned(section.title),
                turns=[ReplyTurn(host=cleaned(turn.host), text=cleaned(turn.text)) for turn in section.turns],
            )
            for section in reply.sections
        ],
    )


def faults(reply: Reply, brief: Brief, due: Target, *, instructions: str = "") -> list[str]:
    """What in a :func:`plain` reply breaks the brief, as its writer should hear it; nothing when it fits.

    ``instructions`` are those the model was given, which it must not recite. Only the first ``MOST_FAULTS`` are told,
    those of its form before those of its words.
    """
    found = [*_form(reply, brief), *_text(reply), *_language(reply, brief), *_recital(reply, instructions)]
    if not found:
        too_much = off(amount(" ".join(_spoken(reply)), brief.language), due)
        found = [too_much] if too_much else []
    return found[:MOST_FAULTS]


def script_of(reply: Reply, brief: Brief) -> Script:
    """The script that a reply without faults stands for. Hosts and addresses are the brief's."""
    hosts = _hosts(brief)
    urls = (None, *(story.url for story in brief.stories), None)
    return Script(
        title=reply.title,
        summary=reply.summary,
        hosts=brief.hosts,
        sections=tuple(
            Section(title=section.title, url=url) for section, url in zip(reply.sections, urls, strict=True)
        ),
        turns=tuple(
            Turn(host=hosts.index(turn.host), section=number, text=turn.text)
            for number, section in enumerate(reply.sections)
            for turn in section.turns
        ),
    )


def _form(reply: Reply, brief: Brief) -> Iterator[str]:
    due = list(range(len(brief.stories) + 2))
    numbers = [section.number for section in reply.sections]
    if numbers != due:
        yield f"its sections are numbered {numbers}, and {due} were due: welcome, stories in their order, goodbye"
    for name, text in (("title", reply.title), ("summary", reply.summary)):
        if not text:
            yield f"its {name} is blank"
    hosts, speakers = _hosts(brief), {turn.host for section in reply.sections for turn in section.turns}
    strange = sorted(speakers - set(hosts))
    if strange:
        yield f"{_listed(strange)} spoke, and the hosts are {_listed(hosts)}: only they may"
    silent = [host for host in hosts if host not in speakers]
    if silent:
        yield f"{_listed(silent)} never speaks"
    for section in reply.sections:
        if not section.title:
            yield f"section {section.number} has no title"
        if not section.turns:
            yield f"section {section.number} has no turns"
        if any(not _says_something(turn.text) for turn in section.turns):
            yield f"section {section.number} has a turn that is blank"


def _text(reply: Reply) -> Iterator[str]:
    parts = [("the title", reply.title), ("the summary", reply.summary)]
    for section in reply.sections:
        parts.append((f"the title of section {section.number}", section.title))
        parts += [
            (f"turn {number} of section {section.number}", turn.text)
            for number, turn in enumerate(section.turns, start=1)
        ]
    for where, text in parts:
        what = fault(text)
        if what:
            yield f"{where} holds {what}: write plain text"


def _language(reply: Reply, brief: Brief) -> Iterator[str]:
    read = [("title and summary", f"{reply.title}. {reply.summary}")]
    for section in reply.sections:
        read.append((f"section {section.number}", " ".join((section.title, *(turn.text for turn in section.turns)))))
        # One turn among many is lost in the words around it.
        read += [
            (f"turn {number} of section {section.number}", turn.text)
            for number, turn in enumerate(section.turns, start=1)
            if len(section.turns) > 1
        ]
    read.append(("the script", " ".join(_spoken(reply))))
    for where, text in read:
        why = foreign(text, brief.language)
        if why:
            yield f"{where}: {why}; write all of it in {brief.language!r}"


def _recital(reply: Reply, instructions: str) -> Iterator[str]:
    given = _runs(instructions)
    if given & _runs(" ".join((reply.title, reply.summary, *_spoken(reply)))):
        yield "it recites its instructions, which are nobody's to hear"


def _runs(text: str) -> set[tuple[str, ...]]:
    words = [word.lower() for word in _WORD.findall(text)]
    return {tuple(words[start : start + RECITED_WORDS]) for start in range(len(words) - RECITED_WORDS + 1)}


def _spoken(reply: Reply) -> list[str]:
    return [turn.text for section in reply.sections for turn in section.turns]


def _says_something(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _hosts(brief: Brief) -> list[str]:
    """As a plain reply names them."""
    return [cleaned(host) for host in brief.hosts]


def _listed(names: list[str]) -> str:
    shown = [repr(name) for name in names[:4]]
    return " and ".join((", ".join(shown[:-1]), shown[-1])) if len(shown) > 1 else shown[0]

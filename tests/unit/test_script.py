"""The script stage: a writer's reply is taken when it fits the brief."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from podcasting.errors import Permanent, Throttled
from podcasting.providers.writers import Brief, Script, Section, Story, Turn
from podcasting.stages.script import ScriptInput, misfit, script


def story(number: int) -> Story:
    return Story(
        key=str(number),
        title=f"Story {number}",
        url=f"https://example.org/{number}",
        source="News",
        author=None,
        published_at=None,
        text="Text.",
    )


BRIEF = Brief(
    podcast_title="Show",
    hosts=("Ada", "Ben"),
    language="en",
    episode_number=1,
    slot=datetime(2026, 1, 6, tzinfo=UTC),
    stories=(story(1), story(2)),
)
SECTIONS = (
    Section(title="Intro"),
    *(Section(title=each.title, url=each.url) for each in BRIEF.stories),
    Section(title="Outro"),
)
FITTING = Script(
    title="Episode",
    summary="A summary.",
    hosts=("Ada", "Ben"),
    sections=SECTIONS,
    turns=tuple(Turn(host=number % 2, section=number, text="Hello.") for number in range(4)),
)


class ScriptedWriter:
    name = "scripted-1"

    def __init__(self, reply: Callable[[], Script]) -> None:
        self._reply = reply

    def write(self, brief: Brief) -> Script:
        assert brief == BRIEF
        return self._reply()


def write(reply: Callable[[], Script]) -> Script:
    return script(ScriptInput(brief=BRIEF), ScriptedWriter(reply))


def changed(**changes: Any) -> Script:
    return FITTING.model_copy(update=changes)


def test_a_script_that_fits_is_taken() -> None:
    assert write(lambda: FITTING) == FITTING


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (changed(hosts=("Ben", "Ada")), "its hosts are Ben and Ada, not Ada and Ben"),
        (changed(sections=SECTIONS[:-1]), "it has 3 sections, and 4 were due"),
        (changed(sections=(SECTIONS[0], SECTIONS[2], SECTIONS[1], SECTIONS[3])), "stands where story 'Story 1' should"),
        (changed(turns=(*FITTING.turns, Turn(host=0, section=3, text=" "))), "one of its turns is blank"),
    ],
)
def test_a_script_that_does_not_fit_is_permanent(reply: Script, reason: str) -> None:
    with pytest.raises(Permanent, match=reason) as failure:
        write(lambda: reply)
    assert "scripted-1" in str(failure.value)


def test_an_invalid_reply_is_permanent_and_says_why() -> None:
    fields = FITTING.model_dump() | {"turns": FITTING.model_dump()["turns"][::-1]}

    with pytest.raises(Permanent, match="each section needs at least one turn"):
        write(lambda: Script.model_validate(fields))


def test_the_writer_s_own_errors_pass() -> None:
    def throttled() -> Script:
        raise Throttled("slow down", after=3)

    with pytest.raises(Throttled):
        write(throttled)


@pytest.mark.parametrize("language", ["", "english please", "e", "-en"])
def test_a_language_that_is_no_tag_is_permanent(language: str) -> None:
    given = ScriptInput(brief=BRIEF.model_copy(update={"language": language}))

    with pytest.raises(Permanent, match="not a language tag"):
        script(given, ScriptedWriter(lambda: FITTING))


def test_a_fitting_script_has_no_misfit() -> None:
    assert misfit(FITTING, BRIEF) is None

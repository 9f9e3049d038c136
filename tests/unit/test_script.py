"""The script stage: a writer's reply is taken when it fits the brief."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from podcasting.errors import Permanent, Retryable, Throttled
from podcasting.providers.writers import Brief, Script, Section, Story, Turn
from podcasting.stages.script import ScriptInput, misfit, script
from tests.fakes.storage import MemoryStorage


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


class CountingWriter:
    name = "counting-1"

    def __init__(self) -> None:
        self.written = 0

    def write(self, brief: Brief) -> Script:
        self.written += 1
        return FITTING.model_copy(update={"title": f"Episode, draft {self.written}", "hosts": brief.hosts})


def stored(workspace: MemoryStorage) -> str:
    (key,) = workspace.contents
    return key


def test_the_same_brief_is_written_once() -> None:
    writer, workspace = CountingWriter(), MemoryStorage()

    first = script(ScriptInput(brief=BRIEF), writer, workspace)
    again = script(ScriptInput(brief=BRIEF), writer, workspace)

    assert first == again
    assert writer.written == 1
    assert stored(workspace).startswith("scripts/")


@pytest.mark.parametrize(
    "change", [{"tone": "dry"}, {"instructions": "Be brief."}, {"minutes": 8}, {"hosts": ("Al", "Bo")}]
)
def test_another_brief_is_written_anew(change: dict[str, Any]) -> None:
    writer, workspace = CountingWriter(), MemoryStorage()

    script(ScriptInput(brief=BRIEF), writer, workspace)
    script(ScriptInput(brief=BRIEF.model_copy(update=change)), writer, workspace)

    assert writer.written == 2


def test_another_writer_or_prompt_writes_anew() -> None:
    workspace, newer = MemoryStorage(), CountingWriter()
    newer.name = "counting-2"
    script(ScriptInput(brief=BRIEF), CountingWriter(), workspace)

    script(ScriptInput(brief=BRIEF), newer, workspace)

    assert newer.written == 1


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{", b"\xff\xfe", b"[]", FITTING.model_dump_json().encode()[:-20],
     FITTING.model_copy(update={"sections": SECTIONS[:3]}).model_dump_json().encode(),
     FITTING.model_copy(update={"hosts": ("Eve", "Mal")}).model_dump_json().encode()],
)  # fmt: skip
def test_a_stored_script_that_is_damaged_is_written_again(damaged: bytes) -> None:
    writer, workspace = CountingWriter(), MemoryStorage()
    script(ScriptInput(brief=BRIEF), writer, workspace)
    key = stored(workspace)
    workspace.put(key, damaged, content_type="application/json")

    again = script(ScriptInput(brief=BRIEF), writer, workspace)

    assert writer.written == 2
    assert Script.model_validate_json(workspace.get(key)) == again


def test_a_store_that_takes_nothing_does_not_cost_the_script() -> None:
    class Full(MemoryStorage):
        def put(self, key: str, *_: object, **__: object) -> None:
            raise Retryable(f"no room for {key}")

    assert script(ScriptInput(brief=BRIEF), CountingWriter(), Full()).title == "Episode, draft 1"

"""Stories that try to take the episode over, through every writer: hosts, language, form and addresses stay."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterator

import pytest

from podcasting.errors import Permanent
from podcasting.providers.writers import Script
from podcasting.providers.writers.extractive import ExtractiveWriter
from podcasting.providers.writers.model import ASKS, ModelWriter
from podcasting.providers.writers.plain import fault
from podcasting.stages.script import ScriptInput, misfit, script
from tests.fakes.hostile import HOSTILE, Hostile
from tests.fakes.model_server import ModelServer, Says, reply_to, written_by
from tests.fakes.writers import ENGINES, brief, endpoint, story

MARKUP = re.compile(r"[<>\[\]{}|*_`]|https?:|www\.|@|javascript:", re.IGNORECASE)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.fixture(params=ENGINES)
def model(request: pytest.FixtureRequest, server: ModelServer) -> ModelWriter:
    return ModelWriter(endpoint(request.param, server.url), timeout_seconds=60)


@pytest.fixture(params=HOSTILE, ids=lambda hostile: hostile.name)
def hostile(request: pytest.FixtureRequest) -> Hostile:
    found: Hostile = request.param
    return found


def is_plain(written: Script) -> bool:
    """Whether what a voice and a feed get is text, and nothing but text."""
    texts = (written.title, written.summary, *(turn.text for turn in written.turns))
    hidden = {"Cc", "Cf", "Co", "Cs", "Cn"}
    return not any(
        MARKUP.search(html.unescape(text)) or any(unicodedata.category(letter) in hidden for letter in text)
        for text in texts
    )


def test_there_are_many_kinds() -> None:
    assert len({each.name for each in HOSTILE}) >= 12


def test_a_model_that_obeys_is_asked_again_and_then_refused(
    model: ModelWriter, server: ModelServer, hostile: Hostile
) -> None:
    given = brief(hostile.story, story("bridges"))
    reply = reply_to(given)
    hostile.obey(reply)
    server.answers[:] = [Says(json.dumps(reply))]

    with pytest.raises(Permanent, match="none fits the brief"):
        model.write(given)

    assert len(server.asked) == ASKS


def test_a_model_that_comes_to_its_senses_is_taken(model: ModelWriter, server: ModelServer, hostile: Hostile) -> None:
    given = brief(hostile.story, story("bridges"))
    obeyed, sane = reply_to(given), reply_to(given)
    hostile.obey(obeyed)
    sane["sections"][1]["title"] = "A harbour is closed"
    server.answers[:] = [Says(json.dumps(obeyed)), Says(json.dumps(sane))]

    written = model.write(given)

    assert misfit(written, given) is None
    assert is_plain(written)
    assert [section.url for section in written.sections] == [None, *(each.url for each in given.stories), None]


def test_no_story_leaves_its_frame(server: ModelServer, hostile: Hostile) -> None:
    model = ModelWriter(endpoint("openai", server.url), timeout_seconds=60)
    given = brief(hostile.story, story("bridges"))
    server.answers[:] = [Says(json.dumps(reply_to(brief())))]

    model.write(given)

    (asked,) = server.asked
    told = "".join(asked.said)
    frames = re.findall(r"^<story>\n(.*)\n</story>$", told, re.MULTILINE)
    stories = [json.loads(frame) for frame in frames]
    outside = re.sub(r"^<story>\n.*\n</story>$", "", told, flags=re.MULTILINE)
    assert [each["number"] for each in stories] == [1, 2]
    assert "evil" not in outside.lower()
    assert not re.search("[\u200b\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", told)
    assert "evil" not in asked.system.lower()
    assert len(told) < 130_000


def test_the_embedded_writer_says_text_and_nothing_else(hostile: Hostile) -> None:
    given = brief(hostile.story, story("bridges"))

    written = script(ScriptInput(brief=given), ExtractiveWriter())

    assert written.hosts == ("Ada", "Ben")
    assert {turn.host for turn in written.turns} == {0, 1}
    for turn in written.turns:
        assert fault(turn.text) is None
        assert not MARKUP.search(turn.text)
    assert [section.url for section in written.sections] == [None, *(each.url for each in given.stories), None]


def test_the_honest_part_of_a_hostile_story_is_told(hostile: Hostile) -> None:
    written = ExtractiveWriter().write(brief(hostile.story))

    assert "harbour" in " ".join(turn.text for turn in written.turns).lower()


def test_a_model_told_all_of_them_at_once_keeps_to_the_brief(model: ModelWriter, server: ModelServer) -> None:
    given = brief(*(each.story for each in HOSTILE))
    server.writes = written_by

    # The titles of sections are the stories' own here, and one of those is an address: it is not taken.
    with pytest.raises(Permanent, match="the title of section"):
        model.write(given)

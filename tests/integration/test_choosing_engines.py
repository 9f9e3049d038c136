"""Choosing who writes and who speaks: what is no engine is refused at once, what is only not set up here is told."""

from __future__ import annotations

import pytest

from tests.fakes.model_server import KEY
from tests.fakes.shell import Shell


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            "writing.engine=quill:goose",
            "writing.engine is 'quill:goose': there is no writer 'quill'; there are anthropic,",
        ),
        ("writing.engine=openai", "no model of its own choice; say which: openai:MODEL"),
        ("writing.engine=extractive:large", "has no models to choose from; leave out 'large'"),
        ("speaking.engine=gramophone", "speaking.engine is 'gramophone': there is no voice 'gramophone'"),
    ],
)
def test_what_is_no_engine_is_refused_with_those_there_are(airdate: Shell, change: str, told: str) -> None:
    airdate.ok("podcasts", "add", "My show", "--source", "https://example.org/feed.xml")

    assert told in airdate.mistake("podcasts", "set", "my-show", "hosts=Cleo", change)

    assert airdate.json("podcasts", "settings", "my-show")["hosts"] == ["Ada", "Ben"]


def test_what_an_engine_lacks_on_this_machine_is_told_once(airdate: Shell) -> None:
    airdate.ok("podcasts", "add", "My show", "--source", "https://example.org/feed.xml")

    lacking = airdate.ok("podcasts", "set", "my-show", "writing.engine=openai:gpt-5-mini")
    again = airdate.ok("podcasts", "set", "my-show", "writing.minutes=3")
    whole = airdate.ok("podcasts", "set", "my-show", "writing.engine=openai:gpt-5", AIRDATE_OPENAI_API_KEY=KEY)

    assert "no episode can be made so: the writer openai has no key; set AIRDATE_OPENAI_API_KEY" in lacking
    assert "no episode can be made so" not in again + whole

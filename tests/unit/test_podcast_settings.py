"""`airdate podcasts set` and `settings`: what a value may mean, and what is told of one that means nothing."""

from __future__ import annotations

from typing import Any

import pytest

from operations.production import changed, set_, settings
from podcasting.errors import InvalidPodcast
from podcasting.models import Podcast
from tests.fakes.episodes import a_podcast


def set_to(**changes: str) -> Podcast:
    podcast = a_podcast(sources=("https://example.org/feed",))
    for path, value in changes.items():
        podcast = changed(podcast, path.replace("__", "."), value)
    return podcast


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("title", "A new title", "A new title"),
        ("title", "42", "42"),
        ("title", '["not", "a list"]', '["not", "a list"]'),
        ("hosts", "Ada,Ben, Cleo", ("Ada", "Ben", "Cleo")),
        ("hosts", '["Ada, of London", "Ben"]', ("Ada, of London", "Ben")),
        ("hosts", "Ada", ("Ada",)),
        ("frequency_days", "3.5", 3.5),
        ("owner", "org-7", "org-7"),
        ("owner", "", None),
        ("language", "de-AT", "de-AT"),
    ],
)
def test_a_podcasts_own_settings_take_text_numbers_and_lists(path: str, value: str, found: object) -> None:
    assert getattr(changed(a_podcast(), path, value), path) == found


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("writing.engine", "openai:gpt-5-mini", "openai:gpt-5-mini"),
        ("writing.minutes", "8", 8.0),
        ("writing.tone", "dry, for engineers", "dry, for engineers"),
        ("writing.instructions", '{"this is": "text"}', '{"this is": "text"}'),
        ("speaking.voices.Ada", "Joanna", "Joanna"),
        ("speaking.voices", '{"Ada": "Joanna", "Ben": "Matthew"}', {"Ada": "Joanna", "Ben": "Matthew"}),
        ("speaking.pronunciations.SQS", "S Q S", "S Q S"),
        ("review", "true", True),
        ("review", "no", False),
    ],
)
def test_how_it_is_produced_is_set_by_path(path: str, value: str, found: object) -> None:
    place: Any = changed(a_podcast(), path, value).production
    for name in path.split("."):
        place = place[name] if isinstance(place, dict) else getattr(place, name)

    assert place == found


def test_a_setting_without_a_value_has_its_default_again() -> None:
    podcast = set_to(writing__minutes="8", writing__tone="dry", speaking__voices__Ada="Joanna")

    assert podcast.production.writing.minutes == 8
    assert changed(podcast, "writing.minutes", "").production.writing.minutes is None
    assert changed(podcast, "writing", "").production.writing.tone == ""
    assert changed(podcast, "speaking.voices.Ada", "").production.speaking.voices == {}
    assert changed(podcast, "speaking.voices.Ben", "").production == podcast.production


def test_one_name_of_a_table_leaves_the_others() -> None:
    podcast = set_to(speaking__pronunciations__SQS="S Q S", speaking__pronunciations__AWS="A W S")

    assert changed(podcast, "speaking.pronunciations.SQS", "squeeze").production.speaking.pronunciations == {
        "SQS": "squeeze",
        "AWS": "A W S",
    }


@pytest.mark.parametrize(
    "path",
    ["writing.engin", "colour", "writing.engine.model", "speaking.voices.Ada.pitch", "writing..minutes", "id",
     "version", "state", "next_episode_at", "production.review", "__class__"],
)  # fmt: skip
def test_a_setting_that_is_none_is_told_and_changes_nothing(path: str) -> None:
    with pytest.raises(InvalidPodcast, match=path.split(".", maxsplit=1)[0]):
        changed(a_podcast(), path, "1")


def test_what_there_is_to_set_is_told_with_what_is_not() -> None:
    with pytest.raises(InvalidPodcast, match=r"there is no setting 'colour'; there are title, .*writing\.engine, "):
        changed(a_podcast(), "colour", "green")


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("writing.minutes", "0", "greater than 0"),
        ("writing.minutes", "soon", "number"),
        ("frequency_days", "inf", "less than or equal to 366"),
        ("writing.minutes", "121", "less than or equal to 120"),
        ("writing.minutes", "nan", "less than or equal to 120"),
        ("writing.engine", "Open AI", "pattern"),
        ("writing.tone", "a" * 201, "200 characters"),
        ("hosts", "Ada,Ben,Cleo,Dan,Eve", "at most 4"),
        ("hosts", "Ada,Ada", "same name"),
        ("frequency_days", "-1", "greater than 0"),
        ("title", "", "required"),
        ("review", "perhaps", "boolean"),
        ("speaking.voices", "Joanna", "dictionary"),
    ],
)
def test_a_value_that_cannot_be_is_told_with_its_setting(path: str, value: str, told: str) -> None:
    with pytest.raises(InvalidPodcast, match=f"(?s)^{path}.*{told}"):
        changed(a_podcast(), path, value)


def test_when_it_is_due_and_what_it_published_stay() -> None:
    podcast = a_podcast(version=7)
    kept = {"id", "state", "first_slot", "next_episode_at", "latest_episode_at", "version"}

    after = changed(podcast, "writing.minutes", "8")

    assert after.model_dump(include=kept) == podcast.model_dump(include=kept)


def test_both_commands_explain_themselves() -> None:
    assert "Examples:" in str(set_.help)
    assert settings.help

"""The two messages: what the plan gives validates, and whatever differs is refused by the field's name."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from operations import machine
from operations.command import main
from publishers.messages import EpisodeProcessingMessage, PodcastGenerationMessage
from tests.fakes.environment import ROOT

PROCESSING: dict[str, Any] = {
    "version": "1.0",
    "type": "episode_processing",
    "data": {
        "episodeId": "my-show-20261124t060000",
        "podcastId": "my-show",
        "status": "completed",
        "timestamp": "2026-11-24T06:00:00Z",
    },
    "metadata": {"retryCount": 0, "source": "episode_checker"},
}
GENERATION: dict[str, Any] = {
    "version": "1.0",
    "type": "podcast_generation",
    "data": {
        "podcastId": "my-show",
        "title": "My show",
        "frequency": 7,
        "latestEpisodeDate": "2026-11-17T06:00:00Z",
    },
    "metadata": {"retryCount": 0, "source": "podcast_scheduler"},
}
EXAMPLES = [
    pytest.param(EpisodeProcessingMessage, PROCESSING, id="episode_processing"),
    pytest.param(PodcastGenerationMessage, GENERATION, id="podcast_generation"),
]
Model = type[EpisodeProcessingMessage] | type[PodcastGenerationMessage]


def changed(message: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The message with one field set, named by its path."""
    result = copy.deepcopy(message)
    *folders, name = path.split(".")
    inner = result
    for folder in folders:
        inner = inner[folder]
    inner[name] = value
    return result


def without(message: dict[str, Any], path: str) -> dict[str, Any]:
    result = copy.deepcopy(message)
    *folders, name = path.split(".")
    inner = result
    for folder in folders:
        inner = inner[folder]
    del inner[name]
    return result


def paths(message: dict[str, Any]) -> list[str]:
    """Every field of a message, the nested ones too."""
    found = []
    for name, value in message.items():
        found.append(name)
        if isinstance(value, dict):
            found += [f"{name}.{inner}" for inner in paths(value)]
    return found


def refused(model: Model, message: Any) -> list[str]:
    """The paths of the fields for which the message is refused."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(message)
    return [".".join(map(str, problem["loc"])) for problem in caught.value.errors()]


@pytest.mark.parametrize(("model", "example"), EXAMPLES)
def test_the_plans_example_comes_back_as_it_was(model: Model, example: dict[str, Any]) -> None:
    assert model.model_validate(example).model_dump(mode="json") == example


@pytest.mark.parametrize(("model", "example"), EXAMPLES)
def test_the_plans_example_survives_the_wire(model: Model, example: dict[str, Any]) -> None:
    message = model.model_validate(example)

    assert model.model_validate_json(message.model_dump_json()) == message


def test_a_podcast_without_an_episode_has_no_latest_date() -> None:
    message = PodcastGenerationMessage.model_validate(changed(GENERATION, "data.latestEpisodeDate", None))

    assert message.model_dump(mode="json")["data"]["latestEpisodeDate"] is None


def test_a_moment_of_another_zone_travels_as_utc() -> None:
    message = EpisodeProcessingMessage.model_validate(
        changed(PROCESSING, "data.timestamp", "2026-11-24T07:30:00+01:30")
    )

    assert message.model_dump(mode="json")["data"]["timestamp"] == "2026-11-24T06:00:00Z"


@pytest.mark.parametrize(
    ("model", "example", "path"),
    [
        pytest.param(*example.values, path, id=f"{example.id}-{path}")
        for example in EXAMPLES
        for path in paths(example.values[1])
    ],
)
def test_each_field_is_required(model: Model, example: dict[str, Any], path: str) -> None:
    assert refused(model, without(example, path)) == [path]


@pytest.mark.parametrize(("model", "example"), EXAMPLES)
@pytest.mark.parametrize("where", ["", "data.", "metadata."])
def test_an_unknown_field_is_refused(model: Model, example: dict[str, Any], where: str) -> None:
    assert refused(model, changed(example, f"{where}surprise", 1)) == [f"{where}surprise"]


@pytest.mark.parametrize(("model", "example"), EXAMPLES)
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", "1.1"),
        ("version", 1.0),
        ("type", "episode_deletion"),
        ("data", "text"),
        ("data.podcastId", "../../etc/passwd"),
        ("data.podcastId", "my/show"),
        ("data.podcastId", "My-Show"),
        ("data.podcastId", "my-show\n"),
        ("data.podcastId", ""),
        ("data.podcastId", "a" * 101),
        ("data.podcastId", None),
        ("metadata.retryCount", -1),
        ("metadata.retryCount", "many"),
        ("metadata.source", "someone"),
    ],
)
def test_a_wrong_value_is_refused_by_its_field(model: Model, example: dict[str, Any], path: str, value: Any) -> None:
    assert refused(model, changed(example, path, value)) == [path]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.frequency", 0),
        ("data.frequency", -7),
        ("data.frequency", "weekly"),
        ("data.frequency", float("nan")),
        ("data.latestEpisodeDate", "2026-11-17T06:00:00"),
        ("data.latestEpisodeDate", "yesterday"),
        ("data.title", 7),
        ("type", "episode_processing"),
        ("metadata.source", "episode_checker"),
    ],
)
def test_a_wrong_generation_message_is_refused_by_its_field(path: str, value: Any) -> None:
    assert refused(PodcastGenerationMessage, changed(GENERATION, path, value)) == [path]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.episodeId", "my-show/20261124t060000"),
        ("data.status", "finished"),
        ("data.timestamp", "2026-11-24T06:00:00"),
        ("data.timestamp", "soon"),
        ("type", "podcast_generation"),
        ("metadata.source", "podcast_scheduler"),
    ],
)
def test_a_wrong_processing_message_is_refused_by_its_field(path: str, value: Any) -> None:
    assert refused(EpisodeProcessingMessage, changed(PROCESSING, path, value)) == [path]


@pytest.mark.parametrize("model", [EpisodeProcessingMessage, PodcastGenerationMessage])
@pytest.mark.parametrize("message", [None, [], "text", 7])
def test_what_is_no_object_is_refused(model: Model, message: Any) -> None:
    assert refused(model, message) == [""]


@pytest.mark.parametrize("name", ["episode_processing", "podcast_generation"])
def test_the_schema_files_are_what_the_command_writes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "SCHEMAS", tmp_path)

    assert CliRunner().invoke(main, ["schemas"]).exit_code == 0

    assert (tmp_path / f"{name}.json").read_text() == (ROOT / "docs" / "schemas" / f"{name}.json").read_text()


def test_a_stale_schema_file_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SCHEMAS", tmp_path)
    CliRunner().invoke(main, ["schemas"])
    (tmp_path / "episode_processing.json").write_text("{}\n")

    result = CliRunner().invoke(main, ["schemas", "--check"])

    assert result.exit_code == 1
    assert "episode_processing.json" in result.stderr
    assert "podcast_generation.json" not in result.stderr


@pytest.mark.parametrize(("model", "example"), EXAMPLES)
def test_the_schema_file_names_the_fields_as_they_travel(model: Model, example: dict[str, Any]) -> None:
    schema = json.loads((ROOT / "docs" / "schemas" / f"{example['type']}.json").read_text())
    data = schema["$defs"][model.model_fields["data"].annotation.__name__]

    assert set(schema["required"]) == set(example)
    assert set(data["required"]) == set(example["data"])

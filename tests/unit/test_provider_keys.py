"""The keys of writers and voices on AWS: secrets of the generator where they are given, and of nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from settings import Settings
from tests.fakes.templates import of_type, template

KEYS = {
    "OpenAiKeySecretArn": "AIRDATE_OPENAI_API_KEY",
    "OpenAiSpeechKeySecretArn": "AIRDATE_OPENAI_SPEECH_API_KEY",
    "AnthropicKeySecretArn": "AIRDATE_ANTHROPIC_API_KEY",
    "GeminiKeySecretArn": "AIRDATE_GEMINI_API_KEY",
    "ElevenLabsKeySecretArn": "AIRDATE_ELEVENLABS_API_KEY",
}


def secrets(task: dict[str, Any]) -> list[Any]:
    (container,) = task["ContainerDefinitions"]
    found: list[Any] = container["Secrets"]
    return found


@pytest.mark.parametrize(("parameter", "variable"), KEYS.items())
def test_a_key_is_a_secret_of_the_generator_alone_and_only_if_it_is_given(parameter: str, variable: str) -> None:
    compute = template("compute")
    whether = f"With{parameter.removesuffix('SecretArn')}"
    secret = {"Name": variable, "ValueFrom": {"Ref": parameter}}
    given = {"If": [whether, secret, {"Ref": "AWS::NoValue"}]}

    holders = [
        name for name, task in of_type(compute, "AWS::ECS::TaskDefinition").items() if variable in str(secrets(task))
    ]

    assert holders == ["GeneratorTask"]
    assert given in secrets(of_type(compute, "AWS::ECS::TaskDefinition")["GeneratorTask"])
    assert compute["Parameters"][parameter]["Default"] == ""
    assert compute["Conditions"][whether] == {"Not": [{"Equals": [{"Ref": parameter}, ""]}]}
    assert variable.removeprefix("AIRDATE_").lower() in Settings.model_fields

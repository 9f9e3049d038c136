"""Listeners of every podcast on AWS: secrets of those who write down whom to tell, and of those who tell."""

from __future__ import annotations

import pytest

from podcasting.syndication import FEED_CACHE_SECONDS
from settings import Settings
from tests.fakes.templates import of_type, template

SECRETS = {
    "NotifySecretArn": ("AIRDATE_NOTIFY", {"GeneratorTask", "ProcessorTask"}),
    "WebhookUrlSecretArn": ("AIRDATE_WEBHOOK_URL", {"GeneratorTask", "ProcessorTask"}),
    "WebhookKeySecretArn": ("AIRDATE_WEBHOOK_SECRET", {"GeneratorTask", "ProcessorTask"}),
    "PodpingTokenSecretArn": ("AIRDATE_PODPING_TOKEN", {"ProcessorTask"}),
}
COMPUTE = template("compute")
CONTAINERS = {
    name: task["ContainerDefinitions"][0] for name, task in of_type(COMPUTE, "AWS::ECS::TaskDefinition").items()
}


@pytest.mark.parametrize("parameter", SECRETS)
def test_a_secret_is_that_of_its_processes_alone_and_only_if_it_is_given(parameter: str) -> None:
    variable, holders = SECRETS[parameter]
    whether = f"With{parameter.removesuffix('SecretArn')}"
    given = {"If": [whether, {"Name": variable, "ValueFrom": {"Ref": parameter}}, {"Ref": "AWS::NoValue"}]}

    assert {name for name, container in CONTAINERS.items() if given in container["Secrets"]} == holders
    assert COMPUTE["Parameters"][parameter]["Default"] == ""
    assert COMPUTE["Conditions"][whether] == {"Not": [{"Equals": [{"Ref": parameter}, ""]}]}
    assert variable.removeprefix("AIRDATE_").lower() in Settings.model_fields


def test_hubs_are_told_when_the_cache_before_the_site_has_the_new_feed() -> None:
    told = {variable["Name"]: variable["Value"] for variable in CONTAINERS["ProcessorTask"]["Environment"]}

    assert float(told["AIRDATE_FEED_SETTLES"]) >= FEED_CACHE_SECONDS

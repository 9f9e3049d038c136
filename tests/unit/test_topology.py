"""Procfile, table of names, template and tasks name the same queues and tasks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from honcho.environ import parse_procfile

from operations.messaging import dead_letter_queue
from publishers.queues import MAX_RECEIVE_COUNT, ROUTES, Queue, Task
from settings import Settings
from tests.fakes.environment import ROOT

FOURTEEN_DAYS = 14 * 24 * 3600
PROCESSES = parse_procfile((ROOT / "Procfile").read_text()).processes


class _Template(yaml.SafeLoader):
    """Reads CloudFormation's own tags as {tag: value}."""


def _intrinsic(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    assert isinstance(node, yaml.ScalarNode)
    return {tag: loader.construct_scalar(node)}


_Template.add_multi_constructor("!", _intrinsic)
TEMPLATE: dict[str, Any] = _Template((ROOT / "infrastructure" / "messaging.yaml").read_text()).get_single_data()
QUEUES: dict[str, dict[str, Any]] = {
    name: resource["Properties"]
    for name, resource in TEMPLATE["Resources"].items()
    if resource["Type"] == "AWS::SQS::Queue"
}


def deployed(name: str) -> tuple[str, dict[str, Any]]:
    """A queue of the template, by the name it gets on SQS: its logical id and properties."""
    [found] = [
        (logical, queue)
        for logical, queue in QUEUES.items()
        if queue["QueueName"] == {"Sub": name.replace("airdate-", "${Prefix}-", 1)}
    ]
    return found


def options(command: str, option: str) -> list[str]:
    return re.findall(rf"\s{option}[ =](\S+)", command)


# Procfile -----------------------------------------------------------------------------------------


def test_the_procfile_has_exactly_our_five_processes() -> None:
    assert list(PROCESSES) == ["discovery", "generator", "processor", "beat", "flower"]


def test_every_queue_has_exactly_one_kind_of_worker() -> None:
    worked = [queue for command in PROCESSES.values() for queue in options(command, "-Q")]

    assert sorted(worked) == sorted(Queue)


@pytest.mark.parametrize("name", ["discovery", "generator", "processor"])
def test_a_worker_is_known_by_its_process(name: str) -> None:
    # Flower shows it by this name, and the demo looks for it.
    assert options(PROCESSES[name], "-n") == [f"{name}@%h"]


@pytest.mark.parametrize("name", ["discovery", "generator", "processor"])
def test_workers_do_not_gossip(name: str) -> None:
    # Gossip and mingle are a message from each worker to each other, by SNS, for nothing we use.
    assert "--without-gossip" in PROCESSES[name]
    assert "--without-mingle" in PROCESSES[name]


def test_flower_listens_on_loopback_only() -> None:
    assert options(PROCESSES["flower"], "--address") == ["127.0.0.1"]


def test_a_process_starts_with_the_app_of_tasks() -> None:
    assert {command.split()[:3] == ["celery", "-A", "tasks"] for command in PROCESSES.values()} == {True}


# Template -----------------------------------------------------------------------------------------


def test_the_template_has_our_queues_and_their_dead_letter_queues_and_no_other() -> None:
    names = {queue["QueueName"]["Sub"].replace("${Prefix}", "airdate") for queue in QUEUES.values()}

    assert names == {f"airdate-{queue}" for queue in Queue} | {dead_letter_queue(queue) for queue in Queue}


def test_the_template_has_nothing_but_queues() -> None:
    # `operations.messaging.deploy` counts on it.
    assert len(QUEUES) == len(TEMPLATE["Resources"]) == 2 * len(Queue)


@pytest.mark.parametrize("queue", Queue)
def test_a_queue_redrives_to_its_own_dead_letter_queue(queue: Queue) -> None:
    # Without a redrive policy kombu deletes what is rejected.
    _, properties = deployed(f"airdate-{queue}")
    dead_letters, _ = deployed(dead_letter_queue(queue))

    assert properties["RedrivePolicy"] == {
        "deadLetterTargetArn": {"GetAtt": f"{dead_letters}.Arn"},
        "maxReceiveCount": {"Ref": "MaxReceiveCount"},
    }


@pytest.mark.parametrize("queue", Queue)
def test_a_dead_letter_is_kept_fourteen_days_and_longer_than_its_queue_keeps_it(queue: Queue) -> None:
    # On a standard queue the clock is not set back by redrive, so an equal retention could delete at once.
    _, properties = deployed(f"airdate-{queue}")
    _, dead = deployed(dead_letter_queue(queue))

    assert dead["MessageRetentionPeriod"] == FOURTEEN_DAYS
    assert properties["MessageRetentionPeriod"] < dead["MessageRetentionPeriod"]


@pytest.mark.parametrize("queue", Queue)
def test_a_dead_letter_goes_nowhere_by_itself(queue: Queue) -> None:
    assert "RedrivePolicy" not in deployed(dead_letter_queue(queue))[1]


@pytest.mark.parametrize("queue", Queue)
def test_a_queue_polls_long_and_hides_what_is_received_as_the_workers_think(queue: Queue) -> None:
    properties = deployed(f"airdate-{queue}")[1]

    assert properties["ReceiveMessageWaitTimeSeconds"] == 20
    assert properties["VisibilityTimeout"] == {"Ref": "VisibilityTimeout"}


@pytest.mark.parametrize("name", QUEUES)
def test_what_waits_is_encrypted(name: str) -> None:
    assert QUEUES[name]["SqsManagedSseEnabled"] is True


def test_template_and_code_agree_on_the_numbers() -> None:
    parameters = TEMPLATE["Parameters"]

    assert parameters["Prefix"]["Default"] == "airdate"
    assert parameters["MaxReceiveCount"]["Default"] == MAX_RECEIVE_COUNT
    assert parameters["VisibilityTimeout"]["Default"] == Settings.model_fields["visibility_timeout"].default


def test_each_queue_url_is_an_output_that_names_its_variable() -> None:
    outputs = {output["Value"]["Ref"]: output["Description"] for output in TEMPLATE["Outputs"].values()}

    assert outputs == {
        deployed("airdate-discovery")[0]: "The value of AIRDATE_DISCOVERY_QUEUE_URL.",
        deployed("airdate-podcast-generation")[0]: "The value of PODCAST_GENERATION_QUEUE_URL.",
        deployed("airdate-episode-processing")[0]: "The value of EPISODE_PROCESSING_QUEUE_URL.",
    }


# Tasks --------------------------------------------------------------------------------------------


def test_every_task_has_a_route() -> None:
    assert set(ROUTES) == set(Task)


def test_every_queue_carries_a_task() -> None:
    assert set(ROUTES.values()) == set(Queue)


def test_the_app_registers_exactly_the_tasks_of_the_table(tmp_path: Path) -> None:
    # In a process of its own: the app keeps the first configuration it reads.
    program = (
        "import json; from tasks import app; app.loader.import_default_modules(); "
        "print(json.dumps([name for name in app.tasks if not name.startswith('celery.')]))"
    )
    environment = {
        **os.environ,
        "AIRDATE_ENV_FILE": os.devnull,
        "AIRDATE_HOME": str(tmp_path),
        "AIRDATE_AWS_ENDPOINT": "http://127.0.0.1:9",
    }
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert sorted(json.loads(shown.stdout)) == sorted(Task)

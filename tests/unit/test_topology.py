"""Procfile, table of names, templates, settings and tasks name the same processes, queues and tasks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from honcho.environ import parse_procfile
from pydantic import SecretStr

from operations.doctor.queues import VARIABLES
from operations.messaging import dead_letter_queue
from publishers.queues import MAX_RECEIVE_COUNT, ROUTES, Queue, Task
from settings import Settings
from tests.fakes.environment import ROOT
from tests.fakes.templates import of_type, template

FOURTEEN_DAYS = 14 * 24 * 3600
PROCESSES = parse_procfile((ROOT / "Procfile").read_text()).processes


TEMPLATE = template("messaging")
MEDIA, COMPUTE = template("media"), template("compute")
ENV_VARIABLE = re.compile(r"The value of (\w+)\.")
QUEUES = of_type(TEMPLATE, "AWS::SQS::Queue")
SERVICES = of_type(COMPUTE, "AWS::ECS::Service")
CONTAINERS = {
    name.removesuffix("Task").lower(): task["ContainerDefinitions"][0]
    for name, task in of_type(COMPUTE, "AWS::ECS::TaskDefinition").items()
}


def deployed(name: str) -> tuple[str, dict[str, Any]]:
    """A queue of the template, by the name it gets on SQS: its logical id and properties."""
    [found] = [
        (logical, queue)
        for logical, queue in QUEUES.items()
        if queue["QueueName"] == {"Sub": name.replace("airdate-", "${Prefix}-", 1)}
    ]
    return found


def tls_only(actions: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


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


@pytest.mark.parametrize("queue", Queue)
def test_a_dead_letter_queue_takes_from_its_own_queue_only(queue: Queue) -> None:
    logical, _ = deployed(f"airdate-{queue}")
    properties = deployed(dead_letter_queue(queue))[1]
    [source] = properties["RedriveAllowPolicy"]["sourceQueueArns"]

    assert properties["RedriveAllowPolicy"]["redrivePermission"] == "byQueue"
    assert source["Sub"].endswith(f":{QUEUES[logical]['QueueName']['Sub']}")


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_is_spoken_to_by_tls_only(name: str) -> None:
    [policy] = [
        policy for policy in of_type(TEMPLATE, "AWS::SQS::QueuePolicy").values() if policy["Queues"] == [{"Ref": name}]
    ]

    assert policy["PolicyDocument"]["Statement"] == [tls_only("sqs:*", {"GetAtt": f"{name}.Arn"})]


@pytest.mark.parametrize("name", ["AlertsTopic", "EventsTopic", "ControlTopic"])
def test_a_topic_is_spoken_to_by_tls_only(name: str) -> None:
    [policy] = [
        policy for policy in of_type(TEMPLATE, "AWS::SNS::TopicPolicy").values() if policy["Topics"] == [{"Ref": name}]
    ]

    assert tls_only("sns:Publish", {"Ref": name}) in policy["PolicyDocument"]["Statement"]


def test_every_topic_has_a_policy() -> None:
    assert len(of_type(TEMPLATE, "AWS::SNS::TopicPolicy")) == len(of_type(TEMPLATE, "AWS::SNS::Topic"))


def test_each_process_has_a_log_group_that_forgets() -> None:
    groups = of_type(TEMPLATE, "AWS::Logs::LogGroup").values()

    assert {group["LogGroupName"]["Sub"] for group in groups} == {
        f"/airdate/${{Prefix}}/{process}" for process in [*PROCESSES, "migrate"]
    }
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups)


@pytest.mark.parametrize("name", ["messaging", "media", "permissions", "monitoring", "compute"])
def test_a_template_fits_into_a_request(name: str) -> None:
    # CloudFormation takes 51,200 bytes of TemplateBody (CloudFormation quotas); more would need a bucket.
    assert len((ROOT / "infrastructure" / f"{name}.yaml").read_bytes()) < 51_200


@pytest.mark.parametrize("name", ["messaging", "media", "permissions", "monitoring", "compute"])
def test_a_template_is_deployed_under_any_prefix(name: str) -> None:
    assert template(name)["Parameters"]["Prefix"] == TEMPLATE["Parameters"]["Prefix"] | {
        "Description": template(name)["Parameters"]["Prefix"]["Description"]
    }


# Outputs and settings -----------------------------------------------------------------------------


def variables(*templates: dict[str, Any]) -> dict[str, Any]:
    """The variables whose values are outputs, each with what it is the value of."""
    return {
        found.group(1): output["Value"]
        for each in templates
        for output in each["Outputs"].values()
        if (found := ENV_VARIABLE.search(output["Description"]))
    }


def test_each_queue_url_is_an_output_that_names_its_variable() -> None:
    wanted = {VARIABLES[queue]: {"Ref": deployed(f"airdate-{queue}")[0]} for queue in Queue}

    assert variables(TEMPLATE) == wanted | {
        "AIRDATE_EVENTS_TOPIC_ARN": {"Ref": "EventsTopic"},
        "AIRDATE_CONTROL_TOPIC_ARN": {"Ref": "ControlTopic"},
    }


def test_each_variable_that_an_output_names_is_a_setting() -> None:
    known = {field.validation_alias or f"AIRDATE_{name.upper()}" for name, field in Settings.model_fields.items()}

    assert set(variables(TEMPLATE, MEDIA)) <= known


# Compute ------------------------------------------------------------------------------------------


def test_each_process_is_a_service_and_each_service_a_process() -> None:
    assert {service["ServiceName"]["Sub"] for service in SERVICES.values()} == {
        f"${{Prefix}}-{name}" for name in PROCESSES
    }
    assert set(CONTAINERS) == {*PROCESSES, "migrate"}


@pytest.mark.parametrize("name", PROCESSES)
def test_a_service_runs_the_process_of_its_name_under_its_role(name: str) -> None:
    logical = f"{name.capitalize()}Task"

    assert CONTAINERS[name]["Command"] == [name]  # the image looks it up in the Procfile: operations/process.py
    assert SERVICES[f"{name.capitalize()}Service"]["TaskDefinition"] == {"Ref": logical}
    assert COMPUTE["Resources"][logical]["Properties"]["TaskRoleArn"] == {"Ref": f"{name.capitalize()}RoleArn"}


@pytest.mark.parametrize("name", ["beat", "flower"])
def test_there_are_never_two(name: str) -> None:
    # Two beats do no harm (DESIGN.md, invariant 2), but each tick would be sent twice.
    service = SERVICES[f"{name.capitalize()}Service"]

    assert service["DesiredCount"] == 1
    assert service["DeploymentConfiguration"]["MinimumHealthyPercent"] == 0
    assert service["DeploymentConfiguration"]["MaximumPercent"] == 100


@pytest.mark.parametrize("name", ["generator", "processor"])
def test_what_is_scaled_keeps_its_number_when_it_is_deployed(name: str) -> None:
    assert "DesiredCount" not in SERVICES[f"{name.capitalize()}Service"]


@pytest.mark.parametrize(
    ("name", "queue"),
    [("generator", "PodcastGenerationQueueName"), ("processor", "EpisodeProcessingQueueName")],
)
def test_a_worker_is_scaled_by_its_own_queue(name: str, queue: str) -> None:
    policy = COMPUTE["Resources"][f"{name.capitalize()}ScalingPolicy"]["Properties"]
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    backlog, running, result = tracking["CustomizedMetricSpecification"]["Metrics"]

    assert backlog["MetricStat"]["Metric"]["Dimensions"] == [{"Name": "QueueName", "Value": {"Ref": queue}}]
    assert {"Name": "ServiceName", "Value": {"GetAtt": f"{name.capitalize()}Service.Name"}} in (
        running["MetricStat"]["Metric"]["Dimensions"]
    )
    assert result["Expression"] == f"{backlog['Id']} / {running['Id']}"
    assert tracking["TargetValue"] == {"Ref": f"{name.capitalize()}Backlog"}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_may_do_little(name: str) -> None:
    container = CONTAINERS[name]

    assert container["User"] not in {"0", "root"}
    assert container["LinuxParameters"] == {"InitProcessEnabled": True, "Capabilities": {"Drop": ["ALL"]}}
    assert container["ReadonlyRootFilesystem"] in (True, {"If": ["WithFlowerAccess", False, True]})


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_is_told_what_the_outputs_tell(name: str) -> None:
    told = {variable["Name"] for variable in CONTAINERS[name]["Environment"]}

    assert told >= set(variables(TEMPLATE, MEDIA))


SECRETS = {"AIRDATE_DATABASE_URL"} | {
    f"AIRDATE_{name.upper()}"
    for name, field in Settings.model_fields.items()
    if field.annotation is SecretStr and field.validation_alias is None  # AWS's own are the role's
}


def secrets_of(container: dict[str, Any]) -> dict[str, Any]:
    """By variable, from where each has its value; those too that a container has only where a parameter says so."""
    listed = [each["If"][1] if "If" in each else each for each in container["Secrets"]]
    return {each["Name"]: each["ValueFrom"] for each in listed}


@pytest.mark.parametrize("name", CONTAINERS)
def test_no_secret_stands_in_a_task_definition(name: str) -> None:
    told = {variable["Name"] for variable in CONTAINERS[name]["Environment"]}

    assert not told & SECRETS


def test_each_secret_can_be_given_to_who_needs_it() -> None:
    assert {variable for container in CONTAINERS.values() for variable in secrets_of(container)} == SECRETS


def test_ecs_may_read_each_secret_of_either_kind() -> None:
    given = {value["Ref"] for container in CONTAINERS.values() for value in secrets_of(container).values()}
    [policy] = COMPUTE["Resources"]["ExecutionRole"]["Properties"]["Policies"]
    readable = [
        {(each["If"][1] if "If" in each else each)["Ref"] for each in statement["Resource"]}
        for statement in policy["PolicyDocument"]["Statement"]
        if statement.get("Sid", "").startswith("SecretsOf")
    ]

    assert readable == [given, given]


@pytest.mark.parametrize("name", CONTAINERS)
def test_any_other_variable_is_given_by_one_file_that_no_process_can_change(name: str) -> None:
    file = {"Sub": "arn:${AWS::Partition}:s3:::${MediaBucket}/${EnvironmentFile}"}
    allowed = COMPUTE["Parameters"]["EnvironmentFile"]["AllowedPattern"]

    assert CONTAINERS[name]["EnvironmentFiles"] == {
        "If": ["WithEnvironmentFile", [{"Type": "s3", "Value": file}], {"Ref": "AWS::NoValue"}]
    }
    # Roles of processes write below work/ and site/ alone (test_least_privilege.py); what is below site/ is public.
    assert re.fullmatch(allowed, "config/airdate.env")
    assert not re.fullmatch(allowed, "site/airdate.env")


@pytest.mark.parametrize("name", SERVICES)
def test_a_process_may_be_let_out_where_its_listeners_and_models_are(name: str) -> None:
    groups = SERVICES[name]["NetworkConfiguration"]["AwsvpcConfiguration"]["SecurityGroups"]

    assert groups == [
        {"Ref": "SecurityGroup"},
        {"If": ["WithExtraSecurityGroup", {"Ref": "ExtraSecurityGroupId"}, {"Ref": "AWS::NoValue"}]},
    ]


@pytest.mark.parametrize("name", CONTAINERS)
def test_ecs_waits_longer_than_a_worker_needs_to_end(name: str) -> None:
    # 120 s is the most that Fargate waits (ECS task definition parameters, stopTimeout).
    longest = COMPUTE["Parameters"]["ShutdownSeconds"]["MaxValue"]

    assert Settings.model_fields["shutdown_seconds"].default <= longest < CONTAINERS[name]["StopTimeout"] <= 120


@pytest.mark.parametrize("name", ["discovery", "generator", "processor"])
def test_a_workers_health_is_its_liveness_file(name: str) -> None:
    [_, check] = CONTAINERS[name]["HealthCheck"]["Command"]
    image = (ROOT / "infrastructure" / "Containerfile").read_text()
    [alive] = re.findall(r"AIRDATE_LIVENESS_FILE=(\S+)", image)

    assert alive in check


def test_compute_and_settings_agree_on_the_numbers() -> None:
    parameters = COMPUTE["Parameters"]

    assert parameters["VisibilityTimeout"]["Default"] == Settings.model_fields["visibility_timeout"].default
    assert parameters["ShutdownSeconds"]["Default"] == Settings.model_fields["shutdown_seconds"].default


def test_every_parameter_of_compute_that_another_stack_tells_is_an_output_of_it() -> None:
    told = {name for each in ("messaging", "media", "permissions") for name in template(each)["Outputs"]}
    of_others = {
        name
        for name, parameter in COMPUTE["Parameters"].items()
        if re.match(r"Of (messaging|media|permissions)\.yaml", parameter["Description"])
    }

    assert of_others
    assert of_others <= told


@pytest.mark.parametrize("name", ["messaging", "media", "permissions", "monitoring", "compute"])
def test_the_manual_names_each_parameter_that_is_to_be_chosen(name: str) -> None:
    manual = (ROOT / "docs" / "deploy.md").read_text().partition("## Every parameter")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", manual))
    parameters = template(name)["Parameters"].items()

    assert {key for key, each in parameters if not re.fullmatch(r"Of \w+\.yaml\.", each["Description"])} <= named


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

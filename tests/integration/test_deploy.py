"""``airdate deploy`` and ``airdate outputs`` against an AWS that makes change sets (ministack).

It evaluates templates, makes, changes and removes queues, topics, policies, roles and log groups, and tells a stack
that was undone. It has no access control of CloudFront, no scaling, no budget and no alarm with arithmetic: it takes
media.yaml with ``Cdn=none``, and neither monitoring.yaml nor compute.yaml. It changes a queue by making it anew, drops
redrive policies (moto does not: tests/unit/test_doctor_queues.py), and says of no change whether it replaces; that is
judged in tests/unit/test_deploy.py.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from operations.deploy.stacks import FOLDER
from publishers.queues import Queue
from settings import settings
from tests.fakes.aws import NOBODY, client
from tests.fakes.environment import set_environment
from tests.fakes.shell import Shell
from tests.fakes.sqs_servers import Server, server

NO_CDN = ("--param", "Cdn=none")
ALERTS = ("--param", "AlertsEmail=oncall@example.org")


class Deployer(Shell):
    """Somebody who deploys, under a prefix that nobody else has."""

    prefix = "airdate"

    def deploy(self, *arguments: str) -> str:
        result = self.run("deploy", "--yes", *arguments)
        assert result.exit_code == 0, result.output
        return str(result.stdout)


@pytest.fixture(scope="module")
def aws() -> Iterator[Server]:
    with server("ministack") as running:
        yield running


@pytest.fixture
def deployer(
    aws: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Deployer]:
    shell = Deployer(
        monkeypatch,
        tmp_path,
        AIRDATE_AWS_ENDPOINT=aws.endpoint,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 - ministack takes any
    )
    shell.prefix = f"t{abs(hash(request.node.name)) % 10**8}"
    shell._variables["AIRDATE_DEPLOYMENT"] = shell.prefix
    yield shell
    shell.forget()


@pytest.fixture
def sqs(aws: Server) -> Iterator[Any]:
    with client("sqs", aws.endpoint) as made:
        yield made


@pytest.fixture
def cloudformation(aws: Server) -> Iterator[Any]:
    with client("cloudformation", aws.endpoint) as made:
        yield made


def only(*parts: str) -> list[str]:
    return [argument for part in parts for argument in ("--only", part)]


def attributes(sqs: Any, name: str) -> dict[str, str]:
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    found: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return found


def stacks(cloudformation: Any, prefix: str) -> dict[str, str]:
    found = cloudformation.describe_stacks()["Stacks"]
    return {
        each["StackName"].removeprefix(f"{prefix}-"): each["StackStatus"]
        for each in found
        if prefix in each["StackName"]
    }


def changed(folder: Path, name: str, *replacements: tuple[str, str]) -> Path:
    """The templates, one of them changed."""
    shutil.copytree(FOLDER, folder)
    text = (folder / name).read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    (folder / name).write_text(text)
    return folder


# From nothing -------------------------------------------------------------------------------------


def test_parts_are_deployed_in_their_order_each_told_what_the_earlier_ones_made(
    deployer: Deployer, sqs: Any, cloudformation: Any
) -> None:
    deployer.deploy(*only("permissions", "media", "messaging"), *NO_CDN, *ALERTS)

    assert stacks(cloudformation, deployer.prefix) == dict.fromkeys(
        ["messaging", "media", "permissions"], "CREATE_COMPLETE"
    )
    for queue in Queue:
        name = f"{deployer.prefix}-{queue}"
        for each in (name, f"{name}-dead-letters"):
            assert "aws:SecureTransport" in attributes(sqs, each)["Policy"]
    [permissions] = cloudformation.describe_stacks(StackName=f"{deployer.prefix}-permissions")["Stacks"]
    told = {each["ParameterKey"]: each["ParameterValue"] for each in permissions["Parameters"]}
    assert told["MediaBucket"] == f"{deployer.prefix}-media-000000000000"
    assert permissions["Tags"] == [{"Key": "airdate-deployment", "Value": deployer.prefix}]


def test_the_second_time_nothing_changes(deployer: Deployer) -> None:
    deployer.deploy("--only", "messaging")

    assert deployer.deploy("--only", "messaging").splitlines()[1:] == [f"{deployer.prefix}-messaging: up to date"]


def test_a_preview_makes_nothing_and_leaves_nothing(deployer: Deployer, cloudformation: Any) -> None:
    shown = deployer.ok("deploy", "--preview", "--only", "messaging")

    assert f"{deployer.prefix}-messaging: does not exist yet" in shown
    assert "  add DiscoveryQueue (AWS::SQS::Queue)" in shown.splitlines()
    assert stacks(cloudformation, deployer.prefix) == {}


def test_a_first_preview_says_what_can_only_be_said_later(deployer: Deployer) -> None:
    shown = deployer.ok("deploy", "--preview", *NO_CDN)

    assert f"{deployer.prefix}-monitoring: it asks for AlertsTopicArn, which the parts before it make" in shown


# Upgrade and rollback -----------------------------------------------------------------------------


def test_an_upgrade_is_shown_then_made_and_the_older_templates_take_it_back(
    deployer: Deployer, sqs: Any, tmp_path: Path
) -> None:
    newer = changed(
        tmp_path / "newer", "messaging.yaml", ("MessageRetentionPeriod: 3600", "MessageRetentionPeriod: 7200")
    )
    queue = f"{deployer.prefix}-discovery"
    deployer.deploy("--only", "messaging")

    shown = deployer.ok("deploy", "--preview", "--only", "messaging", "--templates", str(newer))
    assert [line.split(":")[0] for line in shown.splitlines()[1:]] == [
        f"{deployer.prefix}-messaging",
        "  change DiscoveryQueue (AWS",
    ]
    assert attributes(sqs, queue)["MessageRetentionPeriod"] == "3600"

    deployer.deploy("--only", "messaging", "--templates", str(newer))
    assert attributes(sqs, queue)["MessageRetentionPeriod"] == "7200"

    deployer.deploy("--only", "messaging")
    assert attributes(sqs, queue)["MessageRetentionPeriod"] == "3600"


def test_what_was_given_once_holds_until_another_is_given(deployer: Deployer, aws: Server) -> None:
    def kept_for() -> int:
        with client("logs", aws.endpoint) as logs:
            [group] = logs.describe_log_groups(logGroupNamePrefix=f"/airdate/{deployer.prefix}/beat")["logGroups"]
            return int(group["retentionInDays"])

    deployer.deploy("--only", "messaging", "--param", "LogRetentionDays=7")

    shown = deployer.deploy("--only", "messaging")
    assert "  kept from before: LogRetentionDays=7" in shown.splitlines()
    assert kept_for() == 7

    deployer.deploy("--only", "messaging", "--param", "LogRetentionDays=14")
    assert kept_for() == 14


def test_queues_hide_what_is_received_for_as_long_as_the_settings_say(deployer: Deployer, sqs: Any) -> None:
    deployer.run("deploy", "--yes", "--only", "messaging", AIRDATE_VISIBILITY_TIMEOUT="90")

    assert attributes(sqs, f"{deployer.prefix}-podcast-generation")["VisibilityTimeout"] == "90"


def test_a_queue_is_not_removed_unless_that_is_meant(deployer: Deployer, tmp_path: Path) -> None:
    text = (FOLDER / "messaging.yaml").read_text()
    begin, end = text.index("  MigrateLogGroup:"), text.index("\nOutputs:")
    fewer = changed(tmp_path / "fewer", "messaging.yaml", (text[begin:end], ""))
    deployer.deploy("--only", "messaging")
    asked = ("deploy", "--yes", "--only", "messaging", "--templates", str(fewer))

    said = deployer.run(*asked)
    assert said.exit_code == 1
    assert said.stderr == (
        f"Error: stack {deployer.prefix}-messaging is left as it is: MigrateLogGroup loses its logs; "
        "if you mean it, --allow-replacement\n"
    )
    assert "remove MigrateLogGroup (AWS::Logs::LogGroup)  (loses its logs)" in said.stdout

    assert deployer.run(*asked, "--allow-replacement").exit_code == 0


# What goes wrong ----------------------------------------------------------------------------------


BROKEN = """\
  Broken:
    Type: AWS::CloudFront::OriginAccessControl
    Properties:
      OriginAccessControlConfig:
        {Name: broken, OriginAccessControlOriginType: s3, SigningBehavior: always, SigningProtocol: sigv4}
"""
UNSUPPORTED = (
    "Broken (AWS::CloudFront::OriginAccessControl): Unsupported resource type: AWS::CloudFront::OriginAccessControl"
)


@pytest.fixture
def broken(tmp_path: Path) -> str:
    """Templates of which this AWS cannot make one."""
    return str(changed(tmp_path / "broken", "messaging.yaml", ("\nOutputs:", f"{BROKEN}\nOutputs:")))


def test_a_creation_that_fails_says_why_in_a_line_and_the_next_one_starts_anew(deployer: Deployer, broken: str) -> None:
    said = deployer.run("deploy", "--yes", "--only", "messaging", "--templates", broken)

    assert (said.exit_code, said.stderr) == (
        1,
        f"Error: stack {deployer.prefix}-messaging: {UNSUPPORTED}; nothing of it is left; mend that and deploy again\n",
    )
    shown = deployer.ok("deploy", "--preview", "--only", "messaging")
    assert "its creation failed earlier; deploying removes what is left" in shown
    assert f"{deployer.prefix}-messaging: created" in deployer.deploy("--only", "messaging")


def test_an_upgrade_that_fails_goes_back(deployer: Deployer, cloudformation: Any, broken: str) -> None:
    deployer.deploy("--only", "messaging")

    said = deployer.run("deploy", "--yes", "--only", "messaging", "--templates", broken)

    assert (said.exit_code, said.stderr) == (
        1,
        f"Error: stack {deployer.prefix}-messaging: {UNSUPPORTED}; "
        "the stack is as it was before; mend that and deploy again\n",
    )
    assert stacks(cloudformation, deployer.prefix) == {"messaging": "UPDATE_ROLLBACK_COMPLETE"}
    assert f"{deployer.prefix}-messaging: up to date" in deployer.deploy("--only", "messaging")


def test_a_parameter_of_no_template_is_told_with_those_there_are(deployer: Deployer) -> None:
    said = deployer.mistake("deploy", "--yes", "--only", "media", "--param", "MaxReceives=4")

    assert said.startswith("--param MaxReceives: no such parameter of media; these have Cdn, CertificateArn,")


def test_where_the_processes_run_must_be_told(deployer: Deployer) -> None:
    result = deployer.run("deploy", "--yes", "--only", "compute")

    assert result.exit_code == 1
    assert "compute: no value for Image, VpcId, SubnetIds" in result.stderr
    assert "--param Image=…" in result.stderr


def test_nobody_hears_the_alarms(deployer: Deployer) -> None:
    said = deployer.run("deploy", "--yes", "--only", "messaging")

    assert said.stderr == (
        "warning: nobody hears the alarms: the alerts topic has no subscriber; "
        "airdate deploy --only messaging --param AlertsEmail=ADDRESS\n"
    )


def test_without_a_person_to_ask_it_is_asked_for_a_yes(deployer: Deployer) -> None:
    said = deployer.mistake("deploy", "--only", "messaging", code=2)

    assert said == "nobody is here to ask: give --yes, or --preview to only look"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"AIRDATE_AWS_ENDPOINT": NOBODY},
            f'AWS does not answer: Could not connect to the endpoint URL: "{NOBODY}/"; '
            f"see to the network, and that AIRDATE_AWS_ENDPOINT ({NOBODY}) is right",
        ),
        (
            {"AIRDATE_AWS_ENDPOINT": "", "AWS_REGION": "eu-wset-1"},
            "AWS_REGION is 'eu-wset-1', which is no region that boto3 knows; set it to one, like eu-west-1",
        ),
        (
            {
                "AWS_REGION": "us-east-1",
                "AIRDATE_DISCOVERY_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/a-discovery",
                "PODCAST_GENERATION_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/a-podcast-generation",
                "EPISODE_PROCESSING_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/a-episode-processing",
                "AIRDATE_DATABASE_URL": "sqlite://",
                "AIRDATE_PUBLIC_URL": "https://example.org",
            },
            "AWS_REGION is us-east-1, and AIRDATE_DISCOVERY_QUEUE_URL is in eu-west-1: set AWS_REGION=eu-west-1, "
            "or unset the queues' URLs to deploy anew",
        ),
    ],
)
def test_the_wrong_place_is_told_in_a_line(deployer: Deployer, variables: dict[str, str], said: str) -> None:
    assert deployer.mistake("deploy", "--preview", **variables) == said


# Outputs ------------------------------------------------------------------------------------------


def test_the_outputs_are_an_environment(deployer: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    deployer.deploy("--only", "messaging", "--only", "media", *NO_CDN)

    lines = dict(line.split("=", 1) for line in deployer.ok("outputs", "--env").splitlines())
    set_environment(monkeypatch, **lines, AIRDATE_DATABASE_URL="sqlite://", AIRDATE_PUBLIC_URL="https://example.org")
    chosen = settings()

    assert not chosen.embedded
    assert {name: url.rpartition("/")[2] for name, url in chosen.queue_urls().items()} == {
        queue.value: f"{deployer.prefix}-{queue}" for queue in Queue
    }
    assert chosen.topics()["celeryev"].endswith(f":{deployer.prefix}-events")
    assert chosen.bucket == f"{deployer.prefix}-media-000000000000"
    assert chosen.deployment == deployer.prefix


def test_outputs_are_a_table_for_people_and_names_for_programs(deployer: Deployer) -> None:
    deployer.deploy("--only", "messaging")

    assert "DiscoveryQueueUrl" in deployer.ok("outputs")
    assert deployer.json("outputs")["AlertsTopicArn"].endswith(f":{deployer.prefix}-alerts")


def test_what_was_never_deployed_tells_nothing(deployer: Deployer) -> None:
    assert "deploy first: airdate deploy" in deployer.mistake("outputs")


def test_a_program_is_told_of_a_deployment_as_json(deployer: Deployer) -> None:
    result = deployer.run("deploy", "--yes", "--only", "messaging", "--json")
    told = json.loads(result.stdout)

    assert (told["account"], told["prefix"]) == ("000000000000", deployer.prefix)
    [part] = told["parts"]
    assert (part["part"], part["creates"], part["changed"]) == ("messaging", True, True)
    assert {"action": "Add", "resource": "DiscoveryQueue", "type": "AWS::SQS::Queue"}.items() <= next(
        each for each in part["changes"] if each["resource"] == "DiscoveryQueue"
    ).items()
    assert part["outputs"]["EventsTopicArn"].endswith(f":{deployer.prefix}-events")
    assert "no subscriber" in told["warning"]

"""Alarms as they are on CloudWatch against the template, and who hears them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest

from operations.alert_listeners import Listeners
from operations.doctor import alarms as examination
from operations.monitoring import Alarm, alarms
from settings import settings
from tasks.readiness.findings import Level
from tests.fakes.aws import NOBODY
from tests.fakes.environment import set_environment
from tests.fakes.sqs_servers import server
from tests.unit.test_settings import PRODUCTION


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """ministack's: moto knows no composite alarm."""
    with server("ministack") as running:
        yield running.endpoint


class World:
    """An account that holds what a test puts there, and the doctor's look at it."""

    def __init__(self, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.endpoint = endpoint
        self.account = f"{secrets.randbelow(9 * 10**11) + 10**11}"
        self.topic_arn = f"arn:aws:sns:us-east-1:{self.account}:airdate-alerts"
        self.template = alarms({"AlertsTopicArn": self.topic_arn})
        self._monkeypatch = monkeypatch
        self._open = ExitStack()
        self.sns, self.cloudwatch, self.cloudformation = map(self._client, ("sns", "cloudwatch", "cloudformation"))

    def _client(self, service: str) -> Any:
        made = boto3.client(  # type: ignore[call-overload]  # the service is chosen at run time
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.account,  # ministack's way to choose one
            aws_secret_access_key="any",  # noqa: S106 - it looks at none
        )
        self._open.callback(made.close)
        return made

    def close(self) -> None:
        self._open.close()

    def alarms(self, *names: str, **changes: Any) -> None:
        """Put all but these; ``changes`` are of each."""
        for alarm in self.template:
            if alarm.name not in names:
                self.alarm(alarm, **changes)

    def alarm(self, alarm: Alarm, **changes: Any) -> None:
        if alarm.is_composite:
            self.cloudwatch.put_composite_alarm(**alarm.properties)
        else:
            self.cloudwatch.put_metric_alarm(**alarm.properties | changes)

    def topic(self, protocol: str = "sqs", subscriber: str = "arn:aws:sqs:us-east-1:1:pager") -> None:
        self.sns.create_topic(Name="airdate-alerts")
        if subscriber:
            self.sns.subscribe(TopicArn=self.topic_arn, Protocol=protocol, Endpoint=subscriber)

    def told(self, **variables: str) -> list[tuple[Level, str, str]]:
        urls = {
            name: f"{self.endpoint}/{self.account}/airdate-{queue}"
            for name, queue in {
                "AIRDATE_DISCOVERY_QUEUE_URL": "discovery",
                "EPISODE_PROCESSING_QUEUE_URL": "episode-processing",
                "PODCAST_GENERATION_QUEUE_URL": "podcast-generation",
            }.items()
        }
        ours = {"AIRDATE_AWS_ENDPOINT": self.endpoint, "AIRDATE_METRICS": "emf"}
        keys = {"AWS_ACCESS_KEY_ID": self.account, "AWS_SECRET_ACCESS_KEY": "any"}
        set_environment(self._monkeypatch, **PRODUCTION | urls | ours | keys | variables)
        return [(finding.level, finding.found, finding.fix) for finding in examination.findings()]

    def troubles(self, **variables: str) -> list[tuple[str, str]]:
        return [(found, fix) for level, found, fix in self.told(**variables) if level is not Level.OK]


@pytest.fixture
def world(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    built = World(endpoint, monkeypatch)
    yield built
    built.close()
    settings.cache_clear()


def test_all_is_well_with_the_alarms_of_the_template_and_a_subscriber(world: World) -> None:
    world.topic()
    world.alarms()

    assert world.told() == [
        (Level.OK, "airdate-alerts speaks to 1 (sqs)", ""),
        (Level.OK, f"{len(world.template)} alarms are as the template says, and tell airdate-alerts", ""),
    ]


def test_alarms_without_a_subscriber_are_told_with_the_command_that_makes_one(world: World) -> None:
    world.topic(subscriber="")
    world.alarms()

    [(found, fix)] = world.troubles()
    assert found == "nobody hears airdate-alerts: it has no subscription"
    assert fix.startswith(f"aws sns subscribe --topic-arn {world.topic_arn} --protocol email")


def test_a_subscriber_that_has_not_confirmed_hears_nothing() -> None:
    # As SNS lists them; ministack gives an ARN to who has not confirmed too.
    where = examination.Where("airdate", "us-east-1", "1")
    pending = {"SubscriptionArn": "PendingConfirmation", "Protocol": "email", "Endpoint": "ada@example.org"}
    confirmed = {"SubscriptionArn": f"{where.topic}:1", "Protocol": "email", "Endpoint": "ben@example.org"}

    alone = examination.heard(where, Listeners.among([pending]))
    assert alone.level is Level.WARN
    assert alone.found == "nobody hears airdate-alerts yet: ada@example.org has not confirmed"
    assert "link" in alone.fix
    assert examination.heard(where, Listeners.among([pending, confirmed])).level is Level.OK


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-central-1", "aws"), ("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")]
)
def test_the_topic_is_in_the_partition_of_its_region(region: str, partition: str) -> None:
    assert examination.Where("x", region, "1").topic == f"arn:{partition}:sns:{region}:1:x-alerts"


def test_without_the_topic_it_says_what_to_deploy_or_to_set(world: World) -> None:
    world.alarms()

    [(found, fix)] = world.troubles()
    assert found.startswith(f"there is no topic {world.topic_arn}")
    assert "AIRDATE_DEPLOYMENT" in fix


def test_no_alarm_at_all_is_one_line(world: World) -> None:
    world.topic()

    [(found, fix)] = world.troubles()
    assert found == f"none of the {len(world.template)} alarms of airdate is there"
    assert "airdate deploy" in fix


def test_an_alarm_that_is_missing_is_named(world: World) -> None:
    world.topic()
    world.alarms("airdate-no-beat")

    [(found, fix)] = world.troubles()
    assert found == "missing: airdate-no-beat"
    # CloudFormation does not see what was deleted by hand, so the same template again would find nothing to do.
    assert fix.startswith("airdate deploy --only monitoring; if that finds it up to date, ")
    assert "aws cloudformation delete-stack --stack-name airdate-monitoring, and deploy it anew" in fix


def test_an_alarm_that_was_changed_is_told_with_both_values(world: World) -> None:
    world.topic()
    world.alarms()
    [no_beat] = [alarm for alarm in world.template if alarm.name == "airdate-no-beat"]
    world.alarm(no_beat, TreatMissingData="missing", AlarmActions=[])

    assert [found for found, _ in world.troubles()] == [
        "airdate-no-beat: its TreatMissingData is missing, and the template's breaching",
        f"airdate-no-beat: its AlarmActions is [], and the template's ['{world.topic_arn}']",
    ]


def test_alarms_that_are_mute_are_told_with_the_command_that_gives_them_their_voice(world: World) -> None:
    world.topic()
    world.alarms()
    world.cloudwatch.disable_alarm_actions(AlarmNames=["airdate-no-beat", "airdate-spend"])

    [(found, fix)] = world.troubles()
    assert found == "they tell nobody, since their actions are disabled: airdate-no-beat, airdate-spend"
    assert fix == "aws cloudwatch enable-alarm-actions --alarm-names airdate-no-beat airdate-spend"


def test_without_metrics_the_heartbeats_stand(world: World) -> None:
    world.topic()
    world.alarms()

    [(found, fix)] = world.troubles(AIRDATE_METRICS="")
    assert "AIRDATE_METRICS has no emf" in found
    assert fix == "set AIRDATE_METRICS=emf for every process"


def test_a_threshold_of_the_deployed_stack_is_no_difference(world: World) -> None:
    world.topic()
    for alarm in alarms({"AlertsTopicArn": world.topic_arn, "DailySpendDollars": "7"}):
        world.alarm(alarm)
    assert [found for found, _ in world.troubles()] == ["airdate-spend: its Threshold is 7.0, and the template's 20.0"]

    world.cloudformation.create_stack(
        StackName="airdate-monitoring",
        TemplateBody='{"Parameters": {"DailySpendDollars": {"Type": "Number"}}, '
        '"Resources": {"Any": {"Type": "AWS::SNS::Topic"}}}',
        Parameters=[{"ParameterKey": "DailySpendDollars", "ParameterValue": "7"}],
    )
    assert world.troubles() == []


def test_an_aws_that_does_not_answer_is_one_warning(world: World) -> None:
    [(level, found, fix)] = world.told(AIRDATE_AWS_ENDPOINT=NOBODY)

    assert level is Level.WARN
    assert found.startswith("not looked at: ")
    assert "queues and access" in fix

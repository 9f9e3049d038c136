"""CloudWatch's alarms against the template, and whether anybody listens where they speak."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from operations.alert_listeners import Listeners, listeners
from operations.doctor.answers import ERRORS, Answer, Meaning
from operations.monitoring import Alarm, alarms
from settings import settings
from tasks import aws
from tasks.readiness.findings import Finding, ok, warn

AREA = "alarms"
TIMEOUT_SECONDS = 2
TEMPLATE = "airdate deploy --only monitoring"
BY_HAND = (
    TEMPLATE + "; if that finds it up to date, somebody changed them by hand: aws cloudformation delete-stack "
    "--stack-name {deployment}-monitoring, and deploy it anew with the --param that it told as kept"
)
"""CloudFormation compares a template with the one before it, not with what is there."""
COMPARED = (
    "Namespace", "MetricName", "Statistic", "ExtendedStatistic", "Period", "EvaluationPeriods", "DatapointsToAlarm",
    "ComparisonOperator", "Threshold", "TreatMissingData", "AlarmRule", "AlarmActions", "OKActions",
)  # fmt: skip


@dataclass(frozen=True)
class Where:
    """The account, and what tells this deployment from others in it."""

    deployment: str
    region: str
    account: str

    @property
    def topic(self) -> str:
        """The ARN of the alerts topic."""
        partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(
            self.region.rpartition("-")[0].rpartition("-")[0], "aws"
        )
        return f"arn:{partition}:sns:{self.region}:{self.account}:{self.deployment}-alerts"

    @classmethod
    def of_settings(cls) -> Where:
        """By the queues' account."""
        chosen = settings()
        return cls(chosen.deployment, chosen.aws_region, chosen.discovery_queue_url.rsplit("/", 2)[-2])


def findings() -> Iterator[Finding]:
    """About the deployment that ``AIRDATE_DEPLOYMENT`` names."""
    if settings().embedded:
        yield ok(AREA, "the embedded AWS looks at none")
        return
    where = Where.of_settings()
    try:
        deployed = _deployed(where.deployment)
        yield from _subscribers(where)
        yield from _as_the_template_says(where, deployed)
        if deployed and "emf" not in settings().metrics:
            yield warn(
                AREA,
                "AIRDATE_METRICS has no emf, so CloudWatch hears of no heartbeat, and the alarms of heartbeats stand",
                "set AIRDATE_METRICS=emf for every process",
            )
    except ERRORS as error:
        told = Answer.of(error)
        fix = {
            Meaning.DENIED: "allow cloudwatch:DescribeAlarms and sns:ListSubscriptionsByTopic to who runs this",
        }.get(told.meaning, "mend what is said about queues and access")
        yield warn(AREA, f"not looked at: {told.said}", fix)


def _deployed(deployment: str) -> dict[str, dict[str, Any]]:
    pages = aws.client("cloudwatch", timeout_seconds=TIMEOUT_SECONDS).get_paginator("describe_alarms")
    found = {}
    for page in pages.paginate(AlarmNamePrefix=f"{deployment}-", AlarmTypes=["MetricAlarm", "CompositeAlarm"]):
        for alarm in [*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())]:
            found[alarm["AlarmName"]] = alarm
    return found


def _subscribers(where: Where) -> Iterator[Finding]:
    sns = aws.client("sns", timeout_seconds=TIMEOUT_SECONDS)
    try:
        found = listeners(sns, where.topic)
    except ERRORS as error:
        if Answer.of(error).meaning is not Meaning.MISSING:
            raise
        yield warn(
            AREA,
            f"there is no topic {where.topic}, so nobody is told when an alarm stands",
            "airdate deploy --only messaging, or set AIRDATE_DEPLOYMENT to its Prefix",
        )
        return
    yield heard(where, found)


def heard(where: Where, found: Listeners) -> Finding:
    """Whether anybody is told."""
    if found.protocols:
        told = ", ".join(sorted(set(found.protocols)))
        return ok(AREA, f"{where.deployment}-alerts speaks to {len(found.protocols)} ({told})")
    if found.waiting:
        return warn(
            AREA,
            f"nobody hears {where.deployment}-alerts yet: {', '.join(found.waiting)} has not confirmed",
            "follow the link in AWS's mail; it is good for two days, after that subscribe again",
        )
    return warn(
        AREA,
        f"nobody hears {where.deployment}-alerts: it has no subscription",
        f"aws sns subscribe --topic-arn {where.topic} --protocol email --notification-endpoint YOU@EXAMPLE.ORG",
    )


def _as_the_template_says(where: Where, deployed: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    try:
        expected = alarms(_parameters(where))
    except FileNotFoundError as missing:
        yield warn(AREA, f"not compared: there is no {missing.filename}", "run it where the templates are")
        return
    absent = [alarm.name for alarm in expected if alarm.name not in deployed]
    if len(absent) == len(expected):
        yield warn(AREA, f"none of the {len(expected)} alarms of {where.deployment} is there", TEMPLATE)
        return
    by_hand = BY_HAND.format(deployment=where.deployment)
    if absent:
        yield warn(AREA, f"missing: {', '.join(absent)}", by_hand)
    there = [alarm for alarm in expected if alarm.name in deployed]
    differing = [finding for alarm in there for finding in _differs(alarm, deployed[alarm.name], by_hand)]
    yield from differing
    mute = [alarm.name for alarm in there if not deployed[alarm.name].get("ActionsEnabled", True)]
    if mute:
        yield warn(
            AREA,
            f"they tell nobody, since their actions are disabled: {', '.join(mute)}",
            f"aws cloudwatch enable-alarm-actions --alarm-names {' '.join(mute)}",
        )
    if not (absent or differing or mute):
        yield ok(AREA, f"{len(there)} alarms are as the template says, and tell {where.deployment}-alerts")


def _parameters(where: Where) -> dict[str, str]:
    """What the stack was deployed with, as far as we may know."""
    known = {"Prefix": where.deployment, "AlertsTopicArn": where.topic}
    try:
        cloudformation = aws.client("cloudformation", timeout_seconds=TIMEOUT_SECONDS)
        [stack] = cloudformation.describe_stacks(StackName=f"{where.deployment}-monitoring")["Stacks"]
    except ERRORS:
        return known
    return known | {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", ())}


def _differs(alarm: Alarm, deployed: Mapping[str, Any], fix: str) -> Iterator[Finding]:
    for name in COMPARED:
        if name not in alarm.properties:
            continue
        wanted, is_now = _plain(alarm.properties[name]), _plain(deployed.get(name))
        if wanted != is_now:
            yield warn(AREA, f"{alarm.name}: its {name} is {is_now}, and the template's {wanted}", fix)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(value.split())
    return sorted(value) if isinstance(value, Sequence) else value

"""Each alarm of the template is driven to ALARM and back to OK, and both are told through SNS to a subscriber.

By ministack, which evaluates an alarm on one metric whenever data arrives, with the alarm's own metric, statistic,
comparison, threshold and span. What it does not do is not shown here: it looks at the whole span at once (no
``DatapointsToAlarm``), at a metric without its dimensions, and never at silence; a heartbeat that is missing is
driven by a zero, and that silence counts as breaching is a property that a test below reads. Alarms on an
expression, on a band and on other alarms it keeps, and does not evaluate: of these the way to the subscriber is
driven by ``SetAlarmState``, and the expressions are calculated by a few lines of this test, which is no proof of AWS.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import boto3
import pytest

from operations.monitoring import Alarm, alarms
from tests.fakes.sqs_servers import server

TOPIC = "arn:aws:sns:us-east-1:{account}:airdate-alerts"
ALARMS = alarms({"AlertsTopicArn": TOPIC.format(account="1")})
SIMPLE = [alarm for alarm in ALARMS if "MetricName" in alarm.properties]
OTHERS = [alarm for alarm in ALARMS if "MetricName" not in alarm.properties]
HEARTBEATS = [alarm for alarm in SIMPLE if alarm.properties["ComparisonOperator"].startswith("LessThan")]


class Told(NamedTuple):
    """What the subscriber got: states with their reasons, and the description."""

    states: list[str]
    descriptions: set[str]


class Account:
    """An AWS account of ministack's, with an alerts topic and a queue that is subscribed to it.

    One for each alarm: ministack knows metrics apart by account and region, not by dimensions.
    """

    def __init__(self, endpoint: str, number: int, stack: ExitStack) -> None:
        self.id = f"{number:012d}"
        self.sqs, self.sns, self.cloudwatch = (
            stack.enter_context(_client(name, endpoint, self.id)) for name in ("sqs", "sns", "cloudwatch")
        )
        self._url = self.sqs.create_queue(QueueName="subscriber")["QueueUrl"]
        self.topic = self.sns.create_topic(Name="airdate-alerts")["TopicArn"]
        queue = self.sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=queue)

    def put(self, alarm: Alarm) -> None:
        [mine] = [each for each in alarms({"AlertsTopicArn": self.topic}) if each.name == alarm.name]
        if mine.is_composite:
            self.cloudwatch.put_composite_alarm(**mine.properties)
        else:
            self.cloudwatch.put_metric_alarm(**mine.properties)

    def data(self, alarm: Alarm, value: float, at: datetime) -> None:
        of = alarm.properties
        datum = {"MetricName": of["MetricName"], "Dimensions": of["Dimensions"], "Value": value, "Timestamp": at}
        self.cloudwatch.put_metric_data(Namespace=of["Namespace"], MetricData=[datum])

    def state(self, alarm: Alarm) -> str:
        found = self.cloudwatch.describe_alarms(AlarmNames=[alarm.name])
        [one] = found["CompositeAlarms" if alarm.is_composite else "MetricAlarms"]
        state: str = one["StateValue"]
        return state

    def told(self) -> Told:
        bodies = []
        while found := self.sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [json.loads(json.loads(message["Body"])["Message"]) for message in found]
        bodies.sort(key=lambda body: body["StateChangeTime"])
        return Told([body["NewStateValue"] for body in bodies], {body["AlarmDescription"] for body in bodies})


@contextmanager
def _client(service: str, endpoint: str, account: str) -> Iterator[Any]:
    made = boto3.client(  # type: ignore[call-overload]  # the service is chosen at run time
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=account,
        aws_secret_access_key="any",  # noqa: S106 - ministack looks at none
    )
    yield made
    made.close()


def breaching(alarm: Alarm) -> float:
    return float(0 if alarm in HEARTBEATS else alarm.properties["Threshold"] + 1)


def well(alarm: Alarm) -> float:
    return float(1 if alarm in HEARTBEATS else alarm.properties["Threshold"])


class Outcome(NamedTuple):
    """Of one alarm: its states, as CloudWatch tells them, and what the subscriber was told."""

    states: list[str]
    told: Told


def drive(endpoint: str, number: int, alarm: Alarm) -> Outcome:
    """Put it, have data breach it, and then not."""
    with ExitStack() as stack:
        account = Account(endpoint, number, stack)
        account.put(alarm)
        states = [account.state(alarm)]
        if alarm in SIMPLE:
            # What breaches leaves the span that is looked at a moment later.
            span = timedelta(seconds=alarm.properties["Period"] * alarm.properties["EvaluationPeriods"])
            leaves = datetime.now(UTC) + timedelta(seconds=3)
            account.data(alarm, breaching(alarm), leaves - span)
            states.append(account.state(alarm))
            time.sleep(max(0, (leaves - datetime.now(UTC)).total_seconds()) + 1.1)  # ministack knows whole seconds
            account.data(alarm, well(alarm), datetime.now(UTC))
            states.append(account.state(alarm))
        else:
            for state in ("ALARM", "OK"):
                account.cloudwatch.set_alarm_state(AlarmName=alarm.name, StateValue=state, StateReason="a trial")
                states.append(account.state(alarm))
                time.sleep(1.1)  # the messages' moments are whole seconds
        return Outcome(states, account.told())


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, Future[Outcome]]]:
    with server("ministack") as running, ThreadPoolExecutor(len(ALARMS)) as threads:
        yield {
            alarm.name: threads.submit(drive, running.endpoint, number, alarm)
            for number, alarm in enumerate(ALARMS, 100_000_000_000)
        }


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.logical_id)
def test_an_alarm_begins_and_ends_and_its_subscriber_is_told_of_both(
    alarm: Alarm, outcomes: dict[str, Future[Outcome]]
) -> None:
    outcome = outcomes[alarm.name].result()

    assert outcome.states == ["INSUFFICIENT_DATA", "ALARM", "OK"]
    assert outcome.told == Told(["ALARM", "OK"], {alarm.properties["AlarmDescription"]})


def test_most_alarms_are_driven_by_data_and_these_are_not() -> None:
    assert len(SIMPLE) == 18
    assert {alarm.logical_id for alarm in OTHERS} == {"ErrorRate", "RetryRate", "UnusualEpisodes", "NotWell"}


def test_only_of_heartbeats_silence_is_an_alarm() -> None:
    silence = {alarm.logical_id for alarm in ALARMS if alarm.properties.get("TreatMissingData") == "breaching"}

    assert silence == {alarm.logical_id for alarm in HEARTBEATS}
    assert silence == {"NoDiscovery", "NoGenerator", "NoProcessor", "NoBeat", "NoTicks", "NoDiscoveryRuns"}
    # Only a composite takes its state from others, and has no such property.
    assert [each.logical_id for each in ALARMS if "TreatMissingData" not in each.properties] == ["NotWell"]


# Expressions, calculated here -----------------------------------------------------------------------


def value(alarm: Alarm, **data: float) -> float:
    """What an alarm's last expression comes to; data that is not given is missing."""
    known: dict[str, Any] = {
        "IF": lambda condition, then, otherwise: then() if condition else otherwise(),
        "FILL": data.get,
    }
    result = 0.0
    for query in alarm.properties["Metrics"]:
        if "Expression" not in query:
            continue
        text = query["Expression"]
        for metric in alarm.properties["Metrics"]:
            if "MetricStat" in metric:
                text = text.replace(f"FILL({metric['Id']},", f'FILL("{metric["Id"]}",')
        if text.startswith("IF("):
            condition, then, otherwise = text[3:-1].split(", ")
            text = f"IF({condition}, lambda: {then}, lambda: {otherwise})"
        result = known[query["Id"]] = eval(text, known | {"__builtins__": {}})  # noqa: S307 - the template is ours
    return float(result)


def the(logical_id: str) -> Alarm:
    [found] = [alarm for alarm in ALARMS if alarm.logical_id == logical_id]
    return found


@pytest.mark.parametrize(
    ("data", "percent"),
    [
        ({}, 0),
        ({"generated": 9, "notgenerated": 1}, 10),
        ({"processed": 3, "notprocessed": 1}, 0),
        ({"generated": 4, "processed": 4, "notgenerated": 1, "notprocessed": 1}, 20),
        # One episode that failed, and its message two times more.
        ({"generated": 9, "notgenerated": 3, "again": 2}, 10),
        ({"notprocessed": 7}, 100),
    ],
)
def test_the_error_rate_is_of_tasks_that_ended_and_none_of_few(data: dict[str, float], percent: float) -> None:
    assert value(the("ErrorRate"), **data) == percent


@pytest.mark.parametrize(
    ("data", "percent"),
    [
        ({}, 0),
        ({"generated": 6, "processed": 8, "retried": 6}, 30),
        ({"generated": 2, "retried": 2}, 0),
        ({"retried": 5}, 100),
    ],
)
def test_the_retry_rate_is_of_all_tries_and_none_of_few(data: dict[str, float], percent: float) -> None:
    assert value(the("RetryRate"), **data) == percent

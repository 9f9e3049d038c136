"""Alarms and dashboard name metrics that exist, each alarm tells somebody, and each has its section in the runbooks."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from operations.monitoring import TEMPLATE, alarms, read
from publishers.queues import ROUTES, Queue, Task
from settings import Settings
from tasks.presence import BEAT, KINDS
from tasks.telemetry.names import DEPLOYMENT, METRICS, NAMESPACE
from tests.fakes.environment import ROOT

TOPIC, PAGER = "arn:aws:sns:us-east-1:1:airdate-alerts", "arn:aws:sns:us-east-1:1:pager"
ALARMS = alarms({"AlertsTopicArn": TOPIC})
METRIC_ALARMS = [alarm for alarm in ALARMS if not alarm.is_composite]
TEXT = read(TEMPLATE)["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Sub"]
BODY = json.loads(re.sub(r"\$\{(?:AWS::)?(\w+)(?:\.Arn)?\}", r"\1", TEXT))
WIDGETS: list[dict[str, Any]] = BODY["widgets"]

SQS_METRICS = {
    "ApproximateAgeOfOldestMessage",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesVisible",
    "NumberOfEmptyReceives",
    "NumberOfMessagesDeleted",
    "NumberOfMessagesReceived",
    "NumberOfMessagesSent",
    "SentMessageSize",
}
"""Available CloudWatch metrics for Amazon SQS, Amazon SQS developer guide."""
OURS = {metric.name: metric for metric in METRICS}
QUEUES = {f"airdate-{queue}{suffix}" for queue in Queue for suffix in ("", "-dead-letters")}
VALUES = {
    "Task": {task.rpartition(".")[2] for task in Task},
    "Process": {*KINDS.values(), BEAT},
    "Class": {"AlreadyFailed"},
}
"""What dimensions may be, where code knows it."""


def named(alarm_properties: dict[str, Any]) -> list[tuple[str, str, dict[str, str]]]:
    """The metrics of an alarm: namespace, name, dimensions."""
    metrics = [each["MetricStat"]["Metric"] for each in alarm_properties.get("Metrics", []) if "MetricStat" in each]
    return [
        (each["Namespace"], each["MetricName"], {of["Name"]: of["Value"] for of in each["Dimensions"]})
        for each in metrics or [alarm_properties]
    ]


def of_widget(metric: list[Any]) -> tuple[str, str, dict[str, str]]:
    words = [word for word in metric if isinstance(word, str)]
    return words[0], words[1], dict(zip(words[2::2], words[3::2], strict=True))


def exists(namespace: str, name: str, dimensions: dict[str, str], deployment: str) -> None:
    """Whether somebody writes such a metric."""
    if namespace == "AWS/SQS":
        assert name in SQS_METRICS
        assert {value.replace(deployment, "airdate", 1) for value in dimensions.values()} <= QUEUES
        assert set(dimensions) == {"QueueName"}
        return
    assert namespace == NAMESPACE
    assert dimensions.pop(DEPLOYMENT) == deployment
    assert set(dimensions) <= set(OURS[name].by)
    assert len(dimensions) <= 1, "a series by two dimensions is not written"
    for dimension, value in dimensions.items():
        assert value in VALUES[dimension]


# Alarms -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alarm", METRIC_ALARMS, ids=lambda alarm: alarm.logical_id)
def test_an_alarm_looks_at_a_metric_that_somebody_writes(alarm: Any) -> None:
    for metric in named(alarm.properties):
        exists(*metric, deployment="airdate")


def test_each_queue_has_its_age_depth_and_dead_letters_and_each_process_its_heartbeat() -> None:
    watched = [
        (name, *dimensions.values()) for alarm in METRIC_ALARMS for _, name, dimensions in named(alarm.properties)
    ]

    for queue in Queue:
        assert ("ApproximateAgeOfOldestMessage", f"airdate-{queue}") in watched
        assert ("ApproximateNumberOfMessagesVisible", f"airdate-{queue}") in watched
        assert ("ApproximateNumberOfMessagesVisible", f"airdate-{queue}-dead-letters") in watched
    for process in VALUES["Process"]:
        assert ("ProcessAlive", "airdate", process) in watched


def test_an_alarm_begins_with_the_prefix_and_its_name_is_its_own() -> None:
    names = [alarm.name for alarm in alarms({"AlertsTopicArn": TOPIC, "Prefix": "trial"})]

    assert len(set(names)) == len(names)
    assert all(name.startswith("trial-") for name in names)


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.logical_id)
def test_an_alarm_tells_the_topic_when_it_begins_and_when_it_is_over(alarm: Any) -> None:
    assert (alarm.properties["AlarmActions"], alarm.properties["OKActions"]) == ([TOPIC], [TOPIC])
    assert "ActionsEnabled" not in alarm.properties


def test_only_what_cannot_wait_is_told_to_the_pager() -> None:
    told = [each.name for each in alarms({"AlertsTopicArn": TOPIC, "PagerTopicArn": PAGER})
            if each.properties["AlarmActions"] == [PAGER]]  # fmt: skip

    assert told == ["airdate-not-well"]


def test_what_wakes_somebody_is_made_of_alarms_that_exist() -> None:
    [composite] = [alarm for alarm in ALARMS if alarm.is_composite]
    parts = re.findall(r'ALARM\("([^"]+)"\)', composite.properties["AlarmRule"])

    assert len(parts) == 9
    assert set(parts) < {alarm.name for alarm in ALARMS}


def test_an_age_that_alarms_is_longer_than_a_task_may_take() -> None:
    # The age counts from sending to deletion: a task at its limit must not alarm.
    hard = Settings.model_fields["hard_time_limit"].default
    ages = {alarm.logical_id: alarm.properties.get("Threshold", 0) for alarm in ALARMS}

    assert ages["GenerationAge"] > hard
    assert ages["ProcessingAge"] > hard


def test_slowness_is_told_before_the_soft_time_limit_gives_up() -> None:
    soft = Settings.model_fields["soft_time_limit"].default
    slow = {alarm.logical_id: alarm.properties.get("Threshold", 0) for alarm in ALARMS}

    assert slow["ProcessingTime"] < slow["GenerationTime"] < soft


def test_the_template_fits_into_one_request() -> None:
    # TemplateBody of CreateStack (AWS CloudFormation quotas).
    assert len(TEMPLATE.read_bytes()) <= 51_200


# Runbooks -----------------------------------------------------------------------------------------


def sections() -> dict[str, str]:
    """The runbooks by their anchors, as GitHub makes them."""
    text = (ROOT / "docs" / "runbooks.md").read_text()
    found = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-"): body
        for title, body in zip(found[::2], found[1::2], strict=True)
    }


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.logical_id)
def test_an_alarm_has_a_section_that_names_it(alarm: Any) -> None:
    assert alarm.section in sections()
    assert f"`{alarm.name}`" in sections()[alarm.section]


def test_a_section_is_of_an_alarm_and_begins_with_three_commands() -> None:
    theirs = {alarm.section for alarm in ALARMS}
    for anchor, body in sections().items():
        if anchor in theirs:
            for part in ("**It means**", "**Who notices**", "**First**", "**Then**", "**It is over**"):
                assert part in body, (anchor, part)
            assert len(re.findall(r"^\$ ", body, re.MULTILINE)) >= 3, anchor
        else:
            assert "`airdate-" not in body.partition("\n")[0], f"{anchor}: no alarm leads here"


# Dashboard ----------------------------------------------------------------------------------------


def graphs() -> list[tuple[str, list[Any]]]:
    return [
        (widget["properties"]["title"], metric)
        for widget in WIDGETS
        if widget["type"] == "metric"
        for metric in widget["properties"]["metrics"]
    ]


@pytest.mark.parametrize(("title", "metric"), graphs())
def test_a_graph_draws_what_somebody_writes(title: str, metric: list[Any]) -> None:
    if not isinstance(metric[0], dict):
        exists(*of_widget(metric), deployment="Prefix")
    elif "SEARCH" in metric[0]["expression"]:
        found = re.fullmatch(
            r"SEARCH\('\{Airdate,Deployment,(\w+)\} MetricName=\"(\w+)\" Deployment=\"Prefix\"', '(\w+)', (\d+)\)",
            metric[0]["expression"],
        )
        assert found, title
        assert found[1] in OURS[found[2]].by


def test_the_dashboard_has_a_row_for_each_part_and_the_alarms_above() -> None:
    assert [widget["properties"]["markdown"] for widget in WIDGETS if widget["type"] == "text"] == [
        "## Queues", "## Workers", "## Episodes", "## Stages", "## Providers", "## Cost",
    ]  # fmt: skip
    assert WIDGETS[0]["type"] == "alarm"
    assert set(WIDGETS[0]["properties"]["alarms"]) == {alarm.logical_id for alarm in ALARMS}


def test_no_widget_lies_upon_another_or_over_the_edge() -> None:
    # The grid is 24 wide (Dashboard body structure and syntax, Amazon CloudWatch API reference).
    taken: set[tuple[int, int]] = set()
    for widget in WIDGETS:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_every_metric_of_ours_is_drawn() -> None:
    drawn = json.dumps(BODY)

    assert [name for name in OURS if f'"{name}"' not in drawn and f'\\"{name}\\"' not in drawn] == []


def test_the_tasks_that_make_episodes_are_those_of_the_error_rate() -> None:
    [rate] = [alarm for alarm in ALARMS if alarm.logical_id == "ErrorRate"]
    tasks = {dimensions.get("Task") for _, _, dimensions in named(rate.properties)} - {None}

    # The one that tells listeners makes none, and fails in no way but by a fault of ours.
    makers = {task for task, queue in ROUTES.items() if queue is not Queue.DISCOVERY} - {Task.DELIVER_NOTICES}
    assert tasks == {task.rpartition(".")[2] for task in makers}

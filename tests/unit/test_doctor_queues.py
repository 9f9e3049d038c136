"""The queues as they are, on an SQS over HTTP: as the template makes them, and each thing that may be wrong."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from operations.doctor.queues import QueueExamination
from operations.messaging import dead_letter_queue, deploy
from publishers.queues import Queue
from settings import EMBEDDED_ACCOUNT
from tasks.readiness.findings import Finding, Level
from tests.fakes.aws import NOBODY, client, empty, served_aws
from tests.fakes.refusing_server import refusing

NAME = "podcast-generation"
DEAD = dead_letter_queue(NAME)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served_aws() as endpoint:
        yield endpoint


def attributes_of(fix: str) -> dict[str, str]:
    """What a command sets; as a shell and the AWS CLI read it."""
    told = shlex.split(fix)[-1]
    read: dict[str, str] = json.loads(told) if told.startswith("{") else dict([told.split("=", 1)])
    return read


class Account:
    """An account with our queues in it."""

    def __init__(self, sqs: Any, urls: Mapping[str, str]) -> None:
        self.sqs = sqs
        self.urls = dict(urls)
        self.region = "us-east-1"
        self.visibility = 60

    def findings(self) -> list[Finding]:
        return list(QueueExamination(self.sqs, self.urls, self.region, self.visibility).findings())

    def troubles(self) -> list[Finding]:
        return [finding for finding in self.findings() if finding.level is not Level.OK]

    def trouble(self) -> Finding:
        [finding] = self.troubles()
        return finding

    def url(self, name: str) -> str:
        return str(self.sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def change(self, name: str, **attributes: str) -> None:
        self.sqs.set_queue_attributes(QueueUrl=self.url(name), Attributes=attributes)

    def obey(self, fix: str) -> None:
        """Do what a line says is to be done."""
        assert fix.startswith("aws sqs set-queue-attributes --queue-url "), fix
        url = shlex.split(fix)[4]
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes_of(fix))

    def redrive(self, name: str, target: str, count: int) -> None:
        found = self.sqs.get_queue_attributes(QueueUrl=self.url(target), AttributeNames=["QueueArn"])
        policy = {"deadLetterTargetArn": found["Attributes"]["QueueArn"], "maxReceiveCount": count}
        self.change(name, RedrivePolicy=json.dumps(policy))


@pytest.fixture
def account(server: str) -> Iterator[Account]:
    """As the template makes it."""
    empty(server)
    with ExitStack() as stack:
        sqs, cloudformation = (stack.enter_context(client(name, server)) for name in ("sqs", "cloudformation"))
        yield Account(sqs, deploy(cloudformation, sqs, visibility_timeout=60))


def test_queues_as_the_template_makes_them_are_well(account: Account) -> None:
    found = account.findings()

    assert [finding.level for finding in found] == [Level.OK] * 3
    assert found[1].found == (
        f"{NAME}: visibility 60 s, redriven after 3 receives to {DEAD}, which is empty and keeps for 14 days"
    )


@pytest.mark.parametrize(
    ("queue", "attributes", "level", "found", "fix"),
    [
        (f"airdate-{NAME}", {"VisibilityTimeout": "10"}, Level.FAIL, "its VisibilityTimeout is 10 s", "=60"),
        (f"airdate-{NAME}", {"VisibilityTimeout": "90"}, Level.WARN, "its VisibilityTimeout is 90 s", "=60"),
        (f"airdate-{NAME}", {"ReceiveMessageWaitTimeSeconds": "0"}, Level.WARN, "WaitTimeSeconds is 0", "Seconds=20"),
        (f"airdate-{NAME}", {"SqsManagedSseEnabled": "false"}, Level.WARN, "not encrypted", "SseEnabled=true"),
        (f"airdate-{NAME}", {"MessageRetentionPeriod": "900"}, Level.WARN, "for 900 s, and a retry", "Period=345600"),
        (DEAD, {"SqsManagedSseEnabled": "false"}, Level.WARN, "dead-letter queue: what waits", "SseEnabled=true"),
        (DEAD, {"MessageRetentionPeriod": "345600"}, Level.FAIL, "not longer than its messages", "Period=1209600"),
        (DEAD, {"MessageRetentionPeriod": "400000"}, Level.WARN, "are kept for 400000 s", "Period=1209600"),
    ],
)
def test_an_attribute_that_is_wrong_is_told_with_the_command_that_mends_it(
    account: Account, queue: str, attributes: dict[str, str], level: Level, found: str, fix: str
) -> None:
    account.change(queue, **attributes)
    finding = account.trouble()

    assert (finding.level, found in finding.found) == (level, True), finding
    assert finding.fix.startswith(f"aws sqs set-queue-attributes --queue-url {account.url(queue)} --attributes ")
    assert fix in finding.fix
    account.obey(finding.fix.partition("   (or ")[0])
    assert account.troubles() == []


@pytest.mark.parametrize(("count", "level"), [(1, Level.FAIL), (2, Level.WARN), (5, Level.WARN)])
def test_another_receive_count_is_told(account: Account, count: int, level: Level) -> None:
    account.redrive(f"airdate-{NAME}", DEAD, count)

    assert account.trouble().level is level
    assert f"its maxReceiveCount is {count}" in account.trouble().found
    deploy_again, by_hand = account.trouble().fix.split("; if that finds it up to date, ")
    assert deploy_again == "airdate deploy --only messaging --param MaxReceiveCount=3"
    account.obey(by_hand)
    assert account.troubles() == []


def test_a_queue_without_redrive_fails(account: Account) -> None:
    account.sqs.delete_queue(QueueUrl=account.urls[NAME])
    account.sqs.create_queue(
        QueueName=f"airdate-{NAME}",
        Attributes={
            "VisibilityTimeout": "60",
            "ReceiveMessageWaitTimeSeconds": "20",
            "SqsManagedSseEnabled": "true",
        },
    )

    assert account.trouble().level is Level.FAIL
    assert "no redrive policy" in account.trouble().found
    arn = f"arn:aws:sqs:us-east-1:{EMBEDDED_ACCOUNT}:{DEAD}"
    assert attributes_of(account.trouble().fix) == {
        "RedrivePolicy": f'{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"3"}}'
    }
    account.obey(account.trouble().fix)
    assert account.troubles() == []


def test_a_dead_letter_queue_that_is_gone_fails(account: Account) -> None:
    account.sqs.delete_queue(QueueUrl=account.url(DEAD))

    assert account.trouble().level is Level.FAIL
    assert f"{NAME}'s dead-letter queue: SQS knows no queue" in account.trouble().found


def test_a_dead_letter_queue_that_redrives_itself_fails(account: Account) -> None:
    account.redrive(DEAD, dead_letter_queue("discovery"), 3)

    assert account.trouble().level is Level.FAIL
    assert account.trouble().fix.endswith("--attributes RedrivePolicy=")


def test_dead_letters_that_go_to_a_queue_that_is_worked_on_fail(account: Account) -> None:
    account.redrive(f"airdate-{NAME}", "airdate-discovery", 3)

    assert account.trouble().level is Level.FAIL
    assert f"{NAME}: its dead letters go to discovery" in account.trouble().found
    account.obey(account.trouble().fix)
    assert account.troubles() == []


def test_dead_letters_that_wait_are_counted(account: Account) -> None:
    for _ in range(2):
        account.sqs.send_message(QueueUrl=account.url(DEAD), MessageBody="{}")

    assert account.trouble() == Finding(
        Level.WARN, "queues", f"{NAME}: dead letters wait: 2", "airdate dead-letters list"
    )


def test_a_fifo_queue_fails_with_the_reason(account: Account) -> None:
    url = account.sqs.create_queue(QueueName="airdate-generation.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    account.urls[NAME] = url
    [finding] = [each for each in account.troubles() if "FIFO" in each.found]

    assert finding.level is Level.FAIL
    assert "holds up every later one" in finding.found
    assert "PODCAST_GENERATION_QUEUE_URL" in finding.fix


def test_a_queue_that_is_not_there_fails_and_the_others_are_looked_at(account: Account) -> None:
    account.urls[NAME] += "-typo"
    found = account.findings()

    assert [finding.level for finding in found] == [Level.FAIL, Level.OK, Level.OK]
    assert found[0].fix.startswith("correct PODCAST_GENERATION_QUEUE_URL if the name is wrong; airdate deploy")
    assert f"aws sqs create-queue --queue-name airdate-{NAME}-typo, then airdate doctor" in found[0].fix


def test_two_variables_with_one_queue_fail(account: Account) -> None:
    account.urls["episode-processing"] = account.urls[NAME]

    assert "are one queue" in account.trouble().found
    assert "EPISODE_PROCESSING_QUEUE_URL" in account.trouble().fix


@pytest.mark.parametrize(
    "host",
    [
        "sqs.eu-north-1.amazonaws.com",
        "sqs-fips.eu-north-1.amazonaws.com",
        "eu-north-1.queue.amazonaws.com",
        "vpce-0a1b-2c3d.sqs.eu-north-1.vpce.amazonaws.com",
        "sqs.eu-north-1.api.aws",
    ],
)
def test_a_queue_of_another_region_fails(account: Account, host: str) -> None:
    examination = QueueExamination(account.sqs, {NAME: f"https://{host}/1/airdate-{NAME}"}, "us-east-1", 60)
    [first] = examination.findings()

    assert first.level is Level.FAIL
    assert first.fix == "set AWS_REGION=eu-north-1"


def test_sqs_that_is_away_is_told_once() -> None:
    with client("sqs", NOBODY) as sqs:
        urls = {queue: f"{NOBODY}/1/airdate-{queue}" for queue in Queue}
        [finding] = QueueExamination(sqs, urls, "us-east-1", 60).findings()

    assert finding.level is Level.FAIL
    assert finding.found.startswith("SQS does not answer at 127.0.0.1:9")


def test_looking_leaves_messages_where_they_are(account: Account) -> None:
    account.sqs.send_message(QueueUrl=account.urls[NAME], MessageBody="{}")
    account.findings()

    [message] = account.sqs.receive_message(
        QueueUrl=account.urls[NAME], MessageSystemAttributeNames=["ApproximateReceiveCount"]
    )["Messages"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


@pytest.mark.parametrize("status", [200, 404, 502])
def test_a_proxy_that_answers_in_the_place_of_sqs_is_told_as_such(status: int) -> None:
    with refusing(status, b"<html>Please sign in</html>") as endpoint, client("sqs", endpoint) as sqs:
        urls = {queue: f"{endpoint}/1/airdate-{queue}" for queue in Queue}
        [finding] = QueueExamination(sqs, urls, "us-east-1", 60).findings()

    assert finding.level is Level.FAIL
    assert "something answers that is not AWS" in finding.found


def test_one_queue_of_another_region_is_told_by_its_variable(account: Account) -> None:
    account.urls[NAME] = f"https://sqs.eu-north-1.amazonaws.com/1/airdate-{NAME}"

    assert account.trouble().found.startswith(
        "PODCAST_GENERATION_QUEUE_URL: in eu-north-1, and AWS_REGION is us-east-1"
    )
    assert account.trouble().fix == "correct PODCAST_GENERATION_QUEUE_URL, or AWS_REGION"

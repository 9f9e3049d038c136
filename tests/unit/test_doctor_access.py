"""Credentials and permissions, asked of an AWS that denies; and that asking changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from operations.doctor import role_access
from operations.doctor.answers import Answer, Meaning
from publishers.queues import Queue
from settings import settings
from tasks.readiness.findings import Finding, Level
from tests.fakes.aws_with_permissions import Allowed, GuardedAws, Keys, guarded_aws
from tests.fakes.environment import set_environment
from tests.fakes.sqs_queues import SqsQueue, create_queue
from tests.unit.test_settings import PRODUCTION

ARN = "arn:aws:sqs:us-east-1:123456789012:"
WORKER = ("sqs:GetQueueAttributes", "sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage")
HEARTBEAT = ("sqs:ChangeMessageVisibility",)
OURS = (f"{ARN}airdate-*",)
OTHERS = Allowed(("sns:*", "cloudwatch:*", "monitoring:*"))
"""moto asks for ``monitoring:``, by the host's name, where AWS asks for ``cloudwatch:``."""


class World:
    """An AWS with queues that hold a message each, and users."""

    def __init__(self, aws: GuardedAws) -> None:
        self.aws = aws
        self.queues: dict[str, SqsQueue] = {}
        for queue in Queue:
            self.queues[queue] = create_queue(aws.endpoint, f"airdate-{queue}", visibility=60)
            self.queues[queue].send("a message of somebody's")
        self.users = {
            "worker": aws.user("worker", Allowed(WORKER + HEARTBEAT, OURS), OTHERS),
            "admin": aws.user("admin", Allowed(("sqs:*",)), OTHERS),
            "no-heartbeat": aws.user("no-heartbeat", Allowed(WORKER, OURS), OTHERS),
            "no-receive": aws.user("no-receive", Allowed((*WORKER[:2], WORKER[3], *HEARTBEAT), OURS), OTHERS),
            "no-copies": aws.user(
                "no-copies", Allowed(WORKER + HEARTBEAT, [f"{ARN}airdate-{queue}" for queue in Queue]), OTHERS
            ),
            "no-flower": aws.user("no-flower", Allowed(WORKER + HEARTBEAT, OURS)),
        }
        aws.guard()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with guarded_aws() as aws:
        yield World(aws)


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, world: World) -> Iterator[Look]:
    yield Look(monkeypatch, world)
    settings.cache_clear()


class Look:
    """The examination, with a user's keys."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
        self._monkeypatch, self._world = monkeypatch, world

    def __call__(self, keys: Keys | str, **variables: str) -> list[Finding]:
        found = self._world.users[keys] if isinstance(keys, str) else keys
        urls = self._world.queues
        environment = PRODUCTION | {
            "AIRDATE_DISCOVERY_QUEUE_URL": urls[Queue.DISCOVERY].url,
            "PODCAST_GENERATION_QUEUE_URL": urls[Queue.GENERATION].url,
            "EPISODE_PROCESSING_QUEUE_URL": urls[Queue.PROCESSING].url,
            "AIRDATE_AWS_ENDPOINT": self._world.aws.endpoint,
            "AWS_ACCESS_KEY_ID": found.access_key,
            "AWS_SECRET_ACCESS_KEY": found.secret,
        }
        set_environment(self._monkeypatch, **environment | variables)
        return list(role_access.findings())


def levels(found: list[Finding]) -> set[Level]:
    return {finding.level for finding in found}


def test_a_role_of_least_privilege_is_proven_whole(look: Look) -> None:
    found = look("worker")

    assert levels(found) == {Level.OK}
    assert "user/worker" in found[0].found
    for queue, finding in zip(("discovery", "podcast-generation", "episode-processing"), found[1:4], strict=True):
        assert finding.found == (
            f"{queue}: allowed sqs:SendMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility, sqs:ReceiveMessage"
        )


@pytest.mark.parametrize(
    ("user", "denied"), [("no-heartbeat", "sqs:ChangeMessageVisibility"), ("no-receive", "sqs:ReceiveMessage")]
)
def test_a_denied_action_fails_with_the_action_and_the_queue(look: Look, user: str, denied: str) -> None:
    failed = [finding for finding in look(user) if finding.level is Level.FAIL]

    assert [finding.found.partition(" denied")[0] for finding in failed] == [f"{queue}: {denied}" for queue in Queue]
    assert failed[0].fix == f"allow {denied} on {ARN}airdate-discovery in the policy of that role or user"


def test_what_an_answer_does_not_tell_is_not_called_proven(look: Look) -> None:
    # This user may receive from whatever queue there is, so a refusal shows nothing.
    found = look("admin")

    assert [finding.level for finding in found[1:4]] == [Level.WARN] * 3
    assert found[1].found == "discovery: not denied, but not proven: sqs:ReceiveMessage"


def test_no_copies_of_poison_is_a_warning(look: Look) -> None:
    warned = [finding for finding in look("no-copies") if finding.level is Level.WARN]

    assert [finding.fix for finding in warned] == [f"allow sqs:SendMessage on {ARN}airdate-{q}-dead" for q in Queue]


def test_flower_and_ages_are_no_more_than_warnings(look: Look) -> None:
    warned = [finding for finding in look("no-flower") if finding.level is not Level.OK]

    assert levels(warned) == {Level.WARN}
    assert [("sns:Publish" in finding.fix, "cloudwatch" in finding.fix) for finding in warned] == [
        (True, False),
        (False, True),
    ]


def test_who_wants_no_events_needs_no_topic(look: Look) -> None:
    assert not [finding for finding in look("no-flower", AIRDATE_EVENTS="false") if "sns:" in finding.fix]


@pytest.mark.parametrize("keys", [Keys("AKIAUNKNOWN000000000", "wrong"), None])
def test_wrong_credentials_fail_once(look: Look, world: World, keys: Keys | None) -> None:
    [finding] = look(keys or Keys(world.users["worker"].access_key, "wrong"))

    assert finding.level is Level.FAIL
    assert "AWS_SECRET_ACCESS_KEY" in finding.fix
    assert "wrong" not in finding.found


def test_asking_sends_receives_and_deletes_nothing(look: Look, world: World) -> None:
    for user in world.users:
        look(user)

    for queue in world.queues.values():
        held = world.aws.messages(world.users["worker"], queue.url)
        assert held == {"ApproximateNumberOfMessages": "1", "ApproximateNumberOfMessagesNotVisible": "0"}


def test_an_error_of_xml_is_understood() -> None:
    from botocore.exceptions import ClientError

    said = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: x may not</Message></Error></ErrorResponse>"
    answer = Answer.of(ClientError({"Error": {"Code": "403", "Message": said}}, "SendMessage"))

    assert answer == Answer(Meaning.DENIED, "AccessDenied", "AccessDenied: User: x may not")


@pytest.mark.parametrize(
    ("code", "message", "status", "meaning"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", "", 400, Meaning.MISSING),
        ("SignatureDoesNotMatch", "Signature expired: 1 is now earlier than 2", 403, Meaning.CLOCK),
        ("SignatureDoesNotMatch", "The request signature we calculated", 403, Meaning.BAD_CREDENTIALS),
        ("RequestTimeTooSkewed", "", 403, Meaning.CLOCK),
        ("AuthorizationError", "", 403, Meaning.DENIED),
        ("ServiceUnavailable", "", 503, Meaning.AWAY),
        ("InvalidParameterValue", "", 400, Meaning.OTHER),
    ],
)
def test_each_kind_of_refusal_is_told_apart(code: str, message: str, status: int, meaning: Meaning) -> None:
    from botocore.exceptions import ClientError

    error = ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "SendMessage"
    )

    assert Answer.of(error).meaning is meaning


def test_no_credentials_at_all_are_told_as_such() -> None:
    from botocore.exceptions import NoCredentialsError

    assert Answer.of(NoCredentialsError()).meaning is Meaning.BAD_CREDENTIALS


def test_a_queue_url_with_a_slip_of_the_pen_looks_like_a_missing_right(look: Look, world: World) -> None:
    wrong = f"{world.queues[Queue.GENERATION].url}-typo"
    [trouble] = [each for each in look("worker", PODCAST_GENERATION_QUEUE_URL=wrong) if each.level is Level.FAIL]

    assert trouble.found.startswith("podcast-generation: sqs:SendMessage, sqs:DeleteMessage, sqs:Change")
    assert trouble.fix.endswith("if that is the queue's name; else correct its URL")


def test_a_queue_that_is_not_there_does_not_hide_the_others(look: Look, world: World) -> None:
    wrong = f"{world.queues[Queue.DISCOVERY].url}-typo"
    found = look("admin", AIRDATE_DISCOVERY_QUEUE_URL=wrong)

    assert found[1].found.startswith("discovery: permissions are not proven: NonExistentQueue")
    assert [each.found.partition(":")[0] for each in found[2:4]] == ["podcast-generation", "episode-processing"]

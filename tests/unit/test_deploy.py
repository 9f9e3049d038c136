"""Deploying: what a change loses, what may be done to a stack in each state, what each refusal of AWS's says."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from operations.deploy.account import account
from operations.deploy.change_set import Change, ChangeSet
from operations.deploy.parameters import Declared, Unanswered, filled
from operations.deploy.stack import Readiness, Stack
from operations.deploy.stacks import Part
from operations.deploy.unheard import unheard
from podcasting.errors import Permanent
from tests.fakes.aws import NOBODY
from tests.fakes.environment import set_environment
from tests.fakes.refusing_server import refusing

# What a change loses ------------------------------------------------------------------------------


def change(kind: str, **told: Any) -> Change:
    return Change.of({"Action": "Modify", "LogicalResourceId": "Thing", "ResourceType": kind} | told)


def target(name: str, recreation: str) -> dict[str, Any]:
    """As DescribeChangeSet has it (AWS CloudFormation API reference, ResourceChangeDetail)."""
    return {"Target": {"Attribute": "Properties", "Name": name, "RequiresRecreation": recreation}}


def test_a_queue_that_is_given_another_name_is_replaced_and_loses_its_messages() -> None:
    renamed = change("AWS::SQS::Queue", Replacement="True", Details=[target("QueueName", "Always")])

    assert renamed.loses == "its messages"
    assert str(renamed) == "replace Thing (AWS::SQS::Queue): QueueName  (loses its messages)"


def test_a_queue_that_only_changes_loses_nothing() -> None:
    longer = change("AWS::SQS::Queue", Replacement="False", Details=[target("VisibilityTimeout", "Never")])

    assert longer.loses == ""
    assert str(longer) == "change Thing (AWS::SQS::Queue): VisibilityTimeout"


def test_what_may_be_replaced_counts_as_replaced() -> None:
    # CloudFormation says Conditional where the value is known only while it is carried out.
    perhaps = change("AWS::SQS::Queue", Replacement="Conditional", Details=[target("QueueName", "Always")])

    assert perhaps.loses == "its messages"


def test_a_table_that_is_removed_loses_its_rows() -> None:
    assert change("AWS::DynamoDB::Table", Action="Remove").loses == "its rows"


@pytest.mark.parametrize("action", ["Modify", "Remove"])
def test_a_policy_loses_nothing_that_is_not_made_again(action: str) -> None:
    assert change("AWS::SQS::QueuePolicy", Action=action, Replacement="True").loses == ""


def test_what_is_added_loses_nothing() -> None:
    assert change("AWS::SQS::Queue", Action="Add").loses == ""


# Parameters ---------------------------------------------------------------------------------------


def test_a_parameter_is_as_chosen_else_as_told_else_as_before_else_its_default() -> None:
    wanted = {"Chosen": "0", "Told": "0", "Before": "0", "Same": "0", "Default": "0"}
    all_of_them = dict.fromkeys(wanted, "before") | {"Same": "0"}
    del all_of_them["Default"]

    values = filled(
        "messaging",
        wanted,
        chosen={"Chosen": "chosen"},
        told={"Chosen": "told", "Told": "told"},
        before=all_of_them,
    )

    assert values.values == [
        {"ParameterKey": "Chosen", "ParameterValue": "chosen"},
        {"ParameterKey": "Told", "ParameterValue": "told"},
        {"ParameterKey": "Before", "UsePreviousValue": True},
        {"ParameterKey": "Same", "UsePreviousValue": True},
    ]
    assert values.kept == ["Before=before"]


def test_what_nobody_says_is_asked_for_by_its_name() -> None:
    with pytest.raises(Unanswered) as caught:
        filled("compute", {"Image": None}, chosen={}, told={}, before={})

    assert str(caught.value) == "compute: no value for Image; give --param Image=… (infrastructure/compute.yaml)"


@pytest.mark.parametrize("part", Part)
def test_every_template_declares_what_it_asks_and_tells(part: Part) -> None:
    found = Declared.by(part.template())

    assert found.parameters["Prefix"] == "airdate"
    assert all(default is None or isinstance(default, str) for default in found.parameters.values())


def test_all_that_the_usual_parts_ask_has_a_default_or_is_told_by_one_before() -> None:
    told: set[str] = set()
    for part in (Part.MESSAGING, Part.MEDIA, Part.PERMISSIONS, Part.MONITORING):
        declared = Declared.by(part.template())
        unanswered = {name for name, default in declared.parameters.items() if default is None}
        assert unanswered <= told
        told |= declared.outputs


# A stack's states ---------------------------------------------------------------------------------


class CloudFormation:
    """One stack; after a change set was carried out it has each of ``then`` in turn, and these events."""

    def __init__(self, status: str | None, *then: str, events: Sequence[Mapping[str, str]] = ()) -> None:
        self.statuses = itertools.chain([status], then, itertools.repeat(then[-1] if then else status))
        self.status = next(self.statuses)
        self._events = events
        self.executed = False

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        if self.status is None:
            raise ClientError(
                {"Error": {"Code": "ValidationError", "Message": f"Stack with id {StackName} does not exist"}},
                "DescribeStacks",
            )
        if self.executed:
            self.status = next(self.statuses)
        return {"Stacks": [{"StackName": StackName, "StackStatus": self.status, "StackStatusReason": "as it says"}]}

    def execute_change_set(self, **_: str) -> None:
        self.executed = True

    def get_paginator(self, _operation: str) -> CloudFormation:
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        events = self._events if self.executed else ()
        numbered = [{"EventId": str(number), **event} for number, event in enumerate(events)]
        return [{"StackEvents": list(reversed(numbered))}]


@pytest.mark.parametrize(
    ("status", "readiness"),
    [
        (None, Readiness.CREATE),
        ("DELETE_COMPLETE", Readiness.CREATE),
        ("REVIEW_IN_PROGRESS", Readiness.CREATE),
        ("CREATE_COMPLETE", Readiness.UPDATE),
        ("UPDATE_COMPLETE", Readiness.UPDATE),
        ("UPDATE_ROLLBACK_COMPLETE", Readiness.UPDATE),
        ("ROLLBACK_COMPLETE", Readiness.REMOVE),
        ("ROLLBACK_FAILED", Readiness.REMOVE),
    ],
)
def test_a_stack_is_made_changed_or_first_removed(status: str | None, readiness: Readiness) -> None:
    assert Stack(CloudFormation(status), "airdate-messaging").readiness() is readiness


@pytest.mark.parametrize(
    "status",
    ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"],
)
def test_a_stack_that_another_changes_is_left_alone(status: str) -> None:
    with pytest.raises(Permanent) as caught:
        Stack(CloudFormation(status), "airdate-messaging").readiness()

    assert str(caught.value) == (
        f"stack airdate-messaging is being changed by another now ({status}); wait until that is over"
    )


@pytest.mark.parametrize(
    ("status", "cure"),
    [
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name airdate-messaging"),
        ("DELETE_FAILED", "aws cloudformation delete-stack --stack-name airdate-messaging"),
    ],
)
def test_a_stack_that_needs_a_person_says_for_what(status: str, cure: str) -> None:
    with pytest.raises(Permanent) as caught:
        Stack(CloudFormation(status), "airdate-messaging").readiness()

    assert str(caught.value) == (
        f"stack airdate-messaging is {status}: as it says; mend that, then {cure}, and deploy again"
    )


def happened(resource: str, status: str, reason: str = "", kind: str = "AWS::SQS::Queue") -> dict[str, str]:
    return {
        "LogicalResourceId": resource,
        "ResourceType": kind,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


NOTHING = ChangeSet("airdate-messaging", "arn", creates=False, changes=())


def test_what_is_done_with_is_told_once_and_in_order() -> None:
    events = [happened("A", "UPDATE_IN_PROGRESS"), happened("A", "UPDATE_COMPLETE"), happened("B", "UPDATE_COMPLETE")]
    told: list[str] = []
    cloudformation = CloudFormation("CREATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", events=events)

    Stack(cloudformation, "airdate-messaging", tell=told.append).carry_out(NOTHING)

    assert told == ["A: update complete", "B: update complete"]


@pytest.mark.parametrize(
    ("status", "then"),
    [
        ("UPDATE_ROLLBACK_COMPLETE", "the stack is as it was before; mend that and deploy again"),
        ("ROLLBACK_COMPLETE", "nothing of it is left; mend that and deploy again"),
        (
            "UPDATE_ROLLBACK_FAILED",
            "and going back failed too; mend that, then "
            "aws cloudformation continue-update-rollback --stack-name airdate-messaging",
        ),
    ],
)
def test_of_what_failed_the_first_is_told_and_what_to_do(status: str, then: str) -> None:
    events = [
        happened("A", "CREATE_FAILED", "Resource creation cancelled"),
        happened("B", "CREATE_FAILED", "no such key"),
        happened("C", "CREATE_FAILED", "something that came of it"),
    ]

    with pytest.raises(Permanent) as caught:
        Stack(CloudFormation("CREATE_COMPLETE", status, events=events), "airdate-messaging").carry_out(NOTHING)

    assert str(caught.value) == f"stack airdate-messaging: B (AWS::SQS::Queue): no such key; {then}"


# Whether anybody hears ----------------------------------------------------------------------------


class Sns:
    """A topic with these subscriptions."""

    def __init__(self, *subscriptions: Mapping[str, str]) -> None:
        self._subscriptions = subscriptions

    class exceptions:  # noqa: N801 - as on boto3's clients
        class NotFoundException(Exception):
            pass

    def get_paginator(self, _operation: str) -> Sns:
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        return [{"Subscriptions": list(self._subscriptions)}]


PENDING = {"SubscriptionArn": "PendingConfirmation", "Protocol": "email", "Endpoint": "oncall@example.org"}
CONFIRMED = {
    "SubscriptionArn": "arn:aws:sns:eu-west-1:1:airdate-alerts:2",
    "Protocol": "email",
    "Endpoint": "other@example.org",
}


def test_an_address_that_has_not_confirmed_hears_nothing() -> None:
    assert unheard(Sns(PENDING), "topic") == (
        "nobody hears the alarms yet: oncall@example.org has not confirmed, by the link in the mail that AWS has sent"
    )


def test_one_who_has_confirmed_is_enough() -> None:
    assert unheard(Sns(PENDING, CONFIRMED), "topic") == ""


def test_a_topic_without_subscribers_says_how_to_have_one() -> None:
    assert "--param AlertsEmail=ADDRESS" in unheard(Sns(), "topic")


# What AWS refuses ---------------------------------------------------------------------------------


def refusal(code: str, message: str) -> bytes:
    """As STS and CloudFormation say it (AWS Query protocol)."""
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    ).encode()


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        (
            "AccessDenied",
            "User: arn:aws:iam::1:user/x is not authorized to perform: cloudformation:CreateChangeSet on resource: y",
            "AWS does not allow cloudformation:CreateChangeSet: AccessDenied: User: arn:aws:iam::1:user/x is not "
            "authorized to perform: cloudformation:CreateChangeSet on resource: y; "
            "allow it to whoever deploys (docs/deploy.md says what)",
        ),
        (
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
            "AWS does not take the credentials: InvalidClientTokenId: The security token included in the request is "
            "invalid.; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a pair that is active, or AWS_PROFILE, "
            "or run `aws sso login`",
        ),
        (
            "RequestExpired",
            "Request has expired.",
            "by AWS this machine's clock is wrong: RequestExpired: Request has expired.; "
            "set the clock (chrony or ntpd)",
        ),
    ],
)
def test_a_refusal_is_one_line_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, code: str, message: str, said: str
) -> None:
    with refusing(403, refusal(code, message)) as endpoint:
        set_environment(
            monkeypatch,
            AIRDATE_AWS_ENDPOINT=endpoint,
            AWS_ACCESS_KEY_ID="key",
            AWS_SECRET_ACCESS_KEY="secret",  # noqa: S106 - nobody looks at it
        )
        with pytest.raises(Permanent) as caught:
            account()

    assert str(caught.value) == said


def test_nobody_there_is_told_with_the_variable_that_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(
        monkeypatch,
        AIRDATE_AWS_ENDPOINT=NOBODY,
        AWS_ACCESS_KEY_ID="key",
        AWS_SECRET_ACCESS_KEY="secret",  # noqa: S106 - nobody looks at it
        AWS_MAX_ATTEMPTS="1",
    )
    with pytest.raises(Permanent, match=rf"^AWS does not answer: .*AIRDATE_AWS_ENDPOINT \({NOBODY}\) is right$"):
        account()


def test_a_region_that_only_boto3_is_told_is_not_overlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, AWS_DEFAULT_REGION="eu-west-1")

    with pytest.raises(Permanent) as caught:
        account()

    assert str(caught.value) == (
        "AWS_REGION is unset, which means us-east-1, and the AWS profile says eu-west-1: "
        "set AWS_REGION to the one you mean"
    )


def test_a_release_that_lacks_a_template_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=rf"^no template {tmp_path}/media.yaml: No such file .*--only"):
        Part.MEDIA.template(tmp_path)

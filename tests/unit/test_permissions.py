"""The template of roles, read: names, wildcards, sizes. What it allows is tried in test_least_privilege.py."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

from broker.ephemeral import LONGEST_NAME
from publishers.queues import Queue
from tests.fakes.environment import ROOT

PATH = ROOT / "infrastructure" / "permissions.yaml"
TEXT = PATH.read_text()
TEMPLATE: dict[str, Any] = cfn_yaml.load(str(PATH))
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
POLICIES = {name: each for name, each in RESOURCES.items() if each["Type"] == "AWS::IAM::ManagedPolicy"}
ROLES = {name: each for name, each in RESOURCES.items() if each["Type"] == "AWS::IAM::Role"}

CLOUDFORMATION_BYTES = 51_200
"""Of a TemplateBody (AWS CloudFormation quotas)."""
POLICIES_OF_A_ROLE = 10
"""Managed policies attached to a role, unless AWS raises it (IAM quotas)."""
POLICY_CHARACTERS = 6_144
"""Of a managed policy, without white space (IAM quotas)."""


def statements(policy: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = policy["Properties"]["PolicyDocument"]["Statement"]
    return found


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def arns(value: Any) -> list[str]:
    return [each["Fn::Sub"] if isinstance(each, dict) else each for each in listed(value)]


def attached(role: dict[str, Any]) -> list[str]:
    named = role["Properties"]["ManagedPolicyArns"]
    return [(each["Fn::If"][1] if "Fn::If" in each else each)["Ref"] for each in named]


def test_the_five_roles_are_there() -> None:
    names = {role["Properties"]["RoleName"]["Fn::Sub"] for role in ROLES.values()}

    assert {f"${{Prefix}}-{name}" for name in ("publisher", "consumer", "beat", "flower", "operator")} <= names


def test_no_action_is_a_wildcard_and_none_is_allowed_by_exception() -> None:
    for name, policy in POLICIES.items():
        for statement in statements(policy):
            assert statement["Effect"] == "Allow", name
            assert not {"NotAction", "NotResource"} & statement.keys(), name
            assert not [action for action in listed(statement["Action"]) if "*" in action], name


def test_a_resource_is_a_wildcard_only_where_aws_has_none_and_the_line_says_so() -> None:
    wild = [line.strip() for line in TEXT.splitlines() if re.search(r'Resource: "\*"', line)]

    assert wild
    assert all(re.search(r"# (AWS knows no resource|any narrower, and )", line) for line in wild), wild


def test_every_name_begins_with_the_prefix_so_that_two_deployments_do_not_meet() -> None:
    found = [
        arn for policy in POLICIES.values() for statement in statements(policy) for arn in arns(statement["Resource"])
    ]
    # Celery's own queues have a prefix of their own (celeryconfig.py), and metrics and media no name of ours.
    named = [arn for arn in found if re.search(r":(sqs|sns|ecs|cloudformation):", arn)]
    ours = [arn for arn in named if "airdate-ephemeral-" not in arn]

    assert ours
    assert not [arn for arn in ours if "${Prefix}" not in arn]
    assert not [arn for arn in found if re.search(r":\d{12}:|us-east-1", arn)], "an account or a region is written down"


def test_every_queue_of_the_table_has_its_worker_and_no_other_queue_is_named() -> None:
    named = set(re.findall(r"\$\{Prefix\}-([a-z-]+?)(?:-dead-letters)?\"", " ".join(re.findall(r"sqs:\S+", TEXT))))

    assert named == {queue.value for queue in Queue}


def test_each_policy_is_somebodys_and_none_is_listed_twice() -> None:
    everybodys = Counter(name for role in ROLES.values() for name in set(attached(role)))

    assert set(everybodys) == set(POLICIES)
    for name, role in ROLES.items():
        assert len(attached(role)) == len(set(attached(role))) <= POLICIES_OF_A_ROLE, name


def test_a_statement_is_told_from_the_others_of_its_policy() -> None:
    for name, policy in POLICIES.items():
        names = [statement["Sid"] for statement in statements(policy)]
        assert len(names) == len(set(names)), name


def test_the_template_fits_where_cloudformation_takes_it() -> None:
    assert len(TEXT.encode()) < CLOUDFORMATION_BYTES


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_fits_where_iam_takes_it(name: str) -> None:
    longest = str(statements(POLICIES[name])).replace("${Prefix}", "p" * 41).replace(" ", "")

    assert len(longest) < POLICY_CHARACTERS


@pytest.mark.parametrize("name", ROLES)
def test_a_role_is_taken_by_whom_it_names_and_ecs_for_this_account_only(name: str) -> None:
    for trusted in ROLES[name]["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
        statement = trusted["Fn::If"][1] if "Fn::If" in trusted else trusted
        assert statement["Action"] == "sts:AssumeRole"
        assert statement["Principal"] != "*"
        if "Service" in statement["Principal"]:
            assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        else:
            assert set(statement["Principal"]["AWS"]) == {"Ref"}, "a principal is written down"


def test_the_name_of_a_queue_of_answers_is_never_cut() -> None:
    # Its end is what workers may send to; broker/ephemeral.py cuts what is longer than SQS takes.
    name = f"airdate-ephemeral-{'0' * 36}-reply-celery-pidbox"

    assert len(name) <= LONGEST_NAME

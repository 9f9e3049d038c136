"""One stack on CloudFormation: what it is like, what would become of it, and carrying that out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from operations.deploy.change_set import Change, ChangeSet
from podcasting.errors import Permanent

CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
"""The roles have names, since other stacks and other people refer to them."""

NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")
"""In CloudFormation's reason for a change set that failed because there is nothing to change."""

SETTLED = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}
NEVER_MADE = {"ROLLBACK_COMPLETE", "CREATE_FAILED", "ROLLBACK_FAILED"}
"""Its creation failed: CloudFormation takes no update of it."""
EMPTY = "REVIEW_IN_PROGRESS"
"""A change set was made for a stack that is not there yet."""
DONE = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
FIRST_POLL, LONGEST_POLL = 0.1, 2.0
"""Seconds between two looks; each waits half as long again as the one before."""


class Readiness(StrEnum):
    """What can be done to a stack: a change set of this type, or first of all its removal."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    REMOVE = "REMOVE"
    """Its creation failed; CloudFormation takes no change set of it."""


class Stack:
    """A stack by its name; ``tell`` is handed a line for each resource that is done with."""

    def __init__(
        self,
        cloudformation: Any,
        name: str,
        *,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._cloudformation = cloudformation
        self.name = name
        self._tell = tell

    # As it is -------------------------------------------------------------------------------------

    def described(self) -> Mapping[str, Any] | None:
        """As CloudFormation describes it, or None if there is none."""
        try:
            [found] = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        described: Mapping[str, Any] = found
        return None if found["StackStatus"] == "DELETE_COMPLETE" else described

    def outputs(self) -> dict[str, str]:
        """What it tells others; nothing if there is none."""
        found = self.described() or {}
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

    def parameters(self) -> dict[str, str]:
        """What it was told; nothing if there is none."""
        found = self.described() or {}
        return {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", [])}

    def readiness(self) -> Readiness:
        """What can be done to it now.

        Raises:
            Permanent: another changes it, or it needs a person first; says which, and the command.
        """
        found = self.described()
        status = found["StackStatus"] if found else EMPTY
        if status == EMPTY:
            return Readiness.CREATE
        if status in SETTLED:
            return Readiness.UPDATE
        if status in NEVER_MADE:
            return Readiness.REMOVE
        if status.endswith("_IN_PROGRESS"):
            raise Permanent(f"stack {self.name} is being changed by another now ({status}); wait until that is over")
        cure = (
            f"aws cloudformation continue-update-rollback --stack-name {self.name}"
            if status == "UPDATE_ROLLBACK_FAILED"
            else f"aws cloudformation delete-stack --stack-name {self.name}"
        )
        raise Permanent(f"stack {self.name} is {status}: {_reason_of(found)}; mend that, then {cure}, and deploy again")

    # What would become of it ----------------------------------------------------------------------

    def prepare(
        self, kind: Readiness, template: str, parameters: Sequence[Mapping[str, Any]], *, token: str, prefix: str
    ) -> ChangeSet | None:
        """Have CloudFormation say what it would do; None if that is nothing.

        ``token`` names the change set; ``prefix`` becomes the tag ``airdate-deployment`` of all it makes.

        Raises:
            Permanent: CloudFormation makes no change set of it; says why.
        """
        name = f"airdate-{token}"
        arn = self._cloudformation.create_change_set(
            StackName=self.name,
            ChangeSetName=name,
            ChangeSetType=kind.value,
            TemplateBody=template,
            Parameters=parameters,
            Capabilities=CAPABILITIES,
            Tags=[{"Key": "airdate-deployment", "Value": prefix}],
        )["Id"]
        made = self._described_change_set(arn)
        for wait in _waits():
            if made["Status"] not in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}:
                break
            time.sleep(wait)
            made = self._described_change_set(arn)
        change_set = ChangeSet(self.name, arn, kind is Readiness.CREATE, [Change.of(each) for each in made["Changes"]])
        if made["Status"] != "FAILED":
            return change_set
        self.discard(change_set)
        why = made.get("StatusReason", "")
        if any(words in why for words in NOTHING_TO_DO):
            return None
        raise Permanent(f"stack {self.name}: CloudFormation makes no change set: {why}")

    def discard(self, change_set: ChangeSet) -> None:
        """Leave the stack as it is, or not there if it was not."""
        self._cloudformation.delete_change_set(ChangeSetName=change_set.arn)
        if change_set.creates:
            self._cloudformation.delete_stack(StackName=self.name)

    def _described_change_set(self, arn: str) -> dict[str, Any]:
        pages = [self._cloudformation.describe_change_set(ChangeSetName=arn, StackName=self.name)]
        while token := pages[-1].get("NextToken"):
            pages.append(
                self._cloudformation.describe_change_set(ChangeSetName=arn, StackName=self.name, NextToken=token)
            )
        changes = [each["ResourceChange"] for page in pages for each in page.get("Changes", [])]
        described: dict[str, Any] = pages[0] | {"Changes": changes}
        return described

    # Carrying it out ------------------------------------------------------------------------------

    def carry_out(self, change_set: ChangeSet) -> None:
        """Do it, and return when it is done.

        Raises:
            Permanent: it failed; names the first resource that did, why, what the stack is like now and what to do.
        """
        seen = {event["EventId"] for event in self._events()}
        self._cloudformation.execute_change_set(ChangeSetName=change_set.arn, StackName=self.name)
        failed = self._watch(seen)
        found = self.described()
        status = found["StackStatus"] if found else "DELETE_COMPLETE"
        if status in DONE:
            return
        why = failed or (_reason_of(found) if found else "it is gone")
        match status:
            case "UPDATE_ROLLBACK_COMPLETE":
                then = "the stack is as it was before; mend that and deploy again"
            case "ROLLBACK_COMPLETE":
                then = "nothing of it is left; mend that and deploy again"
            case "UPDATE_ROLLBACK_FAILED":
                then = (
                    "and going back failed too; mend that, then "
                    f"aws cloudformation continue-update-rollback --stack-name {self.name}"
                )
            case _:
                then = f"it is {status} now; mend that and deploy again"
        raise Permanent(f"stack {self.name}: {why}; {then}")

    def _watch(self, seen: set[str]) -> str:
        """Tell what happens until nothing does; returns what failed first, or nothing."""
        failed = ""
        for wait in _waits():
            ended = self._ended()  # asked before the events, or the last ones would be missed
            for event in self._events():
                if event["EventId"] in seen or event["ResourceType"] == "AWS::CloudFormation::Stack":
                    continue
                seen.add(event["EventId"])
                status, reason = event["ResourceStatus"], event.get("ResourceStatusReason", "")
                if status.endswith("_FAILED") and "cancelled" not in reason:
                    failed = failed or f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}"
                if not status.endswith("_IN_PROGRESS"):
                    self._tell(f"{event['LogicalResourceId']}: {status.lower().replace('_', ' ')}")
            if ended:
                break
            time.sleep(wait)
        return failed

    def _ended(self) -> bool:
        found = self.described()
        return found is None or not found["StackStatus"].endswith("_IN_PROGRESS")

    def _events(self) -> Iterator[Mapping[str, Any]]:
        """Oldest first."""
        with suppress(ClientError):  # it has none yet
            pages = self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.name)
            events = [event for page in pages for event in page["StackEvents"]]
            yield from reversed(events)

    def remove(self) -> None:
        """Remove what is left of a creation that failed, and return when it is gone.

        Raises:
            Permanent: something of it stays; says what to do.
        """
        self._cloudformation.delete_stack(StackName=self.name)
        for wait in _waits():
            found = self.described()
            if found is None:
                return
            if found["StackStatus"] == "DELETE_FAILED":
                raise Permanent(
                    f"stack {self.name}: what is left of its creation could not be removed: {_reason_of(found)}; "
                    f"mend that, then aws cloudformation delete-stack --stack-name {self.name}"
                )
            time.sleep(wait)


def _waits() -> Iterator[float]:
    wait = FIRST_POLL
    while True:
        yield wait
        wait = min(LONGEST_POLL, wait * 1.5)


def _reason_of(found: Mapping[str, Any] | None) -> str:
    return (found or {}).get("StackStatusReason") or "CloudFormation gives no reason"

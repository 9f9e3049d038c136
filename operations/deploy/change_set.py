"""What would become of a stack: each change in a line, and those that lose something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LOSING = {
    "AWS::SQS::Queue": "its messages",
    "AWS::SNS::Topic": "its subscriptions",
    "AWS::S3::Bucket": "its place in the stack, and the feeds their address",
    "AWS::CloudFront::Distribution": "the address of every feed",
    "AWS::Logs::LogGroup": "its logs",
    "AWS::DynamoDB::Table": "its rows",
    "AWS::RDS::DBInstance": "its rows",
    "AWS::RDS::DBCluster": "its rows",
}
"""By type of resource, what is lost when one is replaced or removed."""

WORDS = {"Add": "add", "Modify": "change", "Remove": "remove", "Import": "import", "Dynamic": "perhaps change"}


@dataclass(frozen=True)
class Change:
    """One resource's."""

    action: str
    resource: str
    kind: str
    replacement: str
    """``True``, ``Conditional``, ``False`` or empty, as CloudFormation says it."""

    properties: Sequence[str]
    """What changes of it; emulators don't say."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Change:
        """As ``DescribeChangeSet`` tells it (``ResourceChange``)."""
        details = told.get("Details") or []
        names = dict.fromkeys(
            target.get("Name") or target.get("Attribute", "") for target in (each.get("Target", {}) for each in details)
        )
        recreated = any(
            each.get("Target", {}).get("RequiresRecreation") in {"Always", "Conditionally"} for each in details
        )
        replacement = told.get("Replacement", "")
        if replacement == "Conditional" and recreated:
            replacement = "True"  # by a value that is known only while it is carried out: it may be
        return cls(
            told["Action"],
            told["LogicalResourceId"],
            told["ResourceType"],
            replacement,
            [name for name in names if name],
        )

    @property
    def loses(self) -> str:
        """What is lost by it, or nothing."""
        gone = self.action == "Remove" or (self.action == "Modify" and self.replacement == "True")
        return LOSING.get(self.kind, "") if gone else ""

    def __str__(self) -> str:
        """A line for people."""
        what = "replace" if self.action == "Modify" and self.replacement == "True" else WORDS[self.action]
        which = f": {', '.join(self.properties)}" if self.properties else ""
        lost = f"  (loses {self.loses})" if self.loses else ""
        return f"{what} {self.resource} ({self.kind}){which}{lost}"

    def plain(self) -> dict[str, Any]:
        """For programs."""
        return {
            "action": self.action,
            "resource": self.resource,
            "type": self.kind,
            "replacement": self.replacement,
            "properties": list(self.properties),
            "loses": self.loses,
        }


@dataclass(frozen=True)
class ChangeSet:
    """What would become of one stack."""

    stack: str
    arn: str
    creates: bool
    """Whether the stack is not there yet."""

    changes: Sequence[Change]

    @property
    def losses(self) -> list[Change]:
        """The changes that lose something."""
        return [change for change in self.changes if change.loses]

"""Deploying part after part: what would become of each, then carrying that out, and telling the next what it made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from operations.deploy.change_set import ChangeSet
from operations.deploy.parameters import Declared, Unanswered, filled, of_settings
from operations.deploy.stack import Readiness, Stack
from operations.deploy.stacks import FOLDER, Part
from podcasting.errors import Permanent


@dataclass(frozen=True)
class Plan:
    """What would become of one part."""

    part: Part
    readiness: Readiness
    change_set: ChangeSet | None
    """None: nothing."""

    kept: Sequence[str] = ()
    """``NAME=value`` of an earlier deployment that holds on, where nobody says another."""

    later: str = ""
    """Why it can't be said yet."""

    def plain(self) -> dict[str, Any]:
        """For programs."""
        return {
            "part": str(self.part),
            "creates": self.readiness is not Readiness.UPDATE,
            "changes": [change.plain() for change in self.change_set.changes] if self.change_set else [],
            "kept": list(self.kept),
            "later": self.later,
        }


@dataclass
class Deployment:
    """All parts of one prefix in an account. ``token`` names its change sets, and is another each time."""

    cloudformation: Any
    prefix: str
    token: str
    chosen: Mapping[str, str] = field(default_factory=dict)
    """Parameters by name, of whichever part asks them."""

    folder: Path = FOLDER
    """Of the templates; another for an older release's."""

    tell: Callable[[str], None] = lambda _: None

    def plan(self, part: Part, *, preview: bool) -> Plan:
        """What would become of ``part`` now, after the parts before it.

        Raises:
            Permanent: its stack can't be deployed to, a parameter has no value, or CloudFormation won't have it.
            ClientError, BotoCoreError: AWS refused, or did not answer.
        """
        stack = self.stack(part)
        template = part.template(self.folder)
        readiness = stack.readiness()
        if readiness is Readiness.REMOVE:
            if preview:
                return Plan(part, readiness, None, later="its creation failed earlier; deploying removes what is left")
            self.tell(f"{stack.name}: its creation failed earlier; removing what is left of that")
            stack.remove()
            readiness = Readiness.CREATE
        wanted = Declared.by(template).parameters
        told = of_settings(self.prefix) | self.told_before(part)
        before = stack.parameters() if readiness is Readiness.UPDATE else {}
        try:
            values = filled(part, wanted, chosen=self.chosen, told=told, before=before)
        except Unanswered as unanswered:
            if preview and set(unanswered.names) <= self.made_by_others(part):
                names = ", ".join(unanswered.names)
                return Plan(part, readiness, None, later=f"it asks for {names}, which the parts before it make")
            raise
        made = stack.prepare(readiness, template, values.values, token=self.token, prefix=self.prefix)
        return Plan(part, readiness, made, values.kept)

    def stack(self, part: Part) -> Stack:
        """The part's."""
        return Stack(self.cloudformation, part.stack(self.prefix), tell=self.tell)

    def told_before(self, part: Part) -> dict[str, str]:
        """What the parts before it made, as their stacks say now."""
        told: dict[str, str] = {}
        for other in list(Part)[: list(Part).index(part)]:
            told |= self.stack(other).outputs()
        return told

    def made_by_others(self, part: Part) -> set[str]:
        """The names of what the parts before it make, by their templates."""
        before = list(Part)[: list(Part).index(part)]
        return {name for other in before for name in Declared.by(other.template(self.folder)).outputs}

    def check_chosen(self, parts: Sequence[Part]) -> None:
        """See that each parameter that was chosen is one of these parts'.

        Raises:
            Permanent: one is of none; names those there are.
        """
        known = {name for part in parts for name in Declared.by(part.template(self.folder)).parameters}
        if strange := sorted(set(self.chosen) - known):
            raise Permanent(
                f"--param {strange[0]}: no such parameter of {', '.join(parts)}; these have {', '.join(sorted(known))}"
            )

"""``airdate deploy`` and ``airdate outputs``."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from operations.deploy.account import account, aws, refusals_told
from operations.deploy.change_set import ChangeSet
from operations.deploy.deployment import Deployment, Plan
from operations.deploy.stack import Stack
from operations.deploy.stacks import FOLDER, USUAL, Part
from operations.deploy.unheard import unheard
from operations.output import as_json, show_json, show_table
from podcasting.errors import Permanent
from settings import settings
from tasks import wiring

PREFIX = re.compile(r"[a-z][a-z0-9-]{0,40}")
"""As the templates have it."""
VARIABLE = re.compile(r"The value of (\w+)\.")
"""In an output's description."""


def _prefix(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    prefix = value or settings().deployment
    if not PREFIX.fullmatch(prefix):
        name = "--prefix" if value else "AIRDATE_DEPLOYMENT"
        raise click.BadParameter(
            f"{name} is {prefix!r}: give small letters, digits and dashes, 41 at most, a letter first"
        )
    return prefix


def _pairs(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{value!r} is no NAME=VALUE")
        pairs[name] = rest
    return pairs


with_prefix = click.option(
    "--prefix", callback=_prefix, help="Begins the name of everything; AIRDATE_DEPLOYMENT unless given."
)


@click.command()
@click.option("--preview", is_flag=True, help="Only show what would change.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--only",
    "parts",
    type=click.Choice([part.value for part in Part]),
    multiple=True,
    help="This part; again for more. All but compute.",
)
@click.option("--compute", is_flag=True, help="The parts as usual, and where the processes run.")
@with_prefix
@click.option(
    "--param", "chosen", multiple=True, callback=_pairs, metavar="NAME=VALUE", help="A parameter of a template."
)
@click.option("--allow-replacement", is_flag=True, help="Even where queues, buckets, topics or logs are lost.")
@click.option(
    "--templates",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=FOLDER,
    help="A folder of other templates, an older release's perhaps.",
)
@as_json
def deploy(
    parts: Sequence[str],
    prefix: str,
    chosen: dict[str, str],
    folder: Path,
    *,
    preview: bool,
    yes: bool,
    compute: bool,
    allow_replacement: bool,
    in_json: bool,
) -> None:
    """Bring the stacks on AWS to this release's templates, after showing what that changes.

    Run again it changes nothing. What was given with --param holds for later deployments too.

    \b
    Examples:
      airdate deploy --preview
      airdate deploy --yes --param AlertsEmail=oncall@example.org
      airdate deploy --only monitoring
      airdate outputs --env >>.env
    """
    wanted = [part for part in Part if part in parts] if parts else [*USUAL, *([Part.COMPUTE] if compute else [])]
    if not (preview or yes or sys.stdin.isatty()):
        raise click.UsageError("nobody is here to ask: give --yes, or --preview to only look")
    where = account()
    say = _Spoken(quiet=in_json)
    say(f"{where}; prefix {prefix}")
    with refusals_told():
        deployment = Deployment(
            aws("cloudformation"), prefix, f"{wiring.utc_now():%Y%m%dT%H%M%S%f}", chosen, folder, tell=say.indented
        )
        deployment.check_chosen(wanted)
        run = _Run(deployment, say, preview=preview, yes=yes, allow_replacement=allow_replacement)
        done = [run.part(part) for part in wanted]
        warning = "" if preview else _unheard(deployment)
    if warning:
        click.echo(f"warning: {warning}", err=True)
    if in_json:
        show_json(
            {"account": where.number, "region": where.region, "prefix": prefix, "parts": done, "warning": warning}
        )


class _Spoken:
    """Lines for people, none when programs listen."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def __call__(self, line: str) -> None:
        if not self._quiet:
            click.echo(line)

    def indented(self, line: str) -> None:
        self(f"  {line}")


@dataclass(frozen=True)
class _Run:
    deployment: Deployment
    say: _Spoken
    preview: bool
    yes: bool
    allow_replacement: bool

    def part(self, part: Part) -> dict[str, Any]:
        """Show what would become of it and, unless this is a preview, do it."""
        plan = self.deployment.plan(part, preview=self.preview)
        stack = self.deployment.stack(part)
        self._show(plan, stack.name)
        changed = False
        if plan.change_set is not None:
            if self.preview:
                stack.discard(plan.change_set)
            else:
                self._agree(plan.change_set, stack)
                stack.carry_out(plan.change_set)
                self.say(f"{stack.name}: {'created' if plan.change_set.creates else 'updated'}")
                changed = True
        return plan.plain() | {"changed": changed, "outputs": stack.outputs()}

    def _show(self, plan: Plan, name: str) -> None:
        if plan.later:
            self.say(f"{name}: {plan.later}")
        elif plan.change_set is None:
            self.say(f"{name}: up to date")
        else:
            self.say(f"{name}: {'does not exist yet' if plan.change_set.creates else 'changes'}")
            for change in plan.change_set.changes:
                self.say.indented(str(change))
        if plan.kept:
            self.say.indented(f"kept from before: {', '.join(plan.kept)}")

    def _agree(self, change_set: ChangeSet, stack: Stack) -> None:
        if change_set.losses and not self.allow_replacement:
            stack.discard(change_set)
            lost = "; ".join(f"{each.resource} loses {each.loses}" for each in change_set.losses)
            raise Permanent(f"stack {change_set.stack} is left as it is: {lost}; if you mean it, --allow-replacement")
        if not self.yes and not click.confirm(f"Deploy {change_set.stack} so?", err=True):
            stack.discard(change_set)
            raise Permanent(f"stack {change_set.stack} is left as it is; so are the parts after it")


def _unheard(deployment: Deployment) -> str:
    topic = deployment.stack(Part.MESSAGING).outputs().get("AlertsTopicArn")
    return unheard(aws("sns"), topic) if topic else ""


@click.command()
@click.option("--env", "as_env", is_flag=True, help="As lines for .env.")
@with_prefix
@as_json
def outputs(prefix: str, *, as_env: bool, in_json: bool) -> None:
    """Tell what the stacks on AWS made: queues, topics, the bucket, the site's address.

    \b
    Examples:
      airdate outputs
      airdate outputs --env >>.env
    """
    where = account()
    found: list[Mapping[str, str]] = []
    with refusals_told():
        deployment = Deployment(aws("cloudformation"), prefix, "")
        for part in Part:
            described = deployment.stack(part).described() or {}
            found += [each | {"Part": part} for each in described.get("Outputs", [])]
    if not found:
        raise Permanent(f"no stack of prefix {prefix} tells anything ({where}); deploy first: airdate deploy")
    variables = {
        named.group(1): each["OutputValue"] for each in found if (named := VARIABLE.search(each.get("Description", "")))
    }
    if as_env:
        for name, value in sorted(({"AWS_REGION": where.region, "AIRDATE_DEPLOYMENT": prefix} | variables).items()):
            click.echo(f"{name}={value}")
    elif in_json:
        show_json({each["OutputKey"]: each["OutputValue"] for each in found})
    else:
        rows = [(each["Part"], each["OutputKey"], each["OutputValue"]) for each in found]
        show_table(("PART", "OUTPUT", "VALUE"), rows, empty="")


COMMANDS = (deploy, outputs)

"""``airdate doctor``: one line for each thing that was looked at, and under it what to do."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import click

from operations.doctor import (
    alarms,
    backlog,
    clock,
    database,
    listeners,
    processes,
    procfile,
    providers,
    queues,
    role_access,
    storage,
)
from operations.doctor.examination import Area, aws_runs, examined
from operations.output import show_json
from settings import SettingsError, settings
from tasks.readiness.agreement import celery_agrees, contradictions
from tasks.readiness.findings import Finding, Level, fail, warn

COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}
WIDEST_AREA = 9


def _settings() -> Iterator[Finding]:
    from tasks import app

    yield from contradictions(settings())
    if aws_runs():
        yield from celery_agrees(app.conf)  # they name the queues' addresses


def _queues() -> Iterator[Finding]:
    yield from queues.findings()
    yield from backlog.findings()


AREAS = (
    Area("settings", "settings against each other", _settings),
    Area("procfile", "queues and their workers", lambda: procfile.findings(os.environ)),
    Area("queues", "the queues on SQS", _queues, needs_aws=True),
    Area("access", "credentials and permissions", role_access.findings, needs_aws=True),
    Area("database", "tables, writing, connections", database.findings),
    Area("processes", "who runs, and that beat does once", processes.findings),
    Area("alarms", "CloudWatch's alarms, and who hears them", alarms.findings, needs_aws=True),
    Area("clock", "this machine's clock", clock.findings),
    Area("storage", "home, workspace and site", storage.findings),
    Area("providers", "writer, voice, FFmpeg, keys", providers.findings),
    Area("listeners", "who is told of episodes, and who could not be", listeners.findings),
)


def _chosen(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[Area, ...]:
    if value is None:
        return AREAS
    names = [name.strip() for name in value.split(",") if name.strip()]
    known = [area.name for area in AREAS]
    strange = [name for name in names if name not in known]
    if strange or not names:
        raise click.BadParameter(f"{', '.join(strange) or 'nothing'} is none of {', '.join(known)}")
    return tuple(area for area in AREAS if area.name in names)


@click.command()
@click.option("--only", "areas", callback=_chosen, metavar="AREAS", help="Look at these only, separated by commas.")
@click.option(
    "--as",
    "process",
    type=click.Choice(list(role_access.NEEDS)),
    help="Hold the credentials against what this process needs, no less and no more; else by their role's name.",
)
@click.option("--strict", is_flag=True, help="Exit 1 for a warning too.")
@click.option("--json", "in_json", is_flag=True, help="Print JSON instead of lines.")
def doctor(areas: tuple[Area, ...], *, process: str | None, strict: bool, in_json: bool) -> None:
    """Prove the settings against each other and against the world, and say how to mend what is wrong.

    Areas: settings, procfile, queues, access, database, processes, alarms, clock, storage, providers.
    Nothing is sent, received or kept: safe beside running workers. Exit 0 when nothing fails, else 1.

    \b
    Examples:
      airdate doctor
      airdate doctor --only queues,access       after a change of the template or a policy
      airdate doctor --only access --as beat    with the keys of beat's role
      airdate doctor --strict --json            in a pipeline, before workers are started
    """
    found = []
    for finding in _findings(areas if process is None else tuple(_as(process, area) for area in areas)):
        found.append(finding)
        if not in_json:
            _show(finding)
    counts = Counter(finding.level for finding in found)
    bad = counts[Level.FAIL] > 0 or (strict and counts[Level.WARN] > 0)
    if in_json:
        plain = [{"level": str(each.level), "area": each.area, "found": each.found, "fix": each.fix} for each in found]
        show_json({**{str(level): counts[level] for level in Level}, "healthy": not bad, "findings": plain})
    else:
        click.echo(f"\n{counts[Level.OK]} ok, {counts[Level.WARN]} to look at, {counts[Level.FAIL]} to mend")
    if bad:
        sys.exit(1)


def _as(process: str, area: Area) -> Area:
    if area.examine is not role_access.findings:
        return area
    return replace(area, examine=lambda: role_access.findings(process))


def _findings(areas: tuple[Area, ...]) -> Iterator[Finding]:
    try:
        settings()
    except SettingsError as error:
        yield fail("settings", error.message, "correct it in the environment or in .env; all else depends on it")
        return
    without = [area.name for area in areas if area.needs_aws and not aws_runs()]
    if without:
        yield warn(
            "queues",
            f"no embedded AWS runs under {settings().home}/, so nothing to look at: {', '.join(without)}",
            "airdate run   (in another terminal, and try again; for the real AWS set the queue URLs, see .env.example)",
        )
    for area in areas:
        if area.name not in without:
            yield from examined(area)


def _show(finding: Finding) -> None:
    level = click.style(f"{finding.level:<4}", fg=COLOURS[finding.level], bold=finding.level is not Level.OK)
    click.echo(f"{level}  {finding.area:<{WIDEST_AREA}}  {finding.found}")
    if finding.fix:
        click.echo(f"      {'':<{WIDEST_AREA}}  fix: {finding.fix}")


COMMANDS = (doctor,)

"""``python -m audit``: looks at the locks and at every file that git knows."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from audit import dependencies, secrets

FOUND, NOT_AUDITED = 1, 3
"""Exit codes: something is wrong; nobody could say whether something is."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--unaudited",
    type=click.Choice(["refused", "allowed"]),
    default="refused",
    show_default=True,
    help="What becomes of dependencies that the advisory service tells nothing of: exit 3, or a warning.",
)
@click.option("--osv-url", default=None, metavar="URL", help="Ask this OSV service instead of the package index.")
@click.option("--accept", is_flag=True, help="Write the secrets that are found into .secrets.baseline, and say which.")
def audit(*, unaudited: str, osv_url: str | None, accept: bool) -> None:
    """Fail on a dependency with a known vulnerability, and on a secret in a file.

    \b
    Examples:
      python -m audit
      python -m audit --unaudited allowed     where the advisory service is not reached
      python -m audit --accept                a made-up secret of a new test; then give its reason
    """
    repository = Path.cwd()
    if accept:
        for line in secrets.accept(repository):
            click.echo(line)
        return
    leaked = secrets.found(repository)
    for line in leaked:
        click.echo(line, err=True)
    if not leaked:
        click.echo(f"secrets: none in {len(secrets.tracked(repository))} files but those of {secrets.BASELINE}")
    report = dependencies.audited(repository, osv_url=osv_url)
    for line in report.vulnerable:
        click.echo(line, err=True)
    if report.unaudited:
        click.echo(f"WARNING: {report.warning}", err=True)
    if report.audited and not report.vulnerable:
        click.echo(f"dependencies: {report.audited} audited, no known vulnerability that is not ignored with a reason")
    if leaked or report.vulnerable:
        sys.exit(FOUND)
    if report.unaudited and unaudited == "refused":
        click.echo(
            "not audited is not passed: run it where the advisory service answers, or say --unaudited allowed "
            "(make audit UNAUDITED=allowed)",
            err=True,
        )
        sys.exit(NOT_AUDITED)


if __name__ == "__main__":
    audit()

"""The ``airdate`` command: its groups, and how an error reaches a person (one line, exit 1; wrong usage, exit 2)."""

from __future__ import annotations

import sys

import click

from operations import dispatch, episodes, machine, shows, status
from operations.dead_letters import all_commands as dead_letters
from operations.doctor import commands as doctor
from operations.fallback import commands as fallback
from podcasting.errors import AirdateError
from tasks import logs


class Airdate(click.Group):
    """A group whose commands' errors are one clear line."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; what Airdate raises on purpose becomes click's error."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("stopped; nothing is lost, and the next run goes on", err=True)
            sys.exit(machine.INTERRUPTED)
        except AirdateError as error:
            raise click.ClickException(" ".join(str(error).split())) from error


@click.group("airdate", cls=Airdate, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="airdate")
@click.option("--verbose", is_flag=True, help="Show the logs too, on stderr.")
def main(*, verbose: bool) -> None:
    """Make and publish podcast episodes that are due.

    \b
    Examples:
      airdate demo                       make an episode of the example feed, and show where it is
      airdate run                        run everything on this machine, until Ctrl-C
      airdate podcasts add "My show" --source https://example.org/feed.xml --every 1d
      airdate episodes list --json       what was made, for a program
      airdate status                     what waits, what was made, which providers and alarms trouble us
      airdate dead-letters list          what was given up, and why
      airdate doctor                     prove this installation, and say what to mend
    """
    if verbose:
        logs.configure()


GROUPS = (shows, episodes, dispatch, dead_letters, status, fallback, doctor, machine)

for group in GROUPS:
    for command in group.COMMANDS:
        main.add_command(command)


if __name__ == "__main__":
    sys.exit(main())

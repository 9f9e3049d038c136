"""The ``airdate`` command: its groups, and how an error reaches a person (one line, exit 1; wrong usage, exit 2).

A command's module is imported when the command is called: ``celery`` imports this one whatever it is
asked, and few commands need what all of them need together.
"""

from __future__ import annotations

import importlib
import signal
import sys

import click

from podcasting.errors import AirdateError


class Airdate(click.Group):
    """A group whose commands are imported when called, and whose commands' errors are one clear line."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called; what the help lists are placeholders."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found.imported() if isinstance(found, Placeholder) else found, rest

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; what Airdate raises on purpose becomes click's error."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("stopped; nothing is lost, and the next run goes on", err=True)
            sys.exit(128 + signal.SIGINT)
        except AirdateError as error:
            raise click.ClickException(" ".join(str(error).split())) from error
        except Exception as error:
            from operations.opened import in_one_line  # knows SQLAlchemy, which the help needs none of

            line = in_one_line(error)
            if line is None:
                raise
            raise click.ClickException(line) from error


class Placeholder(click.Command):
    """What the help says of a command, and the module whose ``COMMANDS`` hold it."""

    def __init__(self, name: str, module: str, summary: str | None) -> None:
        super().__init__(name, help=summary, hidden=summary is None)
        self.module = module

    def imported(self) -> click.Command:
        """The command itself."""
        commands: tuple[click.Command, ...] = importlib.import_module(self.module).COMMANDS
        return next(command for command in commands if command.name == self.name)


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
      airdate status                     what waits, who works, what was made, what troubles us
      airdate dead-letters list          what was given up, and why
      airdate doctor                     prove this installation, and say what to mend
    """
    if verbose:
        from tasks import logs  # Celery comes with it

        logs.configure()


COMMANDS: dict[str, dict[str, str | None]] = {
    "operations.shows": {"podcasts": "Shows: what they read, and when they are due."},
    "operations.episodes": {"episodes": "Episodes: what became of each slot."},
    "operations.preview": {
        "preview": "Show what an episode would be made of, and its script, before anything is spoken or remembered.",
    },
    "operations.notices": {"notices": "Notices: who was told of which episode, and who could not be."},
    "operations.dispatch": {
        "discover": "Find what is due and send it, now, as beat has the discovery worker do.",
        "generate": "Have a podcast's next episode made now; its later slots stay where they are.",
        "process": "Send an unfinished episode on to its next worker now.",
        "queues": "Show what waits in each queue and for how long, what workers have in hand, and the dead letters.",
    },
    "operations.dead_letters.all_commands": {
        "dead-letters": "Messages that were given up: look at them, send them again, mend them, drop them.",
    },
    "operations.status.commands": {
        "status": "Show what waits, who works, what became of the episodes, which providers are left alone, and "
        "alarms that stand.",
        "breakers": "Outside providers: which are left alone since they failed or throttled.",
    },
    "operations.exporter": {
        "exporter": "Tell the depth of each queue and the age of its oldest message, in each way that AIRDATE_METRICS "
        "names.",
    },
    "operations.fallback.commands": {
        "fallback": "Make and publish what is due straight from the database, while SQS can't be reached.",
    },
    "operations.cost.commands": {
        "cost": "Tell what a month on AWS costs, part by part, and what to change to pay less.",
    },
    "operations.report.commands": {
        "report": "Draw how long stages took, how much was published and how late, what failed, and what it cost.",
    },
    "operations.deploy.commands": {
        "deploy": "Bring the stacks on AWS to this release's templates, after showing what that changes.",
        "outputs": "Tell what the stacks on AWS made: queues, topics, the bucket, the site's address.",
    },
    "operations.doctor.commands": {
        "doctor": "Prove the settings against each other and against the world, and say how to mend what is wrong.",
    },
    "operations.machine": {
        "demo": "Make a podcast episode on this machine, from nothing, and show where to hear it.",
        "run": "Run everything on this machine until Ctrl-C: AWS, site, workers, beat, Flower.",
        "migrate": "Bring the database's tables to this release's revision, or to another.",
        "schemas": "Write the JSON Schema files of messages and webhooks, for programs in other languages.",
        "follow": None,
        "watch": None,
    },
}
"""By module, its commands and the first sentence of their help; None for those that no help lists."""

for module, commands in COMMANDS.items():
    for name, summary in commands.items():
        main.add_command(Placeholder(name, module, summary))


if __name__ == "__main__":
    sys.exit(main())

"""This machine: ``airdate demo|run|migrate|schemas``."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import click

from operations import demo as demonstration
from podcasting.database.revisions import OlderRevision, would_drop
from podcasting.database.revisions import migrate as migrate_database
from podcasting.providers.listeners import Event
from publishers.messages import MESSAGES
from tasks import wiring

SCHEMAS = Path(__file__).parent.parent / "docs" / "schemas"
COMMAND = f"{sys.executable} -m operations.command"
INTERRUPTED = 130
"""The exit code of what Ctrl-C ended (128 + SIGINT)."""
IMPATIENCE = {"AIRDATE_SCHEDULE_PODCASTS_EVERY": "5", "AIRDATE_CHECK_EPISODES_EVERY": "15"}
"""A person at a laptop waits for the next tick, and ticks cost nothing there."""


@click.command()
@click.option(
    "--feed", default=None, help="Make the episode from this feed (an address or a file) instead of the examples."
)
@click.option(
    "--exit/--stay",
    "leave",
    default=None,
    help="Stop once the episode is published, or stay until Ctrl-C (the default on a terminal).",
)
def demo(feed: str | None, *, leave: bool | None) -> None:
    """Make a podcast episode on this machine, from nothing, and show where to hear it.

    \b
    Examples:
      airdate demo
      airdate demo --feed https://example.org/feed.xml
    """
    began = time.time()
    os.environ.update(demonstration.environment(feed))
    from operations import platform
    from operations.sources import checked

    source = checked(feed) if feed else None
    stay = sys.stdout.isatty() if leave is None else not leave
    click.echo("Airdate's demo: starting the embedded AWS, deploying the queues, migrating the database")
    with platform.platform():
        podcast = demonstration.prepare(source)
        follow = f"{COMMAND} follow {podcast.id} --began {began} {'--stay' if stay else ''}"
        code = platform.run(follow)
    if code == INTERRUPTED:
        click.echo("stopped; `make demo` goes on where it was")
        if demonstration.is_published(podcast.id):
            code = 0
    sys.exit(code)


@click.command(hidden=True)
@click.argument("podcast_id")
@click.option("--began", type=float, required=True)
@click.option("--stay", is_flag=True)
def follow(podcast_id: str, began: float, *, stay: bool) -> None:
    """Tell what happens to the demo's podcast; one of the processes that `airdate demo` starts."""
    sys.exit(demonstration.follow(podcast_id, began=began, stay=stay))


@click.command()
def run() -> None:
    """Run everything on this machine until Ctrl-C: AWS, site, workers, beat, Flower. Kept under var/.

    \b
    Then, in another terminal:
      airdate podcasts add "My show" --source https://example.org/feed.xml --every 1d
    """
    for name, value in IMPATIENCE.items():
        os.environ.setdefault(name, value)
    from operations import platform

    click.echo("starting the embedded AWS, the queues, the database, the site and the workers")
    with platform.platform():
        code = platform.run(f"{COMMAND} watch")
    if code == INTERRUPTED:
        click.echo("stopped; nothing is forgotten but the queue's messages, and the next run finds their work again")
        code = 0
    sys.exit(code)


@click.command()
@click.option(
    "--to", "revision", default="head", metavar="REVISION", help="This revision instead of the newest; base: no tables."
)
@click.option("--down", is_flag=True, help="Go back to an older revision without asking, and drop what came since.")
@click.option("--json", "as_json", is_flag=True, help="Tell it as JSON.")
def migrate(revision: str, *, down: bool, as_json: bool) -> None:
    """Bring the database's tables to this release's revision, or to another.

    It happens whole or not at all, beside workers at work; a table in use for more than 5 s stops it. An older
    revision is gone back to after saying what that drops, and asking.

    \b
    Examples:
      airdate migrate
      airdate migrate --to 0001          says what would be dropped, and asks
      airdate migrate --to 0001 --down   does not ask
    """
    engine = wiring.database().engine
    address = engine.url.render_as_string()
    try:
        done = migrate_database(engine, revision, down=down)
    except OlderRevision:
        if as_json or not sys.stdin.isatty():
            raise
        loss = ", ".join(
            name if rows is None else f"{name} ({rows:,} {'row' if rows == 1 else 'rows'})"
            for name, rows in would_drop(engine, revision).items()
        )
        click.confirm(f"{address}: going back to revision {revision} drops {loss or 'nothing'}. Go on?", abort=True)
        done = migrate_database(engine, revision, down=True)
    before, after = done.before or "base", done.after or "base"
    if as_json:
        click.echo(json.dumps({"database": address, "from": before, "to": after}))
    elif before == after:
        click.echo(f"{address}: up to date, at revision {after}")
    else:
        click.echo(f"{address}: from revision {before} to {after}")


@click.command()
@click.option("--check", is_flag=True, help="Only tell whether the files are up to date; exit 1 if not.")
def schemas(*, check: bool) -> None:
    """Write the JSON Schema files of messages and webhooks, for programs in other languages."""
    stale = []
    described = {"event": Event.model_json_schema(mode="serialization")}
    for message in MESSAGES:
        name = message.model_fields["type"].annotation.__args__[0]  # type: ignore[union-attr]  # a Literal of one
        described[name] = message.model_json_schema()
    for name, schema in described.items():
        path = SCHEMAS / f"{name}.json"
        text = json.dumps(schema, indent=2) + "\n"
        if check and (not path.is_file() or path.read_text() != text):
            stale.append(str(path))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            click.echo(str(path))
    if stale:
        raise click.ClickException(f"not up to date: {', '.join(stale)}; write them with `airdate schemas`")


@click.command(hidden=True)
def watch() -> None:
    """Tell what happens to all podcasts; one of the processes that `airdate run` starts."""
    from operations.watch import watch_all

    watch_all()


COMMANDS = (demo, follow, run, migrate, schemas, watch)

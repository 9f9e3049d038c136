"""Messages and queues from the shell: ``airdate discover|generate|process|queues``."""

from __future__ import annotations

import dataclasses

import click

from operations.opened import database
from operations.output import as_json, console, show_json
from operations.queue_depth import DepthReader
from operations.status.screen import depths as table_of
from podcasting.due import has_ended
from podcasting.errors import AwaitsApproval, Permanent, Retryable
from publishers import episode_checker, podcast_scheduler
from publishers.fanout import Counts
from tasks import wiring


@click.group()
def discover() -> None:
    """Find what is due and send it, now, as beat has the discovery worker do."""


@discover.command("podcasts")
@as_json
def discover_podcasts(*, in_json: bool) -> None:
    """Send a message for each podcast whose next episode is due."""
    database()
    _report(podcast_scheduler.schedule_podcasts(wiring.discovery()), in_json=in_json)


@discover.command("episodes")
@as_json
def discover_episodes(*, in_json: bool) -> None:
    """Send a message for each episode that needs work nobody seems to be doing."""
    database()
    _report(episode_checker.check_episodes(wiring.discovery()), in_json=in_json)


@click.command()
@click.argument("podcast_id", metavar="PODCAST")
@as_json
def generate(podcast_id: str, *, in_json: bool) -> None:
    """Have a podcast's next episode made now; its later slots stay where they are."""
    database().podcasts.make_due(podcast_id, wiring.utc_now())
    resting = database().episodes.newest(podcast_id=podcast_id, awaiting_approval=True, limit=1)
    _report(podcast_scheduler.schedule_podcast(wiring.discovery(), podcast_id), in_json=in_json)
    if resting and not in_json:
        click.echo(f"it is made once {resting[0].id} has ended, which waits for approval")


@click.command()
@click.argument("episode_id", metavar="EPISODE")
@as_json
def process(episode_id: str, *, in_json: bool) -> None:
    """Send an unfinished episode on to its next worker now."""
    episode = database().episodes.get(episode_id)
    if has_ended(episode):
        raise Permanent(
            f"episode {episode_id} is {episode.status.value} and needs nothing; "
            f"a failed one starts again with `airdate episodes retry {episode_id}`"
        )
    if episode.awaits_approval:
        raise AwaitsApproval(episode_id)
    counts = episode_checker.send_on(wiring.discovery(), episode_id, even_if_claimed=True)
    _report(counts, in_json=in_json)
    if not counts.claimed and not in_json:
        click.echo(f"it is being worked on, or waits for its next try: `airdate episodes show {episode_id}`")


@click.command()
@as_json
def queues(*, in_json: bool) -> None:
    """Show what waits in each queue and for how long, what workers have in hand, and the dead letters."""
    depths = DepthReader.of_settings().read()
    if in_json:
        show_json(depths.plain())
        return
    console().print(table_of(depths.queues))


def _report(counts: Counts, *, in_json: bool) -> None:
    if in_json:
        show_json(dataclasses.asdict(counts))
    else:
        click.echo(f"claimed {counts.claimed}, sent {counts.sent}, released {counts.released}")
    if counts.released:
        raise Retryable(
            f"{counts.released} of {counts.claimed} messages could not be sent; "
            "their claims are released, so try again once SQS answers"
        )


COMMANDS = (discover, generate, process, queues)

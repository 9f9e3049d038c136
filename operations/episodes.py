"""Episodes: ``airdate episodes …``: what became of each slot, and setting going again what failed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import click

from operations import redo, review
from operations.dead_letters.audit import who
from operations.opened import database
from operations.output import as_json, moment, show_json, show_table
from podcasting.database.history import Event
from podcasting.due import status_reached
from podcasting.errors import Permanent
from podcasting.models import STAGES, Episode, EpisodeStatus
from podcasting.observing import Expense
from podcasting.visible import visible
from tasks import wiring


@click.group()
def episodes() -> None:
    """Episodes: what became of each slot."""


@episodes.command("list")
@click.option("--podcast", "podcast_id", default=None, help="Only this podcast's.")
@click.option(
    "--status",
    type=click.Choice([status.value for status in EpisodeStatus]),
    default=None,
    help="Only those in this status.",
)
@click.option("--waiting", is_flag=True, help="Only those that wait for approval.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many, newest first.")
@as_json
def list_episodes(podcast_id: str | None, status: str | None, limit: int, *, waiting: bool, in_json: bool) -> None:
    """List episodes, newest first."""
    if podcast_id is not None:
        database().podcasts.get(podcast_id)
    found = database().episodes.newest(
        podcast_id=podcast_id,
        status=EpisodeStatus(status) if status else None,
        awaiting_approval=waiting,
        limit=limit,
    )
    if in_json:
        show_json(found)
        return
    rows = [(each.id, each.status.value, moment(each.slot), str(each.attempts), _about(each)) for each in found]
    show_table(
        ("ID", "STATUS", "SLOT", "ATTEMPTS", "TITLE OR REASON"),
        rows,
        empty="no episode waits for approval" if waiting else "no episodes yet; they are made when a podcast is due",
    )


@episodes.command("show")
@click.argument("episode_id", metavar="EPISODE")
@as_json
def show_episode(episode_id: str, *, in_json: bool) -> None:
    """Show an episode, how long each of its stages took, what outside providers asked for, and what happened to it."""
    episode = database().episodes.get(episode_id)
    spent = database().expenses.of(episode_id)
    done = database().checkpoints.of(episode_id)
    history = database().history.of(episode_id)
    if in_json:
        stages = {
            name: {"seconds": stage.seconds, "finished_at": stage.finished_at.isoformat()}
            for name, stage in done.items()
        }
        lines = [asdict(event) | {"at": event.at.isoformat()} for event in history]
        expenses = {stage: [each._asdict() for each in of_stage] for stage, of_stage in spent.items()}
        show_json(episode.model_dump(mode="json") | {"stages": stages, "expenses": expenses, "history": lines})
        return
    since = database().reviews.waits_since(episode_id) if episode.awaits_approval else None
    click.echo(f"{episode.id}: {episode.status.value}, slot {moment(episode.slot)}, attempts {episode.attempts}")
    click.echo(f"  {episode.title if episode.awaits_approval else _about(episode)}")
    if episode.awaits_approval:
        click.echo(
            f"  waits for approval since {moment(since)}: read it by `airdate episodes script {episode_id}`, then"
        )
        click.echo(f"  `airdate episodes approve {episode_id}`, or edit or reject it")
    show_table(
        ("STAGE", "SECONDS", "DONE"),
        [(name, f"{stage.seconds:.1f}", moment(stage.finished_at)) for name, stage in done.items()],
        empty="  no stage is done yet",
    )
    if spent:
        click.echo()
        rows = [_paid(stage, each) for stage, of_stage in spent.items() for each in of_stage]
        show_table(("STAGE", "PROVIDER", "REQUESTS", "USED", "US DOLLARS"), rows, empty="")
    click.echo()
    show_table(("WHEN", "WHAT HAPPENED", "AT", "WHO OR WHY"), [_told(event) for event in history], empty="  no history")


@episodes.command()
@click.argument("episode_ids", metavar="[EPISODE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every failed episode.")
@click.option("--podcast", "podcast_id", default=None, help="Failed ones of this podcast.")
@click.option("--stage", type=click.Choice(STAGES), default=None, help="Failed ones that ended at this stage.")
@click.option("--reason", default=None, help="Failed ones with this text in their reason.")
@click.option("--since", type=float, default=None, metavar="HOURS", help="Only those that failed in the last hours.")
@click.option("--dry-run", is_flag=True, help="Only tell which.")
def retry(
    episode_ids: tuple[str, ...],
    podcast_id: str | None,
    stage: str | None,
    reason: str | None,
    since: float | None,
    *,
    everything: bool,
    dry_run: bool,
) -> None:
    """Set failed or skipped episodes going again, from the last stage that is done.

    Discovery finds them at its next tick; `airdate discover episodes` finds them now. One whose stories a later
    episode told meanwhile collects anew.

    \b
    Examples:
      airdate episodes retry my-show-20261124t060000
      airdate episodes retry --stage speech --reason "503" --since 24
      airdate episodes retry --all --dry-run
    """
    filtered = any(value is not None for value in (podcast_id, stage, reason, since))
    if bool(episode_ids) + (filtered or everything) != 1:
        raise click.UsageError("say which: ids of episodes, or --podcast, --stage, --reason, --since, or --all")
    if podcast_id is not None:
        database().podcasts.get(podcast_id)
    if not episode_ids:
        earliest = wiring.utc_now() - timedelta(hours=since) if since is not None else None
        found = database().episodes.failed(podcast_id=podcast_id, stage=stage, reason=reason, since=earliest)
        episode_ids = tuple(episode.id for episode in found)
        if not episode_ids:
            click.echo("no failed episode is like that; `airdate episodes list --status failed` shows those there are")
    refused = 0
    for episode_id in episode_ids:
        try:
            click.echo(_retried(episode_id, dry_run=dry_run))
        except Permanent as error:
            if len(episode_ids) == 1:
                raise
            refused += 1  # the others can go on all the same
            click.echo(f"{episode_id}: not set going: {error}", err=True)
    if refused:
        raise Permanent(f"{refused} of {len(episode_ids)} were not set going")


def _retried(episode_id: str, *, dry_run: bool) -> str:
    status = status_reached(database().checkpoints.standing(episode_id))
    if dry_run:
        return f"{episode_id}: would go on from {status.value}: {_about(database().episodes.get(episode_id))}"
    episode = database().episodes.retry(episode_id, status, wiring.utc_now(), by=who())
    if episode.status is not status:
        return f"{episode_id}: collects anew, since a later episode told its stories meanwhile"
    return f"{episode_id}: goes on from {status.value}"


def _about(episode: Episode) -> str:
    if episode.failure is not None:
        return visible(f"{episode.failure.stage}: {episode.failure.reason}")
    rests = "waits for approval: " if episode.awaits_approval else ""
    return visible(f"{rests}{episode.title or '–'}")


def _paid(stage: str, expense: Expense) -> tuple[str, str, str, str, str]:
    used = (
        (expense.input_tokens, "tokens in"),
        (expense.output_tokens, "tokens out"),
        (expense.characters, "characters"),
    )
    told = ", ".join(f"{amount:,} {unit}" for amount, unit in used if amount)
    dollars = "price not known" if expense.dollars is None else f"{expense.dollars:.4f}"
    return stage, expense.provider, f"{expense.calls:,}", told or "–", dollars


def _told(event: Event) -> tuple[str, str, str, str]:
    return (moment(event.at), event.what.value, event.stage or "", event.detail or "")


for command in (*review.OF_EPISODES, *redo.OF_EPISODES):
    episodes.add_command(command)

COMMANDS = (episodes,)

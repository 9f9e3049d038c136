"""Notices: ``airdate notices …``: who was told what, who could not be told, and trying it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import click

from operations.opened import database
from operations.output import as_json, moment, show_json, show_table
from podcasting.announcing import MOST_KEYS, Announcing, Target, Webhook, new_key, targets_of
from podcasting.database.notices import ID_PREFIX, Notice, NoticeState
from podcasting.errors import AirdateError, InvalidPodcast, Permanent
from podcasting.models import EpisodeStatus, Podcast
from podcasting.notices import Delivery, deliver, with_links
from podcasting.providers.listeners import Event, EventData
from podcasting.studio import Studio
from podcasting.work import reason
from settings import settings
from tasks import wiring
from tasks.listeners import ConfiguredListeners, pace


@click.group()
def notices() -> None:
    """Notices: who was told of which episode, and who could not be."""


@notices.command("list")
@click.option("--podcast", "podcast_id", default=None, help="Only this podcast's.")
@click.option("--episode", "episode_id", default=None, help="Only this episode's.")
@click.option("--due", is_flag=True, help="Only those that are still to be told.")
@click.option("--failed", is_flag=True, help="Only those that were given up.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many, newest first.")
@as_json
def list_notices(
    podcast_id: str | None, episode_id: str | None, limit: int, *, due: bool, failed: bool, in_json: bool
) -> None:
    """List notices, newest first.

    \b
    Examples:
      airdate notices list --failed
      airdate notices list --due --podcast my-show --json
    """
    if podcast_id is not None:
        database().podcasts.get(podcast_id)
    states = [NoticeState.WAITING] * due + [NoticeState.GIVEN_UP] * failed
    found = database().notices.newest(states=states, podcast_id=podcast_id, episode_id=episode_id, limit=limit)
    if in_json:
        show_json([_plain(notice) for notice in found])
        return
    rows = [
        (
            notice.id,
            moment(notice.created_at),
            notice.episode_id,
            notice.occasion.value,
            notice.target,
            notice.state.value,
            str(notice.tries),
            notice.answer or "–",
        )
        for notice in found
    ]
    columns = ("ID", "SINCE", "EPISODE", "WHAT", "TARGET", "STATE", "TRIES", "ANSWER")
    show_table(columns, rows, empty="no notices; `airdate notices test PODCAST` tells who would be told")


@notices.command()
@click.argument("notice_ids", metavar="[NOTICE]...", nargs=-1)
@click.option("--podcast", "podcast_id", default=None, help="All of this podcast.")
@click.option("--all", "everything", is_flag=True, help="All.")
def retry(notice_ids: tuple[str, ...], podcast_id: str | None, *, everything: bool) -> None:
    """Have notices told now that were given up or wait, with all their tries before them.

    A worker tells them at the next tick; `airdate notices deliver` tells them from here.

    \b
    Examples:
      airdate notices retry msg_5d1f0c…
      airdate notices retry --podcast my-show
    """
    if bool(notice_ids) + (podcast_id is not None) + everything != 1:
        raise click.UsageError("say which: ids of notices, or --podcast, or --all")
    if podcast_id is not None:
        database().podcasts.get(podcast_id)
    count = database().notices.retry(wiring.utc_now(), ids=notice_ids or None, podcast_id=podcast_id)
    click.echo(f"{count} {'is' if count == 1 else 'are'} told again")


@notices.command("deliver")
def deliver_now() -> None:
    """Tell listeners what is due, from this machine: while no worker runs, or the queues can't be reached."""
    database()
    chosen = settings()
    total = deliver(wiring.studio(), ConfiguredListeners(chosen), pace(chosen))
    click.echo(_counted(total))


@dataclass(frozen=True)
class Tried:
    """What a target answered to a test."""

    target: str
    took_it: bool
    answer: str


@notices.command()
@click.argument("podcast_id", metavar="PODCAST")
@click.option("--target", "only", default=None, help="Only this one, by its name in the list.")
@as_json
def test(podcast_id: str, only: str | None, *, in_json: bool) -> None:
    """Tell each target of a podcast that this is a test, and show what it answered. Exit 1 if one did not take it.

    Hubs and directories are told that the feed changed; it does them no harm.

    \b
    Examples:
      airdate notices test my-show
      airdate notices test my-show --target "webhook site"
    """
    podcast = database().podcasts.get(podcast_id)
    listeners = ConfiguredListeners(settings())
    targets = targets_of(podcast.production.announcing, listeners.platform)
    if only is not None and only not in targets:
        raise InvalidPodcast(f"{podcast_id} has no target {only!r}; it has {', '.join(targets) or 'none'}")
    studio = wiring.studio()
    tried = [
        _tried(studio, listeners, podcast, name, target)
        for name, target in targets.items()
        if only is None or name == only
    ]
    if in_json:
        show_json([asdict(each) for each in tried])
    else:
        rows = [(each.target, "took it" if each.took_it else "did not", each.answer) for each in tried]
        show_table(
            ("TARGET", "TEST", "ANSWER"),
            rows,
            empty=f"nobody is told of {podcast_id}'s episodes; `airdate podcasts set {podcast_id} "
            "announcing.webhooks.site=https://…` names somebody",
        )
    if missed := [each.target for each in tried if not each.took_it]:
        raise Permanent(f"{len(missed)} of {len(tried)} did not take it: {', '.join(missed)}")


@notices.command()
@click.argument("podcast_id", metavar="[PODCAST]", required=False)
@click.argument("name", metavar="[WEBHOOK]", required=False)
@click.option("--new", is_flag=True, help="Sign with a new key; the one before it signs too, until --only.")
@click.option("--only", is_flag=True, help="Let the key before the newest sign no longer.")
def key(podcast_id: str | None, name: str | None, *, new: bool, only: bool) -> None:
    """Show the key that signs for a webhook, for its receiver; or make one, for AIRDATE_WEBHOOK_SECRET.

    The only command that shows a secret. To change a key: --new, give it to the receiver, then --only.

    \b
    Examples:
      airdate notices key my-show site
      airdate notices key my-show site --new
      airdate notices key
    """
    if podcast_id is None or name is None:
        if podcast_id is not None or new or only:
            raise click.UsageError("say whose: PODCAST WEBHOOK, such as my-show site")
        click.echo(new_key())
        return
    if new and only:
        raise click.UsageError("--new first; --only when the receiver has the new key")
    webhook = _webhook(database().podcasts.get(podcast_id), name)
    if new or only:
        podcast = database().podcasts.change(podcast_id, lambda podcast: _rekeyed(podcast, name, new=new))
        webhook = _webhook(podcast, name)
    for secret in webhook.secrets:
        click.echo(secret.get_secret_value())


def _rekeyed(podcast: Podcast, name: str, *, new: bool) -> Podcast:
    webhook = _webhook(podcast, name)
    keys: Any = (new_key(), *webhook.secrets)[:MOST_KEYS] if new else webhook.secrets[:1]
    announcing = podcast.production.announcing
    told = announcing.webhooks | {name: Webhook(url=webhook.url, on=webhook.on, secrets=keys)}
    changed = announcing.model_copy(update={"webhooks": told})
    return podcast.model_copy(update={"production": podcast.production.model_copy(update={"announcing": changed})})


def _webhook(podcast: Podcast, name: str) -> Webhook:
    announcing: Announcing = podcast.production.announcing
    found = announcing.webhooks.get(name)
    if found is None:
        raise InvalidPodcast(
            f"{podcast.id} has no webhook {name!r}; it has {', '.join(announcing.webhooks) or 'none'}; "
            f"`airdate podcasts set {podcast.id} announcing.webhooks.{name}=https://…` adds it"
        )
    return found


def _tried(studio: Studio, listeners: ConfiguredListeners, podcast: Podcast, name: str, target: Target) -> Tried:
    now = wiring.utc_now()
    event = Event(
        type="test",
        timestamp=now,
        data=EventData(
            podcast_id=podcast.id,
            podcast_title=podcast.title,
            episode_id=f"{podcast.id}-test",
            episode_number=1,
            slot=now,
            status=EpisodeStatus.PUBLISHED,
            title="A test",
        ),
    )
    try:
        # Past its breaker: a person asks, and it is no work.
        answer = listeners.of(target).tell(f"{ID_PREFIX}test-{now:%Y%m%d%H%M%S%f}", with_links(studio, podcast, event))
    except AirdateError as error:
        return Tried(name, took_it=False, answer=reason(error))
    return Tried(name, took_it=True, answer=answer)


def _counted(done: Delivery) -> str:
    said = f"{done.delivered} told, {done.put_off} put off, {done.given_up} given up, {done.dropped} dropped"
    return f"{said}; there may be more" if done.more else said


def _plain(notice: Notice) -> dict[str, Any]:
    moments = ("created_at", "due_at", "settled_at")
    plain = asdict(notice) | {"event": notice.event.model_dump(mode="json")}
    return plain | {name: value and value.isoformat() for name, value in plain.items() if name in moments}


COMMANDS = (notices,)

"""Listeners: who has not been told for long, and what telling needs that is not there."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from operations.output import moment
from podcasting.announcing import Notification, Podping, targets_of
from podcasting.database.notices import Notices
from podcasting.database.podcasts import Podcasts
from podcasting.errors import AirdateError
from podcasting.providers.listeners.apprise import INSTALL
from settings import settings
from tasks import wiring
from tasks.readiness.findings import Finding, fail, ok, warn
from tasks.readiness.tables import Missing, opened

AREA = "listeners"
IN_VAIN = 4
"""Tries of a notice after which its target counts as troubled: over two hours."""
GIVEN_UP_DAYS = 7


def findings() -> Iterator[Finding]:
    """About those who are told of episodes."""
    try:
        with opened(settings().database) as engine:
            yield from told(Podcasts(engine), Notices(engine))
    except Missing:
        yield ok(AREA, "nobody is to be told: there is no database yet")
    except (SQLAlchemyError, AirdateError):
        # What is wrong with it is told by its own area.
        yield warn(AREA, "not looked at: the database cannot be read", "mend what is said about the database")


def told(podcasts: Podcasts, notices: Notices) -> Iterator[Finding]:
    """What of the database says that somebody is not told."""
    targets = {
        f"{podcast.id}: {name}": target
        for podcast in podcasts.all()
        for name, target in targets_of(podcast.production.announcing, settings().announcing).items()
    }
    if any(isinstance(target, Notification) for target in targets.values()) and _missing("apprise"):
        yield fail(AREA, "people are to be told, and the extra `notifications` is not installed", INSTALL)
    if any(isinstance(target, Podping) for target in targets.values()) and not (
        settings().podping_token.get_secret_value()
    ):
        yield fail(
            AREA,
            "a podcast has announcing.podping, and AIRDATE_PODPING_TOKEN is not set",
            "set AIRDATE_PODPING_TOKEN; podping.cloud gives one",
        )
    troubled = notices.troubled(after_tries=IN_VAIN, since=wiring.utc_now() - timedelta(days=GIVEN_UP_DAYS))
    for each in troubled:
        counts = [(each.waiting, "waiting"), (each.given_up, "given up")]
        said = " and ".join(f"{count} {what}" for count, what in counts if count)
        yield warn(
            AREA,
            f"{each.podcast_id}: {each.target} has not taken what happened since {moment(each.since)} ({said}): "
            f"{each.answer}",
            f"airdate notices test {each.podcast_id}   (then `airdate notices retry --podcast {each.podcast_id}`)",
        )
    if not troubled:
        yield ok(AREA, f"{len(targets)} {'target is' if len(targets) == 1 else 'targets are'} told of episodes")


def _missing(module: str) -> bool:
    return importlib.util.find_spec(module) is None

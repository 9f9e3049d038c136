"""The one place where settings become a database, storage, voices, a studio. Built when first used."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

from celery.utils.imports import import_from_cwd

from podcasting.breaker import Tolerance
from podcasting.database import Database
from podcasting.protection import protected
from podcasting.providers.storage import Storage
from podcasting.providers.storage.folder import FolderStorage
from podcasting.providers.storage.s3 import S3Storage
from podcasting.studio import Limits, Studio
from publishers.fanout import Discovery
from settings import SettingsError, settings
from tasks import app, aws
from tasks.sending import CelerySender
from tasks.telemetry.observer import Telemetry

LONGEST_PAUSE = 900
"""Seconds after which a provider that was left alone is asked again at the latest, unless it asked for longer."""


def utc_now() -> datetime:
    """The clock of production."""
    return datetime.now(UTC)


@cache
def database() -> Database:
    """This process's database. Connects when first used, so never before a worker forks."""
    return Database.at(settings().database, platform=settings().announcing)


@cache
def studio() -> Studio:
    """This process's studio, as ``AIRDATE_STUDIO`` would have it.

    Raises:
        SettingsError: ``AIRDATE_STUDIO`` names nothing that can be imported.
    """
    # Heavy, and only where episodes are made: the discovery worker loads none of it.
    from podcasting.providers.feeds.web import WebSources
    from podcasting.providers.voices.hibari import HibariVoice
    from podcasting.providers.writers.extractive import ExtractiveWriter
    from tasks.engines import ConfiguredEngines

    chosen = settings()
    built = Studio(
        database=database(),
        workspace=_storage("work"),
        site=_storage("site"),
        site_url=chosen.site_url,
        sources=WebSources(
            allow_files=chosen.files_allowed,
            allowed_private_hosts=chosen.allowed_private_hosts,
            max_bytes=chosen.fetch_max_bytes,
            timeout_seconds=chosen.fetch_timeout,
            pause_seconds=chosen.fetch_pause,
        ),
        writer=ExtractiveWriter(),
        voice=HibariVoice(),
        limits=Limits(
            lease_seconds=chosen.lease_seconds,
            stuck_after=chosen.stuck_after,
            max_attempts=chosen.max_attempts,
            max_stories=chosen.max_stories,
            clips_at_once=chosen.clips_in_parallel,
            alarm_quiet_seconds=chosen.alarm_quiet,
            tolerance=Tolerance(
                failures=chosen.breaker_failures,
                first_pause=chosen.breaker_pause,
                longest_pause=max(chosen.breaker_pause, LONGEST_PAUSE),
            ),
        ),
        now=utc_now,
        observer=Telemetry(),
        engines=ConfiguredEngines(chosen),
    )
    whole = own_studio(chosen.studio)(built) if chosen.studio else built
    return protected(whole, store=f"S3 bucket {chosen.bucket}" if chosen.bucket else None)


def own_studio(name: str) -> Callable[[Studio], Studio]:
    """What ``AIRDATE_STUDIO`` names.

    Raises:
        SettingsError: it names nothing that can be imported.
    """
    module, _, function = name.partition(":")
    try:
        # From beside the Procfile too, as `celery -A` finds the application.
        found: Callable[[Studio], Studio] = getattr(import_from_cwd(module), function)
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"AIRDATE_STUDIO is {name!r}, which can't be imported: {error}") from error
    return found


def now() -> datetime:
    """The time by the studio's clock. Without a studio of one's own that is :func:`utc_now`, and none is built."""
    return studio().now() if settings().studio else utc_now()


def discovery() -> Discovery:
    """A discovery as of now."""
    return Discovery(
        database=database(),
        sender=CelerySender(app),
        now=now(),
        claim_seconds=settings().claim_seconds,
        page=settings().discovery_page,
    )


def _storage(part: str) -> Storage:
    if settings().bucket:
        return S3Storage(aws.client("s3"), settings().bucket, prefix=f"{part}/")
    return FolderStorage(settings().home / part)

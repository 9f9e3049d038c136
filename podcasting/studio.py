"""The studio: all that making and publishing episodes needs, in one value.

Built once per process by the edge (``tasks.wiring``), or by a test from fakes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from podcasting.breaker import Tolerance
from podcasting.database import Database
from podcasting.errors import Permanent
from podcasting.models import Podcast
from podcasting.observing import SILENT, Observer
from podcasting.providers.feeds import Sources
from podcasting.providers.storage import Storage
from podcasting.providers.voices import Casting, Voice
from podcasting.providers.writers import Writer


@dataclass(frozen=True)
class Limits:
    """How long, how often, how much; seconds unless a name says otherwise."""

    lease_seconds: float = 60
    """How long a lease lasts unless renewed; it is renewed at a third of this."""
    stuck_after: float = 1800
    """Without progress for this long, the checker sends an episode to a worker again."""
    max_attempts: int = 10
    """Starts of work without getting a step further, before an episode fails."""
    max_stories: int = 5
    clips_at_once: int = 1
    """Turns of one episode that are spoken side by side."""
    alarm_quiet_seconds: float = 3600
    """An alarm that came again within this is counted, not told anew."""
    tolerance: Tolerance = field(default_factory=Tolerance)
    """When an outside provider is left alone."""


class Engines(Protocol):
    """The writers and voices that a podcast may choose by name, each built when first asked for."""

    def writer(self, engine: str | None) -> Writer | None:
        """The writer ``ENGINE`` or ``ENGINE:MODEL``, or for None the installation's; None: the studio's own.

        Raises:
            Permanent: there is none of that name, or what it needs is not installed or not set; says the fix.
        """
        ...

    def voice(self, casting: Casting) -> Voice | None:
        """The voice of the casting's engine, cast so; None: the studio's own.

        Raises:
            Permanent: as :meth:`writer`, or the engine has no such voice.
        """
        ...


class NoEngines:
    """Nothing to choose: every podcast is made by the studio's own writer and voice."""

    def writer(self, engine: str | None) -> Writer | None:
        """See :class:`Engines`."""
        if engine is not None:
            raise Permanent(
                f"there is no writer {engine!r} here; `airdate podcasts set PODCAST writing.engine=` unsets it"
            )
        return None

    def voice(self, casting: Casting) -> Voice | None:
        """See :class:`Engines`."""
        if casting.engine is not None:
            raise Permanent(
                f"there is no voice {casting.engine!r} here; `airdate podcasts set PODCAST speaking.engine=` unsets it"
            )
        return None


NO_ENGINES = NoEngines()


@dataclass(frozen=True)
class Studio:
    """Ports, limits and a clock."""

    database: Database
    workspace: Storage
    """Artefacts on the way: clips, mastered audio, transcripts. Private."""
    site: Storage
    """What listeners get. Public."""
    site_url: str
    """The address under which ``site`` is served."""
    sources: Sources
    writer: Writer
    """Of podcasts that choose none."""
    voice: Voice
    """Of podcasts that choose none."""
    limits: Limits
    now: Callable[[], datetime]
    """The time, UTC and aware."""
    observer: Observer = SILENT
    engines: Engines = NO_ENGINES

    def writer_of(self, podcast: Podcast) -> Writer:
        """Who writes for a podcast.

        Raises:
            Permanent: it chose a writer that is not to be had here.
        """
        return self.engines.writer(podcast.production.writing.engine) or self.writer

    def voice_of(self, podcast: Podcast) -> Voice:
        """Who speaks for a podcast, cast as it chose.

        Raises:
            Permanent: it chose a voice that is not to be had here.
        """
        chosen = podcast.production.speaking
        casting = Casting(
            engine=chosen.engine,
            language=podcast.language,
            voices=tuple(chosen.voices.get(host) for host in podcast.hosts),
        )
        return self.engines.voice(casting) or self.voice

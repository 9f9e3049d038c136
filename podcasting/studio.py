"""The studio: all that making and publishing episodes needs, in one value.

Built once per process by the edge (``tasks.wiring``), or by a test from fakes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from podcasting.breaker import Tolerance
from podcasting.database import Database
from podcasting.observing import SILENT, Observer
from podcasting.providers.feeds import Sources
from podcasting.providers.storage import Storage
from podcasting.providers.voices import Voice
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
    voice: Voice
    limits: Limits
    now: Callable[[], datetime]
    """The time, UTC and aware."""
    observer: Observer = SILENT

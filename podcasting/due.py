"""What is due: pure functions of rows and a time, tested without clock, database or queue."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import Enum

from podcasting.models import ENDED, IN_GENERATION, Episode, EpisodeStatus, Podcast


class Work(Enum):
    """What an episode needs next."""

    GENERATION = "generation"
    PROCESSING = "processing"


def work_for(episode: Episode) -> Work | None:
    """What an episode needs: its audio made, or its audio published; None when it has ended or awaits approval."""
    if episode.awaits_approval:
        return None
    if episode.status in IN_GENERATION:
        return Work.GENERATION
    return Work.PROCESSING if episode.status is EpisodeStatus.COMPLETED else None


def has_ended(episode: Episode) -> bool:
    """Whether nothing more will happen to the episode by itself."""
    return episode.status in ENDED


def status_reached(stages_done: Collection[str]) -> EpisodeStatus:
    """The status from which an episode with these stages done goes on."""
    if "master" in stages_done:
        return EpisodeStatus.COMPLETED
    if "script" in stages_done:
        return EpisodeStatus.SCRIPT_READY
    return EpisodeStatus.CONTENT_COLLECTED if "collect" in stages_done else EpisodeStatus.PENDING


def slot_after(podcast: Podcast, now: datetime) -> datetime:
    """The first slot of the podcast's grid that lies after ``now``.

    The grid starts at ``first_slot`` and has a slot every ``frequency_days``. Slots that went by
    during an outage are passed over: one episode tells all that is new.
    """
    period = timedelta(days=podcast.frequency_days)
    if now < podcast.first_slot:
        return podcast.first_slot
    passed = (now - podcast.first_slot) // period
    return podcast.first_slot + (passed + 1) * period

"""What the database says of the load: how many podcasts are due how often, and how long their episodes took."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from operations.opened import database
from podcasting.database.checkpoints import Checkpoint
from podcasting.models import STAGES, EpisodeStatus, PodcastState

LOOKED_AT = 50
"""Of the newest episodes."""
GENERATION = STAGES[: STAGES.index("master") + 1]


@dataclass(frozen=True)
class Measured:
    """Means over the newest published episodes; None where there are none."""

    episodes_per_day: float
    minutes: float | None = None
    generation_seconds: float | None = None
    processing_seconds: float | None = None


def measured() -> Measured:
    """What this installation's database says.

    Raises:
        Permanent, Retryable: as :func:`operations.opened.database`.
    """
    per_day = sum(
        1 / podcast.frequency_days for podcast in database().podcasts.all() if podcast.state is PodcastState.ACTIVE
    )
    done = [
        database().checkpoints.of(episode.id)
        for episode in database().episodes.newest(status=EpisodeStatus.PUBLISHED, limit=LOOKED_AT)
    ]
    whole = [stages for stages in done if set(STAGES) <= set(stages)]
    if not whole:
        return Measured(per_day)
    return Measured(
        per_day,
        minutes=fmean(stages["check"].output["seconds"] for stages in whole) / 60,
        generation_seconds=fmean(_seconds(stages, generation=True) for stages in whole),
        processing_seconds=fmean(_seconds(stages, generation=False) for stages in whole),
    )


def _seconds(stages: dict[str, Checkpoint], *, generation: bool) -> float:
    return sum(stage.seconds for name, stage in stages.items() if (name in GENERATION) is generation)

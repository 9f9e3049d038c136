"""Podcasts and episodes, and the states an episode goes through."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from podcasting.production import Production

ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,99}$"
"""Ids name folders, URLs and SQS message groups, so they keep to what all three allow."""

OWNER_PATTERN = r"^[!-~]{1,128}$"
"""What SQS takes for a MessageGroupId: letters, digits and punctuation of ASCII (its SendMessage reference)."""

MOST_HOSTS = 4


def _each_once(hosts: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(hosts)) != len(hosts):
        raise ValueError("two hosts have the same name; listeners, voices and transcripts tell them apart by it")
    return hosts


Hosts = Annotated[
    tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)], ...],
    Field(min_length=1, max_length=MOST_HOSTS),
    AfterValidator(_each_once),
]
"""Who speaks: one to four names, each once."""

UtcDatetime = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
"""An aware moment, normalised to UTC."""


class PodcastState(StrEnum):
    """Whether discovery looks at a podcast."""

    ACTIVE = "active"
    PAUSED = "paused"


class EpisodeStatus(StrEnum):
    """How far an episode has come.

    ``pending → content_collected → script_ready → completed → published``; from anywhere
    ``→ failed``, and ``→ skipped`` when its slot has nothing new to say.
    """

    PENDING = "pending"
    CONTENT_COLLECTED = "content_collected"
    SCRIPT_READY = "script_ready"
    COMPLETED = "completed"
    """Its audio exists and is mastered."""
    PUBLISHED = "published"
    """Its audio was verified, and the feed lists it."""
    FAILED = "failed"
    SKIPPED = "skipped"


IN_GENERATION = (EpisodeStatus.PENDING, EpisodeStatus.CONTENT_COLLECTED, EpisodeStatus.SCRIPT_READY)
ENDED = (EpisodeStatus.PUBLISHED, EpisodeStatus.FAILED, EpisodeStatus.SKIPPED)


STAGES = ("collect", "script", "speech", "master", "check", "transcript", "cover", "publish", "feed")
"""What an episode goes through, in this order; up to ``master`` is generation, the rest processing."""


class Frozen(BaseModel):
    """A value: compared by content, never changed in place, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Podcast(Frozen):
    """A show, and when its next episode is due."""

    id: str = Field(pattern=ID_PATTERN, max_length=80)
    title: str = Field(min_length=1, max_length=200)
    description: str = ""
    author: str = "Airdate"
    owner: str | None = Field(default=None, pattern=OWNER_PATTERN)
    """Whose podcast it is: all podcasts of one owner share one fair share of the queues."""
    language: str = Field(default="en", description="BCP 47, for example en or en-GB.")
    sources: tuple[str, ...] = Field(min_length=1, description="Feeds: URLs, or paths of files.")
    hosts: Hosts = ("Ada", "Ben")
    frequency_days: float = Field(gt=0, le=366)
    state: PodcastState = PodcastState.ACTIVE
    first_slot: UtcDatetime
    """Where the grid of slots begins; later slots are whole periods after it."""
    next_episode_at: UtcDatetime
    latest_episode_at: UtcDatetime | None = None
    """The slot of the newest episode on the site."""
    version: int = 0
    """Counts each change of what the podcast publishes; its feed and page carry it."""
    production: Production = Production()
    """How its episodes are made and told of."""

    @property
    def fair_group(self) -> str:
        """Whose fair share of the queues its work counts for; without an owner it is one of its own."""
        return self.owner or self.id


class Listing(NamedTuple):
    """What a list of all podcasts says of one; a tuple, because there may be many thousands."""

    id: str
    title: str
    description: str
    author: str
    language: str
    latest_episode_at: datetime | None


class Failure(Frozen):
    """Why an episode ended without being published."""

    stage: str
    reason: str


class Episode(Frozen):
    """One slot of a podcast, and what became of it."""

    id: str = Field(pattern=ID_PATTERN)
    podcast_id: str = Field(pattern=ID_PATTERN)
    slot: UtcDatetime
    number: int = Field(ge=1, description="Counts a podcast's episodes from 1.")
    status: EpisodeStatus = EpisodeStatus.PENDING
    title: str | None = None
    attempts: int = 0
    """Starts of work since the episode last got a step further."""
    failure: Failure | None = None
    released_at: UtcDatetime | None = None
    """When its files were put on the site; what the feed calls its date."""
    approved_at: UtcDatetime | None = None
    """When a person let its script be spoken; None where nobody was asked."""
    awaits_approval: bool = False
    """Whether it rests until a person approves its script; nobody works on it, and discovery does not send it."""
    lease_number: int = 0
    created_at: UtcDatetime
    updated_at: UtcDatetime

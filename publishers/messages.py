"""The two messages, version 1.0, exactly as the plan gives them; web apps in any language may send them.

JSON Schema files for other languages are written by ``airdate schemas`` and kept under ``docs/schemas/``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from podcasting.models import ID_PATTERN, EpisodeStatus, UtcDatetime


def _text_or_moment(value: object) -> object:
    # pydantic would read a number as seconds or as milliseconds, by its size.
    if not isinstance(value, str | datetime):
        raise ValueError("should be an ISO 8601 text such as 2026-11-24T06:00:00Z")  # noqa: TRY004 - pydantic takes ValueErrors
    return value


Id = Annotated[str, Field(pattern=ID_PATTERN)]
Moment = Annotated[
    UtcDatetime,
    BeforeValidator(_text_or_moment),
    PlainSerializer(lambda moment: moment.isoformat().replace("+00:00", "Z"), return_type=str),
]
"""UTC, ISO 8601 with a Z, as JavaScript's Date.toISOString writes it."""


class _Wire(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True, extra="forbid", frozen=True
    )


class EpisodeData(_Wire):
    """Which episode needs processing, and what its status was when the message was sent."""

    episode_id: Id
    podcast_id: Id
    status: EpisodeStatus
    timestamp: Moment


class EpisodeMetadata(_Wire):
    """Who sent the message."""

    retry_count: int = Field(ge=0)
    source: Literal["episode_checker"]


class EpisodeProcessingMessage(_Wire):
    """Check and publish an episode whose audio is ready."""

    version: Literal["1.0"]
    type: Literal["episode_processing"]
    data: EpisodeData
    metadata: EpisodeMetadata


class PodcastData(_Wire):
    """Which podcast is due."""

    podcast_id: Id
    title: str
    frequency: float = Field(gt=0, strict=True, allow_inf_nan=False, description="Days between episodes.")
    latest_episode_date: Moment | None = Field(description="Null before the first episode.")


class PodcastMetadata(_Wire):
    """Who sent the message."""

    retry_count: int = Field(ge=0)
    source: Literal["podcast_scheduler"]


class PodcastGenerationMessage(_Wire):
    """Make the episode that a podcast is due."""

    version: Literal["1.0"]
    type: Literal["podcast_generation"]
    data: PodcastData
    metadata: PodcastMetadata


Message = EpisodeProcessingMessage | PodcastGenerationMessage
MESSAGES: tuple[type[EpisodeProcessingMessage] | type[PodcastGenerationMessage], ...] = (
    EpisodeProcessingMessage,
    PodcastGenerationMessage,
)

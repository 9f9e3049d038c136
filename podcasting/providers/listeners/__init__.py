"""Listeners: whoever is told of an episode. The port, and what is told, version 1.0.

JSON Schema files for other languages are written by ``airdate schemas`` and kept under ``docs/schemas/``.
"""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from podcasting.errors import Permanent
from podcasting.models import EpisodeStatus, UtcDatetime

Moment = Annotated[
    UtcDatetime,
    PlainSerializer(lambda moment: moment.isoformat().replace("+00:00", "Z"), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""UTC, ISO 8601 with a Z."""

EventType = Literal["episode.published", "episode.failed", "episode.waiting", "test"]
"""``test`` is of no episode: an operator looks whether you listen."""


class _Wire(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        serialize_by_alias=True,
        frozen=True,
        # Descriptions for the schema; and a later minor version may say more than this one knows.
        use_attribute_docstrings=True,
        extra="ignore",
    )


class EventData(_Wire):
    """What happened to which episode, as it was when it happened."""

    podcast_id: str
    podcast_title: str
    episode_id: str
    episode_number: int = Field(ge=1)
    slot: Moment
    """When the episode was due."""
    status: EpisodeStatus
    title: str | None = None
    """The episode's; null before its script is written."""
    failed_at: str | None = None
    """The stage at which it failed: collect, script, speech, master, check, transcript, cover, publish or feed."""
    reason: str | None = None
    """Why it failed."""
    republished: bool = False
    """Whether it was published before, and its sound was made anew: its files have other addresses now."""
    feed_url: str | None = None
    """Where the podcast's feed is; null for a private podcast, whose listeners have one each."""
    page_url: str | None = None
    """Where the podcast's page is; null likewise."""


class Event(_Wire):
    """Something happened to an episode. The header ``webhook-id`` is the same each time that it is told to you."""

    version: Literal["1.0"] = "1.0"
    type: EventType
    timestamp: Moment
    """When it happened."""
    data: EventData


class Gone(Permanent):
    """The listener says that it will not listen again (HTTP 410)."""


class Listener(Protocol):
    """Tells one target. Used from several threads at once."""

    @property
    def provider(self) -> str:
        """Whose breaker it has: ``listener HOST``."""
        ...

    def tell(self, notice_id: str, event: Event) -> str:
        """Tell of an event; returns what the target answered, in a few words and without its secrets.

        It may be told again under the same ``notice_id``: after a crash nobody knows whether it was.

        Raises:
            Gone: it is not to be told again.
            Retryable: it may pass: no connection, out of time, cut short, 5xx.
            Throttled: it asked us to slow down.
            Permanent: it refused, or cannot be told at all.
        """
        ...

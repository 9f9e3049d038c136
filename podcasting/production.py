"""How a podcast is produced: what its owner chose of writing, voices, sound, review, announcements and feed.

Every choice has a default, so that a podcast which chooses nothing is made by what this installation has.
``airdate podcasts set`` writes them, each by its path: ``writing.engine``, ``speaking.voices.Ada``.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from podcasting.announcing import Announcing
from podcasting.audio.mixing import Mixing
from podcasting.feeding import Feeding

EngineName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*(:\S{1,150})?$", max_length=160)]
"""An engine, or an engine and its model: ``extractive``, ``openai:gpt-5-mini``, ``polly:neural``."""


class Chosen(BaseModel):
    """A value: compared by content, never changed in place, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Writing(Chosen):
    """Who writes the script, and how it should be."""

    engine: EngineName | None = None
    """None: the installation's (``AIRDATE_WRITER``)."""
    tone: str = Field(default="", max_length=200)
    """A few words, for example "dry, for engineers"."""
    instructions: str = Field(default="", max_length=4000)
    """What else the writer should heed; of writers that can be told."""
    minutes: float | None = Field(default=None, gt=0, le=120)
    """How long an episode should be. None: as long as its stories make it."""


class Speaking(Chosen):
    """Who reads the script aloud."""

    engine: EngineName | None = None
    """None: the installation's (``AIRDATE_VOICE``)."""
    voices: dict[str, str] = Field(default_factory=dict)
    """By host, the engine's own name of a voice; a host without one gets one of the engine's."""
    pronunciations: dict[str, str] = Field(default_factory=dict)
    """By word, how it is to be spelled for the voice: ``{"SQS": "S Q S"}``. Transcripts keep the word."""


class Production(Chosen):
    """All that a podcast's owner chose."""

    writing: Writing = Writing()
    speaking: Speaking = Speaking()
    mixing: Mixing = Mixing()
    review: bool = False
    """Whether each script waits for a person's approval before it is spoken."""
    announcing: Announcing = Announcing()
    feed: Feeding = Feeding()

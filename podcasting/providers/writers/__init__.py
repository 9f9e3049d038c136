"""The writer port: stories in, a dialogue out."""

from __future__ import annotations

from typing import Protocol

from pydantic import Field, model_validator

from podcasting.models import MOST_HOSTS, Frozen, Hosts, UtcDatetime


class Story(Frozen):
    """Something new, with enough text to talk about."""

    key: str
    title: str
    url: str | None
    source: str
    """The title of the feed it came from."""
    author: str | None
    published_at: UtcDatetime | None
    text: str


class Brief(Frozen):
    """What the writer is asked for."""

    podcast_title: str
    hosts: Hosts
    language: str
    """BCP 47."""
    episode_number: int
    slot: UtcDatetime
    stories: tuple[Story, ...] = Field(min_length=1)
    tone: str = ""
    instructions: str = ""
    """The owner's, for writers that can be told; never a source's."""
    minutes: float | None = None
    """How long the episode should be; None: as long as its stories make it."""


class Section(Frozen):
    """A part of the episode; becomes a chapter."""

    title: str = Field(min_length=1)
    url: str | None = None


class Turn(Frozen):
    """What one host says before the other speaks again."""

    host: int = Field(ge=0, lt=MOST_HOSTS)
    section: int = Field(ge=0)
    text: str = Field(min_length=1)


class Script(Frozen):
    """What the hosts say: an intro, a section for each story, an outro."""

    title: str = Field(min_length=1, max_length=200)
    summary: str = Field(min_length=1)
    """Plain text, a sentence or two, for the feed."""
    hosts: Hosts
    sections: tuple[Section, ...] = Field(min_length=3)
    turns: tuple[Turn, ...] = Field(min_length=3)

    @model_validator(mode="after")
    def _sections_in_order(self) -> Script:
        spoken = [turn.section for turn in self.turns]
        if spoken != sorted(spoken) or set(spoken) != set(range(len(self.sections))):
            raise ValueError("each section needs at least one turn, and turns follow the order of the sections")
        if any(turn.host >= len(self.hosts) for turn in self.turns):
            raise ValueError(
                f"a turn is host {max(turn.host for turn in self.turns)}'s, and there are {len(self.hosts)}"
            )
        return self


class Writer(Protocol):
    """Writes the script of an episode."""

    name: str
    """Engine and version; part of the script's key."""

    # A writer may also have a `provider`: whom it asks, without its own version, for one breaker whatever asks it.

    def write(self, brief: Brief) -> Script:
        """A script that says what ``brief.stories`` say.

        Raises:
            Permanent: the brief cannot be written (a language it does not write, for example).
            Retryable, Throttled: the engine failed for a reason that may pass.
        """
        ...

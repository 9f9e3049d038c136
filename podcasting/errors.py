"""The errors whose class decides what happens next: try again, wait as told, or give up.

A message tells what went wrong, where, and what to do about it, in one line: an operator reads it
in a dead letter, a person in a terminal.
"""

from __future__ import annotations

from podcasting.visible import visible


class AirdateError(Exception):
    """Anything Airdate raises on purpose.

    Its text does nothing to a terminal, for it may quote what a stranger's server answered.
    """

    def __str__(self) -> str:
        return visible(super().__str__())


class Retryable(AirdateError):
    """It may pass: the task is tried again, later.

    ``after`` is the shortest wait in seconds that the other side asked for, or None.
    """

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Throttled(Retryable):
    """A provider asked us to slow down (HTTP 429, 503 with Retry-After)."""


class TryAgainIn(Retryable):
    """The work failed in a way that may pass, and the episode waits ``seconds`` for its next try."""

    def __init__(self, seconds: float, why: str, *, asked: float | None = None) -> None:
        super().__init__(why, after=asked)
        self.seconds = seconds


class ProviderPaused(Retryable):
    """An outside provider is not asked for now: it failed or throttled too often. Uses up no try.

    ``after`` is how many seconds to wait before asking again.
    """

    def __init__(self, provider: str, seconds: float, why: str) -> None:
        super().__init__(f"{provider} is not asked for another {seconds:.0f} s: {why}", after=seconds)
        self.provider = provider
        self.seconds = seconds
        self.why = why


class Permanent(AirdateError):
    """Trying again cannot help: the episode fails with this reason."""


class NothingNew(AirdateError):
    """The slot has nothing new to say: the episode is skipped. An outcome, not a fault."""


class AwaitsApproval(AirdateError):
    """The script is made and a person has not let it be spoken yet: the episode waits. An outcome, not a fault."""

    def __init__(self, episode_id: str) -> None:
        super().__init__(
            f"the script of {episode_id} waits for approval; `airdate episodes script {episode_id}` shows it, "
            f"`airdate episodes approve {episode_id}` lets it be spoken"
        )
        self.episode_id = episode_id


class UnknownPodcast(Permanent):
    """No podcast has this id."""

    def __init__(self, podcast_id: str) -> None:
        super().__init__(f"no podcast has the id {podcast_id!r}; `airdate podcasts list` shows those there are")
        self.podcast_id = podcast_id


class UnknownEpisode(Permanent):
    """No episode has this id."""

    def __init__(self, episode_id: str) -> None:
        super().__init__(f"no episode has the id {episode_id!r}; `airdate episodes list` shows those there are")
        self.episode_id = episode_id


class InvalidPodcast(Permanent):
    """A podcast's settings cannot be used."""


class LeaseHeld(AirdateError):
    """Another worker is at work on this episode, or it waits for its next try: for ``seconds``, unless renewed."""

    def __init__(self, episode_id: str, seconds: float, *, waits: bool = False) -> None:
        super().__init__(
            f"episode {episode_id} waits {seconds:.0f} s for its next try"
            if waits
            else f"episode {episode_id} is being worked on elsewhere; its lease ends in {seconds:.0f} s unless renewed"
        )
        self.seconds = seconds


class LeaseLost(AirdateError):
    """This worker's lease ran out and another took over: whatever it still holds must not be written."""

    def __init__(self, episode_id: str, number: int) -> None:
        super().__init__(f"episode {episode_id} is no longer ours: lease {number} was superseded or ended")


class Waits(AirdateError):
    """The work waits in the database for longer than a message can be delayed; discovery finds it then."""

    def __init__(self, episode_id: str, seconds: float) -> None:
        super().__init__(f"episode {episode_id} waits {seconds:.0f} s, as the other side asked")

"""What was due, what is dead, and what the auditor says of a run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple


class Slot(NamedTuple):
    """One episode that was due."""

    podcast: str
    due: datetime
    story: str | None
    """The title of the newest story of its source; None where the source is no feed, so that it must fail."""


class DeadLetter(NamedTuple):
    """A message in a dead-letter queue."""

    queue: str
    """Of which queue it is a dead letter."""
    digest: str
    """SHA-256 of its body."""
    podcast: str | None
    """Whom it is about, as far as it is a message of Airdate's."""


@dataclass
class Verdict:
    """What the auditor found. The counts are the run's last line; ``complaints`` says what is behind them."""

    episodes: int
    published_once: int = 0
    explained_failures: int = 0
    lost: int = 0
    doubled: int = 0
    stale_writes: int = 0
    poison_sent: int = 0
    poison_dead: int = 0
    exits: int = 0
    seconds: float = 0
    complaints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is no fault, but worth knowing."""

    @property
    def good(self) -> bool:
        """Whether there is nothing to complain about."""
        return not self.complaints and self.published_once + self.explained_failures == self.episodes

    def as_json(self) -> str:
        """The counts as one JSON object on one line."""
        told = {name: value for name, value in self.__dict__.items() if name not in {"complaints", "notes"}}
        return json.dumps(told | {"seconds": round(self.seconds, 1)})

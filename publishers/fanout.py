"""Fan-out: pages of claims become messages; what could not be sent is released in the same run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from podcasting.database import Database
from podcasting.database.claims import Claim
from podcasting.models import Episode, Podcast
from publishers.messages import Message
from publishers.queues import Task

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outgoing:
    """A message on its way: to which task, and for whose fair share (SQS's MessageGroupId) it counts."""

    task: Task
    message: Message | None
    """None for a task that takes no arguments."""
    group: str


class Sender(Protocol):
    """Puts messages onto queues, many at once."""

    def send(self, outgoing: Sequence[Outgoing]) -> dict[int, str]:
        """Send all; returns the reason for each that was not sent, by its position. Never raises for an outage."""
        ...


@dataclass(frozen=True)
class Counts:
    """What one discovery did."""

    claimed: int = 0
    sent: int = 0
    released: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.claimed + other.claimed, self.sent + other.sent, self.released + other.released)


@dataclass(frozen=True)
class Discovery:
    """What a discovery works with."""

    database: Database
    sender: Sender
    now: datetime
    claim_seconds: float
    page: int
    """How many claims are made and sent at once."""


AnyClaim = Claim[Podcast] | Claim[Episode]
MessagesFor = Callable[[Sequence[Any]], Sequence[Outgoing]]
"""Makes the messages of a page of claims, in their order; a page at once, so that it can look things up at once."""


def fan_out(
    discovery: Discovery,
    claim_page: Callable[[], Sequence[AnyClaim]],
    messages_for: MessagesFor,
) -> Counts:
    """Claim and send page by page, until nothing is due or a message cannot be sent.

    A page that is not full is the last: nothing more is due, or another discovery has it in hand and sends it.
    After a failure it stops: the queue is in trouble, and the next tick tries again.
    """
    total = Counts()
    while True:
        claims = claim_page()
        counts = send_claimed(discovery, claims, messages_for) if claims else Counts()
        total += counts
        if len(claims) < discovery.page or counts.released:
            return total


def send_claimed(discovery: Discovery, claims: Sequence[AnyClaim], messages_for: MessagesFor) -> Counts:
    """Send one message for each claim, and release the claims whose message was not sent."""
    try:
        reasons = discovery.sender.send(messages_for(claims))
    except BaseException:
        # Nobody knows what was sent. A second copy does no harm; a claim on what was not sent would keep it waiting.
        for claim in claims:
            discovery.database.claims.release(claim, discovery.now)
        raise
    for position, reason in reasons.items():
        discovery.database.claims.release(claims[position], discovery.now)
        log.error("not sent, claim released: %s: %s", claims[position].subject.id, reason)
    return Counts(claimed=len(claims), sent=len(claims) - len(reasons), released=len(reasons))

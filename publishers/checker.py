"""The checker's tick: one look at what may be due, episodes and notices, so that one with nothing due is one query."""

from __future__ import annotations

from dataclasses import dataclass

from publishers.episode_checker import check_episodes
from publishers.fanout import Counts, Discovery
from publishers.notice_checker import have_told


@dataclass(frozen=True)
class Checked:
    """What one tick did."""

    episodes: Counts
    notices: int
    """How many tasks that tell listeners were sent: one or none."""


def check(discovery: Discovery) -> Checked:
    """Send a message for each episode that needs work nobody seems to be doing, and one task if listeners wait."""
    due = discovery.database.claims.due(discovery.now)
    return Checked(
        episodes=check_episodes(discovery) if due.episodes else Counts(),
        notices=have_told(discovery) if due.notices else 0,
    )

"""The notice checker: has a worker tell listeners when there is something to tell."""

from __future__ import annotations

import logging

from publishers.fanout import Discovery, Outgoing
from publishers.queues import Task

log = logging.getLogger(__name__)

GROUP = "airdate-notices"
"""Whose fair share of the queue it counts for: a task tells listeners of many podcasts."""


def check_notices(discovery: Discovery) -> int:
    """Send one task that tells listeners, if a notice is due; returns how many were sent, one or none."""
    return have_told(discovery) if discovery.database.notices.any_due(discovery.now) else 0


def have_told(discovery: Discovery) -> int:
    """Send one task that tells listeners; returns how many were sent, one or none.

    The task claims what it tells, so a copy finds nothing to do, and a lost one is made good by the next tick.
    """
    for reason in discovery.sender.send([Outgoing(Task.DELIVER_NOTICES, None, group=GROUP)]).values():
        log.error("not sent, the next tick sends it: %s: %s", Task.DELIVER_NOTICES, reason)
        return 0
    return 1

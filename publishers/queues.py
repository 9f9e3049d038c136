"""Queues, tasks and routes as data: the one table of names.

``celeryconfig.py``, the tasks, the Procfile's test, the infrastructure template's test and the
``airdate queues`` command derive from it.
"""

from __future__ import annotations

from enum import StrEnum


class Queue(StrEnum):
    """The queues. On AWS their names carry a prefix (``airdate-…``); Celery knows them by these."""

    DISCOVERY = "discovery"
    GENERATION = "podcast-generation"
    PROCESSING = "episode-processing"


class Task(StrEnum):
    """The tasks, by the names that travel in messages."""

    CHECK_EPISODES = "tasks.discovery.check_episodes"
    SCHEDULE_PODCASTS = "tasks.discovery.schedule_podcasts"
    GENERATE_PODCAST = "tasks.podcasts.generate_podcast"
    PROCESS_EPISODE = "tasks.episodes.process_episode"
    DELIVER_NOTICES = "tasks.notices.deliver_notices"


ROUTES = {
    Task.CHECK_EPISODES: Queue.DISCOVERY,
    Task.SCHEDULE_PODCASTS: Queue.DISCOVERY,
    Task.GENERATE_PODCAST: Queue.GENERATION,
    Task.PROCESS_EPISODE: Queue.PROCESSING,
    Task.DELIVER_NOTICES: Queue.PROCESSING,
}
"""Which queue carries which task."""

MAX_RECEIVE_COUNT = 3
"""How often SQS hands out a message before redrive makes it a dead letter."""

"""When each discovery runs: names and intervals only.

An interval is how late an episode may start, not how often something is made: a tick that finds
nothing due costs one query.
"""

from publishers.queues import Task
from settings import settings

beat_schedule = {
    "schedule-podcasts": {
        "task": Task.SCHEDULE_PODCASTS.value,
        "schedule": settings().schedule_podcasts_every,
        # A tick that waited longer than the next one is worth nothing.
        "options": {"expires": 10 * settings().schedule_podcasts_every},
    },
    "check-episodes": {
        "task": Task.CHECK_EPISODES.value,
        "schedule": settings().check_episodes_every,
        "options": {"expires": 10 * settings().check_episodes_every},
    },
}

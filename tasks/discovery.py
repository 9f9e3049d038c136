"""Beat's two tasks: find what is due, send it on, return at once."""

from dataclasses import asdict

from publishers import checker, podcast_scheduler
from publishers.queues import Task
from tasks import app
from tasks.base import TickTask
from tasks.wiring import discovery


@app.task(name=Task.SCHEDULE_PODCASTS.value, base=TickTask)
def schedule_podcasts() -> dict[str, int]:
    """Send a message for each podcast whose next episode is due; returns the counts."""
    return asdict(podcast_scheduler.schedule_podcasts(discovery()))


@app.task(name=Task.CHECK_EPISODES.value, base=TickTask)
def check_episodes() -> dict[str, int]:
    """Send a message for each episode that needs work nobody seems to be doing; returns the counts.

    Listeners who wait to be told have a task sent too: what the worker that published sent may be lost, and what
    did not get through is due again hours later.
    """
    done = checker.check(discovery())
    return asdict(done.episodes) | {"notices": done.notices}

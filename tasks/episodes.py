"""The processing task: one message, one episode checked and published."""

from podcasting.processing import process
from publishers.messages import EpisodeProcessingMessage
from publishers.queues import Task
from tasks import app
from tasks.base import EpisodeTask


@app.task(name=Task.PROCESS_EPISODE.value, base=EpisodeTask, bind=True, pydantic=True)
def process_episode(self: EpisodeTask, message: EpisodeProcessingMessage) -> str:
    """Check the episode's audio and publish it."""
    return f"{message.data.episode_id} {self.work_on(message.data.episode_id, process)}"

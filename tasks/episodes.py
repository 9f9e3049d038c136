"""The processing task: one message, one episode checked and published."""

from podcasting.due import Work, work_for
from publishers.messages import EpisodeProcessingMessage
from publishers.queues import Task
from tasks import app
from tasks.base import EpisodeTask
from tasks.wiring import studio


@app.task(name=Task.PROCESS_EPISODE.value, base=EpisodeTask, bind=True, pydantic=True)
def process_episode(self: EpisodeTask, message: EpisodeProcessingMessage) -> str:
    """Check the episode's audio and publish it."""
    from podcasting.processing import process  # every worker imports the tasks, and few need what measures sound

    episode = studio().database.episodes.get(message.data.episode_id)
    if work_for(episode) is Work.GENERATION:  # late, early or forged: it must not fail what is being made
        return f"{episode.id} {episode.status}: it is sent on when its audio is made"
    return f"{message.data.episode_id} {self.work_on(message.data.episode_id, process)}"

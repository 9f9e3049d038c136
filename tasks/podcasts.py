"""The generation task: one message, the audio of one episode."""

from podcasting.due import Work, work_for
from publishers.episode_checker import send_on
from publishers.messages import PodcastGenerationMessage
from publishers.queues import Task
from tasks import app
from tasks.base import EpisodeTask
from tasks.wiring import discovery, studio


@app.task(name=Task.GENERATE_PODCAST.value, base=EpisodeTask, bind=True, pydantic=True)
def generate_podcast(self: EpisodeTask, message: PodcastGenerationMessage) -> str:
    """Make the audio of the episode that the podcast is due, and send it on to be processed."""
    from podcasting.generation import generate  # every worker imports the tasks, and few need what makes sound

    podcasts, now = studio().database.podcasts, studio().now()
    episode = podcasts.open_slot(message.data.podcast_id, now, stuck_after=studio().limits.stuck_after)
    if episode is None:
        return self.nothing_due(message.data.podcast_id)
    # A copy of a message whose work is done takes no lease: it would count as a start, and hold up what comes next.
    status = self.work_on(episode.id, generate) if work_for(episode) is Work.GENERATION else episode.status
    send_on(discovery(), episode.id)
    return f"{episode.id} {status}"

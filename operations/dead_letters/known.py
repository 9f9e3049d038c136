"""What the database knows of dead letters' podcasts and episodes; each is asked for once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from sqlalchemy.exc import DBAPIError

from podcasting.database import Database
from podcasting.due import has_ended, status_reached
from podcasting.errors import Retryable, UnknownEpisode, UnknownPodcast
from podcasting.models import Episode, EpisodeStatus, Podcast, PodcastState


class Known:
    """Answers from the database, as of when they were first asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._episodes: dict[str, Episode | None] = {}
        self._podcasts: dict[str, Podcast | None] = {}
        self._newest: dict[str, Episode | None] = {}

    def episode(self, episode_id: str) -> Episode | None:
        """The episode, or None where there is none.

        Raises:
            Retryable: the database does not answer; so of the other two.
        """
        if episode_id not in self._episodes:
            self._episodes[episode_id] = None
            with asked(), suppress(UnknownEpisode):
                self._episodes[episode_id] = self._database.episodes.get(episode_id)
        return self._episodes[episode_id]

    def podcast(self, podcast_id: str) -> Podcast | None:
        """The podcast, or None where there is none."""
        if podcast_id not in self._podcasts:
            self._podcasts[podcast_id] = None
            with asked(), suppress(UnknownPodcast):
                self._podcasts[podcast_id] = self._database.podcasts.get(podcast_id)
        return self._podcasts[podcast_id]

    def current(self, podcast_id: str) -> Episode | None:
        """The podcast's episode under way; else its newest, which has ended; None before the first."""
        if podcast_id not in self._newest:
            with asked():
                newest = self._database.episodes.newest(podcast_id=podcast_id, limit=1)
                if newest and has_ended(newest[0]):
                    # An older one may have been set going again.
                    newest = [*self._under_way(podcast_id), *newest]
            self._newest[podcast_id] = newest[0] if newest else None
        return self._newest[podcast_id]

    def reached(self, episode_id: str) -> EpisodeStatus:
        """The status from which an episode would go on."""
        with asked():
            return status_reached(self._database.checkpoints.standing(episode_id))

    def is_due(self, podcast_id: str, now: datetime) -> bool:
        """Whether a generation message would begin an episode."""
        podcast = self.podcast(podcast_id)
        return podcast is not None and podcast.state is PodcastState.ACTIVE and podcast.next_episode_at <= now

    def _under_way(self, podcast_id: str) -> Iterator[Episode]:
        for status in EpisodeStatus:
            for episode in self._database.episodes.newest(podcast_id=podcast_id, status=status, limit=1):
                if not has_ended(episode):
                    yield episode


@contextmanager
def asked() -> Iterator[None]:
    """Ask the database within.

    Raises:
        Retryable: it does not answer.
    """
    try:
        yield
    except DBAPIError as error:
        raise Retryable(f"the database does not answer: {error.orig}; nothing is lost, try again") from error

"""What a home holds, as one JSON object: podcasts, episodes, queues, and how long each stage took."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from operations.queue_depth import Depths
from podcasting.models import Episode, EpisodeStatus, Podcast
from podcasting.stages.check import Checked
from podcasting.stages.master import Mastered
from podcasting.stages.publish import PublishedFiles
from podcasting.studio import Studio

SITE = "site"
"""The folder of the published site, below the home; the paths below are relative to the home."""


def summary(studio: Studio, depths: Depths, *, total_seconds: float) -> dict[str, Any]:
    """All podcasts with their episodes, the queues, and seconds in total and by stage."""
    stages: dict[str, float] = defaultdict(float)
    podcasts = []
    for podcast in studio.database.podcasts.all():
        episodes = studio.database.episodes.newest(podcast_id=podcast.id)
        podcasts.append(_podcast(studio, podcast, episodes))
        for episode in episodes:
            for name, done in studio.database.checkpoints.of(episode.id).items():
                stages[name] += done.seconds
    return {
        "podcasts": podcasts,
        "queues": depths.plain(),
        "seconds": {"total": round(total_seconds, 2)} | {name: round(took, 2) for name, took in stages.items()},
    }


def _podcast(studio: Studio, podcast: Podcast, episodes: list[Episode]) -> dict[str, Any]:
    return {
        "id": podcast.id,
        "title": podcast.title,
        "feed": f"{SITE}/{podcast.id}/feed.xml" if studio.database.episodes.released(podcast.id) else None,
        "episodes": [_episode(studio, episode) for episode in episodes],
    }


def _episode(studio: Studio, episode: Episode) -> dict[str, Any]:
    about: dict[str, Any] = {"id": episode.id, "status": episode.status.value}
    if episode.failure is not None:
        about["reason"] = episode.failure.reason
    if episode.status is not EpisodeStatus.PUBLISHED:
        return about
    done = studio.database.checkpoints.of(episode.id)
    files = PublishedFiles.model_validate(done["publish"].output)
    checked = Checked.model_validate(done["check"].output)
    return about | {
        "title": episode.title,
        "audio": f"{SITE}/{files.audio}",
        "duration_seconds": round(checked.seconds, 3),
        "loudness_lufs": round(checked.loudness_lufs, 2),
        "transcripts": [f"{SITE}/{path}" for path in (files.vtt, files.srt, files.json_transcript)],
        "chapters": f"{SITE}/{files.chapters}",
        "chapter_titles": [chapter.title for chapter in Mastered.model_validate(done["master"].output).chapters],
    }

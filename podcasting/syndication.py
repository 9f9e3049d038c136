"""The feed and the pages, made from the database alone, and made again until they are the newest.

Two workers may publish episodes of one podcast at once. Each writes, then looks whether the podcast
changed meanwhile, and if so writes again: whoever writes last has looked last, so the older one
cannot stay.
"""

from __future__ import annotations

from podcasting.errors import Retryable
from podcasting.models import Episode
from podcasting.providers.writers import Script
from podcasting.stages.collect import Collected
from podcasting.stages.feed import PublishedEpisode, render_feed
from podcasting.stages.master import Mastered
from podcasting.stages.page import render_index, render_page
from podcasting.stages.publish import PublishedFiles
from podcasting.studio import Studio

FEED_CACHE_SECONDS = 300
MOST_REWRITES = 20


def refresh(studio: Studio, podcast_id: str) -> int:
    """Write the podcast's feed and page, and the page that lists the shows. Returns the version written.

    Raises:
        Retryable: the podcast changed faster than it could be written, or the store failed.
    """
    version = _refresh_show(studio, podcast_id)
    _refresh_index(studio)
    return version


def refresh_all(studio: Studio) -> None:
    """Write every podcast's feed and page anew: after the site's address changed, or its files were lost."""
    for podcast in studio.database.podcasts.listed():
        _refresh_show(studio, podcast.id)
    _refresh_index(studio)


def _refresh_show(studio: Studio, podcast_id: str) -> int:
    for _ in range(MOST_REWRITES):
        podcast = studio.database.podcasts.get(podcast_id)
        episodes = [published(studio, episode) for episode in studio.database.episodes.released(podcast_id)]
        _put(studio, f"{podcast_id}/feed.xml", render_feed(podcast, episodes, studio.site_url), "application/rss+xml")
        _put(studio, f"{podcast_id}/index.html", render_page(podcast, episodes), "text/html; charset=utf-8")
        if studio.database.podcasts.get(podcast_id).version == podcast.version:
            return podcast.version
    raise Retryable(f"the feed of {podcast_id} changed faster than it could be written, {MOST_REWRITES} times")


def published(studio: Studio, episode: Episode) -> PublishedEpisode:
    """What the feed says of a released episode, from its checkpoints."""
    done = studio.database.checkpoints.of(episode.id)
    script = Script.model_validate(done["script"].output)
    mastered = Mastered.model_validate(done["master"].output)
    if episode.released_at is None:
        raise ValueError(f"episode {episode.id} was never released")
    return PublishedEpisode(
        id=episode.id,
        number=episode.number,
        title=script.title,
        summary=script.summary,
        sections=script.sections,
        also=Collected.model_validate(done["collect"].output).also,
        hosts=script.hosts,
        released_at=episode.released_at,
        seconds=mastered.seconds,
        chapters=mastered.chapters,
        files=PublishedFiles.model_validate(done["publish"].output),
    )


def _refresh_index(studio: Studio) -> None:
    for _ in range(MOST_REWRITES):
        # Read before the list is, so that what changes in between is seen after writing.
        edition = studio.database.podcasts.edition()
        page = render_index(studio.database.podcasts.listed())
        _put(studio, "index.html", page, "text/html; charset=utf-8")
        if studio.database.podcasts.edition() == edition:
            return


def _put(studio: Studio, key: str, content: bytes, content_type: str) -> None:
    studio.site.put(key, content, content_type=content_type, cache_seconds=FEED_CACHE_SECONDS)

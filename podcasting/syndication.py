"""The feed and the pages, made from the database alone, and made again until they are the newest.

Two workers may publish episodes of one podcast at once. Each writes, then looks whether the podcast
changed meanwhile, and if so writes again: whoever writes last has looked last, so the older one
cannot stay. Of a private podcast each listener has a feed and page of their own.
"""

from __future__ import annotations

from functools import partial

from podcasting.errors import Retryable
from podcasting.models import Episode, Podcast
from podcasting.place import Place, feeds_of, files_of
from podcasting.providers.writers import Script
from podcasting.stages.collect import Collected
from podcasting.stages.feed import PublishedEpisode, feed_url, podcast_guid, render_feed
from podcasting.stages.feed import render_withdrawn as render_withdrawn_feed
from podcasting.stages.master import Mastered
from podcasting.stages.page import render_index, render_page
from podcasting.stages.page import render_withdrawn as render_withdrawn_page
from podcasting.stages.publish import PublishedFiles
from podcasting.stages.transcript import Transcripts
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
    for podcast in studio.database.podcasts.all():
        _refresh_show(studio, podcast.id)
    _refresh_index(studio)


def _refresh_show(studio: Studio, podcast_id: str) -> int:
    before: set[Place] = set()
    for _ in range(MOST_REWRITES):
        podcast = studio.database.podcasts.get(podcast_id)
        released = studio.database.episodes.released(podcast_id)
        if released and podcast.production.feed.guid is None:
            podcast = studio.database.podcasts.change(podcast_id, partial(_with_guid, site_url=studio.site_url))
        episodes = [published(studio, episode, podcast) for episode in released]
        places = feeds_of(podcast)
        for place in places:
            _write(
                studio,
                place,
                render_feed(podcast, episodes, studio.site_url, place),
                render_page(podcast, episodes, place),
                cache_seconds=0 if podcast.production.feed.private else FEED_CACHE_SECONDS,
            )
        # What this worker wrote when it knew no better must not stay: who was told of it may have lost the right.
        for place in before - set(places):
            withdraw(studio, podcast, place)
        before = set(places)
        if studio.database.podcasts.get(podcast_id).version == podcast.version:
            return podcast.version
    raise Retryable(f"the feed of {podcast_id} changed faster than it could be written, {MOST_REWRITES} times")


def withdraw(studio: Studio, podcast: Podcast, place: Place) -> None:
    """Put in the place of a feed and its page that there is none any more.

    Whoever may delete does so afterwards; a worker on AWS may not (infrastructure/permissions.yaml).
    """
    _write(studio, place, render_withdrawn_feed(podcast, studio.site_url), render_withdrawn_page(podcast))


def _write(studio: Studio, place: Place, feed: bytes, page: bytes, *, cache_seconds: int = 0) -> None:
    _put(studio, f"{place.folder}/feed.xml", feed, "application/rss+xml", cache_seconds)
    _put(studio, f"{place.folder}/index.html", page, "text/html; charset=utf-8", cache_seconds)


def _with_guid(podcast: Podcast, site_url: str) -> Podcast:
    """The podcast with the guid that its first feed's address gives it, to keep wherever that goes."""
    feed = podcast.production.feed
    if feed.guid is not None:
        return podcast
    kept = feed.model_copy(update={"guid": podcast_guid(feed_url(podcast.id, site_url))})
    return podcast.model_copy(update={"production": podcast.production.model_copy(update={"feed": kept})})


def published(studio: Studio, episode: Episode, podcast: Podcast) -> PublishedEpisode:
    """What the feed says of a released episode, from its checkpoints; of the podcast, only where the files are."""
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
        language=Transcripts.model_validate(done["transcript"].output).language or podcast.language,
        released_at=episode.released_at,
        seconds=mastered.seconds,
        chapters=mastered.chapters,
        files=files_of(podcast).files(PublishedFiles.model_validate(done["publish"].output)),
    )


def _refresh_index(studio: Studio) -> None:
    for _ in range(MOST_REWRITES):
        # Read before the list is, so that what changes in between is seen after writing.
        edition = studio.database.podcasts.edition()
        page = render_index(studio.database.podcasts.listed())
        _put(studio, "index.html", page, "text/html; charset=utf-8")
        if studio.database.podcasts.edition() == edition:
            return


def _put(studio: Studio, key: str, content: bytes, content_type: str, cache_seconds: int = FEED_CACHE_SECONDS) -> None:
    studio.site.put(key, content, content_type=content_type, cache_seconds=cache_seconds)

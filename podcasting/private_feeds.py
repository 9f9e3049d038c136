"""Private podcasts: made so, opened again, their listeners told and forgotten, their files moved out of reach.

Files are served as they lie, by whoever serves the site, who knows no passwords: an address that cannot be guessed is
all the protection there is. So each listener has a feed of their own, which can be taken away; the sound is in a
folder that all of them share, which is changed when its address got about (:func:`rotate`).

Each change is written to the database first, with what is to be removed; then the files follow. Whoever was stopped
in between, a machine that died among them, is made up for by :func:`settle`, which each command ends with.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

from podcasting import syndication
from podcasting.errors import InvalidPodcast
from podcasting.feeding import Feeding, Privacy
from podcasting.models import Podcast
from podcasting.place import KEYS, PRIVATE, Place, feeds_of, files_of
from podcasting.providers.storage import Storage
from podcasting.stages.publish import (
    CHAPTERS_TYPE,
    COVER_TYPE,
    DAY,
    HOUR,
    JSON_TYPE,
    SRT_TYPE,
    VTT_TYPE,
    PublishedFiles,
)
from podcasting.studio import Studio

TOKEN_BYTES = 24
"""192 bits: nobody finds one by trying."""


def hide(studio: Studio, podcast_id: str) -> Podcast:
    """Make a podcast private: its files go where nobody can guess them, its public feed and page are taken away.

    Raises:
        UnknownPodcast: there is none of that id.
        InvalidPodcast: it is private already.
        Retryable, Throttled, Permanent: as the store does; to call :func:`settle` goes on.
    """

    def change(feed: Feeding) -> Feeding:
        if feed.private is not None:
            rotate = f"`airdate podcasts feeds rotate {podcast_id}`"
            raise InvalidPodcast(f"podcast {podcast_id!r} is private already; {rotate} moves its files")
        return _leave(feed, [""], private=Privacy(folder=_unguessable()))

    return _changed(studio, podcast_id, change)


def show(studio: Studio, podcast_id: str) -> Podcast:
    """Make a private podcast public again; the feeds of its listeners are taken away.

    Raises:
        InvalidPodcast: it is public; and what :func:`hide` raises.
    """

    def change(feed: Feeding) -> Feeding:
        private = _private(feed, podcast_id)
        return _leave(feed, [private.folder, *private.tokens.values()], private=None)

    return _changed(studio, podcast_id, change)


def add(studio: Studio, podcast_id: str, listener: str) -> Podcast:
    """Give a listener a feed of their own.

    Raises:
        InvalidPodcast: the podcast is public, or that listener has one; and what :func:`hide` raises.
    """

    def change(feed: Feeding) -> Feeding:
        private = _private(feed, podcast_id)
        if listener in private.tokens:
            raise InvalidPodcast(f"{listener!r} has a feed of {podcast_id!r} already; revoke it, or use another name")
        return _with_tokens(feed, private.tokens | {listener: _unguessable()})

    return _changed(studio, podcast_id, change)


def revoke(studio: Studio, podcast_id: str, listener: str) -> Podcast:
    """Take a listener's feed away. What they have loaded, and the addresses in it, they still have: :func:`rotate`.

    Raises:
        InvalidPodcast: the podcast is public, or there is no such listener; and what :func:`hide` raises.
    """

    def change(feed: Feeding) -> Feeding:
        private = _private(feed, podcast_id)
        if listener not in private.tokens:
            known = ", ".join(sorted(private.tokens)) or "nobody"
            raise InvalidPodcast(f"{listener!r} has no feed of {podcast_id!r}; who has one: {known}")
        left = {name: token for name, token in private.tokens.items() if name != listener}
        return _leave(_with_tokens(feed, left), [private.tokens[listener]])

    return _changed(studio, podcast_id, change)


def rotate(studio: Studio, podcast_id: str) -> Podcast:
    """Move the sound, pictures and transcripts of a private podcast to a new folder; feeds stay where they are.

    Raises:
        InvalidPodcast: the podcast is public; and what :func:`hide` raises.
    """

    def change(feed: Feeding) -> Feeding:
        private = _private(feed, podcast_id)
        moved = private.model_copy(update={"folder": _unguessable()})
        return _leave(feed, [private.folder], private=moved)

    return _changed(studio, podcast_id, change)


def settle(studio: Studio, podcast_id: str) -> Podcast:
    """Bring the site's files in line with what the database says, and remove what a podcast has left behind.

    Raises:
        UnknownPodcast: there is none of that id.
        Retryable, Throttled, Permanent: as the store does.
    """
    podcast = studio.database.podcasts.get(podcast_id)
    left = [Place(podcast_id, below) for below in podcast.production.feed.leaving]
    for files in _published(studio, podcast_id):
        _bring(studio.site, files, left, files_of(podcast))
    syndication.refresh(studio, podcast_id)
    for place in left:
        _clear(studio, place)
    if not left:
        return podcast
    gone = set(podcast.production.feed.leaving)

    def change(feed: Feeding) -> Feeding:
        return feed.model_copy(update={"leaving": tuple(each for each in feed.leaving if each not in gone)})

    return studio.database.podcasts.change(
        podcast_id, lambda before: _with_feed(before, change(before.production.feed))
    )


def feed_address(podcast_id: str, token: str, site_url: str) -> str:
    """What a listener is to be told, and nobody else."""
    return f"{site_url.rstrip('/')}/{Place(podcast_id, f'{PRIVATE}/{token}').folder}/feed.xml"


def _changed(studio: Studio, podcast_id: str, change: Callable[[Feeding], Feeding]) -> Podcast:
    studio.database.podcasts.change(podcast_id, lambda before: _with_feed(before, change(before.production.feed)))
    return settle(studio, podcast_id)


def _with_feed(podcast: Podcast, feed: Feeding) -> Podcast:
    return podcast.model_copy(update={"production": podcast.production.model_copy(update={"feed": feed})})


def _with_tokens(feed: Feeding, tokens: dict[str, str]) -> Feeding:
    assert feed.private is not None  # noqa: S101 - its callers looked
    private = Privacy(folder=feed.private.folder, tokens=tokens)  # validated: names are file keys and more
    return feed.model_copy(update={"private": private})


def _leave(feed: Feeding, folders: list[str], **update: Privacy | None) -> Feeding:
    leaving = dict.fromkeys([*feed.leaving, *(f"{PRIVATE}/{folder}" if folder else "" for folder in folders)])
    return feed.model_copy(update=update | {"leaving": tuple(leaving)})


def _private(feed: Feeding, podcast_id: str) -> Privacy:
    if feed.private is None:
        raise InvalidPodcast(
            f"podcast {podcast_id!r} is public; `airdate podcasts feeds private {podcast_id}` makes it private"
        )
    return feed.private


def _unguessable() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def _published(studio: Studio, podcast_id: str) -> Iterator[PublishedFiles]:
    for episode in studio.database.episodes.released(podcast_id):
        yield PublishedFiles.model_validate(studio.database.checkpoints.of(episode.id)["publish"].output)


def _bring(site: Storage, files: PublishedFiles, left: list[Place], here: Place) -> None:
    """Copy what is missing here, or was emptied by a worker that came late, from wherever it was left."""
    for name in KEYS:
        public: str = getattr(files, name)
        if site.size(here.key(public)):
            continue
        for place in left:
            if site.size(place.key(public)):
                content_type, cache_seconds = _served_as(name, files)
                site.put(
                    here.key(public),
                    site.get(place.key(public)),
                    content_type=content_type,
                    cache_seconds=cache_seconds,
                )
                break


def _served_as(name: str, files: PublishedFiles) -> tuple[str, int]:
    """As :func:`podcasting.stages.publish.publish` has each served."""
    return {
        "audio": (files.audio_type, DAY),
        "vtt": (f"{VTT_TYPE}; charset=utf-8", HOUR),
        "srt": (f"{SRT_TYPE}; charset=utf-8", HOUR),
        "json_transcript": (JSON_TYPE, HOUR),
        "chapters": (CHAPTERS_TYPE, HOUR),
        "cover": (COVER_TYPE, HOUR),
    }[name]


def _clear(studio: Studio, place: Place) -> None:
    podcast = studio.database.podcasts.get(place.podcast_id)
    current = files_of(podcast)
    if place != current:
        for files in _published(studio, place.podcast_id):
            for name in KEYS:
                studio.site.delete(place.key(getattr(files, name)))
    if place not in feeds_of(podcast):
        for name in ("feed.xml", "index.html"):
            studio.site.delete(f"{place.folder}/{name}")

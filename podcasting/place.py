"""Where a podcast's files are on the site: in the folder of its name, or, of a private one, in one nobody can guess.

What an episode's checkpoints keep is the public place; where its files really are follows from the podcast, so that
a podcast can become private, or change its folder, without a checkpoint being rewritten.
"""

from __future__ import annotations

from dataclasses import dataclass

from podcasting.models import Podcast
from podcasting.providers.storage import Storage
from podcasting.stages.publish import PublishedFiles

PRIVATE = "private"
"""The folder, below a podcast's, of all that only listeners should find."""
KEYS = ("audio", "vtt", "srt", "json_transcript", "chapters", "cover")
"""Those of an episode's published files that are keys."""


@dataclass(frozen=True)
class Place:
    """A folder of a podcast."""

    podcast_id: str
    below: str = ""
    """Under the podcast's own: nothing for what is public, else ``private/…``."""

    @property
    def folder(self) -> str:
        """Its key, without a slash at its end."""
        return f"{self.podcast_id}/{self.below}" if self.below else self.podcast_id

    def key(self, public: str) -> str:
        """The key, here, of what is ``public`` where everybody may find it."""
        return f"{self.folder}/{public.removeprefix(f'{self.podcast_id}/')}"

    def files(self, files: PublishedFiles) -> PublishedFiles:
        """An episode's files, here."""
        return files.model_copy(update={name: self.key(getattr(files, name)) for name in KEYS})


def files_of(podcast: Podcast) -> Place:
    """Where the sound, pictures and transcripts of a podcast are."""
    folder = podcast.production.feed.folder
    return Place(podcast.id, f"{PRIVATE}/{folder}" if folder else "")


def feeds_of(podcast: Podcast) -> list[Place]:
    """Where its feed and page are: one for all, or one for each listener of a private podcast."""
    private = podcast.production.feed.private
    if private is None:
        return [Place(podcast.id)]
    return [Place(podcast.id, f"{PRIVATE}/{token}") for token in private.tokens.values()]


class PlacedStorage:
    """The site, as seen by what knows the public place only."""

    def __init__(self, site: Storage, place: Place) -> None:
        self._site = site
        self._place = place

    def put(self, key: str, content: bytes, *, content_type: str, cache_seconds: int = 0) -> None:
        """See :class:`podcasting.providers.storage.Storage`."""
        self._site.put(self._place.key(key), content, content_type=content_type, cache_seconds=cache_seconds)

    def get(self, key: str) -> bytes:
        """See :class:`podcasting.providers.storage.Storage`."""
        return self._site.get(self._place.key(key))

    def size(self, key: str) -> int | None:
        """See :class:`podcasting.providers.storage.Storage`."""
        return self._site.size(self._place.key(key))

    def delete(self, key: str) -> None:
        """See :class:`podcasting.providers.storage.Storage`."""
        self._site.delete(self._place.key(key))

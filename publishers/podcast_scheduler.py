"""The podcast scheduler: podcasts whose next episode is due become generation messages."""

from __future__ import annotations

from collections.abc import Sequence

from podcasting.database.claims import Claim
from podcasting.models import Podcast
from publishers.fanout import Counts, Discovery, Outgoing, fan_out, send_claimed
from publishers.messages import PodcastData, PodcastGenerationMessage, PodcastMetadata
from publishers.queues import Task


def schedule_podcasts(discovery: Discovery) -> Counts:
    """Claim the active podcasts with ``next_episode_at ≤ now``, oldest first, and send a message for each."""
    claims = discovery.database.claims

    def claim_page() -> list[Claim[Podcast]]:
        return claims.podcasts(discovery.now, seconds=discovery.claim_seconds, limit=discovery.page)

    return fan_out(discovery, claim_page, _generations)


def schedule_podcast(discovery: Discovery, podcast_id: str) -> Counts:
    """The same for one podcast; counts nothing when it is not due or was claimed already."""
    claim = discovery.database.claims.podcast(podcast_id, discovery.now, seconds=discovery.claim_seconds)
    return send_claimed(discovery, [claim], _generations) if claim else Counts()


def generation_of(podcast: Podcast) -> Outgoing:
    """The message that has a podcast's episode made."""
    message = PodcastGenerationMessage(
        version="1.0",
        type="podcast_generation",
        data=PodcastData(
            podcast_id=podcast.id,
            title=podcast.title,
            frequency=podcast.frequency_days,
            latest_episode_date=podcast.latest_episode_at,
        ),
        metadata=PodcastMetadata(retry_count=0, source="podcast_scheduler"),
    )
    return Outgoing(Task.GENERATE_PODCAST, message, group=podcast.fair_group)


def _generations(page: Sequence[Claim[Podcast]]) -> list[Outgoing]:
    return [generation_of(claim.subject) for claim in page]

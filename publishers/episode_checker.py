"""The episode checker: the net below. Episodes that wait, or that nobody moves on, become messages again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from podcasting.database.claims import Claim
from podcasting.due import Work, work_for
from podcasting.models import Episode, Podcast
from publishers.fanout import Counts, Discovery, MessagesFor, Outgoing, fan_out, send_claimed
from publishers.messages import EpisodeData, EpisodeMetadata, EpisodeProcessingMessage
from publishers.podcast_scheduler import generation_of
from publishers.queues import Task


def check_episodes(discovery: Discovery) -> Counts:
    """Claim the episodes that need work nobody seems to be doing, oldest first, and send a message for each.

    One whose audio is ready is sent to be processed; one stuck before that has its podcast's
    generation sent again, which goes on where it stopped.
    """
    claims = discovery.database.claims

    def claim_page() -> list[Claim[Episode]]:
        return claims.episodes(discovery.now, seconds=discovery.claim_seconds, limit=discovery.page)

    return fan_out(discovery, claim_page, _messages(discovery))


def send_on(discovery: Discovery, episode_id: str, *, even_if_claimed: bool = False) -> Counts:
    """Send one episode to its next worker now; counts nothing when it needs nothing or is being worked on.

    One that is claimed was sent already, and is sent again only if asked: copies of one message must not each send
    a copy of the next.
    """
    discovery.database.claims.make_claimable(episode_id, discovery.now, even_if_claimed=even_if_claimed)
    claim = discovery.database.claims.episode(episode_id, discovery.now, seconds=discovery.claim_seconds)
    return send_claimed(discovery, [claim], _messages(discovery)) if claim else Counts()


def _messages(discovery: Discovery) -> MessagesFor:
    def messages_for(page: Sequence[Claim[Episode]]) -> list[Outgoing]:
        podcasts = discovery.database.podcasts.named({claim.subject.podcast_id for claim in page})
        return [_message(claim.subject, podcasts[claim.subject.podcast_id], discovery.now) for claim in page]

    return messages_for


def _message(episode: Episode, podcast: Podcast, now: datetime) -> Outgoing:
    if work_for(episode) is Work.GENERATION:
        return generation_of(podcast)
    message = EpisodeProcessingMessage(
        version="1.0",
        type="episode_processing",
        data=EpisodeData(episode_id=episode.id, podcast_id=episode.podcast_id, status=episode.status, timestamp=now),
        metadata=EpisodeMetadata(retry_count=0, source="episode_checker"),
    )
    return Outgoing(Task.PROCESS_EPISODE, message, group=podcast.fair_group)

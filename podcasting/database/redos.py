"""Doing an episode's sound again: what was published goes back to be spoken, and stays in the feed meanwhile.

What its stages made is not forgotten but counts as stale: the feed lists the take there is until the new one replaces
it, stage by stage, each in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine, func, select, update

from podcasting.database.checkpoints import STALE
from podcasting.database.history import Happened, note
from podcasting.database.lost_connections import again_if_undone
from podcasting.database.rows import episode_from
from podcasting.database.schema import episodes, stages
from podcasting.errors import Permanent, UnknownEpisode
from podcasting.models import Episode, EpisodeStatus

OF_THE_SOUND = ("speech", "master", "check", "transcript", "publish", "feed")
"""The stages that hang on how the script is spoken. Collecting, script and cover stand."""
MOST_TURNS = 11
"""At once: a key holds 64 characters, and a number may have four."""


class Redos:
    """``now`` is passed in, ``by`` names who asks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @again_if_undone
    def begin(self, episode_id: str, turns: Sequence[int], now: datetime, *, by: str) -> Episode:
        """Have ``turns`` of a published episode spoken anew, counted from 1; its history says which, and who.

        Its script stands as it is, as one that a person approved: whoever heard it has read it. The lease's number goes
        on, so that no worker of before can write any more.

        Raises:
            UnknownEpisode: there is none of that id.
            Permanent: it is not published (any more).
        """
        statement = (
            update(episodes)
            .where(episodes.c.id == episode_id, episodes.c.status == EpisodeStatus.PUBLISHED)
            .values(
                status=EpisodeStatus.SCRIPT_READY,
                approved_at=func.coalesce(episodes.c.approved_at, now),
                attempts=0,
                claimable_at=now,
                claim_count=0,
                lease_number=episodes.c.lease_number + 1,
                updated_at=now,
            )
            .returning(episodes)
        )
        with self._engine.begin() as connection:
            row = connection.execute(statement).mappings().one_or_none()
            if row is None:
                there = connection.execute(select(episodes).where(episodes.c.id == episode_id)).mappings().one_or_none()
                if there is None:
                    raise UnknownEpisode(episode_id)
                raise Permanent(not_published(episode_from(there)))
            stale = update(stages).where(stages.c.episode_id == episode_id)
            connection.execute(stale.where(stages.c.name.in_(OF_THE_SOUND)).values(key=STALE))
            anew = STALE + ",".join(map(str, turns))
            connection.execute(stale.where(stages.c.name == "speech").values(key=anew))
            named = f"turn{'s' if len(turns) > 1 else ''} {', '.join(map(str, turns))}"
            note(connection, episode_id, Happened.RETRIED, now, stage="speech", detail=f"{by}: {named} spoken again")
        return episode_from(row)


def not_published(episode: Episode) -> str:
    """Why an episode's turns cannot be spoken again, and what can be done."""
    if episode.status is EpisodeStatus.FAILED:
        return f"episode {episode.id} failed; `airdate episodes retry {episode.id}` sets it going again"
    return f"episode {episode.id} is {episode.status}, and only a published one's turns are spoken again; wait for that"

"""What people do with episodes that await approval: approve, edit, reject; and what happens when review is turned off.

Each is one conditional change of an episode that rests, so that of two people, or of a person and a worker, one is
first and the other is told. Each takes the lease's number on, so that no worker of before can write any more.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Engine, RowMapping, func, select, update

from podcasting.database.checkpoints import BY_HAND
from podcasting.database.connection import read
from podcasting.database.episodes import let_the_next_be_found, tell_again
from podcasting.database.history import Happened, note
from podcasting.database.lost_connections import again
from podcasting.database.rows import AWAITS_APPROVAL, episode_from
from podcasting.database.schema import episodes, history, stages
from podcasting.errors import Permanent, UnknownEpisode
from podcasting.fingerprint import fingerprint
from podcasting.models import ENDED, Episode, EpisodeStatus
from podcasting.providers.writers import Script


class Reviews:
    """The decisions of people; ``now`` is passed in, ``by`` names who decides."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def waits_since(self, episode_id: str) -> datetime | None:
        """When an episode last began to await approval; None when it never did."""
        statement = select(func.max(history.c.at)).where(
            history.c.episode_id == episode_id, history.c.event == Happened.WAITS
        )
        with read(self._engine) as connection:
            found: datetime | None = connection.scalar(statement)
        return found

    @again
    def approve(self, episode_id: str, now: datetime, *, by: str, key: str | None = None) -> tuple[Episode, bool]:
        """Let a script be spoken: the episode goes on at once. Whether it was this call that did it, too.

        To approve one again does nothing. With ``key``, only the script of that key is approved; of one that a
        person wrote the hash will do.

        Raises:
            UnknownEpisode: there is none of that id.
            Permanent: it does not await approval, and nobody approved it; or its script has another key by now.
        """
        with self._engine.begin() as connection:
            goes_on = _goes_on(now) | {"approved_at": now}
            row = _change(connection, episode_id, **goes_on)
            # The episode is ours until the transaction ends, so nobody puts another script there meanwhile.
            _require_key(connection, episode_id, key)
            if row is not None:
                note(connection, episode_id, Happened.APPROVED, now, detail=by)
                return episode_from(row), True
            episode = _required(connection, episode_id)
        if episode.approved_at is None:
            raise Permanent(why_not(episode))
        return episode, False

    @again
    def edit(self, episode_id: str, before: str, script: Script, now: datetime, *, by: str) -> Episode:
        """Put a person's script in the place of the one with the key ``before``. It is kept whatever settings change.

        Raises:
            UnknownEpisode: there is none of that id.
            Permanent: it does not await approval (any more), or its script is another by now.
        """
        key = key_of(script)
        with self._engine.begin() as connection:
            row = _change(connection, episode_id, title=script.title, updated_at=now)
            if row is None:
                raise Permanent(why_not(_required(connection, episode_id)))
            replaced = (
                update(stages)
                .where(
                    stages.c.episode_id == episode_id,
                    stages.c.name == "script",
                    stages.c.key.in_((before, key)),  # ours, when only the answer to its COMMIT was lost
                )
                .values(key=key, output=script.model_dump(mode="json"), lease_number=row["lease_number"])
            )
            if connection.execute(replaced).rowcount != 1:
                raise Permanent(
                    f"somebody else changed the script of {episode_id} meanwhile; "
                    f"`airdate episodes script {episode_id}` shows it, and nothing of yours was kept"
                )
            note(connection, episode_id, Happened.EDITED, now, stage="script", detail=by)
            return episode_from(row)

    @again
    def reject(self, episode_id: str, reason: str, now: datetime, *, by: str, retell: bool = False) -> Episode:
        """End as skipped, with the reason. Its stories count as told, unless the next episode is to ``retell`` them.

        Raises:
            UnknownEpisode: there is none of that id.
            Permanent: it does not await approval.
        """
        said = f"rejected by {by}: {reason}"
        with self._engine.begin() as connection:
            row = _change(
                connection,
                episode_id,
                status=EpisodeStatus.SKIPPED,
                failure_stage="script",
                failure_reason=said,
                updated_at=now,
            )
            if row is None:
                episode = _required(connection, episode_id)
                if episode.failure is not None and episode.failure.reason == said:
                    return episode  # done before, and only the answer was lost
                raise Permanent(why_not(episode))
            note(connection, episode_id, Happened.SKIPPED, now, stage="script", detail=said)
            episode = episode_from(row)
            if retell:
                tell_again(connection, episode)
            let_the_next_be_found(connection, episode.podcast_id, now)
            return episode

    @again
    def let_go(self, podcast_id: str, now: datetime, *, by: str) -> list[str]:
        """Have the episodes of a podcast that await approval go on, for it wants no review any more; their ids."""
        statement = (
            update(episodes)
            .where(episodes.c.podcast_id == podcast_id, AWAITS_APPROVAL)
            .values(lease_number=episodes.c.lease_number + 1, **_goes_on(now))
            .returning(episodes.c.id)
        )
        with self._engine.begin() as connection:
            found = sorted(connection.scalars(statement))
            for episode_id in found:
                note(connection, episode_id, Happened.LET_GO, now, detail=f"{by} turned review off")
        return found


def key_of(script: Script) -> str:
    """The key of a script that a person wrote."""
    return BY_HAND + fingerprint("script", script)


def _require_key(connection: Connection, episode_id: str, key: str | None) -> None:
    if key is None:
        return
    script = select(stages.c.key).where(stages.c.episode_id == episode_id, stages.c.name == "script")
    found = connection.scalar(script)
    if found is not None and found.removeprefix(BY_HAND) != key.removeprefix(BY_HAND):
        raise Permanent(
            f"the script of {episode_id} is another than {key} by now; "
            f"`airdate episodes script {episode_id}` shows it, and you approved nothing"
        )


def _goes_on(now: datetime) -> dict[str, object]:
    return {"claimable_at": now, "claim_count": 0, "attempts": 0, "updated_at": now}


def _change(connection: Connection, episode_id: str, **values: object) -> RowMapping | None:
    """Change an episode that awaits approval; None when it does not."""
    statement = (
        update(episodes)
        .where(episodes.c.id == episode_id, AWAITS_APPROVAL)
        .values(lease_number=episodes.c.lease_number + 1, **values)
        .returning(episodes)
    )
    return connection.execute(statement).mappings().one_or_none()


def _required(connection: Connection, episode_id: str) -> Episode:
    row = connection.execute(select(episodes).where(episodes.c.id == episode_id)).mappings().one_or_none()
    if row is None:
        raise UnknownEpisode(episode_id)
    return episode_from(row)


def why_not(episode: Episode) -> str:
    """Why a person cannot decide about an episode, and what they can do."""
    if episode.approved_at is not None:
        return (
            f"the script of {episode.id} was approved on {episode.approved_at:%Y-%m-%d %H:%M} UTC, so it stays as it is"
        )
    if episode.status in ENDED:
        return f"episode {episode.id} is {episode.status}: it awaits no approval"
    return (
        f"episode {episode.id} is {episode.status} and awaits no approval now; "
        "`airdate episodes list --waiting` shows those that do"
    )

"""Episodes: read, released to the site, and ended. Writes are fenced by the lease."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, case, delete, exists, func, or_, select, update

from podcasting.announcing import NOBODY, Announcing, Occasion
from podcasting.database import leases
from podcasting.database.connection import read
from podcasting.database.history import Happened, note, published_before
from podcasting.database.leases import Lease
from podcasting.database.lost_connections import again, again_if_undone
from podcasting.database.notices import note_down
from podcasting.database.rows import AWAITS_APPROVAL, episode_from, insert_missing, podcast_from
from podcasting.database.schema import episodes, podcasts, seen_entries, source_validators, stages
from podcasting.errors import Permanent, UnknownEpisode
from podcasting.models import Episode, EpisodeStatus, PodcastState

ENDS = {
    EpisodeStatus.PUBLISHED: Happened.PUBLISHED,
    EpisodeStatus.SKIPPED: Happened.SKIPPED,
    EpisodeStatus.FAILED: Happened.FAILED,
}


class Episodes:
    """The episodes; ``now`` is passed in."""

    def __init__(self, engine: Engine, platform: Announcing = NOBODY) -> None:
        self._engine = engine
        self._platform = platform

    def get(self, episode_id: str) -> Episode:
        """The episode of that id.

        Raises:
            UnknownEpisode: there is none.
        """
        with read(self._engine) as connection:
            row = connection.execute(select(episodes).where(episodes.c.id == episode_id)).mappings().one_or_none()
        if row is None:
            raise UnknownEpisode(episode_id)
        return episode_from(row)

    def newest(
        self,
        *,
        podcast_id: str | None = None,
        status: EpisodeStatus | None = None,
        awaiting_approval: bool = False,
        limit: int | None = 100,
    ) -> list[Episode]:
        """Episodes, newest slot first; of one podcast, in one status or awaiting approval if asked; None: all."""
        wanted: list[ColumnElement[bool]] = []
        if podcast_id is not None:
            wanted.append(episodes.c.podcast_id == podcast_id)
        if status is not None:
            wanted.append(episodes.c.status == status)
        if awaiting_approval:
            wanted.append(AWAITS_APPROVAL)
        statement = select(episodes).where(*wanted).order_by(episodes.c.slot.desc(), episodes.c.id).limit(limit)
        with read(self._engine) as connection:
            return [episode_from(row) for row in connection.execute(statement).mappings()]

    def failed(
        self,
        *,
        podcast_id: str | None = None,
        stage: str | None = None,
        reason: str | None = None,
        since: datetime | None = None,
    ) -> list[Episode]:
        """The failed episodes, oldest slot first: of one podcast, at one stage, with a text in the reason, since."""
        wanted: list[ColumnElement[bool]] = [episodes.c.status == EpisodeStatus.FAILED]
        if podcast_id is not None:
            wanted.append(episodes.c.podcast_id == podcast_id)
        if stage is not None:
            wanted.append(episodes.c.failure_stage == stage)
        if reason is not None:
            wanted.append(episodes.c.failure_reason.icontains(reason, autoescape=True))
        if since is not None:
            wanted.append(episodes.c.updated_at >= since)
        statement = select(episodes).where(*wanted).order_by(episodes.c.slot, episodes.c.id)
        with read(self._engine) as connection:
            return [episode_from(row) for row in connection.execute(statement).mappings()]

    def by_status(self) -> dict[EpisodeStatus, int]:
        """How many episodes there are in each status that has any."""
        statement = select(episodes.c.status, func.count()).group_by(episodes.c.status)
        with read(self._engine) as connection:
            return {EpisodeStatus(status): count for status, count in connection.execute(statement)}

    def awaiting_approval(self) -> int:
        """How many await it."""
        statement = select(func.count()).select_from(episodes).where(AWAITS_APPROVAL)
        with read(self._engine) as connection:
            return connection.scalar(statement) or 0

    def released(self, podcast_id: str) -> list[Episode]:
        """The episodes whose files are on the site: what the feed lists. One that was listed stays if a redo fails."""
        statement = (
            select(episodes)
            .where(
                episodes.c.podcast_id == podcast_id,
                episodes.c.released_at.is_not(None),
                or_(episodes.c.status != EpisodeStatus.FAILED, _was_listed(episodes.c.id)),
            )
            .order_by(episodes.c.released_at.desc(), episodes.c.id)
        )
        with read(self._engine) as connection:
            return [episode_from(row) for row in connection.execute(statement).mappings()]

    @again
    def release(self, lease: Lease, now: datetime) -> None:
        """Let the feed list the episode: its files are on the site. The podcast gets a version and a latest date.

        Doing it again keeps the first date.

        Raises:
            LeaseLost: another worker took over; nothing is written.
        """
        with self._engine.begin() as connection:
            leases.require(connection, lease, updated_at=now)
            row = connection.execute(select(episodes).where(episodes.c.id == lease.episode_id)).mappings().one()
            if row["released_at"] is None:
                connection.execute(update(episodes).where(leases.held(lease)).values(released_at=now))
            latest = func.coalesce(podcasts.c.latest_episode_at, row["slot"])
            connection.execute(
                update(podcasts)
                .where(podcasts.c.id == row["podcast_id"])
                .values(
                    version=podcasts.c.version + 1,
                    latest_episode_at=case((latest < row["slot"], row["slot"]), else_=latest),
                )
            )

    @again
    def publish(self, lease: Lease, now: datetime) -> None:
        """End as published: the audio was verified and the feed lists it.

        Raises:
            LeaseLost: another worker took over; nothing is written.
        """
        with self._engine.begin() as connection:
            episode = _end(connection, lease, EpisodeStatus.PUBLISHED, now)
            note_down(
                connection,
                self._platform,
                Occasion.PUBLISHED,
                episode,
                now,
                lease_number=lease.number,
                republished=published_before(connection, episode.id, episode.released_at, but_by=lease.number),
            )

    @again
    def await_approval(self, lease: Lease, now: datetime) -> Episode:
        """Rest until a person approves the script. The lease ends, and its start does not count as an attempt.

        An episode whose podcast wants no review any more does not rest: discovery may claim it at once.

        Raises:
            LeaseLost: another worker took over; nothing is written.
        """
        with self._engine.begin() as connection:
            leases.require(connection, lease, updated_at=now)
            episode = select(episodes).where(episodes.c.id == lease.episode_id)
            row = connection.execute(episode).mappings().one()
            if row["lease_holder"] is None:
                return episode_from(row)  # done before, and only the answer was lost
            # Locked, so that turning review off finds either the episode at rest, or us who see that it is off.
            query = select(podcasts).where(podcasts.c.id == row["podcast_id"]).with_for_update()
            podcast = podcast_from(connection.execute(query).mappings().one())
            rests = podcast.production.review and row["status"] == EpisodeStatus.SCRIPT_READY
            leases.require(
                connection,
                lease,
                attempts=0,
                claimable_at=None if rests else now,
                claim_count=0,
                lease_expires_at=None,
                lease_holder=None,
            )
            rested = episode_from(connection.execute(episode).mappings().one())
            if rests:
                note(connection, lease.episode_id, Happened.WAITS, now, stage="script", lease_number=lease.number)
                note_down(connection, self._platform, Occasion.WAITING, rested, now, lease_number=lease.number)
            return rested

    @again
    def skip(self, lease: Lease, reason: str, now: datetime) -> None:
        """End as skipped: the slot has nothing new to say.

        Raises:
            LeaseLost: another worker took over; nothing is written.
        """
        with self._engine.begin() as connection:
            _end(connection, lease, EpisodeStatus.SKIPPED, now, failure_stage="collect", failure_reason=reason)

    @again
    def fail(self, lease: Lease, stage: str, reason: str, now: datetime) -> None:
        """End as failed, with the stage and the reason.

        What it had looked at counts as new again, so that the next episode tells it.

        Raises:
            LeaseLost: another worker took over; nothing is written.
        """
        with self._engine.begin() as connection:
            episode = _end(connection, lease, EpisodeStatus.FAILED, now, failure_stage=stage, failure_reason=reason)
            if not connection.scalar(select(_was_listed(episode.id))):  # else its stories are told
                tell_again(connection, episode)
            note_down(connection, self._platform, Occasion.FAILED, episode, now, lease_number=lease.number)

    @again_if_undone
    def retry(
        self,
        episode_id: str,
        status: EpisodeStatus,
        now: datetime,
        *,
        by: str = "somebody",
        claimable_at: datetime | None = None,
    ) -> Episode:
        """Set a failed or skipped episode going again from ``status``.

        Discovery may claim it at ``claimable_at``; now, unless its message is sent by another way. ``by`` says
        in its history who did it. If a later episode told one of its stories meanwhile, all its stages are
        forgotten and it collects anew, so that nothing is told twice.

        Raises:
            UnknownEpisode: there is none of that id.
            Permanent: it has neither failed nor been skipped.
        """
        statement = (
            update(episodes)
            .where(
                episodes.c.id == episode_id,
                episodes.c.status.in_([EpisodeStatus.FAILED, EpisodeStatus.SKIPPED]),
            )
            .values(
                status=status,
                attempts=0,
                failure_stage=None,
                failure_reason=None,
                claimable_at=claimable_at or now,
                claim_count=0,
                updated_at=now,
            )
            .returning(episodes)
        )
        with self._engine.begin() as connection:
            row = connection.execute(statement).mappings().one_or_none()
            if row is not None:
                note(connection, episode_id, Happened.RETRIED, now, detail=by)
                row = _with_its_stories(connection, row)
        if row is None:
            episode = self.get(episode_id)
            raise Permanent(
                f"episode {episode_id} is {episode.status}; only a failed or skipped one can be set going again"
            )
        return episode_from(row)


def _was_listed(episode_id: ColumnElement[str] | str) -> ColumnElement[bool]:
    """Whether the feed listed the episode once."""
    return exists().where(stages.c.episode_id == episode_id, stages.c.name == "feed")


def _end(
    connection: Connection,
    lease: Lease,
    status: EpisodeStatus,
    now: datetime,
    *,
    failure_stage: str | None = None,
    failure_reason: str | None = None,
) -> Episode:
    leases.require(
        connection,
        lease,
        status=status,
        failure_stage=failure_stage,
        failure_reason=failure_reason,
        claimable_at=None,
        claim_count=0,
        lease_expires_at=None,
        lease_holder=None,
        updated_at=now,
    )
    note(
        connection,
        lease.episode_id,
        ENDS[status],
        now,
        stage=failure_stage,
        detail=failure_reason,
        lease_number=lease.number,
    )
    row = connection.execute(select(episodes).where(episodes.c.id == lease.episode_id)).mappings().one()
    let_the_next_be_found(connection, row["podcast_id"], now)
    return episode_from(row)


def let_the_next_be_found(connection: Connection, podcast_id: str, now: datetime) -> None:
    """Let discovery claim a podcast whose slot came while an episode was under way, or rested, that has ended now."""
    # It need not wait for its claim to expire; and where the episode awaited approval, it has none.
    waits = or_(podcasts.c.next_episode_at <= now, podcasts.c.claimable_at.is_(None))
    connection.execute(
        update(podcasts)
        .where(podcasts.c.id == podcast_id, podcasts.c.state == PodcastState.ACTIVE, waits)
        .values(claimable_at=podcasts.c.next_episode_at, claim_count=0)
    )


def tell_again(connection: Connection, episode: Episode) -> None:
    """Have what an episode had looked at count as new again, so that the next one tells it."""
    connection.execute(delete(seen_entries).where(seen_entries.c.episode_id == episode.id))
    connection.execute(delete(source_validators).where(source_validators.c.podcast_id == episode.podcast_id))


def _with_its_stories(connection: Connection, row: RowMapping) -> RowMapping:
    """Have the stories of an episode that goes on count as told by it; or, if another told one, begin it anew."""
    collected = connection.scalar(
        select(stages.c.output).where(stages.c.episode_id == row["id"], stages.c.name == "collect")
    )
    if collected is None:
        return row
    told = [story["key"] for story in collected["stories"]]
    elsewhere = select(seen_entries.c.key).where(
        seen_entries.c.podcast_id == row["podcast_id"],
        seen_entries.c.key.in_(told),
        seen_entries.c.episode_id != row["id"],
    )
    if connection.scalars(elsewhere.limit(1)).one_or_none() is None:
        for key in collected["seen"]:
            insert_missing(connection, seen_entries, podcast_id=row["podcast_id"], key=key, episode_id=row["id"])
        return row
    connection.execute(delete(stages).where(stages.c.episode_id == row["id"]))
    nothing = {"status": EpisodeStatus.PENDING, "approved_at": None, "released_at": None}
    anew = update(episodes).where(episodes.c.id == row["id"]).values(**nothing)
    return connection.execute(anew.returning(episodes)).mappings().one()

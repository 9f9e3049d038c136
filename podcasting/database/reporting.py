"""What a report draws: sums over a window of time, made by the database, so that a row in it costs no row here.

Only ends of a scale come back: stages, steps of time, a page of reasons. A window of all time reads each
table once; the tables have no index by time, since one would cost every write for a question asked once a week.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Executable, Select, case, exists, func, select

from podcasting.database.alarms import Alarm
from podcasting.database.connection import read
from podcasting.database.history import Happened
from podcasting.database.percentiles import Spread, epoch, spreads
from podcasting.database.schema import alarms, episodes, expenses, history, podcasts, stages
from podcasting.models import ENDED, EpisodeStatus, PodcastState

STEPS = (60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400)
"""Seconds that a step of time may have."""
MOST_STEPS = 48
"""In one window, unless it is longer than the longest step makes of it: what a chart shows legibly."""
MOST_REASONS = 2000
"""Different texts of failures that are looked at, the most frequent first."""
MOST_PODCASTS = 10


@dataclass(frozen=True)
class Window:
    """From ``since`` up to, not including, ``until``; of one podcast, if asked."""

    since: datetime
    until: datetime
    podcast_id: str | None = None

    @property
    def days(self) -> float:
        """How long it is."""
        return (self.until - self.since) / timedelta(days=1)

    @property
    def step(self) -> int:
        """The seconds of a step: the shortest that makes no more than ``MOST_STEPS``."""
        seconds = (self.until - self.since).total_seconds()
        return next((step for step in STEPS if seconds / step <= MOST_STEPS), STEPS[-1])

    def steps(self) -> list[datetime]:
        """When each step begins. Steps begin on the hour or at midnight UTC, so the first and last may be cut."""
        first, last = (int(moment.timestamp()) // self.step for moment in (self.since, self.until))
        return [datetime.fromtimestamp(number * self.step, UTC) for number in range(first, last + 1)]


@dataclass(frozen=True)
class InStage:
    """How long a stage took; in one step of time, or in all of the window."""

    stage: str
    spread: Spread
    step: datetime | None = None


@dataclass(frozen=True)
class InAll:
    """What a stage took of all episodes together."""

    stage: str
    count: int
    seconds: float


@dataclass(frozen=True)
class Late:
    """How long after they were due episodes were on the site; in one step of time."""

    step: datetime
    spread: Spread


@dataclass(frozen=True)
class Happening:
    """How often something happened; in one step of time, or at one stage, for one reason."""

    what: Happened
    count: int
    step: datetime | None = None
    stage: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Standing:
    """What there is now, whatever the window."""

    episodes: dict[EpisodeStatus, int]
    podcasts: dict[PodcastState, int]
    overdue_podcasts: int
    """Active, and due before now: discovery has not opened their slot, or an earlier slot is under way."""
    unfinished: int
    """Episodes under way, or waiting for it."""
    oldest_due: datetime | None
    """When the oldest of them was due."""


@dataclass(frozen=True)
class Busy:
    """A podcast, and how much work its stages were."""

    podcast_id: str
    title: str
    episodes: int
    seconds: float


@dataclass(frozen=True)
class ProviderSpend:
    """What an outside provider was asked for at a stage, and what it cost."""

    stage: str
    provider: str
    calls: int
    input_tokens: int
    output_tokens: int
    characters: int
    """Of text that was spoken."""
    dollars: float | None
    """US dollars; None where no price is known."""


class Reporting:
    """The figures of a window."""

    def __init__(self, engine: Engine, window: Window) -> None:
        self._engine = engine
        self._window = window

    def stages(self) -> list[InStage]:
        """How long each stage took, of those that ended in the window."""
        rows = self._all(spreads(self._stages(), "seconds", by=("name",)))
        return [InStage(row["name"], _spread(row)) for row in rows]

    def stages_by_step(self) -> list[InStage]:
        """The same, step by step."""
        step = self._step(stages.c.finished_at)
        rows = self._all(spreads(self._stages(step), "seconds", by=("name", "step")))
        return [InStage(row["name"], _spread(row), self._begins(row["step"])) for row in rows]

    def lateness(self) -> Spread | None:
        """How long after they were due episodes were on the site, of those that got there in the window."""
        rows = self._all(spreads(self._released(), "late"))
        return _spread(rows[0]) if rows else None

    def lateness_by_step(self) -> list[Late]:
        """The same, step by step."""
        rows = self._all(spreads(self._released(self._step(episodes.c.released_at)), "late", by=("step",)))
        return sorted((Late(self._begins(row["step"]), _spread(row)) for row in rows), key=lambda late: late.step)

    def lateness_below(self, bounds: Sequence[int]) -> list[int]:
        """How many were on the site within each of ``bounds`` seconds, those within the one before left out.

        One more at the end: how many took longer.
        """
        late = self._released().subquery().c.late
        place = case(*((late <= bound, number) for number, bound in enumerate(bounds)), else_=len(bounds))
        found = {
            row["place"]: row["count"]
            for row in self._all(select(place.label("place"), func.count().label("count")).group_by(place))
        }
        return [found.get(number, 0) for number in range(len(bounds) + 1)]

    def happened(self) -> list[Happening]:
        """How often each thing happened at each stage."""
        columns = (history.c.event, history.c.stage, func.count().label("count"))
        rows = self._all(self._history(*columns).group_by(history.c.event, history.c.stage))
        return [Happening(Happened(row["event"]), row["count"], stage=row["stage"]) for row in rows]

    def happened_by_step(self) -> list[Happening]:
        """How often each thing happened, step by step."""
        step = self._step(history.c.at)
        rows = self._all(self._history(history.c.event, step, func.count().label("count")).group_by("event", "step"))
        return [Happening(Happened(row["event"]), row["count"], step=self._begins(row["step"])) for row in rows]

    def reasons(self) -> list[Happening]:
        """Why episodes failed, and why tries of theirs did: the most frequent texts first, ``MOST_REASONS`` at most."""
        count = func.count().label("count")
        columns = (history.c.event, history.c.stage, history.c.detail)
        statement = (
            self._history(*columns, count)
            .where(history.c.event.in_([Happened.FAILED, Happened.GIVEN_BACK]))
            .group_by(*columns)
            .order_by(count.desc(), history.c.detail)
            .limit(MOST_REASONS)
        )
        return [
            Happening(Happened(row["event"]), row["count"], stage=row["stage"], reason=row["detail"])
            for row in self._all(statement)
        ]

    def failed_tries(self, most: int) -> list[int]:
        """How many episodes published in the window had no failed try, one, two, …; the last: ``most`` or more."""
        tries = (
            select(func.count(history.c.id).label("tries"))
            .select_from(episodes)
            .outerjoin(history, (history.c.episode_id == episodes.c.id) & (history.c.event == Happened.GIVEN_BACK))
            .where(*self._published())
            .group_by(episodes.c.id)
            .subquery()
        )
        number = case((tries.c.tries >= most, most), else_=tries.c.tries)
        found = {
            row["tries"]: row["count"]
            for row in self._all(select(number.label("tries"), func.count().label("count")).group_by(number))
        }
        return [found.get(number, 0) for number in range(most + 1)]

    def work(self) -> list[InAll]:
        """What the episodes published in the window took, whenever their stages were done."""
        statement = (
            select(stages.c.name, func.count(), func.sum(stages.c.seconds))
            .join(episodes, episodes.c.id == stages.c.episode_id)
            .where(*self._published())
            .group_by(stages.c.name)
        )
        return [InAll(*row.values()) for row in self._all(statement)]

    def published(self) -> int:
        """How many episodes were published in the window."""
        rows = self._all(select(func.count().label("count")).select_from(episodes).where(*self._published()))
        return int(rows[0]["count"])

    def seconds_of_audio(self) -> float | None:
        """The mean of the episodes published in the window, as ``check`` measured it."""
        statement = (
            select(func.avg(stages.c.output["seconds"].as_float()).label("seconds"))
            .join(episodes, episodes.c.id == stages.c.episode_id)
            .where(stages.c.name == "check", *self._published())
        )
        mean = self._all(statement)[0]["seconds"]
        return None if mean is None else float(mean)

    def busiest(self) -> list[Busy]:
        """The podcasts whose stages took longest, of those that ended in the window."""
        seconds = func.sum(stages.c.seconds)
        statement = (
            select(podcasts.c.id, podcasts.c.title, func.count(stages.c.episode_id.distinct()), seconds)
            .join(episodes, episodes.c.id == stages.c.episode_id)
            .join(podcasts, podcasts.c.id == episodes.c.podcast_id)
            .where(self._in(stages.c.finished_at), *self._of_podcast(episodes.c.podcast_id))
            .group_by(podcasts.c.id, podcasts.c.title)
            .order_by(seconds.desc(), podcasts.c.id)
            .limit(MOST_PODCASTS)
        )
        return [Busy(*row.values()) for row in self._all(statement)]

    def provider_spend(self) -> list[ProviderSpend]:
        """What was spent in the window, whatever became of the episodes: one that failed was paid for too.

        The dearest first, then those whose price nobody knows.
        """
        columns = expenses.c
        names = ("calls", "input_tokens", "output_tokens", "characters", "dollars")
        statement = (
            select(columns.stage, columns.provider, *(func.sum(columns[name]).label(name) for name in names))
            .where(self._in(columns.at), *self._of_episode(columns.episode_id))
            .group_by(columns.stage, columns.provider)
        )
        found = [ProviderSpend(**row) for row in self._all(statement)]
        return sorted(found, key=lambda each: (-(each.dollars or 0), each.provider, each.stage))

    def standing(self) -> Standing:
        """What there is at the window's end; states are those of now."""
        now = self._window.until
        of_podcast = self._of_podcast(episodes.c.podcast_id)
        statuses = select(episodes.c.status, func.count().label("count")).where(*of_podcast)
        states = select(podcasts.c.state, func.count().label("count")).where(*self._of_podcast(podcasts.c.id))
        due = (podcasts.c.state == PodcastState.ACTIVE, podcasts.c.next_episode_at <= now)
        overdue = select(func.count().label("count")).where(*due, *self._of_podcast(podcasts.c.id))
        unfinished = select(func.count().label("count"), func.min(episodes.c.slot).label("oldest")).where(
            episodes.c.status.not_in(ENDED), *of_podcast
        )
        left = self._all(unfinished)[0]
        found = {EpisodeStatus(row["status"]): row["count"] for row in self._all(statuses.group_by(episodes.c.status))}
        return Standing(
            episodes={status: found[status] for status in EpisodeStatus if status in found},
            podcasts={PodcastState(row["state"]): row["count"] for row in self._all(states.group_by(podcasts.c.state))},
            overdue_podcasts=self._all(overdue)[0]["count"],
            unfinished=left["count"],
            oldest_due=left["oldest"],
        )

    def alarms(self) -> list[Alarm]:
        """Those that came in the window, newest first. They are of no one podcast."""
        statement = select(alarms).where(self._in(alarms.c.last_at)).order_by(alarms.c.last_at.desc())
        return [Alarm(**row) for row in self._all(statement)]

    def _all(self, statement: Executable) -> list[dict[str, Any]]:
        with read(self._engine) as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def _stages(self, *columns: ColumnElement[Any]) -> Select[Any]:
        return select(stages.c.name, stages.c.seconds, *columns).where(
            self._in(stages.c.finished_at), *self._of_episode(stages.c.episode_id)
        )

    def _released(self, *columns: ColumnElement[Any]) -> Select[Any]:
        late = epoch(episodes.c.released_at) - epoch(episodes.c.slot)
        return select(late.label("late"), *columns).where(*self._published())

    def _history(self, *columns: ColumnElement[Any]) -> Select[Any]:
        return select(*columns).where(self._in(history.c.at), *self._of_episode(history.c.episode_id))

    def _published(self) -> tuple[ColumnElement[bool], ...]:
        return (
            episodes.c.status == EpisodeStatus.PUBLISHED,
            self._in(episodes.c.released_at),
            *self._of_podcast(episodes.c.podcast_id),
        )

    def _in(self, moment: ColumnElement[Any]) -> ColumnElement[bool]:
        return (moment >= self._window.since) & (moment < self._window.until)

    def _of_podcast(self, column: ColumnElement[Any]) -> tuple[ColumnElement[bool], ...]:
        return () if self._window.podcast_id is None else (column == self._window.podcast_id,)

    def _of_episode(self, column: ColumnElement[Any]) -> tuple[ColumnElement[bool], ...]:
        if self._window.podcast_id is None:
            return ()
        return (exists().where(episodes.c.id == column, episodes.c.podcast_id == self._window.podcast_id),)

    def _step(self, moment: ColumnElement[Any]) -> ColumnElement[Any]:
        return (epoch(moment) // self._window.step).label("step")

    def _begins(self, step: int) -> datetime:
        return datetime.fromtimestamp(step * self._window.step, UTC)


def _spread(row: dict[str, Any]) -> Spread:
    return Spread(row["count"], *(float(row[name]) for name in ("total", "median", "p90", "most")))

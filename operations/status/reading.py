"""Reading how all of it stands: from SQS, the database and CloudWatch, at once; what is away is a line."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from sqlalchemy.exc import DBAPIError

from operations.opened import database
from operations.queue_depth import TIMEOUT_SECONDS, DepthReader, QueueDepth
from podcasting.breaker import Breaker
from podcasting.database.alarms import Alarm
from podcasting.database.percentiles import Spread
from podcasting.database.processes import Process, living_beats
from podcasting.database.reporting import Reporting, Window
from podcasting.errors import AirdateError
from podcasting.models import STAGES, EpisodeStatus
from publishers.queues import Queue
from settings import SettingsError, settings
from tasks import aws, wiring

TIMINGS_OF = timedelta(days=1)
TIMINGS_EVERY = timedelta(seconds=30)
"""They read all stages of a day; whoever watches is shown those of a while ago."""
TICKS_LATE = 10
"""Intervals without a tick of beat's, as long as a tick is worth anything (``beat_schedule``)."""

Known = TypeVar("Known")


@dataclass(frozen=True)
class CloudAlarm:
    """An alarm of CloudWatch's that stands."""

    name: str
    since: datetime
    why: str
    what_to_do: str
    """Its description, which names the section of the runbooks."""


@dataclass(frozen=True)
class Kept:
    """What the database keeps."""

    processes: list[Process]
    episodes: dict[EpisodeStatus, int]
    stages: dict[str, Spread]
    """Seconds that the stages of the last day took, in the order of the pipeline."""
    breakers: list[Breaker]
    alarms: list[Alarm]
    awaiting_approval: int = 0
    """Episodes whose script waits for a person."""


@dataclass(frozen=True)
class Standing:
    """How all of it stands. What is away is None, and the reason in ``away``."""

    at: datetime
    queues: tuple[QueueDepth, ...] | None
    kept: Kept | None
    cloud_alarms: tuple[CloudAlarm, ...] | None
    away: Mapping[str, str]
    """Why it could not be read, by what: ``queues``, ``database``, ``cloudwatch``."""

    @property
    def beats(self) -> list[Process]:
        """Those that live."""
        return living_beats(self.kept.processes, self.at) if self.kept else []

    @property
    def last_tick(self) -> datetime | None:
        """When a beat last sent a tick, as far as beats have told."""
        told = [each.ticked_at for each in self.kept.processes if each.ticked_at] if self.kept else []
        return max(told, default=None)

    def troubles(self) -> Iterator[str]:
        """A line for each thing that should not be so; none when all is well."""
        yield from (f"{what}: {why}" for what, why in self.away.items())
        if self.kept is not None:
            yield from self._idle(self.kept.processes)
        for queue in self.queues or ():
            if queue.dead.messages:
                yield f"{queue.name}: dead letters wait: {queue.dead.messages}"
        yield from (f"{alarm.name} stands: {alarm.what_to_do}" for alarm in self.cloud_alarms or ())
        if self.kept is not None and self.kept.alarms:
            yield f"alarms that stand, see below: {len(self.kept.alarms)}"

    def _idle(self, processes: list[Process]) -> Iterator[str]:
        worked = {queue for each in processes if each.is_alive(self.at) for queue in each.queues}
        idle = [queue for queue in Queue if queue not in worked]
        if len(idle) == len(Queue) and not self.beats:
            yield "nothing runs: no worker and no beat has been seen for 90 s"
            return
        yield from (f"no worker takes from {queue}" for queue in idle)
        if not self.beats:
            yield "no beat lives: nothing that is due is found"
        elif len(self.beats) > 1:
            names = ", ".join(each.name for each in self.beats)
            yield f"{len(self.beats)} beats live ({names}): harmless, and each tick is paid for so often"
        longest = max(settings().schedule_podcasts_every, settings().check_episodes_every) * TICKS_LATE
        if self.beats and self.last_tick and (self.at - self.last_tick).total_seconds() > longest:
            yield f"beat lives, and sent no tick for {(self.at - self.last_tick).total_seconds():.0f} s"


@dataclass
class Reader:
    """Reads it, again and again."""

    now: Callable[[], datetime] = wiring.utc_now
    _depths: DepthReader | None = None
    _cloudwatch: Any = None
    _timings: tuple[datetime, dict[str, Spread]] | None = None
    _away: dict[str, str] = field(default_factory=dict)
    _clients: threading.Lock = field(default_factory=threading.Lock)
    """boto3 makes one at a time."""

    def read(self) -> Standing:
        """How all of it stands now. Never raises for what is away."""
        at = self.now()
        self._away = {}
        with ThreadPoolExecutor() as threads:
            queues = threads.submit(self._unless_away, "queues", self._queues)
            alarms = threads.submit(self._unless_away, "cloudwatch", self._cloud_alarms)
            kept = self._unless_away("database", lambda: self._kept(at))
            return Standing(at, queues.result(), kept, alarms.result(), dict(sorted(self._away.items())))

    def _unless_away(self, what: str, read: Callable[[], Known]) -> Known | None:
        try:
            return read()
        except SettingsError as error:
            self._away[what] = error.message
        except (AirdateError, DBAPIError, ClientError, BotoCoreError, ResponseParserError) as error:
            self._away[what] = " ".join(str(getattr(error, "orig", error)).split())
        return None

    def _queues(self) -> tuple[QueueDepth, ...]:
        with self._clients:
            self._depths = self._depths or DepthReader.of_settings()
        return self._depths.read().queues

    def _cloud_alarms(self) -> tuple[CloudAlarm, ...]:
        if settings().embedded:
            return ()  # moto keeps alarms and looks at none
        with self._clients:
            self._cloudwatch = self._cloudwatch or aws.client("cloudwatch", timeout_seconds=TIMEOUT_SECONDS)
        answer = self._cloudwatch.describe_alarms(
            AlarmNamePrefix=f"{settings().deployment}-",
            StateValue="ALARM",
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        )
        found = [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
        return tuple(
            CloudAlarm(
                each["AlarmName"], each["StateUpdatedTimestamp"], each["StateReason"], each.get("AlarmDescription", "")
            )
            for each in found
            if each["StateValue"] == "ALARM"  # emulators look at the prefix alone
        )

    def _kept(self, at: datetime) -> Kept:
        kept = database()
        return Kept(
            processes=kept.processes.all(),
            episodes=kept.episodes.by_status(),
            stages=self._stages(at),
            breakers=kept.breakers.all(),
            alarms=kept.alarms.standing(at, quiet_seconds=settings().alarm_quiet),
            awaiting_approval=kept.episodes.awaiting_approval(),
        )

    def _stages(self, at: datetime) -> dict[str, Spread]:
        if self._timings is None or at - self._timings[0] >= TIMINGS_EVERY:
            found = Reporting(database().engine, Window(at - TIMINGS_OF, at)).stages()
            took = {each.stage: each.spread for each in found}
            known = [stage for stage in STAGES if stage in took]
            self._timings = at, {stage: took[stage] for stage in [*known, *sorted(took.keys() - set(STAGES))]}
        return self._timings[1]

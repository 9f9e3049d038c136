"""A run: the world is built, the plan befalls it, and when all has come to rest the auditor judges."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
from sqlalchemy.exc import DBAPIError

from chaos import auditor, poison, queues
from chaos.disk import Disk
from chaos.fleet import Fleet, plain_environment
from chaos.plan import BEATS, DISCOVERIES, WORKERS, Plan, Poison
from chaos.shows import Shows
from chaos.storm import Storm
from chaos.troubles import EXCUSES, World
from podcasting.database import Database
from podcasting.database.revisions import migrate
from tests.fakes.postgres import postgres_server
from tests.fakes.sqs_servers import server

VISIBILITY_SECONDS = 6
LEASE_SECONDS = 6
SITE_URL = "https://chaos.example"
TICK_SECONDS = 0.25
LINE_SECONDS = 5.0
STALLED_SECONDS = 120
"""Without an episode that ends: what is still missing then is lost."""
DRAIN_SECONDS = 150
"""For the queues to become empty once all episodes have ended: a late copy, and a few redrives."""
OWN_FAULT = "a fault of Airdate's own"
"""What a log says of an error that nobody foresaw."""

SETTINGS = {
    "AIRDATE_STUDIO": "chaos.studio:fast",
    "AIRDATE_PUBLIC_URL": SITE_URL,
    "AIRDATE_ALLOW_FILE_SOURCES": "true",
    "AIRDATE_VISIBILITY_TIMEOUT": str(VISIBILITY_SECONDS),
    "AIRDATE_LEASE_SECONDS": str(LEASE_SECONDS),
    "AIRDATE_CLAIM_SECONDS": "15",
    "AIRDATE_STUCK_AFTER": "20",
    "AIRDATE_SCHEDULE_PODCASTS_EVERY": "2",
    "AIRDATE_CHECK_EPISODES_EVERY": "3",
    "AIRDATE_RETRY_BASE": "1",
    "AIRDATE_MAX_RETRIES": "6",
    "AIRDATE_PUBLISH_TIMEOUT": "5",
    "AIRDATE_GENERATORS": "2",
    "AIRDATE_PROCESSORS": "2",
    "AIRDATE_SHUTDOWN_SECONDS": "20",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}


class Run:
    """One run of a plan. ``say`` is told what happens, a line at a time."""

    def __init__(self, plan: Plan, say: Callable[[str], None], *, folder: Path | None = None) -> None:
        self._plan = plan
        self._tell = say
        self.folder = folder or Path(tempfile.mkdtemp(prefix="airdate-chaos-"))
        """Holds the processes' logs, and the ledger of the slots."""
        self._began = time.monotonic()

    def __call__(self) -> auditor.Verdict:
        """Run it, and judge it."""
        with ExitStack() as stack:
            self._build(stack)
            self._fall()
            self._come_to_rest()
            return self._judge()

    def _say(self, text: str) -> None:
        self._tell(f"{time.monotonic() - self._began:6.0f} s  {text}")

    def _build(self, stack: ExitStack) -> None:
        plan = self._plan
        for line in plan.lines():
            self._tell(line)
        logs, clocks = self.folder / "logs", self.folder / "clocks"
        for made in (logs, clocks):
            made.mkdir(parents=True)
        disk = Disk(self.folder / "home", episodes=plan.episodes)
        stack.callback(disk.close)
        self._tell(f"  disk: {disk.kind}; logs: {logs}")
        postgres = stack.enter_context(postgres_server())
        with psycopg.connect(postgres.uri, autocommit=True) as connection:
            connection.execute("CREATE DATABASE airdate")
        self._database_url = postgres.uri.replace("/postgres?", "/airdate?")
        database = Database.at(self._database_url)
        stack.callback(database.engine.dispose)
        migrate(database.engine)
        auditor.install(self._database_url)
        sqs = stack.enter_context(server("ministack"))
        self._sqs = queues.client(sqs.endpoint)
        self._queues = queues.create(self._sqs, visibility_seconds=VISIBILITY_SECONDS)
        storm = Storm(sqs.endpoint, seed=plan.seed, longest_delay=plan.longest_delay)
        storm.pass_on()
        stack.callback(storm.refuse)
        environment = (
            plain_environment()
            | SETTINGS
            | {
                "AIRDATE_HOME": str(disk.folder),
                "AIRDATE_DATABASE_URL": self._database_url,
                "AIRDATE_AWS_ENDPOINT": storm.endpoint,
                "AIRDATE_DISCOVERY_QUEUE_URL": self._queues["discovery"],
                "PODCAST_GENERATION_QUEUE_URL": self._queues["podcast-generation"],
                "EPISODE_PROCESSING_QUEUE_URL": self._queues["episode-processing"],
            }
        )
        if not disk.mounted:
            environment["CHAOS_FULL"] = str(disk.flag)
        fleet = Fleet(environment, logs)
        stack.callback(fleet.stop)
        for name in (*WORKERS, *DISCOVERIES):
            fleet.add(name, CHAOS_CLOCK=str(clocks / name))
        for name in BEATS:
            # Two machines, so to speak: each beat keeps its schedule in a home of its own.
            home = disk.folder / name
            home.mkdir()
            fleet.add(name, AIRDATE_HOME=str(home))
        self._world = World(fleet, storm, postgres, disk, clocks, self._say)
        self._shows = Shows(plan, database, self._database_url, self.folder)
        self._shows.add()
        self._poison: list[tuple[str, str]] = []

    def _fall(self) -> None:
        """Let the plan befall the fleet, until every episode has ended or none ends any more."""
        plan, world, shows = self._plan, self._world, self._shows
        troubles, poisons = list(plan.troubles), list(plan.poison)
        said = moved = time.monotonic()
        ended = 0
        while ended < plan.episodes and time.monotonic() - moved < STALLED_SECONDS:
            time.sleep(TICK_SECONDS)
            world.turn()
            world.fleet.supervise()
            if not world.database_is_down:
                try:
                    shows.look()
                    shows.open_slots()
                except (psycopg.OperationalError, DBAPIError) as error:
                    self._say(f"the database does not answer the driver: {type(error).__name__}")
            if shows.ended > ended or world.at_hand:
                moved = time.monotonic()
            ended = shows.ended
            troubles = [each for each in troubles if each.after > ended or not world.befall(each)]
            while poisons and poisons[0].after <= ended:
                self._send(poisons.pop(0))
            if time.monotonic() - said > LINE_SECONDS:
                said = time.monotonic()
                self._say(self._progress())

    def _send(self, item: Poison) -> None:
        body = poison.BODIES[item.name]
        self._sqs.send_message(QueueUrl=self._queues[item.queue], MessageBody=body)
        self._poison.append((item.queue, poison.digest(body)))

    def _progress(self) -> str:
        counts = self._shows.counts
        depths = "+".join(str(queues.waiting(self._sqs, url)) for url in self._queues.values())
        trouble = f" · now {self._world.at_hand}" if self._world.at_hand else ""
        return (
            f"{self._shows.ended}/{self._plan.episodes} ended: {counts.get('published', 0)} published, "
            f"{counts.get('failed', 0)} failed · queues {depths} · {self._world.storm.counts['doubled']} doubled, "
            f"{len(self._poison)} poison, {len(self._world.fleet.exits)} exits{trouble}"
        )

    def _come_to_rest(self) -> None:
        """End all troubles, send no more ticks, and wait for the queues to become empty."""
        self._world.end_all()
        self._world.fleet.stop("beat")
        self._say("no more ticks; waiting for the queues to become empty")
        last = said = time.monotonic()
        empty = 0
        while empty < 3 and time.monotonic() - last < DRAIN_SECONDS:  # noqa: PLR2004 - what is counted is approximate
            time.sleep(2 * TICK_SECONDS)
            self._world.fleet.supervise()
            depth = sum(queues.waiting(self._sqs, url) for url in self._queues.values())
            empty = 0 if depth else empty + 1
            if time.monotonic() - said > LINE_SECONDS:
                said = time.monotonic()
                self._say(f"{depth} messages left")
        self._world.fleet.supervise()
        self._world.fleet.stop()
        for group in self._world.fleet.orphans():
            self._world.fleet.exits.append(f"orphans of {group} live on, though they have nothing to do")
            os.killpg(group, signal.SIGKILL)

    def _judge(self) -> auditor.Verdict:
        self._say("the auditor looks at every row, feed, sound and dead letter")
        home = self._world.disk.folder
        counts = self._world.storm.counts
        self._say("storm: " + ", ".join(f"{counts[what]} {what}" for what in ("doubled", "delayed", "answers lost")))
        faults = sum(log.read_text(errors="replace").count(OWN_FAULT) for log in (self.folder / "logs").iterdir())
        if faults:
            self._say(f"{faults} times a log calls something a fault of Airdate's own: read them")
        dead_urls = {name: f"{url}-dead-letters" for name, url in self._queues.items()}
        return auditor.audit(
            self._database_url,
            episodes=self._plan.episodes,
            slots=self._shows.slots,
            site=home / "site",
            workspace=home / "work",
            site_url=SITE_URL,
            poison=self._poison,
            dead=auditor.dead_letters(self._sqs, dead_urls),
            exits=self._world.fleet.exits,
            excuses=[EXCUSES[trouble.kind] for trouble in self._plan.troubles if trouble.kind in EXCUSES],
            seconds=time.monotonic() - self._began,
        )

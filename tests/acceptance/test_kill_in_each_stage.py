"""Kill -9 in each stage in turn, and a worker that slept past its lease: each episode is published once."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lxml import etree

from chaos.halting import HALTS, arm, has_halted, let_go
from chaos.shows import feed
from podcasting.database import Database
from podcasting.models import EpisodeStatus, Podcast
from tests.acceptance.conftest import REPOSITORY, Machine

pytestmark = pytest.mark.slow

GENERATION = ("collect", "script", "speech", "master")
PROCESSING = ("check", "transcript", "cover", "publish", "feed")
STAGES = GENERATION + PROCESSING


class Watched:
    """A machine whose stages can be halted, and what its database and its site say."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.halts = machine.home / "halts"
        machine.environment |= {
            "AIRDATE_STUDIO": "chaos.halting:halting",
            "AIRDATE_GENERATORS": str(len(GENERATION)),
            "AIRDATE_PROCESSORS": str(len(PROCESSING)),
            "PYTHONPATH": str(REPOSITORY),
            HALTS: str(self.halts),
        }

    def add(self, podcast_id: str, stage: str) -> None:
        """A podcast that is due now, and whose episode halts at ``stage``."""
        source = self.machine.home / f"{podcast_id}.xml"
        source.write_text(feed(podcast_id, [0]))
        now = datetime.now(UTC) - timedelta(seconds=1)
        database = Database.at(f"sqlite:///{self.machine.home / 'airdate.db'}")
        database.podcasts.add(
            Podcast(
                id=podcast_id,
                title="Chaos",
                sources=(str(source),),
                frequency_days=30,
                first_slot=now,
                next_episode_at=now,
            ),
            now,
        )
        database.engine.dispose()
        arm(self.halts, podcast_id, stage)

    def rows(self, statement: str, *values: str) -> list[Any]:
        with closing(sqlite3.connect(self.machine.home / "airdate.db")) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(statement, values).fetchall()

    def stages(self, podcast_id: str) -> dict[str, int]:
        """The lease under which each stage of the podcast's one episode was written down."""
        statement = (
            "SELECT name, s.lease_number FROM stages s JOIN episodes e ON e.id = episode_id WHERE podcast_id = ?"
        )
        return {row["name"]: row["lease_number"] for row in self.rows(statement, podcast_id)}

    def statuses(self) -> list[str]:
        return [row["status"] for row in self.rows("SELECT status FROM episodes")]

    def listed(self, podcast_id: str) -> list[str]:
        content = (self.machine.home / "site" / podcast_id / "feed.xml").read_bytes()
        return [str(guid.text) for guid in etree.fromstring(content).iterfind("channel/item/guid")]

    def published_once(self, podcast_id: str) -> bool:
        """One episode, one publication, one item in the feed."""
        (episode,) = self.rows("SELECT * FROM episodes WHERE podcast_id = ?", podcast_id)
        publications = self.rows(
            "SELECT * FROM history WHERE episode_id = ? AND event = 'published'", str(episode["id"])
        )
        return (
            episode["status"] == EpisodeStatus.PUBLISHED
            and len(publications) == 1
            and publications[0]["lease_number"] == episode["lease_number"]
            and self.listed(podcast_id) == [episode["id"]]
        )


@pytest.fixture
def watched(machine: Machine) -> Iterator[Watched]:
    return Watched(machine)


def test_kill_9_in_each_stage_costs_that_stage_and_nothing_else(watched: Watched) -> None:
    machine = watched.machine
    for stage in STAGES:
        watched.add(f"killed-in-{stage}", stage)
    machine.airdate("discover", "podcasts")

    for process, stages in (("generator", GENERATION), ("processor", PROCESSING)):
        machine.start(process)
        for stage in stages:
            machine.until(f"a worker in {stage}", lambda at=stage: has_halted(watched.halts, f"killed-in-{at}", at))
        machine.kill(process)
        before = {stage: watched.stages(f"killed-in-{stage}") for stage in stages}
        for stage in stages:
            assert set(before[stage]) == set(STAGES[: STAGES.index(stage)]), "killed with nothing of it written down"
        machine.start(process)

    machine.until("all publications", lambda: set(watched.statuses()) == {EpisodeStatus.PUBLISHED}, 80)

    for stage in STAGES:
        podcast = f"killed-in-{stage}"
        assert watched.published_once(podcast), podcast
        leases = watched.stages(podcast)
        assert set(leases) == set(STAGES), "the pipeline has other stages than those killed here"
        earlier = [leases[each] for each in STAGES[: STAGES.index(stage)]]
        assert all(lease < leases[stage] for lease in earlier), f"{podcast}: what was done before was done again"
    assert len(watched.statuses()) == len(STAGES)
    assert machine.dead_letters("podcast-generation") == machine.dead_letters("episode-processing") == 0


def test_a_worker_that_slept_past_its_lease_is_refused_by_the_fence(watched: Watched) -> None:
    machine = watched.machine
    watched.add("frozen", "master")
    machine.airdate("discover", "podcasts")
    sleeper = machine.start("generator")
    try:
        machine.until("a worker in master", lambda: has_halted(watched.halts, "frozen", "master"))
        os.killpg(sleeper.pid, signal.SIGSTOP)
        let_go(watched.halts, "frozen", "master")

        machine.start("generator")
        machine.start("processor")
        machine.until("publication by another", lambda: watched.statuses() == [EpisodeStatus.PUBLISHED], 60)
        before = watched.rows("SELECT * FROM stages ORDER BY name"), watched.rows("SELECT * FROM episodes")
        assert "superseded" not in machine.log("generator")

        os.killpg(sleeper.pid, signal.SIGCONT)
        machine.until("the refusal", lambda: "lease 1 was superseded or ended" in machine.log("generator"))

        after = watched.rows("SELECT * FROM stages ORDER BY name"), watched.rows("SELECT * FROM episodes")
        assert after == before, "the sleeper wrote nothing"
        leases = watched.stages("frozen")
        assert {leases[stage] for stage in ("collect", "script", "speech")} == {1}
        assert {leases[stage] for stage in ("master", *PROCESSING)}.isdisjoint({1})
        assert watched.published_once("frozen")
        assert sleeper.poll() is None, "it lives on"
    finally:
        os.killpg(sleeper.pid, signal.SIGKILL)
        sleeper.wait()

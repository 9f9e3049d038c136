"""The fallback as an operator runs it: with no SQS at all, and with one that goes and comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import feedparser
import pytest
import soundfile

from podcasting.studio import Studio
from tests.acceptance.conftest import EXAMPLES, Machine
from tests.acceptance.test_workers import busy, episodes
from tests.fakes.environment import ROOT
from tests.fakes.faulty_proxy import FaultyProxy
from tests.fakes.voices import ToneVoice

pytestmark = pytest.mark.slow


def hum(studio: Studio) -> Studio:
    """What AIRDATE_STUDIO names here: a voice that takes no time."""
    return replace(studio, voice=ToneVoice(seconds_per_character=0.05))


@pytest.fixture
def proxied(machine: Machine) -> Iterator[FaultyProxy]:
    """The machine's workers and commands reach SQS through a proxy that can fail."""
    machine.environment |= {"AIRDATE_STUDIO": f"{__name__}:hum", "PYTHONPATH": str(ROOT)}
    with FaultyProxy(machine.aws.endpoint) as proxy:
        machine.environment["AIRDATE_AWS_ENDPOINT"] = proxy.endpoint
        yield proxy


def start(machine: Machine, *arguments: str) -> subprocess.Popen[bytes]:
    """``airdate fallback`` in the background; what it says is in its log."""
    with (machine.home / "fallback.log").open("ab") as log:
        return subprocess.Popen(
            [Path(sys.executable).parent / "airdate", "fallback", *arguments],
            cwd=machine.home,
            env=machine.environment | {"PYTHONUNBUFFERED": "1"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def said(machine: Machine) -> str:
    return machine.log("fallback")


def test_an_episode_is_made_from_start_to_end_where_no_sqs_runs(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.airdate("podcasts", "add", "My show", "--source", str(EXAMPLES))

    told = machine.airdate("fallback", "--once", "--processes", "1")

    (episode,) = episodes(machine)
    assert episode["status"] == "published"
    assert f"{episode['id']}: published: {episode['title']}" in told
    assert told.splitlines()[-1] == "nothing more is due"
    feed = feedparser.parse(tmp_path / "site" / "my-show" / "feed.xml")
    (entry,) = feed.entries
    audio = soundfile.info(tmp_path / "site" / urlsplit(entry.enclosures[0].href).path.lstrip("/"))
    assert audio.duration > 60


def test_with_sqs_at_hand_it_leaves_the_work_to_its_workers(machine: Machine) -> None:
    machine.airdate("podcasts", "add", "My show", "--source", str(EXAMPLES))

    assert "SQS answers" in machine.airdate("fallback")
    assert episodes(machine) == []


def test_a_refusal_is_no_outage(machine: Machine, proxied: FaultyProxy) -> None:
    proxied.answer(403, b'{"__type": "AccessDeniedException", "Message": "not authorized"}')

    told = machine.airdate("fallback", code=1)

    assert "SQS answers, but refuses" in told
    assert "airdate doctor" in told


def test_in_an_outage_it_does_what_waits_in_the_queue_and_ends_when_sqs_is_back(
    machine: Machine, proxied: FaultyProxy
) -> None:
    machine.airdate("podcasts", "add", "My show", "--source", str(EXAMPLES))
    machine.airdate("discover", "podcasts")  # its message is in the queue, and its claim stands
    proxied.refuse()
    fallback = start(machine, "--processes", "2")
    machine.until("publication", lambda: [each for each in episodes(machine) if each["status"] == "published"], 60)
    assert "1 claimed before, whose messages can't be reached, are done here" in said(machine)

    proxied.pass_on()

    assert fallback.wait(30) == 0, said(machine)
    assert "SQS is back: its workers go on from here" in said(machine)
    # The message turns up after all, and finds its work done.
    machine.start("generator")
    machine.start("processor")
    machine.until("empty queues", lambda: not busy(machine), 30)
    assert [each["status"] for each in episodes(machine)] == ["published"]
    assert machine.dead_letters("podcast-generation") == machine.dead_letters("episode-processing") == 0


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_beside_workers_each_episode_is_made_once(machine: Machine, proxied: FaultyProxy, told: signal.Signals) -> None:
    for number in range(6):
        machine.airdate("podcasts", "add", f"Show {number}", "--source", str(EXAMPLES))
    machine.airdate("discover", "podcasts")
    fallback = start(machine, "--force", "--processes", "1")
    machine.start("generator")
    machine.start("processor")

    machine.until("all", lambda: [each["status"] for each in episodes(machine)] == ["published"] * 6, 120)
    machine.until("empty queues", lambda: not busy(machine), 60)
    fallback.send_signal(told)

    assert fallback.wait(30) == 130, said(machine)
    assert proxied.counts["ReceiveMessage"] > 0
    assert len(episodes(machine)) == 6
    assert machine.dead_letters("podcast-generation") == machine.dead_letters("episode-processing") == 0


def test_killed_it_leaves_no_process_behind_and_the_next_goes_on(machine: Machine, proxied: FaultyProxy) -> None:
    machine.environment["AIRDATE_STUDIO"] = ""  # the real voice, which takes its time
    machine.airdate("podcasts", "add", "My show", "--source", str(EXAMPLES))
    proxied.refuse()
    fallback = start(machine, "--processes", "1")
    machine.until("a clip", lambda: list((machine.home / "work" / "clips").glob("*.wav")), 60)

    fallback.kill()
    fallback.wait()
    machine.until("its process is gone", lambda: not alive_in(fallback.pid), 30)

    told = machine.airdate("fallback", "--once", "--processes", "1")
    if "published" not in told:  # the lease of the dead one had not run out yet
        time.sleep(6)
        told = machine.airdate("fallback", "--once", "--processes", "1")
    assert [each["status"] for each in episodes(machine)] == ["published"], told


def alive_in(session: int) -> list[int]:
    """The processes of a session that still run."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if os.getsid(int(folder.name)) == session and "State:\tZ" not in (folder / "status").read_text():
                    found.append(int(folder.name))
            except (OSError, ProcessLookupError):
                continue
    return found

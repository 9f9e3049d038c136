"""What a provider in trouble does to real workers: they wait for it together, and no episode pays for it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from html import escape
from http.server import BaseHTTPRequestHandler

import pytest

from podcasting.studio import Studio
from tests.acceptance.conftest import Machine
from tests.acceptance.test_workers import episodes
from tests.fakes.environment import ROOT
from tests.fakes.stories import STORIES
from tests.fakes.voices import ToneVoice
from tests.fakes.website import Answer, Website

pytestmark = pytest.mark.slow

SHOWS = 6
WAIT_SECONDS = 6


def hum(studio: Studio) -> Studio:
    """What AIRDATE_STUDIO names here: a voice that takes no time."""
    return replace(studio, voice=ToneVoice(seconds_per_character=0.05))


class Troubled(Website):
    """Serves a feed under any path, once it has ceased to answer with its trouble."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        super().__init__()
        self.well = threading.Event()
        self.moments: list[float] = []
        """When it was asked."""
        items = "".join(
            f"<item><guid>{name}</guid><title>{escape(title)}</title><description>{escape(text)}</description></item>"
            for name, (title, text) in STORIES.items()
        )
        feed = f'<rss version="2.0"><channel><title>News</title>{items}</channel></rss>'.encode()

        def answer(_: Website, handler: BaseHTTPRequestHandler) -> None:
            self.moments.append(time.monotonic())
            if self.well.is_set():
                handler.send_response(200)
                handler.send_header("Content-Length", str(len(feed)))
                handler.end_headers()
                handler.wfile.write(feed)
                return
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.end_headers()

        for number in range(SHOWS):
            self.answers[f"/{number}.xml"] = Answer(raw=answer)


@pytest.fixture
def patient(machine: Machine) -> Machine:
    """Workers of two processes that may not retry at all."""
    machine.environment |= {
        "AIRDATE_STUDIO": f"{__name__}:hum",
        "PYTHONPATH": str(ROOT),
        "AIRDATE_GENERATORS": "2",
        "AIRDATE_MAX_RETRIES": "0",
    }
    return machine


def follow(machine: Machine, site: Troubled) -> None:
    machine.environment["AIRDATE_ALLOWED_PRIVATE_HOSTS"] = site.host
    for number in range(SHOWS):
        machine.airdate("podcasts", "add", f"Show {number}", "--source", site.url(f"/{number}.xml"))
    machine.airdate("discover", "podcasts")
    machine.start("generator")


def all_made(machine: Machine) -> bool:
    made = [each for each in episodes(machine) if each["status"] == "completed"]
    return len(made) == SHOWS


def test_a_host_that_asks_to_slow_down_is_left_alone_by_all_workers_and_no_try_is_used_up(patient: Machine) -> None:
    with Troubled(429, {"Retry-After": str(WAIT_SECONDS)}) as site:
        follow(patient, site)
        patient.until("the first request", lambda: site.moments)
        site.well.set()
        patient.until("all episodes", lambda: all_made(patient), 120)

        first, *later = site.moments
        too_early = [moment - first for moment in later if moment - first < WAIT_SECONDS]
        assert len(too_early) <= 1, f"asked again after {too_early} s"
        assert [each["attempts"] for each in episodes(patient)] == [0] * SHOWS
    assert patient.dead_letters("podcast-generation") == 0
    assert patient.ask("status")["breakers"] == [], "it is well again"


def test_a_host_that_fails_again_and_again_is_tried_by_one_and_fails_no_crowd(patient: Machine) -> None:
    patient.environment |= {"AIRDATE_BREAKER_FAILURES": "1", "AIRDATE_BREAKER_PAUSE": "4"}
    with Troubled(503, {}) as site:
        follow(patient, site)
        patient.until("an open breaker", lambda: patient.ask("status")["breakers"])
        (breaker,) = patient.ask("status")["breakers"]
        assert (breaker["provider"], breaker["state"]) == (site.host, "open")
        assert breaker["reason"].endswith("answered 503 Service Unavailable")
        time.sleep(2)
        asked = len(site.moments)
        site.well.set()
        patient.until(
            "the end of all", lambda: all(each["status"] in {"completed", "failed"} for each in episodes(patient)), 120
        )

    failed = [each for each in episodes(patient) if each["status"] == "failed"]
    assert asked <= 2, "while it was open it was asked by those alone that were on their way"
    assert len(failed) <= asked
    assert len(episodes(patient)) == SHOWS
    assert len(patient.ask("status")["alarms"]) == 2, "the breaker's and the failures', whatever their number"

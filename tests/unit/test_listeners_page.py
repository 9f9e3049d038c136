"""docs/listeners.md: its receiver is run as it is printed, and takes what we sign, once, and nothing else."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from podcasting.announcing import new_key
from podcasting.notices import WAITS
from podcasting.providers.listeners import Event
from podcasting.providers.listeners.webhook import signed
from tests.fakes.environment import ROOT
from tests.fakes.ports import free_port

PAGE = (ROOT / "docs" / "listeners.md").read_text()
KEY = new_key()
[EXAMPLE] = re.findall(r"```json\n(.+?)```", PAGE, re.DOTALL)


class Running:
    """The receiver of the page, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def post(self, headers: dict[str, str], body: bytes) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", "/hooks", body, headers)
        status = connection.getresponse().status
        connection.close()
        return status


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Running]:
    [program] = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    (tmp_path / "receive.py").write_text(program)
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "receive.py"), str(port)],
        env=os.environ | {"WEBHOOK_KEYS": f"{new_key()} {KEY}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    running = Running(process, port)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            running.post(signed("msg_0", datetime.now(UTC), b"", [new_key()]), b"")
            break
        time.sleep(0.05)
    yield running
    process.kill()
    process.communicate()


def test_the_receiver_takes_what_is_signed_once_and_nothing_else(receiver: Running) -> None:
    body = Event.model_validate_json(EXAMPLE).model_dump_json().encode()
    now = datetime.now(UTC)
    good = signed("msg_1", now, body, [KEY])

    assert receiver.post(good, body) == 204
    assert receiver.post(good, body) == 204  # told again
    assert receiver.post(good, body + b" ") == 401
    assert receiver.post(signed("msg_2", now, body, [new_key()]), body) == 401
    assert receiver.post(signed("msg_3", now - timedelta(hours=1), body, [KEY]), body) == 401

    receiver.process.terminate()
    told, _ = receiver.process.communicate(timeout=30)
    assert told.splitlines() == [
        "episode.published my-show-20261124t060000 https://podcasts.example.org/my-show/",
    ]


def test_the_event_that_it_shows_is_one() -> None:
    shown = json.loads(EXAMPLE)

    assert json.loads(Event.model_validate(shown).model_dump_json()) == shown


def test_the_page_says_how_often_and_how_long_it_is_tried() -> None:
    hours = ", ".join(f"{wait // 3600}" for wait in WAITS[3:-1])

    assert f"after 5 s, 5 min, 30 min, then {hours} and {WAITS[-1] // 3600} hours" in " ".join(PAGE.split())
    assert WAITS[:3] == (5, 300, 1800)
    assert "tried ten times" in PAGE
    assert len(WAITS) + 1 == 10

"""Flower as `airdate run` starts it: it asks for a login, shows and does nothing, and its broker page knows SQS."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from operations.flower_guard import acting_routes
from operations.messaging import dead_letter_queue
from operations.ports import free_port
from tests.fakes.aws import client
from tests.fakes.environment import ROOT
from tests.unit.test_settings import PRODUCTION

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

USER = "airdate"


class Running:
    """``airdate run`` in a folder of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.address = f"http://127.0.0.1:{port}"

    @property
    def password(self) -> str:
        return (self.folder / "var" / "flower-password").read_text().strip()

    def ask(self, path: str, method: str = "GET", *, login: bool = True) -> httpx.Response:
        auth = (USER, self.password) if login else None
        return httpx.request(method, f"{self.address}{path}", auth=auth, timeout=20, trust_env=False)

    def workers(self) -> list[str]:
        return [worker["hostname"] for worker in self.ask("/workers?json=1").json()["data"] if worker.get("status")]

    def worker(self, name: str) -> str:
        """The full name of one of its workers, once Flower has heard of it."""
        last = time.monotonic() + 60
        while not (found := [worker for worker in self.workers() if worker.startswith(f"{name}@")]):
            assert time.monotonic() < last, f"Flower has not heard of {name}"
            time.sleep(0.5)
        return found[0]


def clean(**variables: str) -> dict[str, str]:
    """An environment with nothing of the developer's in it."""
    prefixes = ("AIRDATE_", "AWS_", "FLOWER_", "EPISODE_", "PODCAST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return kept | {"AIRDATE_ENV_FILE": os.devnull} | variables


def until_it_answers(address: str, process: subprocess.Popen[bytes]) -> None:
    last = time.monotonic() + 90
    while True:
        try:
            answer = httpx.get(f"{address}/healthcheck", timeout=5, trust_env=False)
        except httpx.TransportError:
            assert process.poll() is None, f"it ended with {process.returncode}"
            assert time.monotonic() < last, f"{address} does not answer"
            time.sleep(0.2)
        else:
            assert (answer.status_code, answer.text) == (200, "OK"), "for probes, which have no login"
            return


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder, port = tmp_path_factory.mktemp("flower"), free_port()
    with (
        (folder / "said").open("wb") as said,
        subprocess.Popen(
            [Path(sys.executable).parent / "airdate", "run"],
            cwd=folder,
            env=clean(AIRDATE_SITE_PORT=str(free_port()), AIRDATE_FLOWER_PORT=str(port)),
            stdout=said,
            start_new_session=True,
        ) as process,
    ):
        try:
            started = Running(folder, port)
            until_it_answers(started.address, process)
            yield started
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


@pytest.fixture(scope="module")
def acting(running: Running) -> Iterator[str]:
    """The address of a second Flower on the same AWS, that may act and has a login of Flower's own kind."""
    port = free_port()
    chosen = {"AIRDATE_FLOWER_WRITE": "true", "FLOWER_BASIC_AUTH": "ann:her-own"}
    with subprocess.Popen(
        [Path(sys.executable).parent / "celery", "-A", "tasks", "flower", "--address=127.0.0.1", f"--port={port}"],
        cwd=ROOT,
        env=clean(AIRDATE_HOME=str(running.folder / "var"), **chosen),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            until_it_answers(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


# The login -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/workers", "/tasks", "/broker", "/metrics", "/api/workers", "/api/tasks"])
def test_nothing_is_shown_without_the_login(running: Running, path: str) -> None:
    assert running.ask(path, login=False).status_code == 401
    assert httpx.get(f"{running.address}{path}", auth=(USER, "guess"), trust_env=False).status_code == 401
    assert running.ask(path).status_code == 200


def test_a_browser_is_told_to_ask_for_it(running: Running) -> None:
    assert running.ask("/", login=False).headers["WWW-Authenticate"] == 'Basic realm="flower"'


def test_the_password_of_this_machine_is_its_owners_alone_and_told_with_the_address(running: Running) -> None:
    mode = stat.S_IMODE((running.folder / "var" / "flower-password").stat().st_mode)

    assert mode == 0o600
    assert f"Flower   {running.address}/  (user {USER}, password {running.password})" in (
        (running.folder / "said").read_text()
    )


def test_production_starts_no_flower_without_a_password_in_whichever_folder(tmp_path: Path) -> None:
    ended = subprocess.run(
        [Path(sys.executable).parent / "celery", "-A", "tasks", "flower", f"--port={free_port()}"],
        cwd=tmp_path,
        env=clean(AIRDATE_HOME=str(tmp_path), AIRDATE_AWS_ENDPOINT="http://127.0.0.1:9", **PRODUCTION),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "Error: AIRDATE_FLOWER_PASSWORD is not set: Flower shows every message and is not started without a login; "
        "set it, and AIRDATE_FLOWER_USER if you like (see .env.example)"
    ]
    assert not list(tmp_path.iterdir()), "production made a password of its own"


# Acting ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", acting_routes())
def test_nothing_is_done_and_the_line_says_how_that_is_changed(running: Running, route: str) -> None:
    path = route.replace("(.+)", running.worker("generator"))

    refused = running.ask(path, "POST")

    assert refused.status_code == 403
    assert "AIRDATE_FLOWER_WRITE=true" in refused.text
    assert len(refused.text.splitlines()) == 1
    assert running.ask(path, "POST", login=False).status_code == 401, "who has no login is told nothing"


def test_the_tasks_page_still_asks_by_post_for_what_it_shows(running: Running) -> None:
    columns = {"draw": "1", "start": "0", "length": "10", "search[value]": "", "order[0][column]": "0"}
    columns |= {"order[0][dir]": "asc", "columns[0][data]": "name"}

    shown = httpx.post(
        f"{running.address}/tasks/datatable", data=columns, auth=(USER, running.password), trust_env=False
    )

    assert shown.status_code == 200
    assert "data" in shown.json()


def test_whoever_chose_it_may_act(running: Running, acting: str) -> None:
    generator = running.worker("generator")

    def grow() -> httpx.Response:
        path = f"/api/worker/pool/grow/{generator}?n=1"
        return httpx.post(f"{acting}{path}", auth=("ann", "her-own"), timeout=20, trust_env=False)

    # It asks the workers as it starts, and refuses what it has not heard of.
    last = time.monotonic() + 60
    while (answer := grow()).is_error:
        assert answer.status_code == 404, answer.text
        assert time.monotonic() < last, answer.text
        time.sleep(0.5)

    assert answer.json()["message"] == f"Growing '{generator}' worker's pool by 1"


def test_another_login_of_flowers_own_takes_the_place_of_ours(running: Running, acting: str) -> None:
    assert httpx.get(f"{acting}/", auth=(USER, running.password), trust_env=False).status_code == 401
    assert httpx.get(f"{acting}/", auth=("ann", "her-own"), trust_env=False).status_code == 200


# The broker page -------------------------------------------------------------------------------------


def test_the_broker_page_shows_how_deep_and_how_old_a_queue_is(running: Running) -> None:
    endpoint = json.loads((running.folder / "var" / "embedded-aws.json").read_text())["endpoint"]
    with client("sqs", endpoint) as sqs:
        url = sqs.get_queue_url(QueueName=dead_letter_queue("episode-processing"))["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="{}")
        time.sleep(1)

    html = running.ask("/broker").text

    row = re.search(r'<tr id="episode-processing%20dead%20letters">(.*?)</tr>', html, re.DOTALL)
    assert row is not None, html
    cells = [cell.strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row[1], re.DOTALL)]
    assert cells[:5] == ["episode-processing dead letters", "1", "1", "0", "0"]
    assert re.fullmatch(r"\d+ s", cells[-1])

"""Flower as `airdate run` starts it, in an empty folder: its broker page knows SQS."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.messaging import dead_letter_queue
from operations.ports import free_port
from tests.fakes.aws import client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    """The address of the page, once it answers."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRDATE_", "AWS_", "FLOWER_"))}
    port = free_port()
    ours = {
        "AIRDATE_ENV_FILE": os.devnull,
        "AIRDATE_SITE_PORT": str(free_port()),
        "AIRDATE_FLOWER_PORT": str(port),
    }
    with subprocess.Popen(
        [Path(sys.executable).parent / "airdate", "run"],
        cwd=tmp_path,
        env=clean | ours,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        try:
            address = f"http://127.0.0.1:{port}/broker"
            until_it_answers(address)
            yield address
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(60)


def until_it_answers(address: str) -> None:
    last = time.monotonic() + 90
    while True:
        try:
            got(address)
        except urllib.error.HTTPError as error:
            pytest.fail(f"{address}: {error} {error.read().decode()}")
        except OSError:
            assert time.monotonic() < last, f"{address} does not answer"
            time.sleep(0.2)
        else:
            return


def got(address: str) -> str:
    with urllib.request.urlopen(address, timeout=20) as answer:  # noqa: S310 - ours
        text: str = answer.read().decode()
        return text


def test_the_broker_page_shows_how_deep_and_how_old_a_queue_is(page: str, tmp_path: Path) -> None:
    endpoint = json.loads((tmp_path / "var" / "embedded-aws.json").read_text())["endpoint"]
    with client("sqs", endpoint) as sqs:
        url = sqs.get_queue_url(QueueName=dead_letter_queue("episode-processing"))["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="{}")
        time.sleep(1)

    html = got(page)

    row = re.search(r'<tr id="episode-processing%20dead%20letters">(.*?)</tr>', html, re.DOTALL)
    assert row is not None, html
    cells = [cell.strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row[1], re.DOTALL)]
    assert cells[:5] == ["episode-processing dead letters", "1", "1", "0", "0"]
    assert re.fullmatch(r"\d+ s", cells[-1])

"""Flower's broker page, asked of Flower's own Tornado application."""

from __future__ import annotations

import asyncio
import html
import json
import re
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import flower.app
import pytest
from celery import Celery
from flower.options import default_options
from flower.urls import handlers as flowers_handlers
from flower.urls import settings as flowers_settings
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port

from operations import broker_page
from operations.queue_depth import Depth, Depths, QueueDepth
from podcasting.errors import Retryable

DEPTHS = Depths(
    (
        QueueDepth("discovery", Depth(2, 1, 3, 150), Depth(4, 0, 0, 86_400 * 3)),
        QueueDepth("episode-processing", Depth(0, 0, 0), Depth(0, 0, 0)),
    )
)
WORKERS = {"discovery@vm": {"active_queues": [{"name": "discovery"}]}, "other@vm": {"active_queues": []}}

Ask = Callable[..., HTTPResponse]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """What Flower answers, when these depths are read and it has heard of these workers."""
    rules = list(flowers_handlers)
    monkeypatch.setattr(flower.app, "default_handlers", rules)
    monkeypatch.setattr(broker_page, "handlers", rules)

    def ask(
        path: str, read: Callable[[], Depths] = lambda: DEPTHS, *, workers: Any = WORKERS, alive: Any = WORKERS
    ) -> HTTPResponse:
        broker_page.show_queues(read, "http://sqs.example.org")
        living = {name: SimpleNamespace(alive=True) for name in alive}
        heard = SimpleNamespace(state=SimpleNamespace(workers=living, counter={}))

        async def get() -> HTTPResponse:
            application = flower.app.Flower(
                capp=Celery("a-test", broker="memory://", set_as_current=False),
                options=default_options,
                events=heard,
                io_loop=IOLoop.current(),
                **flowers_settings,
            )
            application.inspector.workers.update(workers)
            monkeypatch.setattr(application, "update_workers", lambda: None)
            listening, port = bind_unused_port()
            server = HTTPServer(application)
            server.add_socket(listening)
            try:
                return await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}{path}", raise_error=False)
            finally:
                server.stop()
                await server.close_all_connections()
                application.executor.shutdown()

        return asyncio.run(get())

    return ask


def fail() -> Depths:
    raise Retryable("SQS does not answer: <timeout>")


def rows(response: HTTPResponse) -> list[list[str]]:
    """The table's cells, row by row, its head first."""
    cells = (
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        for row in re.findall(r"<tr.*?</tr>", response.body.decode(), re.DOTALL)
    )
    return [[html.unescape(cell.strip()) for cell in row] for row in cells]


def test_each_queue_and_its_dead_letters_is_a_row(ask: Ask) -> None:
    response = ask("/broker")

    assert response.code == 200
    assert rows(response) == [
        ["Queue", "Messages", "Ready", "In flight", "Delayed", "Workers", "Dead letters", "Oldest message"],
        ["discovery", "6", "2", "1", "3", "1", "4", "2 min"],
        ["discovery dead letters", "4", "4", "0", "0", "", "", "3 d"],
        ["episode-processing", "0", "0", "0", "0", "0", "0", "–"],
        ["episode-processing dead letters", "0", "0", "0", "0", "", "", "–"],
    ]


def test_it_is_a_page_of_flower(ask: Ask) -> None:
    page = ask("/broker").body.decode()

    assert 'href="/broker"' in page
    assert "Amazon SQS at http://sqs.example.org" in page
    assert "<title>Broker · Flower</title>" in page


def test_workers_of_whom_nothing_is_known_yet_are_not_counted(ask: Ask) -> None:
    assert rows(ask("/broker", workers={}))[1][5] == "–"


def test_workers_that_are_gone_are_not_counted(ask: Ask) -> None:
    assert rows(ask("/broker", alive=["other@vm"]))[1][5] == "0"


def test_why_ages_are_missing_is_told_where_they_would_be(ask: Ask) -> None:
    page = ask("/broker", lambda: Depths(DEPTHS.queues, 'no "CloudWatch"')).body.decode()

    assert '<td title="no &quot;CloudWatch&quot;">' in page


def test_an_sqs_that_does_not_answer_is_one_line(ask: Ask) -> None:
    response = ask("/broker", fail)

    assert response.code == 503
    assert "SQS does not answer: &lt;timeout&gt;" in response.body.decode()
    assert "Traceback" not in response.body.decode()
    assert rows(response) == []


def test_depths_are_read_beside_the_loop(ask: Ask) -> None:
    # Flower has one loop: a slow SQS would stop every page and all events.
    threads = []

    def read() -> Depths:
        threads.append(threading.current_thread())
        return DEPTHS

    ask("/broker", read)

    assert threads != [threading.main_thread()]


def test_programs_get_the_lengths_too(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWER_UNAUTHENTICATED_API", "true")

    response = ask("/api/queues/length")

    assert response.code == 200
    assert json.loads(response.body)["active_queues"][0] == {
        "name": "discovery",
        "messages": 6,
        "visible": 2,
        "in_flight": 1,
        "delayed": 3,
        "oldest_seconds": 150,
        "dead_letters": 4,
    }


def test_programs_are_told_when_sqs_does_not_answer(ask: Ask) -> None:
    response = ask("/api/queues/length", fail)

    assert (response.code, response.body) == (503, b"SQS does not answer: <timeout>")


def test_flowers_own_pages_stay(ask: Ask) -> None:
    assert ask("/healthcheck").body == b"OK"
    assert ask("/workers").code == 200


# Seams of Flower 2.2 that the page leans on -----------------------------------------------------------


def test_flower_makes_its_application_of_the_list_that_we_add_to() -> None:
    assert flower.app.default_handlers is flowers_handlers is broker_page.handlers


def test_flower_knows_no_sqs_by_itself() -> None:
    # When it does, its page may be better than ours.
    from flower.utils.broker import Broker

    with pytest.raises(NotImplementedError):
        Broker("sqs://")


def test_the_page_that_we_replace_is_still_at_its_address() -> None:
    named = {rule.name: rule.regex.pattern for rule in flowers_handlers if hasattr(rule, "name")}

    assert named["broker"] == "/broker$"
    assert any(rule[0] == "/api/queues/length" for rule in flowers_handlers if isinstance(rule, tuple))

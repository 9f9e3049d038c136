"""An ECS task is protected while it has work in hand, against an agent that speaks the documented protocol."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from celery.concurrency import prefork, solo

from tasks.protection import (
    EXPIRES_MINUTES,
    IDLE_SECONDS,
    LOOK_SECONDS,
    RELEASED_SECONDS,
    RENEWED_SECONDS,
    Agent,
    Protection,
    protected,
)
from tests.fakes.ecs_agent import TASK, EcsAgent, ecs_agent

LONGEST = 1560
ON = {"ProtectionEnabled": True, "ExpiresInMinutes": EXPIRES_MINUTES}
OFF = {"ProtectionEnabled": False}


class Worker:
    """Has so much in hand, and looks at the times it is told."""

    def __init__(self, agent: EcsAgent) -> None:
        self.in_hand = 0
        self.protection = Protection(Agent(agent.uri), lambda: self.in_hand, longest=LONGEST)

    def look(self, *times: float) -> None:
        for now in times:
            self.protection.look(now)


@pytest.fixture
def agent() -> Iterator[EcsAgent]:
    with ecs_agent() as serving:
        yield serving


@pytest.fixture
def worker(agent: EcsAgent) -> Worker:
    return Worker(agent)


def test_a_worker_without_work_asks_for_nothing(agent: EcsAgent, worker: Worker) -> None:
    worker.look(0, 5, 1000)

    assert agent.asked == []


def test_a_worker_with_work_is_protected_at_once_and_asks_once(agent: EcsAgent, worker: Worker) -> None:
    worker.in_hand = 1
    worker.look(0, 5, 10)

    assert agent.asked == [ON]


def test_it_is_renewed_long_before_it_expires(agent: EcsAgent, worker: Worker) -> None:
    worker.in_hand = 1
    worker.look(0, RENEWED_SECONDS - 1, RENEWED_SECONDS)

    assert agent.asked == [ON, ON]
    assert 2 * RENEWED_SECONDS < EXPIRES_MINUTES * 60  # one that is missed is no harm


def test_it_is_given_up_after_a_while_without_work(agent: EcsAgent, worker: Worker) -> None:
    worker.in_hand = 1
    worker.look(0)
    worker.in_hand = 0
    worker.look(5, 5 + IDLE_SECONDS - 1)
    assert agent.protects

    worker.look(5 + IDLE_SECONDS)
    assert agent.asked == [ON, OFF]


def test_the_next_message_soon_after_costs_no_request(agent: EcsAgent, worker: Worker) -> None:
    for began in range(0, 60, 10):
        worker.in_hand = 1
        worker.look(began)
        worker.in_hand = 0
        worker.look(began + 5)

    assert agent.asked == [ON]


def test_a_worker_that_is_never_idle_lets_go_for_a_moment(agent: EcsAgent, worker: Worker) -> None:
    # Or a deployment would wait for it for ever.
    worker.in_hand = 1
    worker.look(0)
    renewed = len(range(RENEWED_SECONDS, LONGEST, RENEWED_SECONDS))
    worker.look(*range(RENEWED_SECONDS, LONGEST, RENEWED_SECONDS), LONGEST)
    assert agent.asked == [ON, *[ON] * renewed, OFF]

    worker.look(LONGEST + RELEASED_SECONDS - 1)
    assert not agent.protects
    worker.look(LONGEST + RELEASED_SECONDS)
    assert agent.protects


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (
            {"failure": {"Arn": TASK, "Reason": "DEPLOYMENT_BLOCKED", "Detail": "no"}},
            "DEPLOYMENT_BLOCKED: no",
        ),
        (
            {"error": {"Arn": TASK, "Code": "AccessDeniedException", "Message": "ecs:UpdateTaskProtection"}},
            "AccessDeniedException: ecs:UpdateTaskProtection",
        ),
        ({"unheard": "of"}, "the ECS agent says \"{'unheard': 'of'}\""),
    ],
)
def test_a_refusal_is_told_once_and_asked_again(
    agent: EcsAgent, worker: Worker, caplog: pytest.LogCaptureFixture, refusal: dict[str, dict[str, str]], said: str
) -> None:
    agent.refusal = refusal
    worker.in_hand = 1
    with caplog.at_level(logging.WARNING):
        worker.look(0, LOOK_SECONDS, 2 * LOOK_SECONDS)
    assert caplog.messages == [f"this task may be scaled in while it works: {said}"]

    agent.refusal = None
    worker.look(3 * LOOK_SECONDS)
    assert agent.protects


def test_after_a_refusal_many_messages_are_one_request(agent: EcsAgent, worker: Worker) -> None:
    agent.refusal = {"failure": {"Reason": "busy"}}
    worker.in_hand = 1
    worker.look(0)
    agent.refusal = None
    worker.look(*[0.1 * number for number in range(1, 40)])

    assert agent.asked == []


def test_an_agent_that_is_away_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    protection = Protection(Agent("http://127.0.0.1:9/api/1"), lambda: 1, longest=LONGEST)

    protection.look(0)

    assert "the ECS agent does not answer: ConnectionRefusedError" in caplog.text


@pytest.mark.parametrize(("uri", "pool"), [("", prefork.TaskPool), ("http://127.0.0.1:9/api/1", solo.TaskPool)])
def test_elsewhere_and_where_tasks_are_short_nothing_runs(
    monkeypatch: pytest.MonkeyPatch, uri: str, pool: type
) -> None:
    monkeypatch.setenv("ECS_AGENT_URI", uri)

    protected(SimpleNamespace(pool_cls=pool))

    assert "ecs-task-protection" not in [thread.name for thread in threading.enumerate()]

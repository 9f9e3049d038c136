"""The ECS agent's endpoint for task protection, on loopback (Amazon ECS developer guide, task scale-in protection)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.fakes.loopback_server import HttpHandler, LoopbackServer

TASK = "arn:aws:ecs:us-east-1:123456789012:task/airdate/0123456789abcdef0123456789abcdef"


class EcsAgent:
    """Keeps what it was asked; ``refusal`` is what it answers instead of doing it."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.asked: list[dict[str, Any]] = []
        self.refusal: dict[str, Any] | None = None

    @property
    def protects(self) -> bool:
        """Whether the task is protected now."""
        return bool(self.asked) and self.asked[-1]["ProtectionEnabled"]

    def answer(self, path: str, content_type: str | None, body: bytes) -> tuple[int, dict[str, Any]]:
        wanted = json.loads(body)
        if path != "/api/1234/task-protection/v1/state" or content_type != "application/json":
            return 404, {"error": {"Code": "NotFound", "Message": path}}
        minutes = wanted.get("ExpiresInMinutes", 120)
        if set(wanted) - {"ProtectionEnabled", "ExpiresInMinutes"} or not 1 <= minutes <= 2880:
            return 400, {"error": {"Arn": TASK, "Code": "InvalidParameterException", "Message": str(wanted)}}
        if self.refusal is not None:
            return (400 if "error" in self.refusal else 200), self.refusal
        self.asked.append(wanted)
        return 200, {
            "protection": {
                "ExpirationDate": "2026-11-26T02:00:00Z" if wanted["ProtectionEnabled"] else None,
                "ProtectionEnabled": wanted["ProtectionEnabled"],
                "TaskArn": TASK,
            }
        }


@contextmanager
def ecs_agent() -> Iterator[EcsAgent]:
    """Serve; its ``uri`` is what ECS puts into ECS_AGENT_URI."""

    class Handler(HttpHandler):
        def do_PUT(self) -> None:
            status, told = agent.answer(self.path, self.headers["Content-Type"], self.body())
            self.answer(status, {}, json.dumps(told).encode())

    with LoopbackServer(Handler) as server:
        agent = EcsAgent(f"{server.address}/api/1234")
        yield agent

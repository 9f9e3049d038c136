"""Seams of Flower 2.2 that its guard leans on; tests/acceptance/test_flower.py asks the real one."""

from __future__ import annotations

import flower.api.control
import flower.api.tasks
import pytest
from flower.options import default_options
from flower.urls import handlers as flowers_handlers
from tornado.web import RequestHandler

from operations import flower_guard
from operations.flower_guard import acting_routes, guard_flower


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Flower's routes, free to be added to."""
    copied = list(flowers_handlers)
    monkeypatch.setattr(flower_guard, "handlers", copied)
    return copied


def test_every_class_of_flowers_api_that_acts_has_its_route_refused() -> None:
    acting = {
        handler
        for module in (flower.api.control, flower.api.tasks)
        for handler in vars(module).values()
        if isinstance(handler, type) and handler.__module__ == module.__name__ and "post" in vars(handler)
    }
    refused = {rule[1] for rule in flowers_handlers if isinstance(rule, tuple) and rule[0] in acting_routes()}

    assert acting == refused
    assert len(acting) == 14


def test_only_reading_is_let_through() -> None:
    open_routes = {rule[0] for rule in flowers_handlers if isinstance(rule, tuple)} - set(acting_routes())

    assert {route for route in open_routes if route.startswith("/api/")} == {
        "/api/workers",
        "/api/tasks",
        "/api/task/types",
        "/api/queues/length",
        "/api/task/info/(.*)",
        "/api/task/result/(.+)",
    }


def test_ours_come_first_and_flowers_own_stay(rules: list[object]) -> None:
    before, acting = list(rules), acting_routes()

    guard_flower(write=False)

    assert rules[-len(before) :] == before
    assert len(rules) == len(before) + 1 + len(acting)


def test_where_acting_was_chosen_only_the_metrics_are_locked(rules: list[object]) -> None:
    before = len(rules)

    guard_flower(write=True)

    assert [rule.regex.pattern for rule in rules[: len(rules) - before]] == ["/metrics$"]  # type: ignore[attr-defined]


def test_flower_shows_its_metrics_to_everybody_by_itself() -> None:
    # If it came to ask for a login too, LockedMetrics could go.
    from flower.views.monitor import Metrics

    assert "authenticated" not in Metrics.get.__qualname__
    assert not hasattr(Metrics.get, "__wrapped__")


def test_flower_has_the_options_that_its_configuration_sets() -> None:
    assert {"basic_auth", "read_only", "auth"} <= set(default_options.as_dict())
    assert RequestHandler.post is not flower.api.control.WorkerShutDown.post

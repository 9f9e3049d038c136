"""A real worker, told where the ECS agent is, is protected while it makes an episode and not before or after."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.acceptance.conftest import EXAMPLES, Machine
from tests.fakes.ecs_agent import ecs_agent


def until(holds: Callable[[], bool], seconds: float) -> None:
    last = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < last
        time.sleep(0.1)


@pytest.mark.slow
def test_a_worker_is_protected_while_it_makes_an_episode(machine: Machine) -> None:
    with ecs_agent() as agent:
        machine.start("generator", ECS_AGENT_URI=agent.uri)
        podcast = machine.ask("podcasts", "add", "Protected", "--source", str(EXAMPLES), "--every", "1d")["id"]
        assert agent.asked == []

        machine.airdate("generate", podcast)
        until(lambda: agent.protects, 30)
        # It is protected before it opens the slot.
        [episode] = machine.until("an episode", lambda: machine.ask("episodes", "list"), 10)
        assert episode["status"] not in {"completed", "published"}

        until(lambda: bool(agent.asked) and not agent.protects, 90)
        [episode] = machine.ask("episodes", "list")
        assert episode["status"] in {"completed", "published"}

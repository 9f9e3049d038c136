"""While it has work in hand, an ECS task asks not to be scaled in.

Of a service that shrinks, ECS stops any task, also one in the midst of an episode. Each may say otherwise to the
agent beside it, at ``$ECS_AGENT_URI/task-protection/v1/state`` (Amazon ECS developer guide, task scale-in protection
endpoint). Elsewhere than on ECS that variable is unset, and nothing of this runs.

A deployment waits for protected tasks as well. So that it does not wait for ever for a worker that is never idle, a
protection that lasted as long as the longest task may is let go for a moment; whoever is stopped then has
``AIRDATE_SHUTDOWN_SECONDS``, and what it does not end goes on elsewhere from its last stage.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from celery.signals import task_received

from settings import settings

log = logging.getLogger(__name__)

PATH = "/task-protection/v1/state"
EXPIRES_MINUTES = 10
"""After which ECS protects no longer by itself, as when we hang."""
RENEWED_SECONDS = 240
LOOK_SECONDS = 5
IDLE_SECONDS = 15
"""Without work for so long, and the protection is given up: the next message may come at once, and each asking is one
request to ECS."""
RELEASED_SECONDS = 90
"""For so long a worker that is never idle can be stopped: ECS looks about once a minute."""
TIMEOUT_SECONDS = 5


class Refused(Exception):
    """The agent did not do as it was asked; says why."""


class Agent:
    """The ECS agent beside this container, at ``uri`` (http)."""

    def __init__(self, uri: str) -> None:
        self._address = urlsplit(uri)

    def protect(self, *, minutes: int | None) -> None:
        """Protect this task for so long, or (None) no longer.

        Raises:
            Refused: the agent, or ECS behind it, refused or did not answer.
        """
        wanted: dict[str, Any] = {"ProtectionEnabled": minutes is not None}
        if minutes is not None:
            wanted["ExpiresInMinutes"] = minutes
        connection = http.client.HTTPConnection(self._address.netloc, timeout=TIMEOUT_SECONDS)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("PUT", self._address.path + PATH, json.dumps(wanted), headers)
            answer = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Refused(f"the ECS agent does not answer: {error!r}") from error
        finally:
            connection.close()
        if not isinstance(answer, dict) or "protection" not in answer:
            raise Refused(_why(answer))


def _why(answer: Any) -> str:
    told = answer if isinstance(answer, dict) else {}
    for kind in (told.get("failure"), told.get("error")):
        if isinstance(kind, dict):
            return ": ".join(str(kind[word]) for word in ("Code", "Reason", "Message", "Detail") if kind.get(word))
    return f"the ECS agent says {str(answer)[:200]!r}"


class Protection:
    """Asks for it while there is work ``in_hand``, and gives it up; :meth:`look` decides, at each time it is told.

    ``longest`` is for how many seconds a worker that is never idle is protected on end.
    """

    def __init__(self, agent: Agent, in_hand: Callable[[], int], *, longest: float) -> None:
        self._agent = agent
        self._in_hand = in_hand
        self._longest = longest
        self._came = threading.Event()
        self._since: float | None = None
        self._renewed = 0.0
        self._idle_since: float | None = None
        self._released_until = float("-inf")
        self._not_before = float("-inf")
        self._complained = ""

    def start(self) -> None:
        """Look every few seconds, and as soon as work comes, from a thread."""
        threading.Thread(target=self._run, name="ecs-task-protection", daemon=True).start()

    def work_came(self, **_: Any) -> None:
        """Look now."""
        self._came.set()

    def look(self, now: float) -> None:
        """See what is in hand at ``now`` (seconds of a monotonic clock), and ask for what follows."""
        if self._in_hand():
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        if now < self._not_before:
            return
        if self._since is None:
            if self._idle_since is None and now >= self._released_until and self._asked(EXPIRES_MINUTES, now):
                self._since = self._renewed = now
        elif self._idle_since is not None and now - self._idle_since >= IDLE_SECONDS:
            self._give_up(now)
        elif now - self._since >= self._longest:
            self._give_up(now)
            self._released_until = now + RELEASED_SECONDS
        elif now - self._renewed >= RENEWED_SECONDS and self._asked(EXPIRES_MINUTES, now):
            self._renewed = now

    def _give_up(self, now: float) -> None:
        if self._asked(None, now):
            self._since = None

    def _asked(self, minutes: int | None, now: float) -> bool:
        try:
            self._agent.protect(minutes=minutes)
        except Refused as refused:
            if str(refused) != self._complained:  # once, not every few seconds
                log.warning("this task may be scaled in while it works: %s", refused)
            self._complained = str(refused)
            self._not_before = now + LOOK_SECONDS  # however many messages come meanwhile
            return False
        self._complained = ""
        return True

    def _run(self) -> None:
        while True:
            self.look(time.monotonic())
            if self._came.wait(LOOK_SECONDS):
                self._came.clear()


def protected(instance: Any, **_: Any) -> None:
    """Prepare a worker that is about to start (``celeryd_after_setup``): on ECS, and where tasks take long.

    The discovery worker, whose pool is ``solo``, is neither scaled nor long at work.
    """
    uri = os.environ.get("ECS_AGENT_URI", "")
    if not uri or not instance.pool_cls.__module__.endswith("prefork"):
        return
    from celery.worker import state  # not for who only publishes

    longest = settings().hard_time_limit
    protection = Protection(Agent(uri), lambda: len(state.reserved_requests), longest=longest)
    task_received.connect(protection.work_came, weak=False)
    protection.start()

"""Tasks longer than the visibility timeout, messages that wait behind them, and tasks for later."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.contract.conftest import WITH_SOLO, Endpoints, Outcomes, Rig, at_once, messages, rigs
from tests.fakes.sqs_queues import Depth

pytestmark = pytest.mark.slow

VISIBILITY = 3
LONG_SECONDS = 5 * VISIBILITY
WAITING = [f"waiting {number}" for number in range(4)]
LATER_SECONDS = LONG_SECONDS + 3
LATER = {"by countdown", "by eta", "by retry"}


@dataclass(frozen=True)
class Day:
    """What a rig saw."""

    records: list[tuple[str, float]]
    """Texts, and when they were left, after all were sent."""
    overheard: list[str]
    """Bodies that the queue handed out to another while the worker held them."""
    held: int
    """How many the worker holds, running or waiting behind what runs."""
    meanwhile: Depth
    """When it does."""
    left: Depth

    def texts(self, *names: str) -> list[str]:
        """Those that contain a name."""
        return [text for text, _ in self.records if any(name in text for name in names)]


def scenario(endpoints: Endpoints, directory: Path) -> Outcomes[Day]:
    # All the rigs there are, solo too: the heartbeat is a thread, and each pool blocks the event loop differently.
    with rigs(endpoints, directory, WITH_SOLO, visibility=VISIBILITY, multiplier=4) as made:
        return at_once(play, made)


def play(rig: Rig) -> Day:
    worker = rig.worker()
    # Solo has one slot, and runs a task before it looks at the next message of the same answer, and before
    # the event loop acknowledges the last: the retry's first message.
    solo = rig.pool == "solo"
    slots = 1 if solo else 2
    with worker.producer.producer_pool.acquire() as producer, producer.batch():
        worker.publish("later", "by retry", LATER_SECONDS, producer=producer)
        for number in range(slots):
            worker.publish("sleep", LONG_SECONDS, f"long {number}", producer=producer)
        for text in WAITING:
            worker.publish("record", text, producer=producer)
    held = slots + len(WAITING) + solo
    worker.until("all are held", lambda: rig.depth() == Depth(0, held, 1, 0), 40)
    sent = time.time()
    worker.publish("record", "by countdown", countdown=LATER_SECONDS)
    worker.publish("record", "by eta", eta=datetime.now(UTC) + timedelta(seconds=LATER_SECONDS))
    meanwhile = rig.depth()
    overheard: list[str] = []

    def done() -> bool:
        overheard.extend(message["Body"] for message in messages(rig.endpoint, rig.queue.url, WaitTimeSeconds=0))
        return len([text for text in worker.texts() if text.startswith("end")]) >= slots

    worker.until("the long tasks end", done, LONG_SECONDS + 5)
    expected = 1 + 2 * slots + len(WAITING) + len(LATER)
    worker.until("all ran", lambda: len(worker.texts()) >= expected and not rig.depth().waiting, 30)
    records = [(text, float(at) - sent) for text, _, at in (line.rsplit(" ", 2) for line in worker.records())]
    return Day(records, overheard, held, meanwhile, rig.depth())


@pytest.mark.parametrize("rig", WITH_SOLO)
def test_a_task_five_times_longer_than_the_visibility_timeout_runs_once(seen: Outcomes[Day], rig: str) -> None:
    day = seen[rig].result()

    assert len(set(day.texts(" long "))) == len(day.texts(" long ")), day.records
    assert day.left == Depth(0, 0, 0, 0)


@pytest.mark.parametrize("rig", WITH_SOLO)
def test_messages_that_wait_behind_a_long_task_run_once_and_are_offered_to_nobody_else(
    seen: Outcomes[Day], rig: str
) -> None:
    day = seen[rig].result()

    assert sorted(day.texts("waiting")) == WAITING
    assert not day.overheard


@pytest.mark.parametrize("rig", WITH_SOLO)
def test_a_task_for_later_waits_on_sqs_and_in_no_worker(seen: Outcomes[Day], rig: str) -> None:
    day = seen[rig].result()

    assert day.meanwhile == Depth(visible=0, in_flight=day.held, delayed=len(LATER), dead_letters=0)


@pytest.mark.parametrize("rig", WITH_SOLO)
def test_a_task_for_later_runs_once_and_not_before_its_time(seen: Outcomes[Day], rig: str) -> None:
    day = seen[rig].result()
    (_, first), (_, retried) = [(text, at) for text, at in day.records if text == "by retry"]
    after = {text: at for text, at in day.records if text in LATER} | {"by retry": retried - first}

    assert sorted(day.texts(*LATER)) == sorted([*LATER, "by retry"])
    # moto counts from the whole second before.
    assert all(LATER_SECONDS - 1 <= seconds < LATER_SECONDS + 4 for seconds in after.values()), after

"""How many requests a queue's workers make: a model of the transport, held against counted requests.

``tests/contract/test_cost.py`` counts what a real worker asks for, and compares. Each formula below says
which part of ``broker/`` it describes, and takes that part's constants from it.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from broker.ephemeral import RENEWAL_SECONDS, SWEPT_AT_ONCE
from broker.events import BYTES_PER_CALL
from broker.options import Options
from broker.receiving import GATHERING_SECONDS, MESSAGES_PER_CALL
from broker.settling import ENTRIES_PER_CALL

EVENT_BYTES = 700
"""About, of one task event of Celery 5.7 in its envelope: its own fields, and the message it is about."""
EVENTS_PER_TASK = 3
"""Received, started, succeeded."""
LISTED_AT_ONCE = 1000
"""Queues in one answer of ListQueues (Amazon SQS API reference)."""
CALL_SECONDS = 0.01
"""About how long a call to SNS takes."""
BILLED_BYTES = 64 * 1024
"""SQS and SNS bill each 64 KB as a request."""
WATCH_SECONDS = 1.0
"""How long a poll of who watches events lasts: Celery's receiver looks up every second."""


@dataclass(frozen=True)
class Requests:
    """What was asked for, as numbers of requests; a prediction need not be whole."""

    send_batches: float = 0
    single_sends: float = 0
    receives: float = 0
    """Those that brought messages."""
    deletes: float = 0
    heartbeats: float = 0
    empty_receives: float = 0
    """Polls of work queues that brought nothing."""
    control_polls: float = 0
    """Polls of the queues of remote control; they bring nothing unless somebody asks."""
    housekeeping: float = 0
    """What keeps the queues of remote control alive and sweeps those that were left."""
    watching: float = 0
    """Polls and deletes of who watches the events."""
    event_publishes: float = 0
    """Calls to SNS; all the others are SQS's."""
    event_bytes: float = 0
    """What those calls carried of tasks."""

    def __add__(self, other: Requests) -> Requests:
        return Requests(*(mine + theirs for mine, theirs in zip(self._all(), other._all(), strict=True)))

    @property
    def work(self) -> float:
        """SQS requests that carry messages of tasks; they grow with the work."""
        return self.send_batches + self.single_sends + self.receives + self.deletes + self.heartbeats

    @property
    def idle(self) -> float:
        """SQS requests that are made however little there is to do; they grow with the workers."""
        return self.empty_receives + self.control_polls + self.housekeeping + self.watching

    @property
    def sqs(self) -> float:
        """All of SQS."""
        return self.work + self.idle

    @property
    def sns_billed(self) -> float:
        """What SNS bills: each call, and each 64 KB of it."""
        return max(self.event_publishes, self.event_bytes / BILLED_BYTES)

    def by_action(self) -> Counter[str]:
        """By the API's names, as a proxy counts them; who watches events is left out, and so is housekeeping."""
        return Counter(
            {
                "SendMessageBatch": self.send_batches,
                "SendMessage": self.single_sends,
                "ReceiveMessage": self.receives + self.empty_receives + self.control_polls,
                "DeleteMessageBatch": self.deletes,
                "ChangeMessageVisibilityBatch": self.heartbeats,
                "PublishBatch": self.event_publishes,
            }
        )

    def _all(self) -> tuple[float, ...]:
        return tuple(vars(self).values())


def predicted_requests(
    *,
    tasks: float,
    seconds: float,
    service_seconds: float,
    workers: int = 1,
    slots: int = 1,
    prefetch_multiplier: int = 1,
    arriving_together: float = 1,
    published_together: float = 10,
    retries_per_task: float = 0,
    wait_seconds: float = 20,
    visibility_seconds: float = 60,
    ack_seconds: float = Options.ack_interval,
    event_seconds: float = Options.event_interval,
    remote_control: bool = False,
    events: bool = False,
    worker_heartbeat_seconds: float | None = None,
) -> Requests:
    """Predict the requests of one queue: its publisher's, and those of the workers that take from it.

    Args:
        tasks: how many in all; they may come evenly spread, or in bursts.
        seconds: the time that is looked at, idle times included.
        service_seconds: how long one slot is taken by one task; 0 for no time at all.
        workers: worker processes, each with one poll under way for each queue.
        slots: tasks that each worker runs at once.
        prefetch_multiplier: Celery's; a worker holds ``slots × prefetch_multiplier`` messages.
        arriving_together: tasks in one burst; 1: they come one by one, at random.
        published_together: messages that share a SendMessageBatch.
        retries_per_task: each is one more message, sent alone.
        wait_seconds: of the long poll.
        visibility_seconds: the visibility timeout; what is held is extended at a third of it.
        ack_seconds: how long an acknowledgement waits for others to share its request.
        event_seconds: how long an event waits for others.
        remote_control: whether each worker has a queue for it (Celery's default, where SNS is on).
        events: whether workers tell of each task.
        worker_heartbeat_seconds: how often a worker says that it lives, or None for never.

    Raises:
        ValueError: the work does not fit into the time; says what would.
    """
    messages = tasks * (1 + retries_per_task)
    together = min(max(1.0, arriving_together), max(1.0, messages))
    busy = messages * service_seconds / (workers * slots * seconds)
    if busy > 1:
        fits = math.ceil(messages * service_seconds / seconds)
        raise ValueError(
            f"{tasks:.0f} tasks of {service_seconds:g} s in {seconds:.0f} s keep {fits} slots busy; "
            f"{workers} workers × {slots} slots are {workers * slots}"
        )
    packed = together >= workers * slots
    room = min(MESSAGES_PER_CALL, slots * prefetch_multiplier)
    bursts = messages / together
    rate = slots / service_seconds if service_seconds else math.inf
    """Completions a second of one worker, all of its slots taken."""

    # broker/receiving.py: a call takes what there is room for; what a backlog frees gathers for a moment first.
    first = min(together, workers * slots * prefetch_multiplier)
    gathered = min(room, 1 + rate * GATHERING_SECONDS)
    receives = bursts * (first / min(room, together) + (together - first) / gathered)

    # broker/settling.py: ten, or what is done while an ack waits.
    if packed:
        share = together / min(workers, together)
        per_delete = min(ENTRIES_PER_CALL, max(1.0, share), 1 + rate * ack_seconds)
    else:
        per_delete = min(ENTRIES_PER_CALL, 1 + messages / (workers * seconds) * ack_seconds)

    # broker/heartbeat.py: a beat is a call for each ten messages held, while any is, until its delete is sent.
    if packed:
        some_held = min(1.0, busy + bursts * ack_seconds / seconds)
    else:
        some_held = 1 - math.exp(-messages * (service_seconds + ack_seconds) / (workers * seconds))
    calls = math.ceil(slots * prefetch_multiplier / ENTRIES_PER_CALL) if together > first else 1
    heartbeats = workers * seconds * some_held * calls / (visibility_seconds / 3)

    # A poll ends empty when nothing comes for as long as it waits; with no room there is none.
    with_room = seconds * (1 - busy if packed else 1 - busy ** (slots * prefetch_multiplier))
    empty = workers * empty_polls(with_room, min(receives / workers, bursts), wait_seconds)

    return Requests(
        send_batches=tasks / max(1.0, min(ENTRIES_PER_CALL, published_together)),
        single_sends=tasks * retries_per_task,
        receives=receives,
        deletes=messages / per_delete,
        heartbeats=heartbeats,
        empty_receives=empty,
        control_polls=workers * seconds / wait_seconds if remote_control else 0,
        event_publishes=workers
        * _publishes(
            seconds,
            told=messages / workers if events else 0,
            while_seconds=seconds * busy if packed else seconds,
            heartbeat_seconds=worker_heartbeat_seconds,
            event_seconds=event_seconds,
        ),
        event_bytes=messages * EVENTS_PER_TASK * EVENT_BYTES if events else 0,
    )


def _publishes(
    seconds: float, *, told: float, while_seconds: float, heartbeat_seconds: float | None, event_seconds: float
) -> float:
    """The calls of one worker to SNS: ``broker/events.py``. What happens within ``event_seconds`` shares one.

    A task has two moments, its start and its end; ``told`` tasks have theirs within ``while_seconds``.
    """
    heartbeats = 1 / heartbeat_seconds if heartbeat_seconds else 0.0
    moments = 2 * told / while_seconds + heartbeats if told and while_seconds else heartbeats
    busy = 0.0
    if told and while_seconds:
        # What comes while a call is under way has the next one to itself.
        calls = 2 - math.exp(-moments * CALL_SECONDS)
        busy = while_seconds * moments / (1 + moments * event_seconds) * calls
        busy += told * EVENTS_PER_TASK * EVENT_BYTES / BYTES_PER_CALL
    quiet = seconds - while_seconds if told else seconds
    return busy + quiet * heartbeats / (1 + heartbeats * event_seconds)


def empty_polls(seconds: float, interruptions: float, wait_seconds: float) -> float:
    """How many long polls end empty in ``seconds``, when messages end some of them early, at random.

    With none it is ``seconds / wait_seconds``. With arrivals at a rate λ a poll of W seconds sees none with
    probability e^(−λW), and lasts (1 − e^(−λW)) / λ on average.
    """
    if seconds <= 0:
        return 0.0
    expected = interruptions / seconds * wait_seconds
    if expected < 1e-9:  # noqa: PLR2004 - below it expm1 has nothing to divide by
        return seconds / wait_seconds
    if expected > 700:  # noqa: PLR2004 - e^700 is the most that a float holds
        return 0.0
    return seconds / wait_seconds * expected / math.expm1(expected)


def housekeeping_requests(*, control_queues: int, seconds: float) -> Requests:
    """What the owners of ``control_queues`` ask for to keep and sweep them: ``broker/ephemeral.py``.

    Each renews its own, lists all, and looks at the tags of some that are not its own.
    """
    rounds = seconds / RENEWAL_SECONDS
    lists = math.ceil(control_queues / LISTED_AT_ONCE)
    looks = min(SWEPT_AT_ONCE, max(0, control_queues - 1))
    return Requests(housekeeping=rounds * control_queues * (1 + lists + looks))


def watching_requests(*, event_publishes: float, seconds: float) -> Requests:
    """What one who watches events, Flower for one, asks for: a poll a second, and a delete for what it brought."""
    brought = min(event_publishes, seconds / WATCH_SECONDS)
    return Requests(watching=seconds / WATCH_SECONDS + brought)

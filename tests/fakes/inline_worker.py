"""A Celery worker without its processes: kombu's consumer, Celery's strategy, request and tracer, our channel.

The pool pickles what it is given, as prefork does, and runs it here; what its callbacks raise it swallows,
as billiard does, so that the message is never settled: that is what the worker is watched for.
"""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from billiard.einfo import ExceptionInfo
from celery import Celery
from celery.worker import state
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu import Connection, Consumer, Queue
from kombu.utils.json import dumps

from broker.channel import Channel
from broker.settling import Receipt
from broker.transport import Transport
from tests.fakes import celery_app

URL = "https://sqs.example.org/1/work"
QUEUE = "work"


class FakeSqs:
    """Has an empty queue with a redrive policy, and nothing else."""

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        policy = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:1:dead", "maxReceiveCount": 3}
        return {"Attributes": {"RedrivePolicy": json.dumps(policy), "ApproximateNumberOfMessages": "0"}}


class FakeSettler:
    """Writes down what became of the message."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    def delete(self, _: Receipt) -> None:
        self.ends.append("deleted")

    def release(self, _: Receipt, __: int = 0) -> None:
        self.ends.append("released")

    def bury(self, _: Receipt, __: Callable[[], None]) -> None:
        self.ends.append("buried")

    def pending_deletes(self) -> list[Receipt]:
        return []

    def close(self) -> None:
        """There is nothing to send."""


class InlinePool:
    """Does what a prefork pool does with a task, here and now."""

    is_green = False

    def __init__(self, app: Celery) -> None:
        self._app = app
        self.swallowed: list[Exception] = []

    def apply_async(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...],
        *,
        accept_callback: Callable[..., None],
        callback: Callable[..., None],
        error_callback: Callable[..., None],
        **_: Any,
    ) -> None:
        sent = pickle.dumps(args)
        accept_callback(1, time.monotonic())
        try:
            result = target(*pickle.loads(sent), app=self._app)  # noqa: S301 - our own
        except Exception:  # noqa: BLE001 - as billiard
            self._call(error_callback, ExceptionInfo())
        else:
            self._call(callback, result)

    def _call(self, callback: Callable[..., None], result: Any) -> None:
        try:
            callback(result)
        except Exception as error:  # noqa: BLE001 - as billiard
            self.swallowed.append(error)


class InlineWorker:
    """Takes one raw body at a time; tells what became of it."""

    def __init__(self, app: Celery, channel: Channel) -> None:
        self.pool = InlinePool(app)
        self.channel = channel
        self._consumer = CeleryConsumer(
            on_task_request=lambda request: request.execute_using_pool(self.pool),
            app=app,
            pool=self.pool,
            timer=SimpleNamespace(call_at=lambda _, function, args, **__: function(*args)),
            controller=SimpleNamespace(state=state, semaphore=None, use_eventloop=True),
            hostname="inline@example.org",
        )
        self._consumer.qos = SimpleNamespace(increment_eventually=lambda: None, decrement_eventually=lambda: None)
        self._consumer.event_dispatcher = SimpleNamespace(enabled=True, send=lambda _, **fields: dumps(fields).encode())
        self._consumer.update_strategies()
        self._receiver = Consumer(
            channel,
            [Queue(QUEUE)],
            accept={"application/json"},
            on_message=self._consumer.create_task_handler(),
        )
        self._receiver.on_decode_error = self._consumer.on_decode_error
        self._receiver.consume()

    def take(self, body: str) -> list[str]:
        """The ends that the message came to: there should be one."""
        settler = self.channel._lazy_settler = FakeSettler()  # type: ignore[assignment]
        received = {"MessageId": "message-id", "ReceiptHandle": "receipt", "Body": body, "Attributes": {}}
        self.channel._on_messages_ready(URL, QUEUE, {"Messages": [received]})
        for kept in (state.requests, state.reserved_requests, state.scheduled_requests, state.active_requests):
            kept.clear()
        return settler.ends


@contextmanager
def inline_worker() -> Iterator[InlineWorker]:
    """A worker of the tasks of ``celery_app``."""
    app = Celery("inline", set_as_current=False)
    app.conf.update(
        broker_url="memory://",
        task_acks_late=True,
        task_acks_on_failure=False,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        accept_content=["json"],
        timezone="UTC",
    )
    app.finalize()
    assert f"{celery_app.__name__.rpartition('.')[2]}.noop" in app.tasks, (
        "the tasks of celery_app are shared with every application"
    )
    options = {"queue_urls": {QUEUE: URL}, "region": "us-east-1", "is_secure": False}
    with Connection("sqs://key:secret@127.0.0.1:9", transport=Transport, transport_options=options) as connection:
        channel = connection.channel()
        channel._sqs = FakeSqs()
        channel.qos.restore_at_shutdown = False
        yield InlineWorker(app, channel)

"""Celery as the publishers' sender: one batch of messages, each failure told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from celery import Celery
from celery.utils import uuid
from celery.utils.nodenames import anon_nodename
from kombu.exceptions import KombuError

from broker.errors import BatchPublishFailed
from publishers.fanout import Outgoing
from publishers.queues import ROUTES


class CelerySender:
    """Sends by the application's producer pool; safe to share between threads."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._amqp: Any = app.amqp  # its stubs know none of what is used here
        self._origin = anon_nodename()

    def send(self, outgoing: Sequence[Outgoing]) -> dict[int, str]:
        """Send all as Celery tasks; returns the reason for each that was not sent, by its position."""
        positions = {uuid(): position for position in range(len(outgoing))}
        try:
            with self._app.producer_pool.acquire(block=True) as producer, producer.batch():
                for task_id, position in positions.items():
                    self._publish(outgoing[position], task_id, producer)
        except BatchPublishFailed as failed:
            return {positions[task_id]: reason for task_id, reason in failed.reasons.items()}
        except (KombuError, BotoCoreError, ClientError, OSError) as error:
            # Leaving the batch by an exception discards what it held, so nothing was sent.
            return dict.fromkeys(positions.values(), f"{type(error).__name__}: {error}")
        return {}

    def _publish(self, item: Outgoing, task_id: str, producer: Any) -> None:
        # The two steps of Celery's send_task, without what it looks up anew for each message: that took longer
        # than all else about one (docs/performance.md).
        message = self._amqp.create_task_message(
            task_id,
            item.task.value,
            args=[item.message.model_dump(mode="json")],
            # What Flower shows; Celery would describe the whole message.
            argsrepr=f"({item.group!r},)",
            kwargsrepr="{}",
            origin=self._origin,
        )
        self._amqp.send_task_message(
            producer,
            item.task.value,
            message,
            queue=ROUTES[item.task].value,
            declare=(),  # the queues are known by URL
            MessageGroupId=item.group,
        )

"""Celery as the publishers' sender: one batch of messages, each failure told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from celery import Celery
from celery.signals import after_task_publish, before_task_publish
from celery.utils import uuid
from celery.utils.nodenames import anon_nodename
from kombu.exceptions import KombuError

from broker.errors import BatchPublishFailed
from publishers.fanout import Outgoing
from publishers.queues import ROUTES

BODY = '[[{arguments}], {{}}, {{"callbacks": null, "errbacks": null, "chain": null, "chord": null}}]'
"""Arguments, keywords, and what else a task may carry (Celery's documentation, "Message Protocol", version 2)."""


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
            with self._app.producer_pool.acquire(block=True) as producer:
                # More than there are, so that nothing is sent before the flush: a failure earlier sent nothing.
                batch = producer.channel.create_publish_batch(len(outgoing) + 1)
                for task_id, position in positions.items():
                    self._add(outgoing[position], task_id, batch)
                batch.flush()
        except BatchPublishFailed as failed:
            return {positions[task_id]: reason for task_id, reason in failed.reasons.items()}
        except (KombuError, BotoCoreError, ClientError, OSError) as error:
            return dict.fromkeys(positions.values(), f"{type(error).__name__}: {error}")
        return {}

    def _add(self, item: Outgoing, task_id: str, batch: Any) -> None:
        # Celery's send_task and kombu's producer look up anew for each message what is known here, and write its JSON
        # a second time: that took longer than all else about one (docs/performance.md).
        task, queue = item.task.value, ROUTES[item.task].value
        headers, properties, _, _ = self._amqp.create_task_message(
            task_id,
            task,
            # What Flower shows; Celery would describe the whole message.
            argsrepr=f"({item.group!r},)",
            kwargsrepr="{}",
            origin=self._origin,
        )
        properties["MessageGroupId"] = item.group
        body = BODY.format(arguments="" if item.message is None else item.message.model_dump_json())
        signalled = {"sender": task, "body": body, "exchange": "", "routing_key": queue, "headers": headers}
        before_task_publish.send(**signalled, properties=properties, declare=(), retry_policy=None)
        message = batch.channel.prepare_message(body, None, "application/json", "utf-8", headers, properties)
        batch.publish(message, exchange="", routing_key=queue)
        after_task_publish.send(**signalled)

"""Flower's broker page and its queue lengths, for SQS: Flower itself knows RabbitMQ and Redis only.

Imported by ``flowerconfig.py``, so by Flower's process alone. What of Flower this leans on is pinned
by tests/unit/test_broker_page.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flower.urls import handlers
from flower.views import BaseHandler
from tornado.ioloop import IOLoop
from tornado.web import HTTPError, authenticated, url

from operations.output import duration
from operations.queue_depth import Depths, QueueDepth
from podcasting.errors import Retryable

TEMPLATE = Path(__file__).with_suffix(".html")

Read = Callable[[], Depths]


def show_queues(read: Read, where: str) -> None:
    """Have this process's Flower show what ``read`` tells of the SQS at ``where``; call it before Flower starts."""
    # Tornado takes the first that matches; Flower's own stay behind ours, and keep their names.
    handlers[:0] = [
        url(r"/broker", BrokerPage, {"read": read, "where": where}),
        url(r"/api/queues/length", QueueLengths, {"read": read}),
    ]


class _DepthHandler(BaseHandler):
    def initialize(self, read: Read) -> None:
        """Keep what Tornado hands to each handler."""
        self._read = read

    async def depths(self) -> Depths:
        """The depths, read in a thread: boto3 would hold up everything else that Flower does."""
        return await IOLoop.current().run_in_executor(None, self._read)


class BrokerPage(_DepthHandler):
    """``/broker``: what each queue holds, and how old its oldest message is."""

    def initialize(self, read: Read, where: str) -> None:  # type: ignore[override]
        """Keep what Tornado hands to each handler."""
        super().initialize(read)
        self._where = where

    @authenticated
    async def get(self) -> None:
        """Show it, or one line that says why not."""
        depths, problem = Depths(()), ""
        try:
            depths = await self.depths()
        except Retryable as error:
            self.set_status(503)
            problem = str(error)
        self.render(
            str(TEMPLATE),
            where=self._where,
            depths=depths,
            problem=problem,
            workers=self._workers(),
            duration=duration,
        )

    def _workers(self) -> Counter[str] | None:
        """How many live workers each queue has, or None while Flower has yet to hear of some."""
        alive = [name for name, worker in list(self.application.events.state.workers.items()) if worker.alive]
        queues = [self.application.workers.get(name, {}).get("active_queues") for name in alive]
        if None in queues:
            # It asked them when it started, maybe before they did; a reload shows what they answer.
            self.application.update_workers()
            return None
        return Counter(queue["name"] for each in queues for queue in each)


class QueueLengths(_DepthHandler):
    """``/api/queues/length``: the same for programs, as Flower's own gives it."""

    @authenticated
    async def get(self) -> None:
        """Answer, or 503 with the reason."""
        try:
            depths = await self.depths()
        except Retryable as error:
            raise HTTPError(503, str(error)) from error
        self.write({"active_queues": [_length(queue) for queue in depths.queues]})


def _length(queue: QueueDepth) -> dict[str, Any]:
    return {"name": queue.name, "messages": queue.waiting.messages} | queue.plain()

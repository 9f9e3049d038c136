"""Queues that live as long as a process: of events, remote control and replies.

SQS has no such thing, so each carries tags that say whose it is and until when it may be believed alive.
Its owner renews that, removes the queue at its exit, and sweeps those whose owners died before they could.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger(__name__)

TTL_SECONDS = 1800
"""A queue whose owner said nothing for so long is swept: six renewals, or a laptop's nap."""
RENEWAL_SECONDS = 300
SWEPT_AT_ONCE = 20
"""Of the queues found, at random: if each of a fleet looked at all of it, that would grow with the fleet's square."""
ALIVE_UNTIL = "alive-until"
"""The tag, in seconds since 1970."""

ATTRIBUTES = {"MessageRetentionPeriod": "300", "VisibilityTimeout": "30"}
"""What nobody read within five minutes is no news."""

LONGEST_NAME = 80
"""Of an SQS queue, in characters."""


class EphemeralQueues:
    """The ephemeral queues of one channel: makes, renews, removes and sweeps; calls ``swept`` when it swept some."""

    def __init__(
        self,
        sqs: Any,
        prefix: str,
        clock: Callable[[], float] = time.time,
        *,
        swept: Callable[[], None] = lambda: None,
    ) -> None:
        self._sqs = sqs
        self._prefix = prefix
        self._clock = clock
        self._tell_swept = swept
        self._owner = f"{socket.gethostname()}:{os.getpid()}"
        self._mine: dict[str, str] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __contains__(self, queue: str) -> bool:
        return queue in self._mine

    def names(self) -> list[str]:
        """kombu's names of the queues made here."""
        return list(self._mine)

    def name_for_replies(self, canonical: str) -> str:
        """What a queue that others must find is called on SQS."""
        return _fitting(self._prefix + canonical)

    def make(self, queue: str, canonical: str, *, found_by_name: bool) -> str:
        """Make the queue; returns its URL.

        A queue that nobody has to find by its name gets one of its own each time: a name is not free again
        until a minute after its queue was deleted, and what was sent to a worker's former life is not for
        its next.
        """
        token = "" if found_by_name else f"-{uuid.uuid4().hex[:8]}"
        name = _fitting(self._prefix + canonical, token)
        made = self._sqs.create_queue(QueueName=name, Attributes=ATTRIBUTES, tags=self._tags())
        url: str = made["QueueUrl"]
        self._mine[queue] = url
        return url

    def keep(self) -> None:
        """From now on renew what is made here, and sweep what others left; in a thread."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sqs-ephemeral-queues", daemon=True)
            self._thread.start()

    def forget(self, queue: str) -> None:
        """It was removed."""
        self._mine.pop(queue, None)

    def close(self) -> None:
        """Renew no more."""
        self._ended.set()

    def _run(self) -> None:
        # A fleet that starts at once does not sweep at once.
        self._ended.wait(random.uniform(1, 10))  # noqa: S311 - jitter, no secret
        while not self._ended.is_set():
            try:
                self.renew()
                self.sweep()
            except Exception:
                log.exception("ephemeral queues were neither renewed nor swept; trying again")
            self._ended.wait(RENEWAL_SECONDS)

    def renew(self) -> None:
        """Say that we live."""
        for url in list(self._mine.values()):
            try:
                self._sqs.tag_queue(QueueUrl=url, Tags=self._tags())
            except (ClientError, BotoCoreError) as error:
                log.info("%s was not renewed: %s", url, error)

    def sweep(self) -> int:
        """Remove the queues whose owners have not renewed them, ``SWEPT_AT_ONCE`` at most; returns how many.

        A queue without our tags is somebody else's, whatever its name.
        """
        found: list[str] = []
        try:
            for page in self._sqs.get_paginator("list_queues").paginate(QueueNamePrefix=self._prefix):
                found += (url for url in page.get("QueueUrls", []) if url not in self._mine.values())
        except (ClientError, BotoCoreError) as error:
            log.info("queues that others left are not swept: %s", error)
        removed = sum(self._swept(url) for url in random.sample(found, min(len(found), SWEPT_AT_ONCE)))
        if removed:
            self._tell_swept()
        return removed

    def _swept(self, url: str) -> bool:
        try:
            tags = self._sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
            if not tags.get(ALIVE_UNTIL, "").isdecimal() or int(tags[ALIVE_UNTIL]) > self._clock():
                return False
            self._sqs.delete_queue(QueueUrl=url)
        except (ClientError, BotoCoreError) as error:
            log.info("%s is not swept: %s", url, error)  # another sweeper was quicker, or may and we may not
            return False
        log.info("swept %s, whose owner %s is gone", url, tags.get("owner"))
        return True

    def _tags(self) -> dict[str, str]:
        return {"owner": self._owner, ALIVE_UNTIL: str(int(self._clock() + TTL_SECONDS))}


def _fitting(name: str, token: str = "") -> str:
    room = LONGEST_NAME - len(token)
    if len(name) > room:
        digest = blake2b(name.encode(), digest_size=4).hexdigest()
        name = f"{name[: room - len(digest) - 1]}-{digest}"
    return name + token

"""Receiving over a network that refuses, resets, stalls and lies, without ending the worker."""

from __future__ import annotations

import json
import logging
import random
import re
from collections.abc import Callable
from typing import Any

import pycurl
from kombu.asynchronous.aws.connection import AsyncHTTPSConnection
from kombu.asynchronous.aws.sqs.connection import AsyncSQSConnection

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5
STALL_SECONDS = 5
"""Silence beyond the long poll's own."""
TOTAL_SECONDS = 15
"""Beyond the long poll's own time: for the answer's ten messages of a mebibyte in all to arrive."""

LONGEST_BACKOFF_SECONDS = 5.0
HTTP_NO_ANSWER = 599
"""kombu's status for a request that got no answer."""

PARTS = frozenset(["MessageId", "ReceiptHandle", "Body"])
"""What no message is without."""

MEASURED = re.compile(r"\d+ (ms|milliseconds|bytes|out of|seconds)")

Message = dict[str, Any]


class Receiver(AsyncSQSConnection):
    """kombu's asynchronous receive, with limits; what goes wrong is an answer (``Trouble``), not an exception."""

    def __init__(self, wait_seconds: int, *, on_request: Callable[[str], None] | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._wait_seconds = wait_seconds
        self._tell_request = on_request

    def get_http_connection(self) -> AsyncHTTPSConnection:
        """The connection for one request; kombu sets no limit on it."""
        if self._tell_request is not None:
            self._tell_request("ReceiveMessage")
        return _LimitedConnection(self._wait_seconds, http_client=self._httpclient)

    def _on_list_ready(self, parent: Any, markers: Any, operation: str, response: Any) -> Message:
        if response.status != self.STATUS_CODE_OK:
            return {"Trouble": _trouble(response)}
        try:
            answer: Message = super()._on_list_ready(parent, markers, operation, response)
            messages = answer.get("Messages") or []
            # Of what is no JSON, botocore makes an answer without messages: the next poll would follow at once.
            whole = bool(messages) or isinstance(json.loads(response.read()), dict)
            whole = whole and all(message.keys() >= PARTS for message in messages)
        except Exception as error:  # noqa: BLE001 - parsers raise what they like on a strange body
            return {"Trouble": f"an answer that is not SQS's: {type(error).__name__}: {error}"}
        return answer if whole else {"Trouble": "an answer that is not SQS's"}


class _LimitedConnection(AsyncHTTPSConnection):
    def __init__(self, wait_seconds: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._wait_seconds = wait_seconds

    def getrequest(self) -> Any:
        request = super().getrequest()
        request.on_prepare = self._limit
        return request

    def _limit(self, curl: pycurl.Curl) -> None:
        curl.setopt(pycurl.CONNECTTIMEOUT, CONNECT_SECONDS)
        curl.setopt(pycurl.TIMEOUT, self._wait_seconds + TOTAL_SECONDS)
        curl.setopt(pycurl.LOW_SPEED_LIMIT, 1)
        curl.setopt(pycurl.LOW_SPEED_TIME, self._wait_seconds + STALL_SECONDS)
        curl.setopt(pycurl.TCP_KEEPALIVE, 1)
        curl.setopt(pycurl.NOSIGNAL, 1)


class Outages:
    """What goes wrong with each queue: each kind told once an outage, and how long to wait before the next try.

    Queues in ``quiet`` (of events and remote control) are waited for and not told of: of an outage, the
    work's queue tells.
    """

    def __init__(self) -> None:
        self._troubles: dict[str, set[str]] = {}
        self._failures: dict[str, int] = {}

    def began(self, queue: str, trouble: str, *, quiet: bool) -> None:
        """A receive failed."""
        kind = _kind(trouble)
        told = self._troubles.setdefault(queue, set())
        if kind not in told and not quiet:
            log.warning("cannot receive from %s: %s; trying again until it answers", queue, trouble)
        told.add(kind)
        self._failures[queue] = self._failures.get(queue, 0) + 1

    def ended(self, queue: str, *, quiet: bool) -> None:
        """A receive was answered."""
        if self._troubles.pop(queue, None) is None:
            return
        del self._failures[queue]
        if not quiet:
            log.warning("receiving from %s again", queue)

    def pause(self, queue: str) -> float:
        """Seconds to wait before the next receive: 0 when all is well, else full jitter over a doubling limit."""
        failures = self._failures.get(queue, 0)
        if not failures:
            return 0.0
        longest = min(LONGEST_BACKOFF_SECONDS, 0.5 * 2 ** min(failures, 10))
        return random.uniform(0.1, longest)  # noqa: S311 - jitter, no secret


def _kind(trouble: str) -> str:
    # The same trouble again: curl tells how many milliseconds it took, AWS when a signature expired.
    return MEASURED.sub("", trouble).partition(":")[0]


def _trouble(response: Any) -> str:
    if response.status == HTTP_NO_ANSWER:
        return str(response.reason or "no answer")
    try:
        said = json.loads(response.read() or b"{}")
        code = str(said.get("__type__") or said.get("__type") or "").rpartition("#")[2]
        return f"{code or f'HTTP {response.status}'}: {said.get('message') or said.get('Message') or 'no reason given'}"
    except (ValueError, AttributeError, TypeError):
        return f"HTTP {response.status}"

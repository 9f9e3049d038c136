"""Whether credentials are good for what one process does to queues, and for nothing more.

What each process needs is said here once more, apart from infrastructure/permissions.yaml: tests/acceptance/
test_least_privilege.py holds them together. Asked as :mod:`operations.doctor.aws_access` asks, so nothing is sent,
received or deleted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from operations.doctor import aws_access
from operations.doctor.answers import ERRORS, Answer, Meaning
from operations.doctor.aws_access import AREA, TIMEOUT_SECONDS, arn_of, identity, probed
from operations.doctor.restoring import DEAD
from publishers.queues import Queue
from settings import settings
from tasks import aws
from tasks.readiness.findings import Finding, fail, ok, warn

SEND, RECEIVE, DELETE = "sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"
EXTEND, COUNT = "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"
WORK = frozenset({SEND, RECEIVE, DELETE, EXTEND, COUNT})
BURY = frozenset({SEND})
READ = frozenset({RECEIVE, DELETE, EXTEND, COUNT})

Needs = Mapping[str, Collection[str]]

NEEDS: dict[str, Needs] = {
    "publisher": {Queue.GENERATION: {SEND}, Queue.PROCESSING: {SEND}},
    "discovery": {
        Queue.DISCOVERY: WORK,
        Queue.DISCOVERY + DEAD: BURY,
        Queue.GENERATION: {SEND},
        Queue.PROCESSING: {SEND},
    },
    "generator": {Queue.GENERATION: WORK, Queue.GENERATION + DEAD: BURY, Queue.PROCESSING: {SEND}},
    "processor": {Queue.PROCESSING: WORK, Queue.PROCESSING + DEAD: BURY},
    "beat": {Queue.DISCOVERY: {SEND}},
    "flower": {name: {COUNT} for queue in Queue for name in (queue, queue + DEAD)},
    "operator": {queue: {SEND, COUNT} for queue in Queue} | {queue + DEAD: READ for queue in Queue},
}
"""By process, by queue."""


ROLES = {
    "publisher": "publisher",
    "consumer-discovery": "discovery",
    "consumer-generator": "generator",
    "consumer-processor": "processor",
    "beat": "beat",
    "flower": "flower",
    "operator": "operator",
}
"""Whose each role of infrastructure/permissions.yaml is, by its name after the prefix."""


def findings(process: str | None = None) -> Iterator[Finding]:
    """About this process's credentials, as those of ``process``, one of :data:`NEEDS`.

    Without one, as those of whom the role is for; and where they are of no role that the template has, or of that of
    all workers, against what all workers together need.

    Raises:
        SettingsError: embedded, and no embedded AWS runs.
    """
    if settings().embedded:
        settings().queue_urls()
        yield ok(AREA, "the embedded AWS asks for no permission")
        return
    who = yield from identity()
    if who is None:
        return
    process = process or _process_of(who, settings().deployment)
    if process is None:
        yield from aws_access.findings(who)
        return
    sqs = aws.client("sqs", timeout_seconds=TIMEOUT_SECONDS)
    for queue, url in settings().queue_urls().items():
        for name, address in ((queue, url), (queue + DEAD, url + DEAD)):
            found = yield from probed(sqs, name, address)
            if found is None:
                return
            if _counts(sqs, address):
                found.allowed.append(COUNT)
            yield from _compared(process, name, address, found.allowed, found.unproven)


def _process_of(who: str, deployment: str) -> str | None:
    taken = re.search(rf":assumed-role/{re.escape(deployment)}-([a-z-]+)/", who)
    return ROLES.get(taken.group(1)) if taken else None


def _counts(sqs: Any, url: str) -> bool:
    try:
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    except ERRORS as error:
        return Answer.of(error).meaning is not Meaning.DENIED
    return True


def _compared(process: str, name: str, url: str, allowed: list[str], unproven: list[str]) -> Iterator[Finding]:
    needed = set(NEEDS[process].get(name, ()))
    missing, more = needed - set(allowed) - set(unproven), set(allowed) - needed
    if missing:
        listed = ", ".join(sorted(missing))
        yield fail(
            AREA, f"{name}: {listed} denied, which {process} needs", f"allow {listed} on {arn_of(url)} in its policy"
        )
    if more:
        listed = ", ".join(sorted(more))
        yield warn(
            AREA,
            f"{name}: {listed} allowed, which {process} does not need",
            f"give it the role that infrastructure/permissions.yaml has for it, or take that away on {arn_of(url)}",
        )
    if unproven:
        listed = ", ".join(unproven)
        yield warn(AREA, f"{name}: not proven: {listed}", "run it with the role's own keys, allowed no other queue")
    if not (missing or more or unproven):
        does = f"allowed {', '.join(sorted(needed))} and nothing else" if needed else "nothing is allowed"
        yield ok(AREA, f"{name}: {does}")

"""Settings against each other, and Celery's against what "nothing is lost" needs. Asks nobody.

A finding of level FAIL means that work would be lost or done twice: a worker does not start then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from settings import Settings
from tasks.readiness.findings import Finding, fail, ok, warn

AREA = "settings"

LONGEST_HOLD = 43_200
"""Seconds. SQS keeps a message from others for twelve hours from its receipt at most (Amazon SQS message quotas)."""
LONGEST_DELAY = 900
"""Seconds. SQS delays a message no longer (Amazon SQS message quotas)."""
BRIEF_VISIBILITY = 15
"""Seconds. Its third is the time for an extension and one more attempt; less is a slow network's one bad moment."""
SUPERVISOR_SECONDS = 120
"""What ECS grants a container that is told to stop, at most (stopTimeout, Amazon ECS task definition parameters)."""

NEEDED: Mapping[str, tuple[Any, str]] = {
    "task_acks_late": (True, "a message is acked before its work, and a worker that dies takes the work with it"),
    "task_acks_on_failure": (False, "a failure is acked, and no dead letter tells of it"),
    "task_acks_on_timeout": (False, "a task that took too long is acked, and its work is lost"),
    "task_reject_on_worker_lost": (True, "the message of a killed process is acked, and its work is lost"),
    "accept_content": (["json"], "a message may be code that runs here"),
    "task_serializer": ("json", "workers refuse what we send"),
}
"""Celery's settings, the value each needs, and what happens with another."""


def contradictions(chosen: Settings) -> Iterator[Finding]:
    """What the settings say against each other; one OK when nothing."""
    found = [*_time_limits(chosen), *_message_and_lease(chosen), *_discovery(chosen), *_safeguards(chosen)]
    yield from found
    if not found:
        yield ok(
            AREA,
            f"agree: visibility {chosen.visibility_timeout} s, lease {chosen.lease_seconds:g} s, "
            f"time limits {chosen.soft_time_limit:g} and {chosen.hard_time_limit:g} s, "
            f"stuck after {chosen.stuck_after:g} s, claims of {chosen.claim_seconds:g} s",
        )


def celery_agrees(conf: Mapping[str, Any]) -> Iterator[Finding]:
    """What Celery's settings do to "nothing is lost"; ``conf`` is the app's."""
    wrong = False
    for name, (needed, otherwise) in NEEDED.items():
        value = conf[name]
        if (list(value) if isinstance(value, list | tuple | set) else value) != needed:
            wrong = True
            yield fail(AREA, f"{name} is {value!r}: {otherwise}", f"set {name} = {needed!r} in celeryconfig.py")
    if conf["worker_prefetch_multiplier"] != 1:
        wrong = True
        yield warn(
            AREA,
            f"worker_prefetch_multiplier is {conf['worker_prefetch_multiplier']!r}: "
            "a worker sits on episodes that another could make",
            "set worker_prefetch_multiplier = 1 in celeryconfig.py",
        )
    if not wrong:
        yield ok(AREA, "Celery acks after the work, never for a failure, and takes JSON only")


def _time_limits(chosen: Settings) -> Iterator[Finding]:
    hard = chosen.hard_time_limit
    if hard >= LONGEST_HOLD:
        yield fail(
            AREA,
            f"AIRDATE_HARD_TIME_LIMIT is {hard:g} s, and SQS keeps a message from others for {LONGEST_HOLD} s at most: "
            "a task that takes longer is done twice",
            f"set AIRDATE_HARD_TIME_LIMIT below {LONGEST_HOLD}, and AIRDATE_SOFT_TIME_LIMIT below that",
        )
    if chosen.stuck_after <= chosen.lease_seconds or chosen.stuck_after <= hard:
        longer, value = max(("AIRDATE_LEASE_SECONDS", chosen.lease_seconds), ("AIRDATE_HARD_TIME_LIMIT", hard), key=_at)
        yield warn(
            AREA,
            f"AIRDATE_STUCK_AFTER is {chosen.stuck_after:g} s, not longer than {longer} ({value:g} s): "
            "the checker sends messages for what is being worked on",
            f"set AIRDATE_STUCK_AFTER={_above(value)}",
        )
    if chosen.shutdown_seconds >= SUPERVISOR_SECONDS:
        yield warn(
            AREA,
            f"AIRDATE_SHUTDOWN_SECONDS is {chosen.shutdown_seconds:g} s: ECS kills a container that is told to stop "
            f"after {SUPERVISOR_SECONDS} s at most, before its messages are given back",
            "set AIRDATE_SHUTDOWN_SECONDS=100 and the container's stopTimeout to 120",
        )
    if chosen.shutdown_seconds > hard:
        yield warn(
            AREA,
            f"AIRDATE_SHUTDOWN_SECONDS is {chosen.shutdown_seconds:g} s, longer than any task may take "
            f"(AIRDATE_HARD_TIME_LIMIT, {hard:g} s)",
            f"set AIRDATE_SHUTDOWN_SECONDS={min(100, hard):g}",
        )


def _message_and_lease(chosen: Settings) -> Iterator[Finding]:
    visibility, lease = chosen.visibility_timeout, chosen.lease_seconds
    if visibility < BRIEF_VISIBILITY:
        yield warn(
            AREA,
            f"AIRDATE_VISIBILITY_TIMEOUT is {visibility} s, so a message is extended every {visibility / 3:.0f} s: "
            "one slow answer of SQS hands it to another worker",
            "set AIRDATE_VISIBILITY_TIMEOUT=60, and the VisibilityTimeout of infrastructure/messaging.yaml",
        )
    if lease > visibility:
        yield warn(
            AREA,
            f"AIRDATE_LEASE_SECONDS is {lease:g} s, longer than AIRDATE_VISIBILITY_TIMEOUT ({visibility} s): "
            "the message of a worker that died comes back before its lease has ended, and is put off",
            f"set AIRDATE_LEASE_SECONDS={visibility}",
        )


def _discovery(chosen: Settings) -> Iterator[Finding]:
    slowest, every = max(
        ("AIRDATE_SCHEDULE_PODCASTS_EVERY", chosen.schedule_podcasts_every),
        ("AIRDATE_CHECK_EPISODES_EVERY", chosen.check_episodes_every),
        key=_at,
    )
    if chosen.claim_seconds <= every:
        yield warn(
            AREA,
            f"AIRDATE_CLAIM_SECONDS is {chosen.claim_seconds:g} s, not longer than {slowest} ({every:g} s): "
            "each look sends another copy of what waits in the queue",
            f"set AIRDATE_CLAIM_SECONDS={_above(every * 2)}",
        )
    if chosen.claim_seconds <= chosen.visibility_timeout:
        yield warn(
            AREA,
            f"AIRDATE_CLAIM_SECONDS is {chosen.claim_seconds:g} s, not longer than AIRDATE_VISIBILITY_TIMEOUT "
            f"({chosen.visibility_timeout} s): what comes back from a worker that died was sent again already",
            f"set AIRDATE_CLAIM_SECONDS={_above(chosen.visibility_timeout * 2)}",
        )
    waits = sum(min(LONGEST_DELAY, chosen.retry_base * 2**number) for number in range(chosen.max_retries))
    if waits >= chosen.stuck_after:
        yield warn(
            AREA,
            f"AIRDATE_MAX_RETRIES is {chosen.max_retries} and AIRDATE_RETRY_BASE {chosen.retry_base:g} s, so retries "
            f"may take {waits:g} s, longer than AIRDATE_STUCK_AFTER ({chosen.stuck_after:g} s): "
            "the checker sends messages for what waits for its retry",
            f"set AIRDATE_STUCK_AFTER={_above(waits)}, or AIRDATE_MAX_RETRIES lower",
        )


def _safeguards(chosen: Settings) -> Iterator[Finding]:
    if chosen.allow_queues_without_redrive:
        yield warn(
            AREA,
            "AIRDATE_ALLOW_QUEUES_WITHOUT_REDRIVE is true: what fails in a queue without redrive comes back for ever",
            "unset it, and deploy infrastructure/messaging.yaml",
        )


def _at(named: tuple[str, float]) -> float:
    return named[1]


def _above(seconds: float) -> int:
    return int(seconds * 1.15 // 60 + 1) * 60

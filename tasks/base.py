"""The task base: binds logs, takes the lease, and turns an error's class into a retry or a dead letter.

A task acks when its work is done or no longer needed. Anything else is rejected, so that SQS hands it
out again and, after ``maxReceiveCount``, makes it a dead letter.
"""

from __future__ import annotations

import logging
import os
import random
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn

from celery import Task
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from broker.lost import lost_messages
from podcasting.attempt import attempt
from podcasting.errors import LeaseHeld, LeaseLost, Permanent, ProviderPaused, Retryable, TryAgainIn, Waits
from podcasting.models import ID_PATTERN, OWNER_PATTERN, Episode, EpisodeStatus
from podcasting.work import Work, reason
from publishers.notice_checker import check_notices
from publishers.queues import MAX_RECEIVE_COUNT, ROUTES
from publishers.queues import Task as QueuedTask
from settings import settings
from tasks.logs import bind, bound
from tasks.outcomes import HandedOn, PutOff
from tasks.telemetry import reports, tracing
from tasks.telemetry.at_work import at_work
from tasks.telemetry.measures import measure
from tasks.telemetry.names import DISCOVERY_RUNS, LEASE_LOST
from tasks.wiring import discovery, studio

log = logging.getLogger(__name__)

LONGEST_DELAY = 900
"""Seconds that SQS delays a message at most; longer waits are kept in the database."""


class PatientTask(Task):  # type: ignore[type-arg]  # Celery's Task is generic in its stubs only
    """A task that is tried again, with backoff, when the world fails; and never hides a failure."""

    abstract = True
    Request = "tasks.telemetry.lost_children:WatchedRequest"
    max_retries = None  # Celery's own limit; ours is a setting, and ends in a dead letter

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task, and decide what its error means for the message."""
        told = self._told()
        task = self.name.rpartition(".")[2]
        with bound(task=task, task_id=self.request.id, **told), at_work(task, told.get("receives")):
            tracing.annotate(**told)
            if self.receipt in lost_messages:
                self.hand_on("not begun")
            return self._decide(args, kwargs)

    def _decide(self, args: Any, kwargs: Any) -> Any:
        try:
            return self.run(*args, **kwargs)
        except (Reject, Retry):
            raise
        except ValidationError as error:
            self.dead_letter(f"not a message this task takes: {_fields(error)}", error)
        except (LeaseHeld, ProviderPaused) as error:
            self.put_off(error)
        except (LeaseLost, Waits) as error:
            return self.leave(error)
        except Permanent as error:
            self.dead_letter(str(error), error)
        except (Retryable, SoftTimeLimitExceeded, DBAPIError, PoolExhausted) as error:
            self.try_again(error)
        except Exception as error:
            log.exception("a fault of Airdate's own: please report it")
            reports.error(error)
            self.try_again(error)

    def dead_letter(self, why: str, cause: BaseException | None = None) -> NoReturn:
        """Reject the message; redrive makes it a dead letter. Without a cause it is one that was told of before."""
        log.error("dead letter: %s", why)
        # The same is found each time that SQS hands it out; the last time it becomes a dead letter.
        if cause is not None and self._told().get("receives", MAX_RECEIVE_COUNT) >= MAX_RECEIVE_COUNT:
            reports.error(cause, dead_letter="yes")
        raise Reject(why, requeue=False) from cause

    def try_again(self, error: BaseException) -> NoReturn:
        """Send the message again after a backoff, or reject it when it was tried often enough."""
        if self.is_last_try:
            self.dead_letter(f"given up after {self.request.retries + 1} tries: {reason(error)}", error)
        wait = error.seconds if isinstance(error, TryAgainIn) else self._backoff(error)
        delay = min(LONGEST_DELAY, round(wait))
        log.warning(
            "trying again in %d s (%d of %d): %s",
            delay,
            self.request.retries + 1,
            settings().max_retries,
            reason(error),
        )
        raise self.retry(exc=_plain(error), countdown=delay, throw=False, **self._address())

    def put_off(self, held: LeaseHeld | ProviderPaused) -> NoReturn:
        """Send the message again for when the other's lease, or the provider's pause, may be over; uses up no try."""
        spread = random.uniform(0, held.seconds / 4) if isinstance(held, ProviderPaused) else 0  # noqa: S311 - no secret
        delay = min(LONGEST_DELAY, max(1, round(held.seconds + spread) + 1))
        log.info("%s; looking again in %d s", held, delay)
        again = self.signature_from_request(countdown=delay, retries=self.request.retries, **self._address())
        again.apply_async()
        raise PutOff(message=str(held), sig=again)

    def leave(self, error: LeaseLost | Waits) -> str:
        """Ack the message, whose work goes on without it, unless it was given to another worker."""
        if isinstance(error, LeaseLost):
            measure(LEASE_LOST)
        if self.receipt in lost_messages:
            self.hand_on(str(error))
        log.warning("the message has done its part: %s", error)
        return str(error)

    def hand_on(self, how_far: str) -> NoReturn:
        """Reject the message that SQS keeps for us no longer: to ack it might take it from who has it now."""
        log.warning("the message was given to another worker: %s", how_far)
        raise HandedOn("given to another worker", requeue=False)

    @property
    def receipt(self) -> str:
        """The receipt handle of this task's message; empty where no worker received one."""
        return str((self.request.properties or {}).get("delivery_tag", ""))

    def _told(self) -> dict[str, Any]:
        """What the message says of itself, for the logs; a forged one may say anything, and is believed ids alone."""
        delivery = (self.request.properties or {}).get("delivery_info") or {}
        received = delivery.get("sqs_message") or {}
        told: dict[str, Any] = {}
        with suppress(KeyError, TypeError, ValueError):
            told["message"] = str(received["MessageId"])
            told["receives"] = int(received["Attributes"]["ApproximateReceiveCount"])
        with suppress(LookupError, TypeError, AttributeError):
            data = (self.request.args or ())[0]["data"]
            for name, field in (("podcast", "podcastId"), ("episode", "episodeId")):
                if isinstance(data.get(field), str) and re.fullmatch(ID_PATTERN, data[field]):
                    told[name] = data[field]
        return told

    def _address(self) -> dict[str, Any]:
        # A retry is a new message, so its queue and its fair share are named again; a forged one may say anything.
        # The publisher's envelope tells whose share it is; a web app's bare message does not, and has its podcast's.
        options: dict[str, Any] = {"queue": ROUTES[QueuedTask(self.name)].value}
        arguments = self.request.args or ()
        with suppress(LookupError, TypeError):
            options["MessageGroupId"] = arguments[0]["data"]["podcastId"]
        group = (self.request.properties or {}).get("MessageGroupId")
        if isinstance(group, str) and re.fullmatch(OWNER_PATTERN, group):
            options["MessageGroupId"] = group
        return options

    @property
    def is_last_try(self) -> bool:
        """Whether the message was retried as often as allowed."""
        return bool(self.request.retries >= settings().max_retries)

    def _backoff(self, error: BaseException, *, starts: int = 1) -> float:
        """Seconds until the next try: full jitter, so that a fleet that failed together does not come back together."""
        asked: float = getattr(error, "after", None) or 0
        if asked > LONGEST_DELAY:
            return asked
        tries = max(self.request.retries, starts - 1)
        longest = min(LONGEST_DELAY, settings().retry_base * 2 ** min(tries, 20))
        return min(LONGEST_DELAY, round(asked + random.uniform(0, longest)))  # noqa: S311 - jitter, no secret


class RepeatedTask(PatientTask):
    """A task that is sent again anyhow as long as there is something to do, so when it fails it is not tried again."""

    abstract = True

    def try_again(self, error: BaseException) -> NoReturn:
        """Let it go; retried, the ticks of an outage would be a crowd at its end."""
        log.warning("this tick came to nothing, the next one does the same: %s", reason(error))
        raise Ignore(reason(error)) from error


class TickTask(RepeatedTask):
    """One of beat's ticks."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As any task; one that was done is counted, for an alarm sounds when none is."""
        done = super().__call__(*args, **kwargs)
        measure(DISCOVERY_RUNS)
        return done


class EpisodeTask(PatientTask):
    """A task that works on one episode, under its lease."""

    abstract = True

    def work_on(self, episode_id: str, do: Callable[[Work], None]) -> EpisodeStatus:
        """Make an attempt at the episode, with this message's number of tries.

        Returns the episode's status; an episode that had ended before needs nothing.

        Raises:
            LeaseHeld: another worker is at it.
            Waits: it is to be tried again later than a message can be delayed; discovery finds it then.
            AirdateError: the work failed; its class says what becomes of the message.
        """
        receipt = self.receipt  # read here: Celery keeps the request by thread
        bind(episode=episode_id)
        tracing.annotate(episode=episode_id)
        try:
            episode = attempt(
                studio(),
                episode_id,
                _within_time(do),
                holder=_holder(),
                last_try=self.is_last_try,
                backoff=lambda starts, error: self._backoff(error, starts=starts),
                handed_on=lambda: receipt in lost_messages,
            )
        except (TryAgainIn, ProviderPaused) as error:
            if error.seconds > LONGEST_DELAY:
                studio().database.claims.put_off(episode_id, studio().now() + timedelta(seconds=error.seconds))
                raise Waits(episode_id, error.seconds) from error
            raise
        finally:
            _have_listeners_told()
        return self._ended(episode)

    def nothing_due(self, podcast_id: str) -> str:
        """Answer a message that finds no episode to make: done, unless the last one failed."""
        newest = studio().database.episodes.newest(podcast_id=podcast_id, limit=1)
        if newest:
            self._ended(newest[0])
        return f"{podcast_id}: nothing due"

    def _ended(self, episode: Episode) -> EpisodeStatus:
        # The message of a failed episode comes back until redrive makes it a dead letter.
        if episode.failure is not None and episode.status is EpisodeStatus.FAILED:
            self.dead_letter(f"episode {episode.id} failed at {episode.failure.stage}: {episode.failure.reason}")
        return episode.status


def _within_time(do: Callable[[Work], None]) -> Callable[[Work], None]:
    def done(work: Work) -> None:
        try:
            do(work)
        except SoftTimeLimitExceeded as error:
            raise Retryable(
                f"it took longer than {settings().soft_time_limit:g} s (AIRDATE_SOFT_TIME_LIMIT)"
            ) from error

    return done


def _have_listeners_told() -> None:
    """Have told at once what was just written down; when that fails, the next tick has it told."""
    try:
        check_notices(discovery())
    except Exception as error:  # noqa: BLE001 - what became of the episode must not be lost over it
        log.warning("listeners are told by the next tick: %s", reason(error))


def _holder() -> str:
    return f"{socket.gethostname()} pid {os.getpid()}"


def _fields(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'the message'} is {str(problem['input'])[:80]!r}: {problem['msg']}"
        for problem in error.errors()
    )


def _plain(error: BaseException) -> Exception:
    # Celery pickles the exception of a retry between processes; a driver's own classes may not survive that.
    return RuntimeError(reason(error))

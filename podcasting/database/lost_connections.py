"""Database work that is done again when its connection was lost: a restart of some seconds costs no stage's work.

What may be done again is decided by what is known of the first time:

- Nothing was sent, since no connection was to be had: anybody's work waits for one (:func:`when_reachable`).
- It only reads: each statement may be sent again (:func:`read` in :mod:`podcasting.database.connection`).
- It writes, and was broken off before its COMMIT was sent, or the server says it rolled it back (deadlock,
  serialization): nothing of it was kept, so any write may be done again (:func:`again_if_undone`).
- Its COMMIT was sent and the answer lost: it may have been kept. Only a write that comes to the same when done
  twice may be done again (:func:`again`), such as those that carry a lease's number and absolute times.

All waits of one call together last ten seconds at most; then the driver's error is raised, which makes a task's
message be tried again later.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.exc import DBAPIError
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

log = logging.getLogger(__name__)

LOST = frozenset({"57P01", "57P02", "57P03", "57P05"})
"""SQLSTATEs of a server that goes, crashes, is not there yet, or ends an idle session; class 08 is all of the same.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""
UNDONE = frozenset({"40001", "40P01"})
"""SQLSTATEs of a transaction that the server rolled back so that another could go on: serialization, deadlock."""
COMING_OR_GOING = ("starting up", "shutting down", "in recovery mode", "not yet accepting connections")
"""What PostgreSQL says to who connects meanwhile; libpq hands on no SQLSTATE of a refused connection."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Patience:
    """How long lost connections are waited out, in seconds."""

    seconds: float = 10
    """All the waits of one call together."""
    first_wait: float = 0.2
    """The longest of the first wait; each may be twice as long as the one before, with full jitter."""
    longest_wait: float = 1
    sleep: Callable[[float], None] = time.sleep


_patience: ContextVar[Patience | None] = ContextVar("patience", default=None)


@contextmanager
def patience(chosen: Patience) -> Iterator[None]:
    """Wait so for lost connections in the ``with`` block, in this thread."""
    token = _patience.set(chosen)
    try:
        yield
    finally:
        _patience.reset(token)


@dataclass
class _Call:
    """One call, with all its tries."""

    began: float = field(default_factory=time.monotonic)
    waited: float = 0
    committing: bool = False
    """Whether the try at hand has sent a COMMIT."""


_call: ContextVar[_Call | None] = ContextVar("call", default=None)


def watch(engine: Engine) -> None:
    """Have this engine know a lost connection, and its calls whether a COMMIT was sent; both need it."""
    event.listen(engine, "commit", _committing)
    event.listen(engine, "handle_error", _tell_lost)


def _committing(_connection: Connection) -> None:
    if (call := _call.get()) is not None:
        call.committing = True


def _tell_lost(context: ExceptionContext) -> None:
    # SQLAlchemy asks whether the connection is closed. It may not be yet: a proxy says that it lost the server, and
    # hangs up only then. Nor is one of use that is out of step, which the driver calls an internal error of its own.
    error = context.original_exception
    state = _sqlstate(error)
    if _is_of_a_loss(state) or (not state and type(error).__name__ == "InternalError"):
        context.is_disconnect = True


def is_lost(error: BaseException) -> bool:
    """Whether the error is that a connection broke, or its server is going or not yet there."""
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or _is_of_a_loss(_sqlstate(error.orig))


def _is_of_a_loss(state: str) -> bool:
    return state in LOST or state.startswith("08")


def is_undone(error: BaseException) -> bool:
    """Whether the server says that it rolled the transaction back, and to try again."""
    return isinstance(error, DBAPIError) and _sqlstate(error.orig) in UNDONE


def _sqlstate(error: BaseException | None) -> str:
    return getattr(error, "sqlstate", None) or ""  # SQLite's errors have none: what is locked stays an error


def again(method: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Do a write again when its connection was lost, even if the first time may have been kept.

    For a method that is one transaction, and comes to the same when it is done twice.
    """

    @wraps(method)
    def patient(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return _try(lambda: method(*args, **kwargs), lambda error: is_lost(error) or is_undone(error))

    return patient


def again_if_undone(method: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Do a write again when its connection was lost and nothing of it was kept.

    For a method that is one transaction, and counts, claims or adds.
    """

    @wraps(method)
    def patient(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        def safe(error: BaseException) -> bool:
            call = _call.get()
            unsent = call is not None and not call.committing
            return is_undone(error) or (unsent and is_lost(error))

        return _try(lambda: method(*args, **kwargs), safe)

    return patient


def again_reading(statement: Callable[[], Result]) -> Result:
    """Send a statement that only reads, and again when its connection was lost."""
    return _try(statement, is_lost)


def when_reachable(connect: Callable[[], Result], *, refusal: type[Exception], known: bool) -> Result:
    """Connect, and wait for the server when it is gone for a moment.

    ``refusal`` is the driver's error of a connection that failed. ``known`` says that this address once answered:
    one that never did is more likely wrong than away, and only a server that says it is starting or stopping is
    waited for.
    """

    def is_away(error: BaseException) -> bool:
        return isinstance(error, refusal) and (known or any(words in str(error) for words in COMING_OR_GOING))

    return _try(connect, is_away, connecting=True)


def _try(work: Callable[[], Result], safe: Callable[[BaseException], bool], *, connecting: bool = False) -> Result:
    outer = _call.get()
    if outer is not None and not connecting:
        return work()  # a part of a call that is tried again as a whole
    call = outer or _Call()
    token = _call.set(call)
    try:
        return _retrying(call, _patience.get() or Patience(), safe)(_each(call, work, connecting=connecting))
    finally:
        _call.reset(token)


def _each(call: _Call, work: Callable[[], Result], *, connecting: bool) -> Callable[[], Result]:
    def one() -> Result:
        if not connecting:
            call.committing = False
        return work()

    return one


def _retrying(call: _Call, patience: Patience, safe: Callable[[BaseException], bool]) -> Retrying:
    def over(_state: RetryCallState) -> bool:
        return max(call.waited, time.monotonic() - call.began) >= patience.seconds

    def sleep(seconds: float) -> None:
        call.waited += seconds
        patience.sleep(seconds)

    return Retrying(
        retry=retry_if_exception(safe),
        stop=over,
        wait=wait_random_exponential(multiplier=patience.first_wait, max=patience.longest_wait),
        sleep=sleep,
        before_sleep=_tell,
        reraise=True,
    )


def _tell(state: RetryCallState) -> None:
    error: Any = state.outcome.exception() if state.outcome else None
    cause = " ".join(str(getattr(error, "orig", error)).split())
    log.warning("the database's connection was lost; trying again (%d): %s", state.attempt_number, cause)

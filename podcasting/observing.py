"""Who watches the work: each stage, each call of a provider, each failure is told to an observer. Silent by default."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Protocol


class Observer(Protocol):
    """Is told what happens, by several threads at once. Never raises, and never holds up the work."""

    def stage(self, stage: str) -> AbstractContextManager[object]:
        """A stage is being made within this context; an error that leaves it is the stage's."""
        ...

    def call(self, provider: str) -> AbstractContextManager[object]:
        """An outside provider is being asked within this context; an error that leaves it is its answer.

        ``provider`` is its name as its breaker has it: a web host, ``writer NAME``, ``voice NAME``, a store.
        """
        ...

    def episode_failed(self, stage: str, error: BaseException) -> None:
        """An episode failed for good; told once for each."""
        ...

    def fault(self, error: BaseException) -> None:
        """Something went wrong that nobody foresaw: a fault of Airdate's own."""
        ...

    def alarm(self, line: str) -> None:
        """An alarm was told; those like it that follow are counted, and not told."""
        ...


class Silent:
    """An observer that tells nobody."""

    def stage(self, stage: str) -> AbstractContextManager[object]:  # noqa: ARG002 - the port's signature
        """See :class:`Observer`."""
        return NOTHING

    def call(self, provider: str) -> AbstractContextManager[object]:  # noqa: ARG002 - the port's signature
        """See :class:`Observer`."""
        return NOTHING

    def episode_failed(self, stage: str, error: BaseException) -> None:
        """See :class:`Observer`."""

    def fault(self, error: BaseException) -> None:
        """See :class:`Observer`."""

    def alarm(self, line: str) -> None:
        """See :class:`Observer`."""


NOTHING: AbstractContextManager[object] = nullcontext()
SILENT = Silent()

_account: ContextVar[Callable[[float], None] | None] = ContextVar("account", default=None)


def spent(dollars: float) -> None:
    """For a provider that costs money: the call at hand cost so many US dollars.

    Called by a writer, a voice or a store of one's own while it is asked; without a call at hand nobody is told.

    Raises:
        ValueError: it is no amount.
    """
    if not (math.isfinite(dollars) and dollars >= 0):
        raise ValueError(f"spent({dollars!r}): say what the call cost, in US dollars, as a number from 0 up")
    account = _account.get()
    if account is not None:
        account(dollars)


@contextmanager
def on_account(account: Callable[[float], None]) -> Iterator[None]:
    """What is spent within this context is told to ``account``, in US dollars."""
    token = _account.set(account)
    try:
        yield
    finally:
        _account.reset(token)

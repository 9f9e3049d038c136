"""Who watches the work: each stage, each call of a provider, each failure is told to an observer. Silent by default."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import NamedTuple, Protocol


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


class Expense(NamedTuple):
    """What a provider was asked, and what it cost."""

    provider: str
    """As its breaker has it: ``writer openai:gpt-5-mini``, ``voice polly:neural``."""
    calls: int = 1
    input_tokens: int = 0
    output_tokens: int = 0
    characters: int = 0
    """Of text that was spoken."""
    dollars: float | None = None
    """US dollars; None where the price is not known."""

    def __add__(self, other: object) -> Expense:
        """Both together, of one provider."""
        if not isinstance(other, Expense):
            return NotImplemented
        known = [each.dollars for each in (self, other) if each.dollars is not None]
        return Expense(
            self.provider,
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.characters + other.characters,
            sum(known) if known else None,
        )


Account = Callable[[Expense], None]

_provider: ContextVar[str] = ContextVar("provider", default="")
_accounts: ContextVar[tuple[Account, ...]] = ContextVar("accounts", default=())


def spent(dollars: float | None, *, input_tokens: int = 0, output_tokens: int = 0, characters: int = 0) -> None:
    """For a provider that costs money: what the call at hand used, and cost in US dollars (None: nobody knows).

    Called by a writer, a voice or a store of one's own while it is asked, once for each of its own requests; without
    a call at hand nobody is told.

    Raises:
        ValueError: it is no amount.
    """
    if dollars is not None and not (math.isfinite(dollars) and dollars >= 0):
        raise ValueError(f"spent({dollars!r}): say what the call cost, in US dollars, as a number from 0 up")
    expense = Expense(_provider.get(), 1, input_tokens, output_tokens, characters, dollars)
    for account in _accounts.get():
        account(expense)


@contextmanager
def on_account(account: Account) -> Iterator[None]:
    """What is spent within this context is told to ``account``, beside those of the contexts around it."""
    token = _accounts.set((*_accounts.get(), account))
    try:
        yield
    finally:
        _accounts.reset(token)


@contextmanager
def asked(provider: str) -> Iterator[None]:
    """What is spent within this context is spent on ``provider``."""
    token = _provider.set(provider)
    try:
        yield
    finally:
        _provider.reset(token)

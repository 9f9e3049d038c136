"""Leave to ask an outside provider, for who has to wait between getting it and asking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Confirm = Callable[[], None]
"""Returns if the provider of the call at hand may still be asked; raises ProviderPaused if not."""

_confirm: ContextVar[Confirm | None] = ContextVar("confirm", default=None)


def still_given() -> None:
    """Called by a provider after it waited (for its turn at a host, say) and before it asks: much may have changed.

    Without a call at hand nobody forbids it.

    Raises:
        ProviderPaused: the provider is not to be asked now; says for how long.
    """
    confirm = _confirm.get()
    if confirm is not None:
        confirm()


@contextmanager
def given(confirm: Confirm) -> Iterator[None]:
    """Within this context :func:`still_given` asks ``confirm``."""
    token = _confirm.set(confirm)
    try:
        yield
    finally:
        _confirm.reset(token)

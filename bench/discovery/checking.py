"""What must hold while it is measured: a quick discovery that leaves half of it out would be no result."""

from __future__ import annotations


class Wrong(RuntimeError):
    """What was measured did not do its work."""


def require(holds: object, otherwise: object) -> None:
    """Go on only if it holds.

    Raises:
        Wrong: it does not; says ``otherwise``.
    """
    if not holds:
        raise Wrong(otherwise)

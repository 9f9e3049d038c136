"""A sender that remembers what it was given."""

from __future__ import annotations

from collections.abc import Sequence

from publishers.fanout import Outgoing


class RecordingSender:
    """Sends nothing; ``refused`` are the groups (podcast ids) whose messages fail."""

    def __init__(self, *, refused: Sequence[str] = ()) -> None:
        self.refused = set(refused)
        self.calls: list[list[Outgoing]] = []
        """What each call was given, refused or not."""

    def send(self, outgoing: Sequence[Outgoing]) -> dict[int, str]:
        self.calls.append(list(outgoing))
        return {position: "refused" for position, item in enumerate(outgoing) if item.group in self.refused}

    @property
    def sent(self) -> list[Outgoing]:
        """All that was not refused, in order."""
        return [item for call in self.calls for item in call if item.group not in self.refused]

"""How much is kept of a source: what an episode can need, and no more than a worker can hold."""

from __future__ import annotations

MAX_ENTRIES = 1000
"""Of one source."""
MAX_TEXT_CHARACTERS = 50_000
MAX_TITLE_CHARACTERS = 300
MAX_KEY_CHARACTERS = 1000

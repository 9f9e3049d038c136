"""The poisonous messages: the corpus of the transport's tests, and forgeries that only Airdate's tasks can tell."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tests.fakes.poison import POISON, REJECTED_BY_CELERY, UNSENDABLE

LONGEST_BYTES = 256 * 1024
"""Of a message, as the emulator has it; SQS itself takes more since 2025."""
_CORPUS = {
    name: body
    for name, body in (POISON | REJECTED_BY_CELERY).items()
    if name not in UNSENDABLE and len(body.encode("utf-8", "surrogatepass")) < LONGEST_BYTES
}
_GENERATION: dict[str, Any] = {
    "version": "1.0",
    "type": "podcast_generation",
    "data": {"podcastId": "forged", "title": "Forged", "frequency": 1, "latestEpisodeDate": None},
    "metadata": {"retryCount": 0, "source": "podcast_scheduler"},
}
_PROCESSING: dict[str, Any] = {
    "version": "1.0",
    "type": "episode_processing",
    "data": {
        "episodeId": "forged",
        "podcastId": "forged",
        "status": "completed",
        "timestamp": "2026-11-24T06:00:00Z",
    },
    "metadata": {"retryCount": 0, "source": "episode_checker"},
}


def _forgeries() -> dict[str, str]:
    bodies = {
        "a podcast that nobody has": _GENERATION,
        "an episode that nobody has": _PROCESSING,
        "a generation message of version 2": _GENERATION | {"version": "2.0"},
        "a processing message of version 2": _PROCESSING | {"version": "2.0"},
        "a generation message without data": _GENERATION | {"data": {}},
        "a processing message of an id that climbs": _PROCESSING
        | {"data": _PROCESSING["data"] | {"episodeId": "../../etc/passwd"}},
        "a generation message with a status too many": _GENERATION | {"status": "published"},
        "a processing message of a status that is none": _PROCESSING
        | {"data": _PROCESSING["data"] | {"status": "happy"}},
    }
    return {f"forged: {name}": json.dumps(body) for name, body in bodies.items()}


BODIES = _CORPUS | _forgeries()
"""Raw SQS bodies by name. No two are alike, so that a body tells its name."""
NAMES = tuple(sorted(BODIES))


def digest(body: str) -> str:
    """By what a body is known again, wherever it turns up."""
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()

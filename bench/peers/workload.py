"""What every peer sends: the message that Airdate's episode checker sends, to a task that does nothing."""

from __future__ import annotations

import os

ENDPOINT = os.environ.get("PEER_ENDPOINT", "")
QUEUE = os.environ.get("PEER_QUEUE", "")
QUEUE_URL = os.environ.get("PEER_QUEUE_URL", "")
REGION = "us-east-1"
KEY = "peer"
MESSAGE = {
    "version": "1.0",
    "type": "episode_processing",
    "data": {
        "episodeId": "7b1f6c1e-64f2-4c53-9d4e-0c2f3a1b5d6e",
        "podcastId": "morning-news",
        "status": "completed",
        "timestamp": "2026-11-25T06:00:00Z",
    },
    "metadata": {"retryCount": 0, "source": "episode_checker"},
}

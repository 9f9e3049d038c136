"""What a web app in any language may put on a queue as it is, and the task that it becomes."""

from __future__ import annotations

from publishers.queues import Task

TASKS = {"podcast_generation": Task.GENERATE_PODCAST, "episode_processing": Task.PROCESS_EPISODE}
"""By the message's ``type``, which a message of any version has; the task itself validates the rest."""


def task_for(body: object) -> tuple[str, list[object]] | None:
    """The task and its arguments for a parsed JSON body, or None for one that is not ours."""
    kind = body.get("type") if isinstance(body, dict) else None
    task = TASKS.get(kind) if isinstance(kind, str) else None
    return (task.value, [body]) if task else None

"""A queue as SQS describes it, against the settings. Asks nobody: it is handed the attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tasks.readiness.findings import Finding, fail, warn

AREA = "queues"
TEMPLATE = "airdate deploy --only messaging"


def visibility_agrees(name: str, url: str, attributes: Mapping[str, str], wanted: int) -> Iterator[Finding]:
    """Whether the queue keeps a message from others for as long as the workers think (``wanted`` seconds).

    A worker extends first after a third of what it thinks.
    """
    seconds = int(attributes.get("VisibilityTimeout", "30"))
    if seconds == wanted:
        return
    doubled = seconds <= wanted / 3
    judge = fail if doubled else warn
    then = (
        f"a message is handed to another worker before the first extension, after {wanted / 3:.0f} s"
        if doubled
        else f"a message whose worker died at once comes back after {seconds} s, not {wanted}"
    )
    yield judge(
        AREA,
        f"{name}: its VisibilityTimeout is {seconds} s and AIRDATE_VISIBILITY_TIMEOUT {wanted}: {then}",
        f"aws sqs set-queue-attributes --queue-url {url} --attributes VisibilityTimeout={wanted}"
        f"   (or set AIRDATE_VISIBILITY_TIMEOUT={seconds})",
    )

"""Who may speak to a queue and how, as the template has it. Asks nobody: it is handed the attributes.

Emulators keep none of this, so only queues on AWS itself are looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from operations.doctor.restoring import refusing_plain, taking_from, with_attribute
from tasks.readiness.findings import Finding, fail, warn
from tasks.readiness.queue_attributes import AREA

RETENTION = {"discovery": 3600, "podcast-generation": 345_600, "episode-processing": 345_600}
"""Seconds for which the template's queues keep a message; a test holds them together."""


def tls_only(name: str, url: str, attributes: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the queue refuses whoever comes without TLS."""
    if not any(map(_refuses_plain, _statements(attributes.get("Policy")))):
        yield warn(
            AREA,
            f"{name}: it may be spoken to without TLS: its policy does not refuse that",
            refusing_plain(url, attributes.get("QueueArn", "")),
        )


def takes_from(name: str, url: str, source_arn: str, attributes: Mapping[str, str]) -> Iterator[Finding]:
    """Whether a dead-letter queue (its ``url`` and ``attributes``) takes from this queue, and from no other."""
    fix = taking_from(url, source_arn)
    policy = _parsed(attributes.get("RedriveAllowPolicy")) or {"redrivePermission": "allowAll"}
    sources = policy.get("sourceQueueArns") or []
    match policy.get("redrivePermission"):
        case "byQueue" if source_arn in sources:
            if others := [arn.rpartition(":")[2] for arn in sources if arn != source_arn]:
                yield warn(AREA, f"{name}: its dead-letter queue takes from {', '.join(others)} too", fix)
        case "allowAll":
            yield warn(AREA, f"{name}: its dead-letter queue takes from any queue of the account", fix)
        case _:
            yield fail(
                AREA,
                f"{name}: its dead-letter queue does not take from it: its RedriveAllowPolicy is {policy}",
                fix,
            )


def kept_as_the_template_says(name: str, url: str, attributes: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the queue keeps a message for as long as the template's."""
    seconds, wanted = int(attributes.get("MessageRetentionPeriod", "345600")), RETENTION.get(name)
    if wanted is not None and seconds != wanted:
        yield warn(
            AREA,
            f"{name}: it keeps messages for {seconds} s, and the template's for {wanted} s",
            with_attribute(url, "MessageRetentionPeriod", wanted),
        )


def _statements(policy: str | None) -> list[dict[str, Any]]:
    found = _parsed(policy).get("Statement", [])
    return found if isinstance(found, list) else [found]


def _parsed(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _refuses_plain(statement: Mapping[str, Any]) -> bool:
    conditions = {
        operator.lower(): {key.lower(): str(value).lower() for key, value in keys.items()}
        for operator, keys in statement.get("Condition", {}).items()
    }
    actions = statement.get("Action")
    return (
        statement.get("Effect") == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"})
        and actions in ("sqs:*", "SQS:*", ["sqs:*"], "*")
        and conditions == {"bool": {"aws:securetransport": "false"}}
    )

"""What is in the dead-letter queues, and whether it belongs there."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from chaos.auditor.triggers import Tables
from chaos.auditor.verdict import DeadLetter, Verdict


def dead_letters(sqs: Any, urls: dict[str, str]) -> list[DeadLetter]:
    """All messages of the dead-letter queues, by the names of their queues. They stay there, invisible for a while."""
    found: list[DeadLetter] = []
    for queue, url in urls.items():
        seen: set[str] = set()
        empty = 0
        while empty < 3:  # noqa: PLR2004 - SQS may answer with none though there are some
            answer = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=3600, WaitTimeSeconds=0
            )
            messages = [each for each in answer.get("Messages", []) if each["MessageId"] not in seen]
            empty = 0 if messages else empty + 1
            for message in messages:
                seen.add(message["MessageId"])
                body = message["Body"]
                digest = hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()
                found.append(DeadLetter(queue, digest, _podcast_of(body)))
    return found


def judge_dead_letters(
    verdict: Verdict, poison: Collection[tuple[str, str]], dead: Sequence[DeadLetter], tables: Tables
) -> None:
    """Every poison must be here, and else only the messages of explained failures."""
    sent = set(poison)
    found = Counter((letter.queue, letter.digest) for letter in dead)
    verdict.poison_dead = sum(each in found for each in sent)
    for queue, digest in sorted(sent - set(found)):
        verdict.complaints.append(f"poison {digest[:12]} of {queue} is in no dead-letter queue")
    again = sum(found[each] - 1 for each in sent if found[each] > 1)
    if again:
        verdict.notes.append(
            f"{again} poisonous messages are in their dead-letter queue twice: their worker was "
            "killed between copying and deleting"
        )
    failed = {row["podcast_id"] for row in tables.episodes if row["status"] == "failed"}
    explained = 0
    for letter in dead:
        if (letter.queue, letter.digest) in sent:
            continue
        if letter.podcast in failed:
            explained += 1
            continue
        verdict.complaints.append(
            f"a dead letter of {letter.queue} that is neither poison nor of a failure: "
            f"{letter.digest[:12]}, about {letter.podcast or 'no podcast'}"
        )
    if explained:
        verdict.notes.append(f"{explained} dead letters are the messages of explained failures")


def _podcast_of(body: str) -> str | None:
    for value in _readings(body):
        arguments = value.get("data")
        if isinstance(arguments, dict) and isinstance(arguments.get("podcastId"), str):
            return str(arguments["podcastId"])
    return None


def _readings(body: str) -> Iterator[dict[str, Any]]:
    """The message that a body holds: bare, or as the one argument of a task in kombu's envelope."""
    outer = _parsed(body)
    if not isinstance(outer, dict):
        return
    yield outer
    inner = outer.get("body")
    if not isinstance(inner, str):
        return
    call = _parsed(inner)
    if call is None:
        try:
            call = _parsed(base64.b64decode(inner, validate=True).decode())
        except ValueError:
            return
    yield from _dictionaries(call)


def _dictionaries(call: Any) -> Iterable[dict[str, Any]]:
    arguments = call[0] if isinstance(call, list) and call else []
    return [each for each in arguments if isinstance(each, dict)] if isinstance(arguments, list) else []


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None

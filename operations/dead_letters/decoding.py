"""What a dead letter is: Celery's, a foreign producer's, or broken; whose it is, and what is wrong with it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from kombu.compression import decompress
from pydantic import ValidationError

from broker.dead_letters import REASON, SOURCE_ID
from broker.envelope import JSON, Poison, read
from publishers.foreign import task_for
from publishers.messages import EpisodeProcessingMessage, PodcastGenerationMessage
from publishers.queues import Task

MODELS: dict[str, type[EpisodeProcessingMessage] | type[PodcastGenerationMessage]] = {
    Task.GENERATE_PODCAST: PodcastGenerationMessage,
    Task.PROCESS_EPISODE: EpisodeProcessingMessage,
}
"""What each task that works on episodes takes, as its one argument; discovery's take none."""
TOLD = (REASON, SOURCE_ID)
"""The attributes that a copy of poison carries; a message that is sent again has them no more."""
SHOWN_CHARACTERS = 80


class Form(StrEnum):
    """How a message is written."""

    CELERY = "celery"
    FOREIGN = "foreign"
    """The bare JSON of a producer in any language."""
    BROKEN = "broken"


@dataclass(frozen=True)
class DeadLetter:
    """One message of a dead-letter queue."""

    queue: str
    """The queue that it was in, as Celery knows it."""
    message_id: str
    body: str
    form: Form
    task: str | None = None
    payload: Any = None
    """The message that the task is given; None where there is none."""
    retries: int = 0
    """How often Celery tried its task again."""
    expires: datetime | None = None
    problem: str = ""
    """Why no task would take it; empty when one would."""
    problem_kind: str = ""
    """The same without what is of this message alone."""
    podcast_id: str | None = None
    episode_id: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """As SQS gave them: name → DataType and StringValue or BinaryValue."""
    system: Mapping[str, str] = field(default_factory=dict)

    @property
    def told_reason(self) -> str:
        """Why the transport made it a dead letter; empty for one that SQS redrove."""
        return str(self.attributes.get(REASON, {}).get("StringValue", ""))

    @property
    def group(self) -> str | None:
        """Its MessageGroupId."""
        return self.system.get("MessageGroupId")

    @property
    def sent_at(self) -> datetime | None:
        """When it was sent; a copy of poison: when it was copied."""
        return _moment(self.system.get("SentTimestamp"))

    @property
    def first_received_at(self) -> datetime | None:
        """When it was first received."""
        return _moment(self.system.get("ApproximateFirstReceiveTimestamp"))

    @property
    def received(self) -> int:
        """How often SQS says that it was received, looks at it included."""
        return int(self.system.get("ApproximateReceiveCount", 0))

    @property
    def short_task(self) -> str:
        """The task's name as logs have it; a dash for none."""
        return self.task.rpartition(".")[2] if self.task else "–"

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.body.encode(errors="surrogatepass"))


def decode(message: Mapping[str, Any], queue: str) -> DeadLetter:
    """Read a received message, whatever is in it. Never raises for what it holds."""
    body = str(message.get("Body", ""))
    message_id = str(message["MessageId"])
    found: dict[str, Any]
    try:
        found = _read(unwrapped(body), message_id)
    except Poison as poison:
        found = {"form": Form.BROKEN, "problem": str(poison), "problem_kind": kind_of(str(poison))}
    except Exception as error:  # noqa: BLE001 - an operator has to see what nobody thought of, too
        found = {"form": Form.BROKEN, "problem": f"it cannot be read: {type(error).__name__}"}
    return DeadLetter(
        queue=queue,
        message_id=message_id,
        body=body,
        attributes=message.get("MessageAttributes", {}),
        system=message.get("Attributes", {}),
        **found,
    )


def kind_of(poison: str) -> str:
    """What is wrong with poison, without what is of this message alone; from the words of the transport's reason."""
    what, found, wanted = poison.rpartition("; it should be ")
    if found:
        return f"{what.partition(' is ')[0]} should be {wanted}"
    return poison.partition(": ")[0].partition(" (")[0]


def unwrapped(body: str) -> str:
    """The text of a body, which a producer of kombu's may have put in base64."""
    try:
        decoded = base64.b64decode(body.strip(), validate=True)
        whole = base64.b64encode(decoded).rstrip(b"=") == body.strip().rstrip("=").encode()
        return decoded.decode() if whole and decoded else body
    except (binascii.Error, ValueError):
        return body


def validated(task: str, payload: Any) -> EpisodeProcessingMessage | PodcastGenerationMessage:
    """The message as its task validates it.

    Raises:
        ValidationError: it is none; :func:`fields_of` says where.
    """
    return MODELS[task].model_validate(payload)


def fields_of(error: ValidationError) -> list[tuple[str, str, str]]:
    """What is wrong with a message: each field, its value and what it should be."""
    return [
        (
            ".".join(map(str, problem["loc"])) or "the message",
            "missing" if problem["type"] == "missing" else _short(problem["input"]),
            problem["msg"],
        )
        for problem in error.errors()
    ]


def in_words(fields: list[tuple[str, str, str]]) -> str:
    """The same in one line."""
    return "; ".join(f"{name} is {value}: {wanted}" for name, value, wanted in fields)


def _read(text: str, message_id: str) -> dict[str, Any]:
    envelope = read(text, message_id, [task_for])
    parsed = json.loads(text)
    foreign = not ("properties" in parsed and "body" in parsed)
    found: dict[str, Any] = {"form": Form.FOREIGN if foreign else Form.CELERY}
    headers = envelope["headers"]
    if envelope.get("content-type") != JSON:
        return found | _wrong(
            f"its content type is {_short(envelope.get('content-type'))}; workers take {JSON} alone",
            "its content type is none that workers take",
            task=_text(headers.get("task")),
        )
    content = json.loads(_raw(envelope))
    if "task" in headers:
        arguments, keywords, _ = content
    elif isinstance(content, dict) and "task" in content:  # protocol 1
        headers = {**content, **headers}
        arguments, keywords = content.get("args", []), content.get("kwargs", {})
    else:
        return found | _wrong("it names no task", payload=content)
    found |= {"task": headers["task"], "retries": headers.get("retries") or 0, "expires": _expiry(headers)}
    return found | _arguments(headers["task"], arguments, keywords)


def _raw(envelope: Mapping[str, Any]) -> bytes:
    raw: bytes = envelope["body"].encode()
    if envelope["properties"].get("body_encoding") == "base64":
        raw = base64.b64decode(raw)
    compression = envelope["headers"].get("compression")
    return bytes(decompress(raw, compression)) if compression else raw


def _arguments(task: str, arguments: list[Any], keywords: dict[str, Any]) -> dict[str, Any]:
    payload = arguments[0] if arguments else keywords.get("message")
    data = payload.get("data") if isinstance(payload, dict) else None
    ids = {
        name: _text(data.get(key)) if isinstance(data, dict) else None
        for name, key in (("podcast_id", "podcastId"), ("episode_id", "episodeId"))
    }
    return {"payload": payload, **ids, **_misfit(task, arguments, keywords, payload)}


def _misfit(task: str, arguments: list[Any], keywords: dict[str, Any], payload: Any) -> dict[str, Any]:
    if task not in list(Task):
        return _wrong(f"no task is called {_short(task)}")
    given, taken = len(arguments) + len(keywords), int(task in MODELS)
    if given != taken or (keywords and "message" not in keywords):
        wanted = "one argument, the message" if taken else "no arguments"
        return _wrong(f"{given} arguments; the task takes {wanted}", f"the task takes {wanted}")
    try:
        if taken:
            validated(task, payload)
    except ValidationError as error:
        fields = fields_of(error)
        kind = "; ".join(f"{name}: {wanted}" for name, _, wanted in fields)
        return _wrong(f"not a message this task takes: {in_words(fields)}", f"invalid: {kind}")
    except RecursionError:
        return _wrong("nested too deeply")
    return {}


def _wrong(problem: str, kind: str = "", **found: Any) -> dict[str, Any]:
    return {"problem": problem, "problem_kind": kind or problem, **found}


def _expiry(headers: Mapping[str, Any]) -> datetime | None:
    value = headers.get("expires")
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _moment(milliseconds: str | None) -> datetime | None:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC) if milliseconds else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _short(value: Any) -> str:
    try:
        shown = repr(value)
    except (RecursionError, ValueError):  # too deep, or a number of too many digits
        shown = "too much to show"
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}…"


def as_sent_again(letter: DeadLetter) -> str:
    """The body to send: the same, but that Celery counts its retries from nothing.

    Of Celery's message, the count is in the envelope's headers, and one given up has the most there are. A body
    that is not Celery's, or was never tried again, is left untouched.
    """
    if letter.form is not Form.CELERY or not letter.retries:
        return letter.body
    text = unwrapped(letter.body)
    return _rewritten(letter.body, text, lambda parsed: parsed["headers"].update(retries=0))


def with_payload(letter: DeadLetter, payload: Any) -> str:
    """The body to send instead, with another message in it; in Celery's envelope if the letter has one."""
    if letter.form is not Form.CELERY or letter.task not in MODELS:
        return json.dumps(payload)
    text = unwrapped(letter.body)

    def put(parsed: dict[str, Any]) -> None:
        parsed["headers"]["retries"] = 0
        parsed["headers"].pop("compression", None)
        parsed["properties"].pop("body_encoding", None)
        # Both show what the task was given, in logs and in Flower.
        parsed["headers"]["argsrepr"], parsed["headers"]["kwargsrepr"] = repr([payload]), "{}"
        options = json.loads(_raw(read(text, letter.message_id)))[2]
        parsed["body"] = json.dumps([[payload], {}, options])

    return _rewritten(letter.body, text, put)


def _rewritten(body: str, text: str, change: Callable[[dict[str, Any]], None]) -> str:
    parsed = json.loads(text)
    if "task" not in (parsed.get("headers") or {}):  # protocol 1 keeps its count inside; nobody of ours writes it
        return body
    change(parsed)
    written = json.dumps(parsed)
    return written if text == body else base64.b64encode(written.encode()).decode()

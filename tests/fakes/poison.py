"""Bodies that anybody can put on a queue: what no worker may die of, by what is wrong with each.

Raw SQS bodies, by name. ``POISON`` is what the broker itself refuses, with a reason; ``REJECTED_BY_CELERY``
is a message for Celery to refuse; ``HARMLESS`` must run, as the task ``TASK`` with any arguments.
"""

from __future__ import annotations

import base64
import bz2
import json
import lzma
import pickle
import zlib
from typing import Any

TASK = "celery_app.noop"
"""Of ``tests.fakes.celery_app``; what a body that is well but for its defect is for."""

ABSENT: Any = object()
"""In place of a value: the field is not there."""

BODY = [[], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
HEADERS = {"lang": "py", "task": TASK, "id": "5f1c", "root_id": "5f1c", "retries": 0, "timelimit": [None, None]}
PROPERTIES = {
    "correlation_id": "5f1c",
    "delivery_info": {"exchange": "", "routing_key": "work"},
    "delivery_tag": "d2",
    "body_encoding": None,
}
BOMB = zlib.compress(b" " * (65 * 1024 * 1024) + json.dumps(BODY).encode(), 9)


def message(body: Any = BODY, *, raw: Any = ABSENT, **changes: Any) -> str:
    """A message as Celery sends it, but for the changes: to its body, and to its headers by name.

    ``properties``, ``headers``, ``content_type``, ``content_encoding`` change the envelope, ``in_properties``
    and ``in_headers`` a part of it; ``raw`` is the text of the body.
    """
    envelope = {
        "body": json.dumps(body) if raw is ABSENT else raw,
        "content-type": changes.pop("content_type", "application/json"),
        "content-encoding": changes.pop("content_encoding", "utf-8"),
        "headers": changes.pop("headers", HEADERS),
        "properties": changes.pop("properties", PROPERTIES | changes.pop("in_properties", {})),
    }
    if changes:
        envelope["headers"] = _present({**HEADERS, **changes})
    if isinstance(envelope["properties"], dict):
        envelope["properties"] = _present(envelope["properties"])
    return json.dumps(_present(envelope))


def options(**changes: Any) -> str:
    """A message with changed options in its body: callbacks, chain and their like."""
    return message([[], {}, {**BODY[2], **changes}])  # type: ignore[dict-item]


def packed(data: bytes, **headers: Any) -> str:
    """A message whose body is these bytes."""
    return message(raw=base64.b64encode(data).decode(), in_properties={"body_encoding": "base64"}, **headers)


def protocol_1(**changes: Any) -> str:
    """A message as Celery 3 sent it."""
    fields = {"task": TASK, "id": "5f1c", "args": [], "kwargs": {}, "retries": 0, "eta": None, "expires": None}
    return message(_present({**fields, **changes}), headers={})


def signature(**changes: Any) -> dict[str, Any]:
    return _present({"task": TASK, "args": [], "kwargs": {}, "options": {}, **changes})


def wrapped(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not ABSENT}


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


_S3_EVENT = {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "feeds"}, "object": {"key": "a.xml"}}}]}
_NOTIFICATION = {"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:::t", "Message": "hello"}

UNSENDABLE = ("an empty string", "a raw NUL")
"""What SQS itself does not take."""

NO_MESSAGE: dict[str, str] = {
    "plain text": "hello",
    "an empty string": "",
    "white space": " \n\t ",
    "JSON without properties": '{"body": "[]", "headers": {}}',
    "JSON without a body": json.dumps({"properties": PROPERTIES, "headers": HEADERS}),
    "a JSON object of nothing": "{}",
    "a JSON list": "[1, 2]",
    "a JSON number": "42",
    "a JSON null": "null",
    "a JSON true": "true",
    "a JSON text": '"properties body"',
    "NaN": "NaN",
    "a number of 5,000 digits": "9" * 5000,
    "an S3 event": json.dumps(_S3_EVENT),
    "an SNS notification": json.dumps(_NOTIFICATION),
    "XML": "<message/>",
    "a form": "Action=SendMessage&Version=2012-11-05",
    "half of a message": message()[:100],
    "two messages": message() * 2,
    "a byte order mark before a message": "\ufeff" + message(),
    "100,000 opening brackets": "[" * 100_000,
    "100,000 opening objects": '{"a":' * 100_000,
    "brackets as deep as JSON goes": json.dumps(_nested(400)),
    "a raw NUL": message().replace("5f1c", "\x00"),
    "a text of 200 KB": "lorem ipsum " * 17_000,
    "base64 of garbage": wrapped("garbage, not a message"),
    "base64 of bytes": wrapped(b"\xff\xfe\x00\x01"),
    "base64 of JSON that is no message": wrapped('{"hello": "world"}'),
    "base64 of a base64 message": wrapped(wrapped(message())),
    "a date that is none": '{"__type__": "datetime", "__value__": "yesterday"}',
    "a date in a message that is none": message(eta={"__type__": "datetime", "__value__": 5}),
    "a UUID that is none": message(x={"__type__": "uuid", "__value__": {"hex": "zz"}}),
    "a UUID of a list": message(x={"__type__": "uuid", "__value__": [1]}),
    "a UUID of surprising arguments": message(x={"__type__": "uuid", "__value__": {"self": 1}}),
    "a decimal that is none": message(x={"__type__": "decimal", "__value__": "one"}),
    "a type that nobody knows": message(x={"__type__": "socket", "__value__": 1}),
    "a type that is a list": message(x={"__type__": [], "__value__": 1}),
}
"""What is no message at all; its reason shows it."""

BROKEN: dict[str, tuple[str, str]] = {
    # The envelope.
    "properties null": (message(properties=None), "properties"),
    "properties a list": (message(properties=[]), "properties"),
    "properties a text": (message(properties="x"), "properties"),
    "properties a number": (message(properties=1), "properties"),
    "delivery_info a text": (message(in_properties={"delivery_info": "x"}), "properties.delivery_info"),
    "delivery_info a list": (message(in_properties={"delivery_info": []}), "properties.delivery_info"),
    "delivery_info a number": (message(in_properties={"delivery_info": 7}), "properties.delivery_info"),
    "reply_to an object": (message(in_properties={"reply_to": {}}), "properties.reply_to"),
    "correlation_id a list": (message(in_properties={"correlation_id": []}), "properties.correlation_id"),
    "headers a text": (message(headers="x"), "headers"),
    "headers an empty text": (message(headers=""), "headers"),
    "headers a list": (message(headers=[]), "headers"),
    "headers a number": (message(headers=1), "headers"),
    "headers nested too deeply": (message(x=_nested(120)), "nested too deeply"),
    "a content type that is a number": (message(content_type=5), "content-type"),
    "no content type": (message(content_type=ABSENT), "content-type"),
    "a content type of bytes": (message(content_type="application/data"), "content-type"),
    "a content type of text that Celery trusts": (
        message(raw="abc", content_type="application/text"),
        "content-type",
    ),
    "a content encoding that is a list": (message(content_encoding=[]), "content-encoding"),
    # The body's wrapping.
    "body a number": (message(raw=1), "body"),
    "body an object": (message(raw={}), "body"),
    "body a list": (message(raw=BODY), "body"),
    "body null": (message(raw=None), "body"),
    "body empty": (message(raw=""), "body"),
    "a body that is bad base64": (message(raw="abc", in_properties={"body_encoding": "base64"}), "body"),
    "a body of base64 beyond ASCII": (message(raw="ä===", in_properties={"body_encoding": "base64"}), "body"),
    "a body encoding that nobody knows": (message(in_properties={"body_encoding": "rot13"}), "body_encoding"),
    "a body encoding that is a number": (message(in_properties={"body_encoding": 64}), "body_encoding"),
    "a body encoding that is a list": (message(in_properties={"body_encoding": ["base64"]}), "body_encoding"),
    "a body that is not compressed as it says": (packed(b"[]", compression="zlib"), "body"),
    "a compressed body cut in half": (packed(zlib.compress(b"[]" * 99)[:-5], compression="zlib"), "body"),
    "a compressed body with another after it": (
        packed(bz2.compress(json.dumps(BODY).encode()) + bz2.compress(b" " * 99), compression="bzip2"),
        "body",
    ),
    "the same in LZMA": (
        packed(lzma.compress(json.dumps(BODY).encode()) + lzma.compress(b" " * 99), compression="xz"),
        "body",
    ),
    "a compression that nobody knows": (message(compression="middle-out"), "headers.compression"),
    "a compression that is a list": (message(compression=["zlib"]), "headers.compression"),
    "a bomb": (packed(BOMB, compression="zlib"), "body is a bomb"),
    "a bomb of LZMA": (packed(lzma.compress(b" " * (65 * 1024 * 1024), preset=0), compression="xz"), "body is a bomb"),
    # The task.
    "no id": (message(id=ABSENT), "headers.id"),
    "id null": (message(id=None), "headers.id"),
    "id empty": (message(id=""), "headers.id"),
    "id a number": (message(id=5), "headers.id"),
    "id a list": (message(id=["5f1c"]), "headers.id"),
    "id half a character": (message(id="\ud800"), "it.headers.id"),
    "a header named by half a character": (message(**{"\udfff": 1}), "a name in it.headers"),
    "a body that is half a character": (message(raw="\udc00"), "it.body"),
    "task null": (message(task=None), "headers.task"),
    "task a number": (message(task=5), "headers.task"),
    "task a list": (message(task=[TASK]), "headers.task"),
    "task an object": (message(task={}), "headers.task"),
    "root_id a number": (message(root_id=1), "headers.root_id"),
    "parent_id an object": (message(parent_id={}), "headers.parent_id"),
    "group a list": (message(group=[]), "headers.group"),
    "shadow a number": (message(shadow=5), "headers.shadow"),
    "argsrepr a list": (message(argsrepr=[]), "headers.argsrepr"),
    "retries a text": (message(retries="three"), "headers.retries"),
    "retries negative": (message(retries=-1), "headers.retries"),
    "retries true": (message(retries=True), "headers.retries"),
    "retries a fraction": (message(retries=1.5), "headers.retries"),
    "retries huge": (message(retries=10**30), "headers.retries"),
    "group_index a text": (message(group_index="1"), "headers.group_index"),
    "timelimit a number": (message(timelimit=5), "headers.timelimit"),
    "timelimit of one": (message(timelimit=[5]), "headers.timelimit"),
    "timelimit of three": (message(timelimit=[5, 5, 5]), "headers.timelimit"),
    "timelimit of texts": (message(timelimit=["5", "4"]), "headers.timelimit"),
    "timelimit negative": (message(timelimit=[-5, None]), "headers.timelimit"),
    "timelimit infinite": (message(timelimit=[float("inf"), None]), "headers.timelimit"),
    "timelimit not a number": (message(timelimit=[None, float("nan")]), "headers.timelimit"),
    "eta garbage": (message(eta="tomorrow"), "headers.eta"),
    "eta empty": (message(eta=""), "headers.eta"),
    "eta a number": (message(eta=1_800_000_000), "headers.eta"),
    "eta a list": (message(eta=[]), "headers.eta"),
    "eta in the year 1": (message(eta="0001-01-01T00:00:00+14:00"), "headers.eta"),
    "eta in the year 9999": (message(eta="9999-12-31T23:59:59-12:00"), "headers.eta"),
    "eta a date of kombu's": (message(eta={"__type__": "date", "__value__": "2026-11-24"}), "headers.eta"),
    "expires garbage": (message(expires="never"), "headers.expires"),
    "expires a number": (message(expires=60), "headers.expires"),
    "expires in the year 1": (message(expires="0001-01-01"), "headers.expires"),
    "stamped_headers a text": (message(stamped_headers="x"), "headers.stamped_headers"),
    "stamped_headers of lists": (message(stamped_headers=[[]]), "headers.stamped_headers"),
    "stamps a list": (message(stamps=["x"]), "headers.stamps"),
    "errbacks in the headers": (
        message([[], {}, {}], errbacks=[5]),
        "body[2].errbacks",
    ),
    # The task's arguments.
    "a body that is no JSON": (message(raw="not JSON"), "body"),
    "a body that is half of JSON": (message(raw="[[], {}"), "body"),
    "a body not in UTF-8": (packed(b"\xff\xfe[]"), "body"),
    "a body with a date that is none": (
        message([[{"__type__": "datetime", "__value__": "x"}], {}, {}]),
        "body",
    ),
    "a body of 100,000 brackets": (message(raw="[" * 100_000), "body"),
    "a body that is a text": (message("x"), "body"),
    "a body of three characters": (message("abc"), "body"),
    "a body that is an object": (message({}), "body"),
    "a body of two": (message([[], {}]), "body"),
    "a body of four": (message([[], {}, {}, {}]), "body"),
    "args an object": (message([{}, {}, {}]), "body[0]"),
    "args a text": (message(["ab", {}, {}]), "body[0]"),
    "args null": (message([None, {}, {}]), "body[0]"),
    "kwargs a list": (message([[], [], {}]), "body[1]"),
    "kwargs null": (message([[], None, {}]), "body[1]"),
    "embed a text": (message([[], {}, "x"]), "body[2]"),
    "embed a list": (message([[], {}, [1]]), "body[2]"),
    "embed that overrides the id": (options(id=5), "body[2]"),
    "embed that overrides where it came from": (options(delivery_info=5), "body[2]"),
    "callbacks a text": (options(callbacks="x"), "body[2].callbacks"),
    "callbacks of numbers": (options(callbacks=[1, 2]), "body[2].callbacks"),
    "callbacks of no task": (options(callbacks=[{}]), "body[2].callbacks"),
    "errbacks an object": (options(errbacks=signature()), "body[2].errbacks"),
    "errbacks of a task that is a number": (options(errbacks=[signature(task=5)]), "body[2].errbacks"),
    "chain of numbers": (options(chain=[1]), "body[2].chain"),
    "chain without options": (options(chain=[signature(options=ABSENT)]), "body[2].chain"),
    "chord a list": (options(chord=[signature()]), "body[2].chord"),
    "chord of no task": (options(chord={"size": 3}), "body[2].chord"),
    # Protocol 1.
    "protocol 1 with a task that is a number": (protocol_1(task=5), "body.task"),
    "protocol 1 with a task that is a list": (protocol_1(task=[TASK]), "body.task"),
    "protocol 1 without an id": (protocol_1(id=ABSENT), "body.id"),
    "protocol 1 with an id of half a character": (protocol_1(id="\ud800"), "body.id"),
    "protocol 1 with args an object": (protocol_1(args={}), "body.args"),
    "protocol 1 with args null": (protocol_1(args=None), "body.args"),
    "protocol 1 with args nested too deeply": (protocol_1(args=_nested(120)), "body is nested too deeply"),
    "protocol 1 with kwargs null": (protocol_1(kwargs=None), "body.kwargs"),
    "protocol 1 with kwargs a list": (protocol_1(kwargs=[]), "body.kwargs"),
    "protocol 1 with eta a number": (protocol_1(eta=5), "body.eta"),
    "protocol 1 with retries a text": (protocol_1(retries="x"), "body.retries"),
    "protocol 1 with a time limit of texts": (protocol_1(timelimit="ab"), "body.timelimit"),
    "protocol 1 with callbacks of numbers": (protocol_1(callbacks=[1]), "body.callbacks"),
}
"""Messages with one thing wrong, and how their reason names it."""

POISON: dict[str, str] = NO_MESSAGE | {name: body for name, (body, _) in BROKEN.items()}

REJECTED_BY_CELERY: dict[str, str] = {
    "an unknown task": message(task="no.such.task"),
    "a task name of 100 KB": message(task="a." * 50_000),
    "a task name of NULs": message(task="\x00\x00"),
    "a task of protocol 1 that is unknown": protocol_1(task="no.such.task"),
    "pickle": message(
        raw=base64.b64encode(pickle.dumps(BODY)).decode(),
        content_type="application/x-python-serialize",
        content_encoding="binary",
        in_properties={"body_encoding": "base64"},
    ),
    "YAML": message(raw="- []\n- {}\n- {}\n", content_type="application/x-yaml"),
    "plain text in an envelope": message(raw="hello", content_type="text/plain"),
    "a content type that nobody knows": message(content_type="application/x-podcast"),
    "a content type with a parameter": message(content_type="application/json; charset=utf-8"),
    "no headers": message(headers=ABSENT),
    "headers null": message(headers=None),
    "headers without a task": message(task=ABSENT),
    "a kombu message of something else": message({"hello": "world"}, headers={}),
    "a kombu message of nothing": message(raw=None, headers={}, content_type=ABSENT),
    "a kombu message of bytes": message(raw="hello", headers={}, content_type="application/data"),
    "a kombu message in an encoding that nobody knows": message(
        raw="aGVsbG8=",
        headers={},
        content_type="text/plain",
        content_encoding="klingon",
        in_properties={"body_encoding": "base64"},
    ),
}
"""Messages as kombu knows them, that Celery refuses in good order."""

HARMLESS: dict[str, str] = {
    "a message": message(),
    "a message in base64": wrapped(message()),
    "a message with a body in base64": packed(json.dumps(BODY).encode()),
    "a body in base64 with line ends": packed(json.dumps(BODY).encode()).replace("W1td", "W1\\ntd"),
    "a message compressed by zlib": packed(zlib.compress(json.dumps(BODY).encode()), compression="zlib"),
    "a message compressed by gzip's name": packed(
        zlib.compress(json.dumps(BODY).encode()), compression="application/x-gzip"
    ),
    "a message compressed by bzip2": packed(bz2.compress(json.dumps(BODY).encode()), compression="bzip2"),
    "a message compressed by LZMA": packed(lzma.compress(json.dumps(BODY).encode()), compression="application/x-lzma"),
    "an eta in Z": message(eta="2020-11-24T06:00:00Z"),
    "an eta with an offset": message(eta="2020-11-24T06:00:00.123456+01:00"),
    "an eta without a zone": message(eta="2020-11-24T06:00:00"),
    "an eta of kombu's": message(eta={"__type__": "datetime", "__value__": "2020-11-24T06:00:00+00:00"}),
    "optional headers null": message(
        **dict.fromkeys(
            [
                "root_id",
                "parent_id",
                "group",
                "group_index",
                "shadow",
                "eta",
                "expires",
                "retries",
                "timelimit",
                "argsrepr",
                "kwargsrepr",
                "origin",
                "stamped_headers",
                "stamps",
                "ignore_result",
                "compression",
                "replaced_task_nesting",
            ]
        )
    ),
    "optional headers absent": message(headers={"task": TASK, "id": "5f1c"}),
    "optional properties absent": message(properties={}),
    "delivery_info null": message(in_properties={"delivery_info": None}),
    "headers of one's own": message(trace={"id": [1, None, "ü", "\x00"]}, stamped_headers=["a"], stamps={"a": ["b"]}),
    "time limits": message(timelimit=[60, 50.5]),
    "time limits of zero, which are none": message(timelimit=[0, 0]),
    "a content encoding that JSON does not look at": message(content_encoding="klingon"),
    "embed null": message([[], {}, None]),
    "embed empty": message([[], {}, {}]),
    "weird arguments": message([[None, 1.5, "\ud800", _nested(50)], {"": {}, "self": [], "ü": "\x00"}, {}]),
    "protocol 1": protocol_1(),
    "protocol 1 without args": protocol_1(args=ABSENT, kwargs=ABSENT),
    "protocol 1 with an eta": protocol_1(eta="2020-11-24T06:00:00", utc=True, timelimit=[None, None]),
    "protocol 1 in base64": wrapped(protocol_1()),
}
"""Messages that run. ``TASK`` takes the arguments of all but "weird arguments"."""

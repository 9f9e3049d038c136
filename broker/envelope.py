"""The poison firewall: whatever is in a body, it is looked at here before kombu or Celery touch it.

kombu's envelope is a JSON object with ``body``, ``headers``, ``properties``; Celery's message is protocol 2
in it, or the older protocol 1 (Celery's documentation, "Message Protocol"). A body that is neither may be a
foreign producer's: the adapters say. What nobody knows, or what would end a worker, be dropped by it or be
held by it for ever, is :class:`Poison`.
"""

from __future__ import annotations

import base64
import bz2
import lzma
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from kombu.serialization import TRUSTED_CONTENT
from kombu.serialization import loads as loads_body
from kombu.utils.json import dumps
from kombu.utils.json import loads as loads_envelope

from broker.options import Adapter

Envelope = dict[str, Any]

JSON = "application/json"
SHOWN_CHARACTERS = 120
BODY_PARTS = ("arguments", "keywords", "options")
"""Of Celery's message, protocol 2."""
SIGNATURE_LISTS = ("callbacks", "errbacks", "chain")
OPTIONS = (*SIGNATURE_LISTS, "chord")
"""Celery lets them override the headers, so there must be no others."""

DEEPEST = 100
"""Levels in an envelope: it is pickled on its way to the pool, and a failure there costs a place in the pool."""
FIRST_YEAR, LAST_YEAR = 1971, 9998
LONGEST_LIMIT_SECONDS = 1_000_000_000
LARGEST_COUNT = 1_000_000
"""Of retries and the like: a backoff that doubles makes a number of so many bits."""
LARGEST_BODY_BYTES = 64 * 1024 * 1024
"""After decompression: a message of one mebibyte can otherwise unpack to a gigabyte, and take the worker with it."""

DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "application/x-gzip": zlib.decompressobj,
    "gzip": zlib.decompressobj,
    "zlib": zlib.decompressobj,
    "application/x-bz2": bz2.BZ2Decompressor,
    "bzip2": bz2.BZ2Decompressor,
    "bzip": bz2.BZ2Decompressor,
    "application/x-lzma": lzma.LZMADecompressor,
    "lzma": lzma.LZMADecompressor,
    "xz": lzma.LZMADecompressor,
}
"""By the names that kombu knows them by (kombu/compression.py); its gzip is zlib's format."""


class Poison(Exception):
    """A body that no task can be made of; says what is wrong with it."""


def read(text: str, message_id: str, adapters: Sequence[Adapter] = ()) -> Envelope:
    """Make an envelope that kombu and Celery can take of a message's body.

    Raises:
        Poison: there is no making one.
    """
    try:
        payload = _parsed(text)
        if not (isinstance(payload, dict) and "properties" in payload and "body" in payload):
            payload = _adapted(payload, message_id, adapters)
        if payload is None:
            raise Poison(f"it is neither a kombu message nor a body that an adapter knows: {_short(text)}")
        return _checked(payload)
    except Poison:
        raise
    except Exception as error:  # what nobody thought of must not end a worker either
        raise Poison(f"it cannot be read: {_said(error)}") from error


def _parsed(text: str) -> Any:
    try:
        # kombu's reader, for it also makes dates and the like of what carries `__type__`.
        payload = loads_envelope(text)
    except RecursionError:
        raise Poison(f"it is nested too deeply: {_short(text)}") from None
    except Exception as error:  # `__type__` with any value calls anything of kombu's
        raise Poison(f"it is no JSON that kombu reads ({_said(error)}): {_short(text)}") from error
    # In plain ASCII there is no half a character, and with few brackets no depth: then there is nothing to find.
    if "\\u" in text or not text.isascii() or text.count("{") + text.count("[") >= DEEPEST:
        _check_values(payload, "it")
    return payload


def _check_values(payload: Any, name: str) -> None:
    """Refuse what can be parsed, and not be pickled, logged or sent on."""
    level = [(name, payload)]
    for _ in range(DEEPEST):
        inner: list[tuple[str, Any]] = []
        for path, value in level:
            if isinstance(value, str):
                _tried(path, "Unicode text", value.encode)  # there is half a character in JSON's "\ud800"
            elif isinstance(value, dict):
                for key, each in value.items():
                    inner += ((f"a name in {path}", key), (f"{path}.{key}", each))
            elif isinstance(value, list):
                inner += ((f"{path}[{position}]", each) for position, each in enumerate(value))
        if not inner:
            return
        level = inner
    raise Poison(f"{name} is nested too deeply: {_short(level[0][0])}")


def _adapted(payload: Any, message_id: str, adapters: Sequence[Adapter]) -> Envelope | None:
    for adapt in adapters:
        try:
            adapted = adapt(payload)
            if adapted is not None:
                name, arguments = adapted
                return _task(name, arguments, message_id)
        except Exception as error:  # an adapter's fault must not end a worker
            raise Poison(f"the adapter {_short(adapt)} failed on it: {_said(error)}") from error
    return None


def _task(name: str, arguments: Sequence[Any], task_id: str) -> Envelope:
    if isinstance(arguments, str):
        raise TypeError(f"the arguments of a task are a list, not {_short(arguments)}")
    return {
        "body": dumps([list(arguments), {}, dict.fromkeys(OPTIONS)]),
        "content-type": JSON,
        "content-encoding": "utf-8",
        "headers": {"task": name, "id": task_id, "root_id": task_id, "lang": "py", "retries": 0},
        "properties": {"correlation_id": task_id, "delivery_info": {}},
    }


def _checked(payload: Envelope) -> Envelope:
    properties = _mapping(payload["properties"], "properties")
    properties["delivery_info"] = _mapping_or_nothing(properties.get("delivery_info"), "properties.delivery_info")
    properties.setdefault("delivery_tag", "")  # kombu looks it up, and ours is set later
    headers = payload["headers"] = _mapping_or_nothing(payload.get("headers"), "headers")
    _text_or_nothing(payload["body"], "body")
    payload["body"] = payload["body"] or ""
    for name in ("content-type", "content-encoding"):
        _text_or_nothing(payload.get(name), name)
    for name in ("correlation_id", "reply_to"):
        _text_or_nothing(properties.get(name), f"properties.{name}")
    if "task" in headers:
        _check_headers(headers, "headers")
    raw = _unwrapped(payload["body"], properties, headers)
    if payload.get("content-type") == JSON:
        _check_body(raw, headers)
    elif "task" in headers:
        # Celery refuses what it was not told to accept, and its refusal is a rejection; but these it does not refuse.
        kind = payload.get("content-type")
        _require(bool(kind) and kind not in TRUSTED_CONTENT, "content-type", kind, f"a serialization, as {JSON}")
    return payload


def _unwrapped(body: str, properties: Envelope, headers: Envelope) -> bytes:
    encoding = properties.get("body_encoding")
    known = encoding is None or (isinstance(encoding, str) and encoding.lower() in {"utf-8", "base64"})
    _require(known, "properties.body_encoding", encoding, "utf-8, base64 or nothing")
    raw = body.encode()
    if encoding is not None and encoding.lower() == "base64":
        properties["body_encoding"] = "base64"  # kombu knows it by this spelling only
        raw = _tried("body", "base64", lambda: base64.b64decode(body))
    compression = headers.get("compression")
    if compression:
        known = isinstance(compression, str) and compression in DECOMPRESSORS
        _require(known, "headers.compression", compression, f"one of {', '.join(DECOMPRESSORS)}")
        packed = raw
        raw = _tried("body", f"{compression} data", lambda: _unpacked(packed, compression))
        _require(len(raw) <= LARGEST_BODY_BYTES, "body", "a bomb", f"at most {LARGEST_BODY_BYTES} bytes unpacked")
    return raw


def _unpacked(packed: bytes, compression: str) -> bytes:
    unpacker = DECOMPRESSORS[compression]()
    unpacked: bytes = unpacker.decompress(packed, LARGEST_BODY_BYTES + 1)
    if len(unpacked) <= LARGEST_BODY_BYTES:
        if not unpacker.eof:
            raise EOFError("it ends in the middle")
        if unpacker.unused_data:  # kombu would unpack a second stream too, and that may be the bomb
            raise ValueError("it goes on after its end")
    return unpacked


def _check_headers(headers: Envelope, where: str) -> None:
    for name in ("task", "id"):
        value = headers.get(name)
        _require(isinstance(value, str) and bool(value), f"{where}.{name}", value, "a text")
    for name in ("root_id", "parent_id", "group", "shadow", "lang", "argsrepr", "kwargsrepr", "origin"):
        _text_or_nothing(headers.get(name), f"{where}.{name}")
    for name in ("retries", "group_index", "replaced_task_nesting"):
        value = headers.get(name)
        if value is None:
            headers.pop(name, None)  # Celery has a number for one that is not there, and adds to one that is
        else:
            sound = type(value) is int and 0 <= value <= LARGEST_COUNT
            _require(sound, f"{where}.{name}", value, f"a whole number up to {LARGEST_COUNT}")
    for name in ("eta", "expires"):
        _check_moment(headers.get(name), f"{where}.{name}")
    limits = headers.get("timelimit")
    pair = isinstance(limits, list) and [_is_limit(each) for each in limits] == [True, True]
    _require(limits is None or pair, f"{where}.timelimit", limits, "a pair of seconds")
    stamps = headers.get("stamped_headers")
    texts = isinstance(stamps, list) and all(isinstance(stamp, str) for stamp in stamps)
    _require(stamps is None or texts, f"{where}.stamped_headers", stamps, "a list of texts")
    _mapping_or_nothing(headers.get("stamps"), f"{where}.stamps")


def _check_moment(value: Any, name: str) -> None:
    if value is None:
        return
    if isinstance(value, str):
        value = _tried(name, "an ISO 8601 time", lambda: datetime.fromisoformat(value))
    _require(isinstance(value, datetime), name, value, "an ISO 8601 time")
    # Celery converts it to the system's zone, and a year at the edge of the calendar falls off it.
    _require(FIRST_YEAR <= value.year <= LAST_YEAR, name, value, f"a time from {FIRST_YEAR} to {LAST_YEAR}")


def _check_body(raw: bytes, headers: Envelope) -> None:
    parsed = _tried("body", "JSON", lambda: loads_body(raw, JSON, "utf-8", accept=None))
    if "task" in headers:
        whole = isinstance(parsed, list) and len(parsed) == len(BODY_PARTS)
        _require(whole, "body", parsed, f"a list of {', '.join(BODY_PARTS)}")
        arguments, keywords, options = parsed
        _require(isinstance(arguments, list), "body[0]", arguments, "a list of arguments")
        _mapping(keywords, "body[1]")
        options = _mapping_or_nothing(options, "body[2]")
        _require(set(options) <= set(OPTIONS), "body[2]", options, f"of {', '.join(OPTIONS)} alone")
        _check_signatures({**headers, **options}, "body[2]")
    elif isinstance(parsed, dict) and "task" in parsed:  # protocol 1
        _check_values(parsed, "body")
        _check_headers({**parsed, **headers}, "body")
        _require(isinstance(parsed.get("args", []), list), "body.args", parsed.get("args"), "a list of arguments")
        _mapping(parsed.get("kwargs", {}), "body.kwargs")
        _check_signatures(parsed, "body")


def _check_signatures(options: Envelope, where: str) -> None:
    for name in SIGNATURE_LISTS:
        value = options.get(name)
        signatures = isinstance(value, list) and all(map(_is_signature, value))
        _require(value is None or signatures, f"{where}.{name}", value, "a list of signatures")
    chord = options.get("chord")
    _require(chord is None or _is_signature(chord), f"{where}.chord", chord, "a signature")


def _is_signature(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("task"), str) and isinstance(value.get("options"), dict)


def _tried(name: str, wanted: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except RecursionError:
        raise Poison(f"{name} is nested too deeply") from None
    except Exception as error:  # codecs raise what they like
        raise Poison(f"{_short(name)} is not {wanted}: {_said(error)}") from error


def _mapping(value: Any, name: str) -> Envelope:
    _require(isinstance(value, dict), name, value, "an object")
    checked: Envelope = value
    return checked


def _mapping_or_nothing(value: Any, name: str) -> Envelope:
    return {} if value is None else _mapping(value, name)


def _text_or_nothing(value: Any, name: str) -> None:
    _require(value is None or isinstance(value, str), name, value, "a text")


def _is_limit(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value < LONGEST_LIMIT_SECONDS)


def _require(holds: bool, name: str, value: Any, wanted: str) -> None:  # noqa: FBT001 - what is required
    if not holds:
        raise Poison(f"{name} is {_short(value)}; it should be {wanted}")


def _said(error: BaseException) -> str:
    return _short(f"{type(error).__name__}: {error}")


def _short(value: Any) -> str:
    shown = value if isinstance(value, str) else repr(value)
    shown = shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}…"
    return shown.encode(errors="backslashreplace").decode()

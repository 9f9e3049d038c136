"""The poison firewall: whatever is in a body, it is looked at here before kombu or Celery touch it.

kombu's envelope is a JSON object with ``body``, ``headers``, ``properties``; Celery's message is protocol 2
in it (Celery's documentation, "Message Protocol"). A body that is neither may be a foreign producer's: the
adapters say. What nobody knows, or what would end a worker or be dropped by it, is :class:`Poison`.
"""

from __future__ import annotations

import base64
import bz2
import json
import lzma
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from kombu.serialization import loads as loads_body
from kombu.utils.json import loads as loads_envelope

from broker.options import Adapter

Envelope = dict[str, Any]

JSON_TYPES = ("application/json", "application/vnd.api+json")
SHOWN_CHARACTERS = 120
BODY_PARTS = ("arguments", "keywords", "options")
"""Of Celery's message, protocol 2."""
FIRST_YEAR, LAST_YEAR = 1971, 9998
LONGEST_LIMIT_SECONDS = 1_000_000_000
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
    payload = _parsed(text)
    if isinstance(payload, dict) and "properties" in payload and "body" in payload:
        _check_envelope(payload)
        return payload
    adapted = _adapted(payload, adapters)
    if adapted is None:
        raise Poison(f"it is neither a kombu message nor a body that an adapter knows: {_short(text)}")
    return _task(*adapted, message_id)


def _parsed(text: str) -> Any:
    try:
        # kombu's reader, for it also makes dates and the like of what carries `__type__`.
        return loads_envelope(text)
    except RecursionError:
        raise Poison(f"its JSON is nested too deeply: {_short(text)}") from None
    except Exception as error:  # `__type__` with any value calls anything of kombu's
        raise Poison(f"it is no JSON ({_said(error)}): {_short(text)}") from error


def _adapted(payload: Any, adapters: Sequence[Adapter]) -> tuple[str, Sequence[Any]] | None:
    for adapt in adapters:
        try:
            if adapted := adapt(payload):
                return adapted
        except Exception as error:  # an adapter's fault must not end a worker
            raise Poison(f"an adapter failed on it: {_said(error)}") from error
    return None


def _task(name: str, arguments: Sequence[Any], task_id: str) -> Envelope:
    body = [list(arguments), {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    return {
        "body": json.dumps(body),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": name, "id": task_id, "root_id": task_id, "lang": "py", "retries": 0},
        "properties": {"correlation_id": task_id, "delivery_info": {}},
    }


def _check_envelope(payload: Envelope) -> None:
    properties = _mapping(payload["properties"], "properties")
    properties["delivery_info"] = _mapping(properties.get("delivery_info") or {}, "properties.delivery_info")
    headers = payload["headers"] = _mapping(payload.get("headers") or {}, "headers")
    body = payload["body"]
    _require(body is None or isinstance(body, str), "body", body, "a text")
    for name in ("content-type", "content-encoding"):
        _text_or_nothing(payload.get(name), name)
    for name in ("correlation_id", "reply_to"):
        _text_or_nothing(properties.get(name), f"properties.{name}")
    raw = _unwrapped(body or "", properties, headers)
    if "task" in headers:
        _check_headers(headers)
        _check_body(raw, payload)


def _unwrapped(body: str, properties: Envelope, headers: Envelope) -> Any:
    encoding = properties.get("body_encoding")
    _require(
        encoding is None or (isinstance(encoding, str) and encoding.lower() in {"utf-8", "base64"}),
        "properties.body_encoding",
        encoding,
        "utf-8, base64 or nothing",
    )
    raw: Any = body
    if encoding is not None and encoding.lower() == "base64":
        if encoding != "base64":  # kombu knows it by this spelling only
            properties["body_encoding"] = "base64"
        raw = _tried("body", "base64", lambda: base64.b64decode(body.encode(), validate=True))
    compression = headers.get("compression")
    if compression:
        known = isinstance(compression, str) and compression in DECOMPRESSORS
        _require(known, "headers.compression", compression, f"one of {', '.join(DECOMPRESSORS)}")
        packed = raw.encode() if isinstance(raw, str) else raw
        raw = _tried("body", f"{compression} data", lambda: _unpacked(packed, compression))
        _require(len(raw) <= LARGEST_BODY_BYTES, "body", "a bomb", f"at most {LARGEST_BODY_BYTES} bytes unpacked")
    return raw


def _unpacked(packed: bytes, compression: str) -> bytes:
    unpacker = DECOMPRESSORS[compression]()
    unpacked: bytes = unpacker.decompress(packed, LARGEST_BODY_BYTES + 1)
    if len(unpacked) <= LARGEST_BODY_BYTES and not unpacker.eof:
        raise EOFError("it ends in the middle")
    return unpacked


def _check_headers(headers: Envelope) -> None:
    for name in ("task", "id"):
        value = headers.get(name)
        _require(isinstance(value, str) and bool(value), f"headers.{name}", value, "a text")
    for name in ("root_id", "parent_id", "group", "shadow", "lang", "argsrepr", "kwargsrepr", "origin"):
        _text_or_nothing(headers.get(name), f"headers.{name}")
    for name in ("retries", "group_index", "replaced_task_nesting"):
        value = headers.get(name)
        _require(value is None or (type(value) is int and value >= 0), f"headers.{name}", value, "a whole number")
    for name in ("eta", "expires"):
        _check_moment(headers.get(name), f"headers.{name}")
    limits = headers.get("timelimit")
    _require(
        limits is None or (isinstance(limits, list) and [_is_limit(each) for each in limits] == [True, True]),
        "headers.timelimit",
        limits,
        "a pair of seconds",
    )
    stamps = headers.get("stamped_headers")
    _require(
        stamps is None or (isinstance(stamps, list) and all(isinstance(stamp, str) for stamp in stamps)),
        "headers.stamped_headers",
        stamps,
        "a list of texts",
    )
    _mapping(headers.get("stamps") or {}, "headers.stamps")


def _check_moment(value: Any, name: str) -> None:
    if value is None:
        return
    if isinstance(value, str):
        value = _tried(name, "an ISO 8601 time", lambda: datetime.fromisoformat(value))
    _require(isinstance(value, datetime), name, value, "an ISO 8601 time")
    # Celery converts it to the system's zone, and a year at the edge of the calendar falls off it.
    _require(FIRST_YEAR <= value.year <= LAST_YEAR, name, value, f"a time from {FIRST_YEAR} to {LAST_YEAR}")


def _check_body(raw: Any, payload: Envelope) -> None:
    if payload.get("content-type") not in JSON_TYPES:
        return  # Celery refuses what it was not told to accept, and its refusal is a rejection
    encoding = payload.get("content-encoding") or "utf-8"
    data = raw.encode() if isinstance(raw, str) else raw
    parsed = _tried("body", "JSON", lambda: loads_body(data, payload["content-type"], encoding, accept=None))
    whole = isinstance(parsed, list) and len(parsed) == len(BODY_PARTS)
    _require(whole, "body", parsed, f"a list of {', '.join(BODY_PARTS)}")
    arguments, keywords, options = parsed
    _require(isinstance(arguments, list), "body[0]", arguments, "a list of arguments")
    _mapping(keywords, "body[1]")
    options = _mapping(options or {}, "body[2]")
    for name in ("callbacks", "errbacks", "chain"):
        value = options.get(name)
        _require(
            value is None or (isinstance(value, list) and all(isinstance(each, dict) for each in value)),
            f"body[2].{name}",
            value,
            "a list of signatures",
        )
    _mapping(options.get("chord") or {}, "body[2].chord")


def _tried(name: str, wanted: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except RecursionError:
        raise Poison(f"{name} is nested too deeply") from None
    except Exception as error:  # codecs raise what they like
        raise Poison(f"{name} is not {wanted}: {_said(error)}") from error


def _mapping(value: Any, name: str) -> Envelope:
    _require(isinstance(value, dict), name, value, "an object")
    checked: Envelope = value
    return checked


def _text_or_nothing(value: Any, name: str) -> None:
    _require(value is None or isinstance(value, str), name, value, "a text")


def _is_limit(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 < value < LONGEST_LIMIT_SECONDS)


def _require(holds: bool, name: str, value: Any, wanted: str) -> None:  # noqa: FBT001 - what is required
    if not holds:
        raise Poison(f"{name} is {_short(value)}; it should be {wanted}")


def _said(error: BaseException) -> str:
    return _short(f"{type(error).__name__}: {error}")


def _short(value: Any) -> str:
    shown = value if isinstance(value, str) else repr(value)
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}…"

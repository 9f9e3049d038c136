"""Proof, at no cost, that a model can be asked: its key is taken, and the model is there."""

from __future__ import annotations

from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from podcasting.errors import AirdateError, Permanent, Retryable
from podcasting.providers.writers.endpoint import Endpoint

SECONDS = 5
MOST_BYTES = 1024 * 1024
MOST_NAMED = 8
ANTHROPIC_VERSION = "2023-06-01"
"""Of the protocol, as its header ``anthropic-version`` wants it."""
_REFUSED, _FORBIDDEN, _NOT_FOUND, _BAD, _SLOW_DOWN = 401, 403, 404, 400, 429


class _Listed(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Listed]


def prove(endpoint: Endpoint) -> str:
    """What was shown, in a few words; generates nothing.

    Raises:
        AirdateError: the key is refused, the model isn't there, or nobody answers; the fix stands after a semicolon.
    """
    if endpoint.protocol == "openai":
        return _in_list(endpoint)
    if endpoint.protocol == "anthropic":
        headers = {"x-api-key": endpoint.key, "anthropic-version": ANTHROPIC_VERSION}
        _got(endpoint, f"/v1/models/{quote(endpoint.model, safe='')}", headers)
    else:
        _got(endpoint, f"/v1beta/models/{quote(endpoint.model, safe='')}", {"x-goog-api-key": endpoint.key})
    return f"its key is taken, and {endpoint.model} is there"


def _in_list(endpoint: Endpoint) -> str:
    """By the list: not every server of this protocol tells of one model alone."""
    body = _got(endpoint, "/models", {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {})
    try:
        names = sorted(model.id for model in _Models.model_validate_json(body).data)
    except ValidationError:
        raise _strange(endpoint, "its list of models can't be read") from None
    if endpoint.model not in names:
        known = ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
        raise Permanent(f"{endpoint.url} has no model {endpoint.model!r}; name one that it has: {known or 'none'}")
    taken = "its key is taken" if endpoint.key else "it answers"
    return f"{taken}, and {endpoint.model} is there"


def _got(endpoint: Endpoint, path: str, headers: dict[str, str]) -> bytes:
    try:
        with (
            httpx.Client(timeout=SECONDS, follow_redirects=False) as client,
            client.stream("GET", f"{endpoint.url}{path}", headers=headers) as answer,
        ):
            body = b""
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise _strange(endpoint, f"its answer has more than {MOST_BYTES:,} bytes")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Retryable(
            f"{endpoint.url} does not answer ({type(error).__name__}); start it, or correct {endpoint.url_variable}"
        ) from error
    _judge(endpoint, answer.status_code, body)
    return body


def _judge(endpoint: Endpoint, status: int, body: bytes) -> None:
    key_is_bad = status in {_REFUSED, _FORBIDDEN} or (status == _BAD and b"API_KEY_INVALID" in body)  # Gemini's
    if key_is_bad:
        fix = f"set {endpoint.key_variable} to one that is active" if endpoint.key_variable else "it asks for a key"
        raise Permanent(f"{endpoint.url} refuses the key ({status}); {fix}")
    if status == _NOT_FOUND:
        raise Permanent(
            f"{endpoint.url} knows no model {endpoint.model!r} (404); name one that it has, or correct "
            f"{endpoint.url_variable}"
        )
    if status == _SLOW_DOWN:
        raise Retryable(f"{endpoint.url} asks us to slow down (429); ask again later")
    if status != httpx.codes.OK:
        raise _strange(endpoint, f"it answered {status}")


def _strange(endpoint: Endpoint, what: str) -> AirdateError:
    return Retryable(f"{endpoint.url} is no server of models: {what}; correct {endpoint.url_variable}")

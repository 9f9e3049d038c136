"""What a provider's error means for the work: try again, wait as told, or give up with the fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_ai import exceptions as ai

from podcasting.errors import AirdateError, Permanent, Retryable, Throttled
from podcasting.redaction import HIDDEN

if TYPE_CHECKING:
    from podcasting.providers.writers.endpoint import Endpoint

UNPAID_SECONDS = 900
"""How long a provider is left alone whose quota or credit is used up, unless it says for how long."""
LONGEST_WAIT = 86_400
"""Seconds: whoever asks for more is asked again after a day, for the number may be nonsense."""
_MAY_PASS = frozenset({408, 409, 425})
_CLIENT_ERRORS, _SERVER_ERRORS = 400, 500


def told(error: ai.AgentRunError, endpoint: Endpoint) -> AirdateError:
    """The error of Airdate's that stands for the library's."""
    return (
        _slowed_down(error, endpoint)
        or _not_now(error, endpoint)
        or _refused(error, endpoint)
        or _unsaid(error, endpoint)
        or Retryable(f"{_who(endpoint)} gave an answer that can't be used: {hidden(str(error), endpoint)}")
    )


def _slowed_down(error: ai.AgentRunError, endpoint: Endpoint) -> Throttled | None:
    after = _after(error)
    if isinstance(error, ai.ModelQuotaExceededError):
        fix = "its quota or credit is used up; top it up with the provider, or choose another writer"
        return Throttled(f"{_who(endpoint)} refuses: {fix}", after=after or UNPAID_SECONDS)
    if isinstance(error, ai.ModelRateLimitError):
        return Throttled(f"{_who(endpoint)} asks us to slow down ({_status(error) or 'rate limit'})", after=after)
    if isinstance(error, ai.ModelUnavailableError) and after is not None:
        return Throttled(f"{_who(endpoint)} is not available ({_status(error)})", after=after)
    return None


def _not_now(error: ai.AgentRunError, endpoint: Endpoint) -> Retryable | None:
    if isinstance(error, ai.ModelConnectionError | ai.ModelRequestTimeout):
        return Retryable(f"{_who(endpoint)} does not answer: {hidden(_cause(error), endpoint)}")
    status = _status(error)
    failed = isinstance(error, ai.ModelServerError | ai.ModelUnavailableError)
    if failed or status in _MAY_PASS or status >= _SERVER_ERRORS:
        return Retryable(f"{_who(endpoint)} answered {status}: {_said(error, endpoint)}", after=_after(error))
    return None


def _refused(error: ai.AgentRunError, endpoint: Endpoint) -> Permanent | None:
    who, status = _who(endpoint), _status(error)
    if isinstance(error, ai.ModelAuthenticationError):
        if not endpoint.key_variable:
            return Permanent(f"{who} asks for a key ({status}); for a server with keys use the engine openai")
        return Permanent(
            f"{who} refuses the key ({status}); set {endpoint.key_variable} to one that is active and may use the model"
        )
    if isinstance(error, ai.ModelNotFoundError):
        return Permanent(
            f"{who} knows no model {endpoint.model!r} ({status}): {_said(error, endpoint)}; name one that it has "
            f"(writing.engine={endpoint.engine}:MODEL), or correct {endpoint.url_variable}"
        )
    if isinstance(error, ai.ModelContextWindowExceededError):
        return Permanent(f"the stories are too much for {endpoint.name}; lower AIRDATE_MAX_STORIES, or choose another")
    if isinstance(error, ai.ModelRequestRejectedError) or status >= _CLIENT_ERRORS:
        return Permanent(
            f"{who} refuses the request ({status}): {_said(error, endpoint)}; choose another model: "
            f"writing.engine={endpoint.engine}:MODEL"
        )
    return None


def _unsaid(error: ai.AgentRunError, endpoint: Endpoint) -> Permanent | None:
    if isinstance(error, ai.ContentFilterError):
        return Permanent(
            f"{endpoint.name} refuses to write about these stories ({hidden(error.message, endpoint)}); leave out "
            "their source, or choose another writer"
        )
    if isinstance(error, ai.OutputTokenLimitExceeded):
        return Permanent(
            f"{endpoint.name} ran out of tokens before its script ended; ask for fewer minutes (writing.minutes=…) "
            "or choose a model that may write more"
        )
    return None


def _who(endpoint: Endpoint) -> str:
    return f"{endpoint.name} at {endpoint.url}"


def _status(error: ai.AgentRunError) -> int:
    """Of HTTP; 0 when there was none."""
    return int(getattr(error, "status_code", 0))


def _cause(error: BaseException) -> str:
    """What lies under it: the libraries say "Connection error." of all that befalls a connection."""
    under = error
    while under.__cause__ is not None:
        under = under.__cause__
    return str(under) or type(under).__name__


def _after(error: ai.AgentRunError) -> float | None:
    """The wait in seconds that was asked for."""
    after: float | None = getattr(error, "retry_after", None)
    return None if after is None else min(after, LONGEST_WAIT)


def _said(error: ai.AgentRunError, endpoint: Endpoint) -> str:
    """What the provider says of it, in a few words."""
    body = getattr(error, "body", None)
    found = body.get("error", body) if isinstance(body, dict) else body
    message = found.get("message", "") if isinstance(found, dict) else found
    return hidden(str(message or "no reason given"), endpoint)


def hidden(text: str, endpoint: Endpoint) -> str:
    """``text`` as a line for an operator's screen, without the endpoint's key: some servers quote it."""
    plain = text.replace(endpoint.key, HIDDEN) if endpoint.key else text
    line = " ".join(plain.split())
    return line if len(line) <= 200 else f"{line[:199]}…"  # noqa: PLR2004 - a line of an operator's screen or two

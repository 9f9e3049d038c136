"""Writers that are language models: OpenAI-compatible, Anthropic, Gemini, or a model server of one's own.

Each is asked through pydantic-ai, which is heavy and an extra; it is loaded with the first script.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging

from podcasting.errors import Permanent
from podcasting.providers.writers import Brief, Script
from podcasting.providers.writers.endpoint import Endpoint, Protocol
from podcasting.providers.writers.length import Target, target
from podcasting.providers.writers.prompting import PROMPT, prompt
from podcasting.providers.writers.reply import faults, plain, script_of

log = logging.getLogger(__name__)

ASKS = 3
"""How often a model is asked for one script: once, and again with what was wrong."""
INSTALL = "pip install 'airdate[writers]'"

_MODULES: dict[Protocol, str] = {"openai": "openai", "anthropic": "anthropic", "gemini": "google.genai"}


class ModelWriter:
    """Asks a language model for a script, and again with what was wrong until it fits its brief.

    Several threads may use it at once: each script has an HTTP client of its own.
    """

    def __init__(self, endpoint: Endpoint, *, timeout_seconds: float = 120) -> None:
        """A writer that waits ``timeout_seconds`` for one reply.

        Raises:
            Permanent: what speaks its protocol is not installed, or it has no key; says the fix.
        """
        missing = [name for name in ("pydantic_ai", _MODULES[endpoint.protocol]) if not _installed(name)]
        if missing:
            raise Permanent(f"the writer {endpoint.engine} needs {missing[0]}, which is not installed; {INSTALL}")
        if endpoint.key_variable and not endpoint.key:
            raise Permanent(f"the writer {endpoint.engine} has no key; set {endpoint.key_variable}")
        self.name = f"{endpoint.name}+{PROMPT}"
        self.provider = endpoint.name
        self.endpoint = endpoint
        self._timeout_seconds = timeout_seconds

    def write(self, brief: Brief) -> Script:
        """See :class:`podcasting.providers.writers.Writer`.

        Raises:
            Permanent: the model can't be asked so (key, model, address), it refused, or after ``ASKS`` replies none
                fitted the brief. That is no fault of the provider that waiting would mend, and must not open a
                breaker which other podcasts are behind: a story may have talked the model into it.
            Throttled: it asked us to slow down, or what was paid for is used up.
            Retryable: it can't be reached, or answered with nothing a model says.
        """
        from podcasting.providers.writers.asking import ask

        due = target(brief)
        if due.lowered:
            log.warning(
                "the stories hold about %.1f of the %g minutes asked for: the script is to have that",
                due.minutes(due.amount),
                due.asked_minutes,
            )
        asked = prompt(brief, due)
        reply = asyncio.run(
            ask(
                self.endpoint,
                asked,
                lambda reply: faults(plain(reply), brief, due, instructions=asked.fixed),
                asks=ASKS,
                timeout_seconds=self._timeout_seconds,
                most_tokens=_most_tokens(due),
            )
        )
        return script_of(plain(reply), brief)

    def prove(self) -> str:
        """Show, at no cost, that its key is taken and its model is there; returns that in a few words.

        Raises:
            AirdateError: it is not so; the message names the variable, and what to do after a semicolon.
        """
        from podcasting.providers.writers.proof import prove

        return prove(self.endpoint)


def _most_tokens(due: Target) -> int:
    """What a reply may have, so that one that never ends costs no more: five tokens a word, and room to think."""
    return 12_000 + 5 * due.most


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even its parent
        return False

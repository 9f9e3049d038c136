"""Where a language model is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Protocol = Literal["openai", "anthropic", "gemini"]


@dataclass(frozen=True)
class Endpoint:
    """Where a model is asked, and as whom."""

    engine: str
    """As podcasts name it: ``openai``, ``anthropic``, ``gemini``, ``local``."""
    protocol: Protocol
    model: str
    url: str
    """Without a slash at its end; for ``openai`` with its version, ``/v1``."""
    url_variable: str
    key: str = field(default="", repr=False)
    key_variable: str = ""
    """Empty for a server that asks for no key."""
    prices: str = ""
    """Whose list its prices are on, as genai-prices names them; empty where nobody knows what it takes."""

    @property
    def name(self) -> str:
        """As podcasts choose it."""
        return f"{self.engine}:{self.model}"

"""Podping: podcast directories hear that a feed changed, by way of a gateway such as podping.cloud.

``GET /?url=FEED&reason=update&medium=podcast`` with the token as ``Authorization`` (podping.cloud's "How to send").
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from podcasting.providers.listeners import Event
from podcasting.providers.listeners.outbound import Outbound, host_of
from podcasting.providers.listeners.websub import public_feed


@dataclass(frozen=True)
class PodpingListener:
    """Tells one gateway. See :class:`podcasting.providers.listeners.Listener`."""

    gateway: str
    token: str
    outbound: Outbound

    @property
    def provider(self) -> str:
        """Whose breaker it has."""
        return f"listener {host_of(self.gateway)}"

    def tell(self, notice_id: str, event: Event) -> str:  # noqa: ARG002 - to be told twice does a directory no harm
        """See :class:`podcasting.providers.listeners.Listener`."""
        query = urlencode({"url": public_feed(event), "reason": "update", "medium": "podcast"})
        answer = self.outbound.ask("GET", f"{self.gateway}?{query}", {"authorization": self.token})
        return f"answered {answer.status}"
